//! The [`Repository`] over a registry's API, distribution-spec 1.1.

use std::{io::Cursor, sync::Arc};

use async_trait::async_trait;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde::Deserialize;

use super::{
    PullAccess, download,
    endpoint::{Answer, Call, Endpoint},
    link, retry,
    upload::Opened,
};
use crate::{
    BlobContent, BlobReader, Descriptor, Digest, Error, Kept, RawManifest, Repository, Result,
    model::{DOCKER_INDEX, DOCKER_MANIFEST, MAX_MANIFEST_BYTES, OCI_INDEX, OCI_MANIFEST},
    reference::is_tag,
};

const ACCEPT: HeaderValue = HeaderValue::from_static(
    "application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, \
     application/vnd.docker.distribution.manifest.list.v2+json, \
     application/vnd.docker.distribution.manifest.v2+json",
);
const MAX_TAG_PAGES: usize = 1000;
const MAX_TAGS: usize = 1_000_000;

/// A repository in a registry.
pub(super) struct RemoteRepository {
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) repository: String,
}

#[derive(Deserialize)]
struct TagList {
    tags: Option<Vec<String>>,
}

impl RemoteRepository {
    pub(super) fn new(endpoint: Arc<Endpoint>, repository: String) -> Self {
        Self { endpoint, repository }
    }

    pub(super) fn pull(&self) -> Vec<String> {
        self.scope("pull")
    }

    fn push(&self) -> Vec<String> {
        self.scope("pull,push")
    }

    fn scope(&self, actions: &str) -> Vec<String> {
        vec![format!("repository:{}:{actions}", self.repository)]
    }

    fn not_found(&self, what: impl Into<String>) -> Error {
        Error::NotFound { what: what.into(), repository: self.name() }
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        operation: &'static str,
        scopes: &[String],
    ) -> Result<Answer> {
        let mut headers = HeaderMap::new();
        if path.starts_with("manifests/") && method != Method::DELETE {
            headers.insert(header::ACCEPT, ACCEPT);
        }
        let url = self.endpoint.url(&format!("{}/{path}", self.repository))?;
        self.endpoint.call(Call { method, url, operation, scopes, headers, body: None }).await
    }

    /// A tag or a digest and nothing else goes into a URL.
    fn checked(&self, reference: &str) -> Result<Option<Digest>> {
        match reference.parse::<Digest>() {
            Ok(digest) => Ok(Some(digest)),
            Err(_) if is_tag(reference) => Ok(None),
            Err(_) => {
                let text = reference.chars().take(200).collect();
                Err(Error::InvalidReference { text, reason: "it is neither a tag nor a sha256 digest" })
            }
        }
    }

    /// Puts a manifest; true when the registry has listed it under its subject.
    pub(super) async fn put_manifest(&self, reference: &str, manifest: &RawManifest) -> Result<bool> {
        const OPERATION: &str = "put manifest";
        if self.checked(reference)?.is_some_and(|d| d != manifest.digest) {
            let (expected, actual) = (reference.parse(), manifest.digest.clone());
            if let Ok(expected) = expected {
                return Err(Error::DigestMismatch { what: "manifest".to_owned(), expected, actual });
            }
        }
        let mut headers = HeaderMap::new();
        let kind = HeaderValue::from_str(&manifest.media_type)
            .map_err(|_| Error::invalid(format!("manifest {}", manifest.digest), "its media type is none"))?;
        headers.insert(header::CONTENT_TYPE, kind);
        let url = self.endpoint.url(&format!("{}/manifests/{reference}", self.repository))?;
        let scopes = self.push();
        let body = Some(manifest.bytes.clone());
        let call = Call { method: Method::PUT, url, operation: OPERATION, scopes: &scopes, headers, body };
        let Answer { response, .. } = self.endpoint.call(call).await?;
        match response.status() {
            StatusCode::CREATED | StatusCode::OK => {}
            StatusCode::NOT_FOUND => {
                return Err(self.not_found(format!("what manifest {} is made of", manifest.digest)));
            }
            _ => return Err(self.endpoint.error(response, OPERATION).await),
        }
        if let Some(actual) = content_digest(response.headers()).filter(|d| *d != manifest.digest) {
            let expected = manifest.digest.clone();
            return Err(Error::DigestMismatch {
                what: format!("manifest {reference} as stored"),
                expected,
                actual,
            });
        }
        Ok(response.headers().contains_key("oci-subject"))
    }

    async fn delete(&self, reference: &str, operation: &'static str, what: String) -> Result<()> {
        let scopes = self.scope("delete,pull");
        let answer = self.ask(Method::DELETE, &format!("manifests/{reference}"), operation, &scopes).await?;
        match answer.response.status().as_u16() {
            200 | 202 | 204 => Ok(()),
            // The attempt whose answer was lost has done it.
            404 if answer.repeated => Ok(()),
            404 => Err(self.not_found(what)),
            400 | 405 | 501 => Err(Error::Unsupported { registry: self.endpoint.host.clone(), operation }),
            _ => Err(self.endpoint.error(answer.response, operation).await),
        }
    }

