//! Loading OSV records from a folder, a zip or the public bucket's layout into the advisory folder.

use std::path::{Path, PathBuf};

use futures::StreamExt as _;
use serde::{Deserialize, Serialize};
use tokio::io::AsyncWriteExt as _;
use url::Url;

use super::{
    folder::{self, Pointer},
    records::Collector,
};
use crate::{Error, Result};

/// The ecosystem that the scanner can match: nothing else is loaded.
const ECOSYSTEM: &str = "Debian";
/// Bytes of a download.
const DOWNLOAD: u64 = 4 << 30;

/// Where records come from.
#[derive(Debug, Clone)]
pub enum Origin {
    /// A folder in the bucket's layout (`<Ecosystem>/all.zip`, or `<Ecosystem>/*.json`), or one `all.zip`.
    Folder(PathBuf),
    /// The base address of the bucket's layout: `<url>/<Ecosystem>/all.zip`.
    Bucket(Url),
}

/// One line of `advisories status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceStatus {
    /// `osv/Debian`
    pub source: String,
    /// Records.
    pub advisories: usize,
    /// Newest `modified` among them, RFC 3339.
    pub newest: Option<String>,
    /// When they were loaded, RFC 3339.
    pub loaded: String,
}

/// Loads and compiles; written aside and renamed; never leaves less than it found when something fails.
/// Only the ecosystems that the scanner matches are loaded, for now Debian's.
/// `now`: RFC 3339.
///
/// # Errors
/// An origin that cannot be read, a record that is none, a set that would be empty where there was one.
pub async fn update(folder: &Path, origin: &Origin, now: &str) -> Result<Vec<SourceStatus>> {
    let folder = folder.to_owned();
    let now = now.to_owned();
    let (path, etag, download) = match origin {
        Origin::Folder(path) => (path.clone(), None, None),
        Origin::Bucket(base) => {
            let prepared = folder::prepare(&folder)?;
            let pointer = Pointer::read(&folder).unwrap_or_default();
            match download(&prepared, base, pointer.as_ref()).await? {
                Download::Unchanged => {
                    let pointer = pointer.expect("its ETag was sent");
                    return folder::touch(&folder, pointer, &now);
                }
                Download::Fresh(file, etag) => {
                    let key = origin_key(&bucket_zip(base)?);
                    (file.path().to_owned(), etag.map(|e| (key, e)), Some(file))
                }
            }
        }
    };
    let work = tokio::task::spawn_blocking(move || {
        let loaded = load(&folder, &path, etag, &now);
        drop(download);
        loaded
    });
    work.await.map_err(|e| Error::Io {
        operation: "compile advisories".to_owned(),
        source: std::io::Error::other(e),
    })?
}

fn load(folder: &Path, path: &Path, etag: Option<(String, String)>, now: &str) -> Result<Vec<SourceStatus>> {
    let mut collector = Collector::default();
    collector.folder(path)?;
    let (advisories, tallies) = collector.finish();
    let folder = folder::prepare(folder)?;
    let tally = tallies.get(ECOSYSTEM).cloned().unwrap_or_default();
    if tally.records == 0 {
        return Err(Error::Advisories {
            origin: path.display().to_string(),
            reason: format!("it holds no {ECOSYSTEM} record, what was loaded before stays"),
        });
    }
    let sources = vec![SourceStatus {
        source: format!("osv/{ECOSYSTEM}"),
        advisories: tally.records,
        newest: tally.newest,
        loaded: now.to_owned(),
    }];
    folder::publish(&folder, advisories, sources.clone(), etag)?;
    Ok(sources)
}

/// What the folder holds.
///
/// # Errors
/// A pointer that cannot be read.
pub fn status(folder: &Path) -> Result<Vec<SourceStatus>> {
    Ok(Pointer::read(folder)?.map(|p| p.sources).unwrap_or_default())
}

enum Download {
    /// 304: what is loaded is what is there.
    Unchanged,
    Fresh(tempfile::NamedTempFile, Option<String>),
}

fn bucket_zip(base: &Url) -> Result<Url> {
    let mut url = base.clone();
    url.path_segments_mut()
        .map_err(|()| remote(base, "it is no base address".to_owned()))?
        .pop_if_empty()
        .extend([ECOSYSTEM, "all.zip"]);
    Ok(url)
}

/// The address may hold a token, so its hash is kept instead.
fn origin_key(url: &Url) -> String {
    patchline_registry::Digest::of(url.as_str().as_bytes()).to_string()
}

async fn download(folder: &Path, base: &Url, pointer: Option<&Pointer>) -> Result<Download> {
    let url = bucket_zip(base)?;
    let failed = |e: reqwest::Error| {
        // Without the address: it may hold a token.
        let e = e.without_url();
        let reason = std::error::Error::source(&e).map_or_else(|| e.to_string(), |s| format!("{e}: {s}"));
        remote(base, reason)
    };
    // Whoever was first has set the provider: which one that is makes no difference here.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder()
        .connect_timeout(std::time::Duration::from_secs(15))
        .read_timeout(std::time::Duration::from_secs(60))
        .timeout(std::time::Duration::from_secs(1800))
        .build()
        .map_err(failed)?;
    let mut request = client.get(url.clone());
    let whole = pointer.filter(|p| p.is_current() && folder::verified(folder, &p.revision).is_ok());
    let known = whole.and_then(|p| p.etag.as_ref()).filter(|(origin, _)| *origin == origin_key(&url));
    if let Some((_, etag)) = known {
        request = request.header("if-none-match", etag);
    }
    let response = request.send().await.map_err(failed)?;
    if known.is_some() && response.status().as_u16() == 304 {
        return Ok(Download::Unchanged);
    }
    if !response.status().is_success() {
        return Err(remote(base, format!("it answers {}", response.status())));
    }
    let etag = response.headers().get("etag").and_then(|v| v.to_str().ok()).map(str::to_owned);
    let io = |e| folder::io_error("write a download in", folder, e);
    let aside = tempfile::Builder::new().suffix(".zip").tempfile_in(folder).map_err(io)?;
    let mut file = tokio::fs::File::from_std(aside.reopen().map_err(io)?);
    let mut stream = response.bytes_stream();
    let mut size = 0;
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(failed)?;
        size += chunk.len() as u64;
        if size > DOWNLOAD {
            return Err(Error::Limit { what: "the size of an advisory download", limit: DOWNLOAD });
        }
        file.write_all(&chunk).await.map_err(io)?;
    }
    file.flush().await.map_err(io)?;
    Ok(Download::Fresh(aside, etag))
}

/// Names the host alone.
fn remote(base: &Url, reason: String) -> Error {
    Error::Advisories { origin: base.host_str().unwrap_or("the bucket").to_owned(), reason }
}

#[cfg(test)]
#[path = "update_tests.rs"]
mod tests;
