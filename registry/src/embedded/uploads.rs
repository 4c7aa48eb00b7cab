//! Upload sessions: monolithic, chunked, mounted, distribution-spec "Pushing Blobs".

use std::{
    collections::HashMap,
    fs,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use axum::{
    body::Body,
    response::{IntoResponse, Response},
};
use futures::StreamExt;
use http::{HeaderName, StatusCode, header};
use rand::Rng;
use sha2::{Digest as _, Sha256};
use tempfile::NamedTempFile;
use tokio::{
    io::{AsyncSeekExt, AsyncWriteExt, BufWriter, SeekFrom},
    time::Instant,
};

use super::{
    failure::{Answer, Failure},
    route::{Asked, parse_digest},
};
use crate::{
    Digest, Error, Result,
    layout::{blocking, durable},
    reference::is_repository,
};

const UUID: HeaderName = HeaderName::from_static("docker-upload-uuid");
pub(super) const CONTENT_DIGEST: HeaderName = HeaderName::from_static("docker-content-digest");
/// Sessions that nobody touched for this long are given up.
const LIFE: Duration = Duration::from_secs(3600);
/// How long a client may be silent in the middle of a body.
pub(super) const SILENCE: Duration = Duration::from_secs(60);
const MAX_SESSIONS: usize = 1000;
const MAX_BLOB_BYTES: u64 = 64 * 1024 * 1024 * 1024;

/// The open sessions. They live in this process: a client that outlives it
/// hears `BLOB_UPLOAD_UNKNOWN` and starts again.
pub(super) struct Uploads {
    dir: PathBuf,
    sessions: Mutex<HashMap<String, Session>>,
}

#[derive(Clone)]
struct Session {
    repository: String,
    touched: Instant,
    partial: Arc<tokio::sync::Mutex<Option<Partial>>>,
}

/// What has arrived of a blob. `size` and `hash` only move on with a whole
/// chunk: the file may be longer, when a client went away in the middle.
struct Partial {
    temp: NamedTempFile,
    size: u64,
    hash: Sha256,
}

impl Uploads {
    pub(super) fn open(dir: &Path) -> Result<Self> {
        let dir = dir.join("uploads");
        let failed = || Error::io(format!("prepare {}", dir.display()));
        durable::create_dir(&dir).map_err(failed())?;
        for entry in fs::read_dir(&dir).map_err(failed())? {
            let entry = entry.map_err(failed())?;
            if entry.file_name().to_string_lossy().starts_with(durable::TEMP_PREFIX) {
                fs::remove_file(entry.path()).map_err(failed())?;
            }
        }
        Ok(Self { dir, sessions: Mutex::default() })
    }

    async fn begin(&self) -> Result<Partial, Failure> {
        let dir = self.dir.clone();
        let temp = blocking(move || durable::temp_in(&dir).map_err(Error::io("open an upload"))).await?;
        Ok(Partial { temp, size: 0, hash: Sha256::new() })
    }

    fn register(&self, repository: &str, partial: Partial) -> Result<String, Failure> {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        sessions.retain(|_, s| now.duration_since(s.touched) < LIFE);
        if sessions.len() >= MAX_SESSIONS {
            let full =
                Failure::new(StatusCode::TOO_MANY_REQUESTS, "TOOMANYREQUESTS", "too many open uploads");
            return Err(full.with(header::RETRY_AFTER, "30"));
        }
        let id = hex::encode(rand::rng().random::<[u8; 16]>());
        let partial = Arc::new(tokio::sync::Mutex::new(Some(partial)));
        sessions.insert(id.clone(), Session { repository: repository.to_owned(), touched: now, partial });
        Ok(id)
    }

    fn find(&self, repository: &str, id: &str) -> Result<Session, Failure> {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        match sessions.get_mut(id).filter(|s| s.repository == repository) {
            Some(session) => {
                session.touched = Instant::now();
                Ok(session.clone())
            }
            None => Err(gone()),
        }
    }

    fn forget(&self, id: &str) {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }
}

fn gone() -> Failure {
    Failure::unknown("BLOB_UPLOAD_UNKNOWN", "no such upload, or it took too long")
}

impl Partial {
    /// Writes a chunk behind what is here. Nothing of it counts unless all
    /// of it arrived.
    async fn append(&mut self, body: Body, expected: Option<u64>) -> Result<(), Failure> {
        let failed = || Error::io("write an upload");
        let file = self.temp.as_file().try_clone().map_err(failed())?;
        let mut file = tokio::fs::File::from_std(file);
        file.set_len(self.size).await.map_err(failed())?;
        file.seek(SeekFrom::Start(self.size)).await.map_err(failed())?;
        let mut file = BufWriter::with_capacity(256 * 1024, file);
        let (mut size, mut hash) = (self.size, self.hash.clone());
        let mut chunks = body.into_data_stream();
        loop {
            let chunk = match tokio::time::timeout(SILENCE, chunks.next()).await {
                Ok(None) => break,
                Ok(Some(Ok(chunk))) => chunk,
                Ok(Some(Err(_))) => {
                    return Err(Failure::invalid("BLOB_UPLOAD_INVALID", "the body broke off"));
                }
                Err(_) => return Err(Failure::invalid("BLOB_UPLOAD_INVALID", "the body stalled")),
            };
            size += chunk.len() as u64;
            if size > MAX_BLOB_BYTES {
                let status = StatusCode::PAYLOAD_TOO_LARGE;
                return Err(Failure::new(status, "SIZE_INVALID", "blobs of more than 64 GiB are not kept"));
            }
            hash.update(&chunk);
            file.write_all(&chunk).await.map_err(failed())?;
        }
        file.flush().await.map_err(failed())?;
        if expected.is_some_and(|expected| expected != size - self.size) {
            return Err(Failure::invalid("SIZE_INVALID", "the chunk is not as long as its Content-Range"));
        }
        (self.size, self.hash) = (size, hash);
        Ok(())
    }

    /// `bytes` received so far, in the odd form of the specification.
    fn range(&self) -> String {
        format!("0-{}", self.size.saturating_sub(1))
    }
}

/// `<start>-<end>`; a chunk that does not begin where the last one ended is
/// refused with where that was.
fn check_range(asked: &Asked, partial: &Partial, id: &str) -> Result<Option<u64>, Failure> {
    let Some(text) = asked.header(header::CONTENT_RANGE) else { return Ok(None) };
    let text = text.strip_prefix("bytes ").unwrap_or(text);
    let range = text.split('/').next().and_then(|r| r.split_once('-'));
    let range = range.and_then(|(a, b)| Some((a.trim().parse::<u64>().ok()?, b.trim().parse::<u64>().ok()?)));
    match range {
        // An end beyond every limit is a length that no chunk has.
        Some((start, end)) if start == partial.size && end >= start => {
            Ok(Some((end - start).saturating_add(1)))
        }
        _ => {
            let status = StatusCode::RANGE_NOT_SATISFIABLE;
            let refused =
                Failure::new(status, "BLOB_UPLOAD_INVALID", "the chunk does not follow the last one");
            Err(refused
                .with(header::RANGE, &partial.range())
                .with(header::LOCATION, &place(&asked.name, id))
                .with(UUID, id))
        }
    }
}

fn place(name: &str, id: &str) -> String {
    format!("/v2/{name}/blobs/uploads/{id}")
}

fn progress(status: StatusCode, name: &str, id: &str, partial: &Partial) -> Response {
    let headers =
        [(header::LOCATION, place(name, id)), (header::RANGE, partial.range()), (UUID, id.to_owned())];
    (status, headers).into_response()
}

fn created(name: &str, digest: &Digest) -> Response {
    let place = format!("/v2/{name}/blobs/{digest}");
    (StatusCode::CREATED, [(header::LOCATION, place), (CONTENT_DIGEST, digest.to_string())]).into_response()
}

async fn finish(asked: &Asked, partial: Partial, digest: &Digest) -> Result<(), Failure> {
    let actual = Digest::from_sha256(&partial.hash.finalize());
    if actual != *digest {
        let message = format!("the content has digest {actual}");
        return Err(Failure::invalid("DIGEST_INVALID", message));
    }
    let (storage, name, digest) = (asked.inner.storage.clone(), asked.name.clone(), digest.clone());
    let (temp, size) = (partial.temp, partial.size);
    let failed = Error::io("write an upload");
    Ok(blocking(move || {
        // A chunk that broke off may have left bytes behind the last whole one.
        temp.as_file().set_len(size).map_err(failed)?;
        storage.adopt(&name, temp, &digest)
    })
    .await?)
}

/// `POST …/blobs/uploads/`: a mount, a whole blob, or the start of a session.
pub(super) async fn start(asked: Asked, body: Body) -> Answer {
    if let (Some(digest), Some(from)) = (asked.query("mount"), asked.query("from")) {
        let (digest, from) = (parse_digest(digest)?, from.to_owned());
        if !is_repository(&from) {
            return Err(Failure::invalid("NAME_INVALID", "no name for a repository"));
        }
        let (storage, name, wanted) = (asked.inner.storage.clone(), asked.name.clone(), digest.clone());
        if blocking(move || storage.mount(&name, &from, &wanted)).await? {
            return Ok(created(&asked.name, &digest));
        }
    }
    let mut partial = asked.inner.uploads.begin().await?;
    if asked.query("mount").is_none()
        && let Some(digest) = asked.query("digest").map(parse_digest).transpose()?
    {
        partial.append(body, None).await?;
        finish(&asked, partial, &digest).await?;
        return Ok(created(&asked.name, &digest));
    }
    let location = partial.range();
    let id = asked.inner.uploads.register(&asked.name, partial)?;
    let headers = [(header::LOCATION, place(&asked.name, &id)), (header::RANGE, location), (UUID, id)];
    Ok((StatusCode::ACCEPTED, headers).into_response())
}

/// `GET …/blobs/uploads/<id>`: how far it is.
pub(super) async fn status(asked: Asked, id: &str) -> Answer {
    let session = asked.inner.uploads.find(&asked.name, id)?;
    let partial = session.partial.lock().await;
    let partial = partial.as_ref().ok_or_else(gone)?;
    Ok(progress(StatusCode::NO_CONTENT, &asked.name, id, partial))
}

/// `PATCH …/blobs/uploads/<id>`: one chunk, or a stream of unknown length.
pub(super) async fn patch(asked: Asked, id: &str, body: Body) -> Answer {
    let session = asked.inner.uploads.find(&asked.name, id)?;
    let mut partial = session.partial.lock().await;
    let partial = partial.as_mut().ok_or_else(gone)?;
    let expected = check_range(&asked, partial, id)?;
    partial.append(body, expected).await?;
    Ok(progress(StatusCode::ACCEPTED, &asked.name, id, partial))
}

/// `PUT …/blobs/uploads/<id>?digest=`: the last bytes, if any, and the end.
pub(super) async fn put(asked: Asked, id: &str, body: Body) -> Answer {
    let digest = asked.query("digest").ok_or_else(|| Failure::invalid("DIGEST_INVALID", "no digest"))?;
    let digest = parse_digest(digest)?;
    let session = asked.inner.uploads.find(&asked.name, id)?;
    let mut slot = session.partial.lock().await;
    let partial = slot.as_mut().ok_or_else(gone)?;
    let expected = check_range(&asked, partial, id)?;
    partial.append(body, expected).await?;
    let partial = slot.take().ok_or_else(gone)?;
    asked.inner.uploads.forget(id);
    finish(&asked, partial, &digest).await?;
    Ok(created(&asked.name, &digest))
}

/// `DELETE …/blobs/uploads/<id>`.
pub(super) async fn cancel(asked: Asked, id: &str) -> Answer {
    let session = asked.inner.uploads.find(&asked.name, id)?;
    asked.inner.uploads.forget(id);
    session.partial.lock().await.take().ok_or_else(gone)?;
    Ok(StatusCode::NO_CONTENT.into_response())
}
