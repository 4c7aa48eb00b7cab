//! Getting files from a mirror: bounded, retried, and into the cache only when their hash is right.

use std::{path::Path, sync::OnceLock, time::Duration};

use futures::StreamExt;
use reqwest::{Client, Response, StatusCode, redirect};
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    sync::Semaphore,
};
use url::Url;

use super::release::Promise;
use crate::{Error, Proxy, Result};

const ATTEMPTS: u32 = 3;
const PARALLEL: usize = 6;
const REDIRECTS: usize = 5;
const CONNECT: Duration = Duration::from_secs(10);
/// Between two pieces of an answer, not over all of it: packages may be large and links slow.
const SILENCE: Duration = Duration::from_secs(30);
const BACK_OFF: Duration = Duration::from_millis(300);

/// One connection pool, and a bound on how many requests are on their way.
#[derive(Debug)]
pub(crate) struct Fetcher {
    client: OnceLock<Client>,
    slots: Semaphore,
    back_off: Duration,
    /// What is asked through; none: what this machine's environment names (`http_proxy`, `no_proxy`).
    proxy: Option<Proxy>,
}

/// Where the bytes of one attempt go.
enum Sink<'a> {
    Memory(&'a mut Vec<u8>, u64),
    File(&'a Path, &'a Promise),
    Aside(&'a Path, u64, &'a mut Option<NamedTempFile>),
}

/// What a request says besides its address.
#[derive(Clone, Copy, Default)]
struct Asked<'a> {
    accept: Option<&'static str>,
    token: Option<&'a str>,
}

impl Fetcher {
    pub(crate) fn new() -> Self {
        Self::through(None)
    }

    /// Through a proxy, whatever the environment names; none: as the environment says.
    pub(crate) fn through(proxy: Option<Proxy>) -> Self {
        Self { client: OnceLock::new(), slots: Semaphore::new(PARALLEL), back_off: BACK_OFF, proxy }
    }

    /// Made when it is first needed: it reads every authority that this machine trusts, and most fixes ask the
    /// repositories of one family alone.
    fn client(&self) -> Result<&Client> {
        if let Some(client) = self.client.get() {
            return Ok(client);
        }
        // Another part of the process may have installed it already: that is as good.
        rustls::crypto::ring::default_provider().install_default().ok();
        let failed = |source: reqwest::Error| Error::Fetch {
            file: "the HTTP client".to_owned(),
            source: source.without_url(),
        };
        let mut builder = Client::builder();
        if let Some(proxy) = &self.proxy {
            builder = builder.proxy(reqwest::Proxy::all(proxy.address().as_str()).map_err(failed)?);
        }
        let client = builder
            .user_agent(concat!("patchline/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT)
            .read_timeout(SILENCE)
            .redirect(redirect::Policy::limited(REDIRECTS))
            .build()
            .map_err(failed)?;
        Ok(self.client.get_or_init(|| client))
    }

    /// A small file whole, at most `limit` bytes; nothing vouches for it yet.
    pub(crate) async fn bytes(&self, base: &Url, path: &str, limit: u64) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let address = join(base, path)?;
        self.retried(&address, path, Asked::default(), &mut Sink::Memory(&mut bytes, limit)).await?;
        Ok(bytes)
    }

    /// The same from an address that somebody else has made; `name` is what it is called, and `accept` the form that is
    /// asked for.
    pub(crate) async fn address(
        &self,
        address: &Url,
        name: &str,
        accept: Option<&'static str>,
        limit: u64,
    ) -> Result<Vec<u8>> {
        self.address_for(address, name, accept, None, limit).await
    }

    /// The same for who has a token, which no other host is told of.
    pub(crate) async fn address_for(
        &self,
        address: &Url,
        name: &str,
        accept: Option<&'static str>,
        token: Option<&str>,
        limit: u64,
    ) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let asked = Asked { accept, token };
        self.retried(address, name, asked, &mut Sink::Memory(&mut bytes, limit)).await?;
        Ok(bytes)
    }

    /// A file into `target`, written aside and renamed once its size and hash are what was promised.
    pub(crate) async fn file(&self, base: &Url, path: &str, promise: &Promise, target: &Path) -> Result<()> {
        self.retried(&join(base, path)?, path, Asked::default(), &mut Sink::File(target, promise)).await
    }

    /// A file of exactly `size` bytes beside what it will be, in `folder`; whoever asked for it verifies it.
    pub(crate) async fn aside(
        &self,
        base: &Url,
        path: &str,
        size: u64,
        folder: &Path,
    ) -> Result<NamedTempFile> {
        let mut aside = None;
        let address = join(base, path)?;
        self.retried(&address, path, Asked::default(), &mut Sink::Aside(folder, size, &mut aside)).await?;
        aside.ok_or_else(|| unverified(path, "nothing came"))
    }

