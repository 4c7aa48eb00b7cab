//! Manifests: taken only when all they are made of is here, told on only when they are durable.

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use futures::StreamExt;
use http::{HeaderName, StatusCode, header};
use rand::Rng;

use super::{
    failure::{Answer, Failure},
    route::Asked,
    uploads::{CONTENT_DIGEST, SILENCE},
};
use crate::{
    Digest, Error, RawManifest, events::PushEvent, layout::blocking, model::MAX_MANIFEST_BYTES,
    reference::is_tag,
};

const SUBJECT: HeaderName = HeaderName::from_static("oci-subject");

fn unknown() -> Failure {
    Failure::unknown("MANIFEST_UNKNOWN", "no such manifest in this repository")
}

/// A tag, or a digest.
enum Reference {
    Tag(String),
    Digest(Digest),
}

fn reference(text: &str) -> Result<Reference, Failure> {
    if is_tag(text) {
        return Ok(Reference::Tag(text.to_owned()));
    }
    match text.parse() {
        Ok(digest) => Ok(Reference::Digest(digest)),
        Err(_) if text.contains(':') => {
            Err(Failure::invalid("DIGEST_INVALID", "only sha256 digests are kept here"))
        }
        Err(_) => Err(Failure::invalid("TAG_INVALID", "neither a tag nor a digest")),
    }
}

/// `GET` and `HEAD …/manifests/<reference>`.
pub(super) async fn get(asked: Asked, text: &str) -> Answer {
    reference(text)?;
    let (storage, name, wanted) = (asked.inner.storage.clone(), asked.name, text.to_owned());
    let found = blocking(move || {
        let Some(repository) = storage.repository(&name)? else { return Ok(None) };
        repository.find(&wanted)?.map(|descriptor| repository.read_manifest(&descriptor)).transpose()
    })
    .await?;
    let manifest = found.ok_or_else(unknown)?;
    let headers = [
        (header::CONTENT_TYPE, manifest.media_type),
        (header::CONTENT_LENGTH, manifest.bytes.len().to_string()),
        (header::ETAG, format!("\"{}\"", manifest.digest)),
        (CONTENT_DIGEST, manifest.digest.to_string()),
    ];
    Ok((headers, manifest.bytes).into_response())
}

/// `PUT …/manifests/<reference>`.
pub(super) async fn put(asked: Asked, text: &str, body: Body) -> Answer {
    let reference = reference(text)?;
    let media_type = asked.header(header::CONTENT_TYPE).unwrap_or_default();
    let media_type = media_type.split(';').next().unwrap_or_default().trim().to_owned();
    let host = asked.header(header::HOST).map(str::to_owned);
    let Asked { inner, name, .. } = asked;
    let manifest = RawManifest::new(media_type, read(body).await?);
    if let Reference::Digest(expected) = &reference
        && *expected != manifest.digest
    {
        let message = format!("the content has digest {}", manifest.digest);
        return Err(Failure::invalid("DIGEST_INVALID", message));
    }
    let subject = manifest.referrer()?.map(|(subject, _)| subject);
    let digest = manifest.digest.clone();
    let place = format!("/v2/{name}/manifests/{digest}");
    // A task of its own: a client that hangs up between the write and the
    // telling must not make the push go untold.
    let pushed = tokio::spawn(async move {
        let tag = match reference {
            Reference::Tag(tag) => Some(tag),
            Reference::Digest(_) => None,
        };
        let event = PushEvent {
            id: hex::encode(rand::rng().random::<[u8; 16]>()),
            host,
            repository: name.clone(),
            tag: tag.clone(),
            digest: Some(manifest.digest.clone()),
            media_type: Some(manifest.media_type.clone()),
        };
        let (storage, tagged) = (inner.storage.clone(), tag.is_some());
        blocking(move || storage.put_manifest(&name, tag.as_deref(), &manifest)).await?;
        if tagged && inner.events.send(event).await.is_err() {
            tracing::debug!("nobody listens to pushes");
        }
        Ok::<_, Error>(())
    });
    match pushed.await {
        Ok(Ok(())) => {}
        Ok(Err(Error::NotFound { what, .. })) => {
            return Err(Failure::invalid("MANIFEST_BLOB_UNKNOWN", format!("push {what} first")));
        }
        Ok(Err(other)) => return Err(other.into()),
        Err(lost) => return Err(Error::io("store a manifest")(std::io::Error::other(lost)).into()),
    }
    let mut response: Response =
        (StatusCode::CREATED, [(header::LOCATION, place), (CONTENT_DIGEST, digest.to_string())])
            .into_response();
    if let Some(value) = subject.and_then(|s| s.as_str().parse().ok()) {
        response.headers_mut().insert(SUBJECT, value);
    }
    Ok(response)
}

/// `DELETE …/manifests/<reference>`: a digest goes with all its tags, a tag
/// goes alone.
pub(super) async fn delete(asked: Asked, text: &str) -> Answer {
    let reference = reference(text)?;
    let (storage, name) = (asked.inner.storage.clone(), asked.name);
    let found = blocking(move || {
        let Some(repository) = storage.repository(&name)? else { return Ok(false) };
        let deleted = match &reference {
            Reference::Tag(tag) => repository.untag(tag, None),
            Reference::Digest(digest) => repository.delete_manifest(digest),
        };
        match deleted {
            Err(Error::NotFound { .. }) => Ok(false),
            other => other.map(|()| true),
        }
    })
    .await?;
    if found { Ok(StatusCode::ACCEPTED.into_response()) } else { Err(unknown()) }
}

async fn read(body: Body) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let mut chunks = body.into_data_stream();
    loop {
        let chunk = match tokio::time::timeout(SILENCE, chunks.next()).await {
            Ok(None) => return Ok(bytes),
            Ok(Some(Ok(chunk))) => chunk,
            Ok(Some(Err(_))) => return Err(Failure::invalid("MANIFEST_INVALID", "the body broke off")),
            Err(_) => return Err(Failure::invalid("MANIFEST_INVALID", "the body stalled")),
        };
        if bytes.len() + chunk.len() > MAX_MANIFEST_BYTES {
            let status = StatusCode::PAYLOAD_TOO_LARGE;
            return Err(Failure::new(status, "MANIFEST_INVALID", "larger than 4 MiB"));
        }
        bytes.extend_from_slice(&chunk);
    }
}
