//! Getting files from a mirror: bounded, retried, and into the cache only when their hash is right.

use std::{path::Path, time::Duration};

use futures::StreamExt;
use reqwest::{Response, StatusCode, redirect};
use sha2::{Digest, Sha256};
use tokio::{io::AsyncWriteExt, sync::Semaphore};
use url::Url;

use super::release::Promise;
use crate::{Error, Result};

const ATTEMPTS: u32 = 3;
const PARALLEL: usize = 6;
const REDIRECTS: usize = 5;
const CONNECT: Duration = Duration::from_secs(10);
/// Between two pieces of an answer, not over all of it: packages may be large and links slow.
const SILENCE: Duration = Duration::from_secs(30);
const BACK_OFF: Duration = Duration::from_millis(300);

/// One connection pool, and a bound on how many requests are on their way.
#[derive(Debug)]
pub(super) struct Fetcher {
    client: reqwest::Client,
    slots: Semaphore,
    back_off: Duration,
}

/// Where the bytes of one attempt go.
enum Sink<'a> {
    Memory(&'a mut Vec<u8>, u64),
    File(&'a Path, &'a Promise),
}

impl Fetcher {
    pub(super) fn new() -> Result<Self> {
        // Another part of the process may have installed it already: that is as good.
        rustls::crypto::ring::default_provider().install_default().ok();
        let client = reqwest::Client::builder()
            .user_agent(concat!("patchline/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE)
            .redirect(redirect::Policy::limited(REDIRECTS))
            .build()
            .map_err(|source| Error::Fetch { file: "the HTTP client".to_owned(), source })?;
        Ok(Self { client, slots: Semaphore::new(PARALLEL), back_off: BACK_OFF })
    }

    /// A small file whole, at most `limit` bytes; nothing vouches for it yet.
    pub(super) async fn bytes(&self, base: &Url, path: &str, limit: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        self.retried(base, path, &mut Sink::Memory(&mut bytes, limit)).await?;
        Ok(bytes)
    }

    /// A file into `target`, written aside and renamed once its size and hash are what was promised.
    pub(super) async fn file(&self, base: &Url, path: &str, promise: &Promise, target: &Path) -> Result<()> {
        self.retried(base, path, &mut Sink::File(target, promise)).await
    }

    async fn retried(&self, base: &Url, path: &str, sink: &mut Sink<'_>) -> Result<()> {
        let mut attempt = 1;
        loop {
            let done = {
                let _slot = self.slots.acquire().await;
                self.attempt(base, path, sink).await
            };
            match done {
                Err(error) if error.is_transient() && attempt < ATTEMPTS => {
                    tracing::debug!(file = path, attempt, code = error.code(), "fetching again");
                    tokio::time::sleep(self.back_off * 3u32.pow(attempt - 1)).await;
                    attempt += 1;
                }
                done => return done,
            }
        }
    }

    async fn attempt(&self, base: &Url, path: &str, sink: &mut Sink<'_>) -> Result<()> {
        let failed =
            |source: reqwest::Error| Error::Fetch { file: path.to_owned(), source: source.without_url() };
        let address = join(base, path)?;
        let answer = self.client.get(address).send().await.map_err(failed)?;
        if answer.status() != StatusCode::OK {
            return Err(Error::Status { file: path.to_owned(), status: answer.status().as_u16() });
        }
        match sink {
            Sink::Memory(bytes, limit) => {
                bytes.clear();
                let mut pieces = answer.bytes_stream();
                while let Some(piece) = pieces.next().await {
                    let piece = piece.map_err(failed)?;
                    if (bytes.len() + piece.len()) as u64 > *limit {
                        return Err(unverified(path, "it is larger than it may be"));
                    }
                    bytes.extend_from_slice(&piece);
                }
                Ok(())
            }
            Sink::File(target, promise) => to_file(answer, path, promise, target).await,
        }
    }
}

async fn to_file(answer: Response, path: &str, promise: &Promise, target: &Path) -> Result<()> {
    let io = |source| Error::Io { operation: format!("write {path} to the cache"), source };
    let folder = target.parent().unwrap_or(Path::new("."));
    let aside = tempfile::NamedTempFile::new_in(folder).map_err(io)?;
    let mut out = tokio::fs::File::from_std(aside.reopen().map_err(io)?);
    let (mut size, mut hash) = (0u64, Sha256::new());
    let mut pieces = answer.bytes_stream();
    while let Some(piece) = pieces.next().await {
        let piece =
            piece.map_err(|source| Error::Fetch { file: path.to_owned(), source: source.without_url() })?;
        size += piece.len() as u64;
        if size > promise.size {
            return Err(unverified(path, "it is larger than promised"));
        }
        hash.update(&piece);
        out.write_all(&piece).await.map_err(io)?;
    }
    out.flush().await.map_err(io)?;
    if size != promise.size {
        return Err(unverified(path, &format!("it has {size} bytes, not {}", promise.size)));
    }
    if hex::encode(hash.finalize()) != promise.sha256 {
        return Err(unverified(path, "its SHA-256 is another"));
    }
    aside.persist(target).map_err(|e| io(e.error))?;
    Ok(())
}

fn unverified(file: &str, reason: &str) -> Error {
    Error::Unverified { file: file.to_owned(), reason: reason.to_owned() }
}

/// A path of the repository under its base; one that leaves it is refused.
fn join(base: &Url, path: &str) -> Result<Url> {
    let safe = !path.is_empty()
        && path.split('/').all(|part| !matches!(part, "" | "." | ".."))
        && !path.contains(|c: char| c.is_control() || c.is_whitespace() || "\\?#".contains(c));
    if !safe {
        let shown: String = path.chars().take(120).collect();
        return Err(Error::Malformed { file: shown, reason: "it is no path in a repository".to_owned() });
    }
    let mut address = base.clone();
    // `Filename` holds `+`, `~` and, in versions, `%3a`: it is data, not an address that is encoded already.
    if let Ok(mut segments) = address.path_segments_mut() {
        segments.pop_if_empty().extend(path.split('/'));
    }
    Ok(address)
}

#[cfg(test)]
#[path = "fetch_tests.rs"]
mod tests;