    async fn upload(&self, blob: &Descriptor, content: BlobReader) -> Result<()> {
        let scopes = self.push();
        match self.endpoint.open_upload(&self.repository, &scopes, None).await? {
            Opened::Mounted => Ok(()),
            Opened::Session(session) => {
                let result = self.endpoint.put_blob(session.clone(), &scopes, blob, content).await;
                if result.is_err() {
                    self.endpoint.cancel_upload(session, &scopes).await;
                }
                result
            }
        }
    }
}

fn content_digest(headers: &HeaderMap) -> Option<Digest> {
    headers.get("docker-content-digest")?.to_str().ok()?.parse().ok()
}

/// The media type of a manifest: from its `Content-Type`, or, where that says
/// nothing, from the document.
fn media_type(headers: &HeaderMap, bytes: &[u8]) -> String {
    let sent = headers.get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let sent = sent.split(';').next().unwrap_or_default().trim();
    if matches!(sent, OCI_MANIFEST | OCI_INDEX | DOCKER_MANIFEST | DOCKER_INDEX) {
        return sent.to_owned();
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Shape {
        media_type: Option<String>,
        manifests: Option<serde::de::IgnoredAny>,
        config: Option<serde::de::IgnoredAny>,
    }
    match serde_json::from_slice::<Shape>(bytes) {
        Ok(Shape { media_type: Some(said), .. }) => said,
        Ok(Shape { manifests: Some(_), config: None, .. }) => OCI_INDEX.to_owned(),
        Ok(Shape { manifests: None, config: Some(_), .. }) => OCI_MANIFEST.to_owned(),
        _ => sent.to_owned(),
    }
}

#[async_trait]
impl Repository for RemoteRepository {
    fn name(&self) -> String {
        format!("{}/{}", self.endpoint.host, self.repository)
    }

    async fn resolve(&self, reference: &str) -> Result<Option<Descriptor>> {
        let wanted = self.checked(reference)?;
        let answer =
            self.ask(Method::HEAD, &format!("manifests/{reference}"), "resolve", &self.pull()).await?;
        let headers = answer.response.headers();
        match answer.response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Ok(None),
            StatusCode::METHOD_NOT_ALLOWED => {}
            _ => return Err(self.endpoint.error(answer.response, "resolve").await),
        }
        let size = headers.get(header::CONTENT_LENGTH).and_then(|v| v.to_str().ok()?.parse::<u64>().ok());
        let kind = media_type(headers, b"");
        match (content_digest(headers), size) {
            (Some(digest), Some(size)) if answer.response.status() == StatusCode::OK && !kind.is_empty() => {
                if let Some(expected) = wanted.filter(|w| *w != digest) {
                    return Err(Error::DigestMismatch {
                        what: "manifest".to_owned(),
                        expected,
                        actual: digest,
                    });
                }
                Ok(Some(Descriptor {
                    media_type: kind,
                    digest,
                    size,
                    platform: None,
                    artifact_type: None,
                    annotations: Default::default(),
                }))
            }
            // A registry that tells too little: only the bytes can say.
            _ => match self.manifest(reference).await {
                Ok(raw) => Ok(Some(raw.descriptor())),
                Err(Error::NotFound { .. }) => Ok(None),
                Err(other) => Err(other),
            },
        }
    }

    async fn manifest(&self, reference: &str) -> Result<RawManifest> {
        const OPERATION: &str = "get manifest";
        let wanted = self.checked(reference)?;
        let answer =
            self.ask(Method::GET, &format!("manifests/{reference}"), OPERATION, &self.pull()).await?;
        match answer.response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_FOUND => return Err(self.not_found(format!("image {reference}"))),
            _ => return Err(self.endpoint.error(answer.response, OPERATION).await),
        }
        let headers = answer.response.headers().clone();
        let bytes = self.endpoint.body(answer.response, MAX_MANIFEST_BYTES, "the manifest").await?;
        let raw = RawManifest::new(media_type(&headers, &bytes), bytes);
        match wanted.or_else(|| content_digest(&headers)) {
            Some(expected) if expected != raw.digest => {
                let what = format!("manifest {reference}");
                Err(Error::DigestMismatch { what, expected, actual: raw.digest })
            }
            _ => Ok(raw),
        }
    }

    async fn blob(&self, blob: &Descriptor) -> Result<BlobReader> {
        download::open(self.endpoint.clone(), &self.repository, self.pull(), blob).await
    }

    async fn has_blob(&self, digest: &Digest) -> Result<bool> {
        let answer =
            self.ask(Method::HEAD, &format!("blobs/{digest}"), "look for blob", &self.pull()).await?;
        match answer.response.status() {
            StatusCode::OK => Ok(true),
            StatusCode::NOT_FOUND => Ok(false),
            _ => Err(self.endpoint.error(answer.response, "look for blob").await),
        }
    }

    async fn push_blob(&self, blob: &Descriptor, content: BlobContent) -> Result<()> {
        if self.has_blob(&blob.digest).await? {
            return Ok(());
        }
        let mut attempt = 0;
        loop {
            let reader: BlobReader = match &content {
                BlobContent::Bytes(bytes) => Box::pin(Cursor::new(bytes.clone())),
                BlobContent::File(path) => {
                    let file = tokio::fs::File::open(path).await;
                    Box::pin(file.map_err(Error::io(format!("read {}", path.display())))?)
                }
            };
            attempt += 1;
            match self.upload(blob, reader).await {
                Err(e) if e.is_transient() => match retry::wait(attempt, None) {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => return Err(e),
                },
                result => return result,
            }
        }
    }

    async fn push_blob_stream(&self, blob: &Descriptor, content: BlobReader) -> Result<()> {
        if self.has_blob(&blob.digest).await? {
            return Ok(());
        }
        self.upload(blob, content).await
    }

    async fn mount_blob(&self, digest: &Digest, from_repository: &str) -> Result<bool> {
        if from_repository == self.repository {
            return self.has_blob(digest).await;
        }
        // A token service grants both or the registry cannot look there.
        let mut scopes = self.push();
        scopes.push(format!("repository:{from_repository}:pull"));
        let opened =
            self.endpoint.open_upload(&self.repository, &scopes, Some((digest, from_repository))).await;
        match opened {
            Ok(Opened::Mounted) => Ok(true),
            Ok(Opened::Session(session)) => {
                self.endpoint.cancel_upload(session, &scopes).await;
                Ok(false)
            }
            // Mounting is a short cut: whatever forbids it, the upload will
            // go through or say why not.
            Err(Error::Denied { .. } | Error::NotFound { .. }) => Ok(false),
            Err(Error::Status { status: 400..500, .. }) => Ok(false),
            Err(other) => Err(other),
        }
    }

    async fn push_manifest(&self, reference: &str, manifest: &RawManifest) -> Result<()> {
        let subject = manifest.referrer()?;
        let listed = self.put_manifest(reference, manifest).await?;
        match subject {
            Some((subject, descriptor)) if !listed => self.add_tagged_referrer(&subject, descriptor).await,
            _ => Ok(()),
        }
    }

    async fn tags(&self) -> Result<Vec<String>> {
        const OPERATION: &str = "list tags";
        let scopes = self.pull();
        let mut tags = Vec::new();
        let mut url = self.endpoint.url(&format!("{}/tags/list?n=1000", self.repository))?;
        for _ in 0..MAX_TAG_PAGES {
            let headers = HeaderMap::new();
            let call =
                Call { method: Method::GET, url, operation: OPERATION, scopes: &scopes, headers, body: None };
            let answer = self.endpoint.call(call).await?;
            match answer.response.status() {
                StatusCode::OK => {}
                StatusCode::NOT_FOUND => return Err(self.not_found("a list of tags")),
                _ => return Err(self.endpoint.error(answer.response, OPERATION).await),
            }
            let next = link::next_page(&answer.url, answer.response.headers());
            let body = self.endpoint.body(answer.response, MAX_MANIFEST_BYTES, "the tags").await?;
            let page: TagList =
                serde_json::from_slice(&body).map_err(|e| self.endpoint.invalid(OPERATION, e.to_string()))?;
            // What is no tag could not be asked for anyway.
            tags.extend(page.tags.unwrap_or_default().into_iter().filter(|t| is_tag(t)));
            if tags.len() > MAX_TAGS {
                return Err(self.endpoint.invalid(OPERATION, format!("more than {MAX_TAGS} tags")));
            }
            match next {
                Some(next) => url = next,
                None => return Ok(tags),
            }
        }
        Err(self.endpoint.invalid(OPERATION, format!("more than {MAX_TAG_PAGES} pages")))
    }

    async fn delete_manifest(&self, digest: &Digest) -> Result<()> {
        self.delete(digest.as_str(), "delete manifests", format!("manifest {digest}")).await
    }

    async fn untag(&self, tag: &str, expected: &Digest) -> Result<()> {
        if !is_tag(tag) {
            return Err(Error::InvalidReference { text: tag.to_owned(), reason: "it is no tag" });
        }
        let actual = self.resolve(tag).await?.map(|d| d.digest);
        if actual.as_ref() != Some(expected) {
            return Err(Error::TagMoved { tag: tag.to_owned(), expected: expected.clone(), actual });
        }
        let kept = Kept::beside(self, tag, expected).await?;
        self.delete(tag, "remove a tag alone", format!("tag {tag}")).await?;
        // Some registries take the manifest along when they are asked for the
        // tag, and with it its other tags; the blobs are still there, so all
        // of it is put back at once. Where the manifest stayed, a tag that is
        // missing was somebody else's to remove.
        if kept.is_gone(self).await? {
            kept.put_back(self).await?;
        }
        Ok(())
    }

    async fn referrers(&self, digest: &Digest) -> Result<Vec<Descriptor>> {
        self.list_referrers(digest).await
    }

    fn origin(&self) -> Option<(String, String)> {
        Some((self.endpoint.host.clone(), self.repository.clone()))
    }
    async fn pull_access(&self, probe: &Digest) -> Result<Option<PullAccess>> {
        self.lend_pull(probe).await.map(Some)
    }
}