    async fn retried(&self, address: &Url, path: &str, asked: Asked<'_>, sink: &mut Sink<'_>) -> Result<()> {
        let mut attempt = 1;
        loop {
            let done = {
                let _slot = self.slots.acquire().await;
                self.attempt(address, path, asked, sink).await
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

    async fn attempt(&self, address: &Url, path: &str, asked: Asked<'_>, sink: &mut Sink<'_>) -> Result<()> {
        let failed =
            |source: reqwest::Error| Error::Fetch { file: path.to_owned(), source: source.without_url() };
        if address.scheme() == "file" {
            return from_folder(address, path, sink).await;
        }
        let mut request = self.client()?.get(address.clone());
        if let Some(accept) = asked.accept {
            request = request.header(reqwest::header::ACCEPT, accept);
        }
        if let Some(token) = asked.token {
            // Where a redirect leads to another host, reqwest leaves it behind.
            request = request.bearer_auth(token);
        }
        let answer = request.send().await.map_err(failed)?;
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
            Sink::Aside(folder, size, slot) => {
                let (aside, _) = pour(answer, path, *size, folder).await?;
                **slot = Some(aside);
                Ok(())
            }
        }
    }
}

async fn to_file(answer: Response, path: &str, promise: &Promise, target: &Path) -> Result<()> {
    let folder = target.parent().unwrap_or(Path::new("."));
    let (aside, hash) = pour(answer, path, promise.size, folder).await?;
    settle(aside, hash, path, promise, target)
}

/// Under its name once its hash is right.
fn settle(aside: NamedTempFile, hash: Sha256, path: &str, promise: &Promise, target: &Path) -> Result<()> {
    if hex::encode(hash.finalize()) != promise.sha256 {
        return Err(unverified(path, "its SHA-256 is another"));
    }
    let io = |source| Error::Io { operation: format!("write {path} to the cache"), source };
    aside.persist(target).map_err(|e| io(e.error))?;
    Ok(())
}

/// An answer of exactly `promised` bytes, into a file without a name yet.
async fn pour(answer: Response, path: &str, promised: u64, folder: &Path) -> Result<(NamedTempFile, Sha256)> {
    let io = |source| Error::Io { operation: format!("write {path} to the cache"), source };
    let aside = NamedTempFile::new_in(folder).map_err(io)?;
    let mut out = tokio::fs::File::from_std(aside.reopen().map_err(io)?);
    let (mut size, mut hash) = (0u64, Sha256::new());
    let mut pieces = answer.bytes_stream();
    while let Some(piece) = pieces.next().await {
        let piece =
            piece.map_err(|source| Error::Fetch { file: path.to_owned(), source: source.without_url() })?;
        size += piece.len() as u64;
        if size > promised {
            return Err(unverified(path, "it is larger than promised"));
        }
        hash.update(&piece);
        out.write_all(&piece).await.map_err(io)?;
    }
    out.flush().await.map_err(io)?;
    if size != promised {
        return Err(unverified(path, &format!("it has {size} bytes, not {promised}")));
    }
    Ok((aside, hash))
}

/// The same from a folder of this machine, where there is no network.
async fn from_folder(address: &Url, path: &str, sink: &mut Sink<'_>) -> Result<()> {
    let io = |source| Error::Io { operation: format!("read {path} from the mirror's folder"), source };
    let file = address.to_file_path().map_err(|()| Error::Malformed {
        file: path.to_owned(),
        reason: "its mirror is no folder".to_owned(),
    })?;
    let (limit, folder) = match sink {
        Sink::Memory(_, limit) => (*limit, None),
        Sink::File(target, promise) => (promise.size, Some(target.parent().unwrap_or(Path::new(".")))),
        Sink::Aside(folder, size, _) => (*size, Some(*folder)),
    };
    let source = match tokio::fs::File::open(&file).await {
        Ok(source) => source,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => {
            return Err(Error::Status { file: path.to_owned(), status: 404 });
        }
        Err(e) => return Err(io(e)),
    };
    let mut source = source.take(limit.saturating_add(1));
    let Some(folder) = folder else {
        let Sink::Memory(bytes, _) = sink else { return Ok(()) };
        bytes.clear();
        source.read_to_end(bytes).await.map_err(io)?;
        let whole = bytes.len() as u64 <= limit;
        return if whole { Ok(()) } else { Err(unverified(path, "it is larger than it may be")) };
    };
    let aside = NamedTempFile::new_in(folder).map_err(io)?;
    let mut out = tokio::fs::File::from_std(aside.reopen().map_err(io)?);
    let (mut size, mut hash, mut buffer) = (0u64, Sha256::new(), vec![0; 128 << 10]);
    loop {
        let read = source.read(&mut buffer).await.map_err(io)?;
        if read == 0 {
            break;
        }
        size += read as u64;
        hash.update(&buffer[..read]);
        out.write_all(&buffer[..read]).await.map_err(io)?;
    }
    out.flush().await.map_err(io)?;
    if size != limit {
        return Err(unverified(path, &format!("it has not {limit} bytes")));
    }
    match sink {
        Sink::File(target, promise) => settle(aside, hash, path, promise, target),
        Sink::Aside(_, _, slot) => {
            **slot = Some(aside);
            Ok(())
        }
        Sink::Memory(..) => Ok(()),
    }
}

fn unverified(file: &str, reason: &str) -> Error {
    Error::Unverified { file: file.to_owned(), reason: reason.to_owned() }
}

/// A path of the repository under its base; one that leaves it is refused.
pub(crate) fn join(base: &Url, path: &str) -> Result<Url> {
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
