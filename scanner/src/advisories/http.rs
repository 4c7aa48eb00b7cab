//! Reading addresses: conditionally, with bounds on time and size, and without telling what an address holds besides its host.

use std::{path::Path, time::Duration};

use futures::StreamExt as _;
use reqwest::{Client, Response, StatusCode};
use tokio::io::AsyncWriteExt as _;
use url::Url;

use super::{folder::io_error, limits};
use crate::{Error, Result};

/// What an address answered.
pub(super) enum Answer {
    /// 304: what was read before is what is there.
    Unchanged,
    /// 404 or 410.
    Absent,
    /// With its `ETag`.
    Fresh(Response, Option<String>),
}

/// A client for one update.
pub(super) fn client(base: &Url) -> Result<Client> {
    // Whoever was first has set the provider: which one that is makes no difference here.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let limits = limits::advisories();
    let seconds = Duration::from_secs;
    let client = Client::builder()
        .connect_timeout(seconds(limits.connect_seconds))
        .read_timeout(seconds(limits.idle_seconds))
        .timeout(seconds(limits.seconds))
        .build();
    client.map_err(|e| failed(base, e))
}

/// Asks for an address, unless it still is what `etag` names.
pub(super) async fn get(client: &Client, url: &Url, etag: Option<&str>) -> Result<Answer> {
    let mut request = client.get(url.clone());
    if let Some(etag) = etag {
        request = request.header("if-none-match", etag);
    }
    let response = request.send().await.map_err(|e| failed(url, e))?;
    match response.status() {
        StatusCode::NOT_MODIFIED if etag.is_some() => Ok(Answer::Unchanged),
        StatusCode::NOT_FOUND | StatusCode::GONE => Ok(Answer::Absent),
        status if status.is_success() => {
            let etag = response.headers().get("etag").and_then(|v| v.to_str().ok()).map(str::to_owned);
            Ok(Answer::Fresh(response, etag))
        }
        status => Err(remote(url, format!("it answers {status}"))),
    }
}

/// What stands for [`Answer::Absent`] where something has to be there.
pub(super) fn absent(url: &Url) -> Error {
    remote(url, format!("it answers {}", StatusCode::NOT_FOUND))
}

/// Writes a body to a file in the folder that goes when it is dropped.
pub(super) async fn save(response: Response, url: &Url, folder: &Path) -> Result<tempfile::NamedTempFile> {
    let io = |e| io_error("write a download in", folder, e);
    let aside = tempfile::Builder::new().suffix(".download").tempfile_in(folder).map_err(io)?;
    let mut file = tokio::fs::File::from_std(aside.reopen().map_err(io)?);
    let mut stream = response.bytes_stream();
    let mut size = 0;
    while let Some(chunk) = stream.next().await {
        let chunk = chunk.map_err(|e| failed(url, e))?;
        size += chunk.len() as u64;
        if size > limits::advisories().download {
            return Err(Error::Limit {
                what: "the size of an advisory download",
                limit: limits::advisories().download,
            });
        }
        file.write_all(&chunk).await.map_err(io)?;
    }
    file.flush().await.map_err(io)?;
    Ok(aside)
}

/// A body in memory, up to `limit` bytes, or up to where `enough` says that the rest is not needed.
pub(super) async fn body(
    response: Response,
    url: &Url,
    limit: usize,
    mut enough: impl FnMut(&[u8]) -> bool,
) -> Result<Vec<u8>> {
    let mut stream = response.bytes_stream();
    let mut body = Vec::new();
    while let Some(chunk) = stream.next().await {
        body.extend_from_slice(&chunk.map_err(|e| failed(url, e))?);
        if body.len() > limit {
            return Err(remote(url, format!("it sends more than {limit} bytes")));
        }
        if enough(&body) {
            break;
        }
    }
    Ok(body)
}

/// An address below a base address. Segments are escaped.
pub(super) fn below(base: &Url, segments: &[&str]) -> Result<Url> {
    let mut url = base.clone();
    url.path_segments_mut()
        .map_err(|()| remote(base, "it is no base address".to_owned()))?
        .pop_if_empty()
        .extend(segments);
    Ok(url)
}

/// The address may hold a token, so its hash is kept instead.
pub(super) fn key(url: &Url) -> String {
    patchline_registry::Digest::of(url.as_str().as_bytes()).to_string()
}

fn failed(url: &Url, error: reqwest::Error) -> Error {
    // Without the address: it may hold a token.
    let error = error.without_url();
    let reason = match std::error::Error::source(&error) {
        // What it was waited for stands deeper than this.
        _ if error.is_timeout() => "it takes too long".to_owned(),
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    };
    remote(url, reason)
}

/// Names the host alone.
pub(super) fn remote(url: &Url, reason: String) -> Error {
    Error::Advisories { origin: url.host_str().unwrap_or("the bucket").to_owned(), reason }
}
