//! Blobs as streams that survive a broken connection.

use std::{io, sync::Arc};

use bytes::Bytes;
use futures::{Stream, stream};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use tokio_util::io::StreamReader;

use super::endpoint::{Answer, Call, Endpoint};
use crate::{BlobReader, Descriptor, Error, Result, verify::Verified};

/// How often one blob is taken up again where it broke off.
const RESUMES: u32 = 3;

struct Download {
    endpoint: Arc<Endpoint>,
    path: String,
    scopes: Vec<String>,
    response: reqwest::Response,
    offset: u64,
    resumes: u32,
}

/// Opens a blob; the first answer is checked before this returns.
pub(super) async fn open(
    endpoint: Arc<Endpoint>,
    repository: &str,
    scopes: Vec<String>,
    blob: &Descriptor,
) -> Result<BlobReader> {
    let path = format!("{repository}/blobs/{}", blob.digest);
    let what = format!("blob {}", blob.digest);
    let Answer { response, .. } = get(&endpoint, &path, &scopes, 0).await?;
    match response.status() {
        StatusCode::OK => {}
        StatusCode::NOT_FOUND => {
            let repository = format!("{}/{repository}", endpoint.host);
            return Err(Error::NotFound { what, repository });
        }
        _ => return Err(endpoint.error(response, "get blob").await),
    }
    if let Some(actual) = response.content_length().filter(|&length| length != blob.size) {
        return Err(Error::SizeMismatch { what, expected: blob.size, actual });
    }
    let download = Download { endpoint, path, scopes, response, offset: 0, resumes: 0 };
    Ok(Verified::boxed(StreamReader::new(Box::pin(download.chunks())), blob))
}

async fn get(endpoint: &Endpoint, path: &str, scopes: &[String], offset: u64) -> Result<Answer> {
    let mut headers = HeaderMap::new();
    if offset > 0
        && let Ok(range) = HeaderValue::from_str(&format!("bytes={offset}-"))
    {
        headers.insert(header::RANGE, range);
    }
    let url = endpoint.url(path)?;
    endpoint.call(Call { method: Method::GET, url, operation: "get blob", scopes, headers, body: None }).await
}

impl Download {
    fn chunks(self) -> impl Stream<Item = io::Result<Bytes>> + Send {
        stream::try_unfold(self, |mut download| async move {
            Ok(download.next().await.map_err(io::Error::other)?.map(|chunk| (chunk, download)))
        })
    }

    async fn next(&mut self) -> Result<Option<Bytes>> {
        loop {
            match self.response.chunk().await {
                Ok(Some(chunk)) => {
                    self.offset += chunk.len() as u64;
                    return Ok(Some(chunk));
                }
                Ok(None) => return Ok(None),
                Err(broken) => {
                    let broken = self.endpoint.transport(broken);
                    if self.resumes >= RESUMES || !self.resume().await? {
                        return Err(broken);
                    }
                }
            }
        }
    }

    /// Asks for the rest; false when the registry does not give it.
    async fn resume(&mut self) -> Result<bool> {
        self.resumes += 1;
        let Answer { response, .. } = get(&self.endpoint, &self.path, &self.scopes, self.offset).await?;
        let start = response.headers().get(header::CONTENT_RANGE).and_then(|v| v.to_str().ok());
        let fits = match response.status() {
            StatusCode::OK => self.offset == 0,
            StatusCode::PARTIAL_CONTENT => {
                start.is_some_and(|r| r.starts_with(&format!("bytes {}-", self.offset)))
            }
            _ => false,
        };
        if fits {
            self.response = response;
        }
        Ok(fits)
    }
}
