//! Uploads: one session, one streamed PUT, watched by its own progress.

use std::{
    io,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use futures::StreamExt;
use http::{HeaderMap, Method, StatusCode, header};
use tokio_util::io::ReaderStream;
use url::Url;

use super::{
    endpoint::{Answer, Call, Endpoint},
    host,
    http::IDLE,
    link,
};
use crate::{BlobReader, Descriptor, Digest, Error, Result, verify::Verified};

const CHUNK: usize = 128 * 1024;
/// A registry may take this many silent spells to store what it has been sent.
const PATIENCE: u32 = 5;

/// What opening an upload, or a mount, came to.
pub(super) enum Opened {
    /// 201: the blob is there.
    Mounted,
    /// 202: where to send the bytes.
    Session(Url),
}

impl Endpoint {
    pub(super) async fn open_upload(
        &self,
        repository: &str,
        scopes: &[String],
        mount: Option<(&Digest, &str)>,
    ) -> Result<Opened> {
        let operation = if mount.is_some() { "mount blob" } else { "open upload" };
        let mut url = self.url(&format!("{repository}/blobs/uploads/"))?;
        if let Some((digest, from)) = mount {
            url.query_pairs_mut().append_pair("mount", digest.as_str()).append_pair("from", from);
        }
        let call =
            Call { method: Method::POST, url, operation, scopes, headers: HeaderMap::new(), body: None };
        let Answer { response, url, .. } = self.call(call).await?;
        match response.status() {
            StatusCode::CREATED if mount.is_some() => Ok(Opened::Mounted),
            StatusCode::ACCEPTED => {
                let session = link::location(&self.base, &url, response.headers());
                session
                    .map(Opened::Session)
                    .ok_or_else(|| self.invalid(operation, "it has no Location that we may go to"))
            }
            StatusCode::NOT_FOUND => {
                let repository = format!("{}/{repository}", self.host);
                Err(Error::NotFound { what: "a place for uploads".to_owned(), repository })
            }
            _ => Err(self.error(response, operation).await),
        }
    }

    /// Gives up a session, as far as the registry listens.
    pub(super) async fn cancel_upload(&self, session: Url, scopes: &[String]) {
        if let Ok(authorization) = self.auth.header(&self.clients.calls, scopes).await {
            let mut request = self.clients.calls.delete(session.clone());
            if let Some(value) = authorization.filter(|_| host::same_origin(&self.base, &session)) {
                request = request.header(header::AUTHORIZATION, value);
            }
            if let Err(e) = request.send().await {
                tracing::debug!(registry.host = self.host, error = %e.without_url(), "upload not given up");
            }
        }
    }

    /// Sends the whole blob and closes the session.
    pub(super) async fn put_blob(
        &self,
        session: Url,
        scopes: &[String],
        blob: &Descriptor,
        content: BlobReader,
    ) -> Result<()> {
        let mut url = session;
        url.query_pairs_mut().append_pair("digest", blob.digest.as_str());
        let sent = Arc::new(AtomicU64::new(0));
        let spoilt: Arc<Mutex<Option<io::Error>>> = Arc::default();
        let stream = ReaderStream::with_capacity(Verified::new(content, blob), CHUNK).map({
            let (sent, spoilt) = (sent.clone(), spoilt.clone());
            move |chunk| match chunk {
                Ok(chunk) => {
                    sent.fetch_add(chunk.len() as u64, Ordering::Relaxed);
                    Ok(chunk)
                }
                Err(e) => {
                    // The client only says that the body failed; the reason is kept here.
                    *spoilt.lock().unwrap_or_else(PoisonError::into_inner) = Some(e);
                    Err(io::Error::other("the content is not what it should be"))
                }
            }
        });
        let mut request = self
            .clients
            .uploads
            .put(url.clone())
            .header(header::CONTENT_TYPE, "application/octet-stream")
            .header(header::CONTENT_LENGTH, blob.size)
            .body(reqwest::Body::wrap_stream(stream));
        let authorization = self.auth.header(&self.clients.calls, scopes).await?;
        let authorization = authorization.filter(|_| host::same_origin(&self.base, &url));
        if let Some(value) = &authorization {
            request = request.header(header::AUTHORIZATION, value.clone());
        }
        let what = format!("send blob {}", blob.digest);
        let result = watched(request.send(), &sent, blob.size).await;
        if let Some(reason) = spoilt.lock().unwrap_or_else(PoisonError::into_inner).take() {
            return Err(Error::io(what)(reason));
        }
        let response = match result {
            Some(result) => result.map_err(|e| self.transport(e))?,
            None => return Err(Error::io(what)(io::ErrorKind::TimedOut.into())),
        };
        match response.status() {
            StatusCode::CREATED | StatusCode::OK | StatusCode::NO_CONTENT => Ok(()),
            // The token ran out between the opening and this; whoever can
            // bring the content again gets a fresh one.
            StatusCode::UNAUTHORIZED
                if self.auth.learn(response.headers(), scopes, authorization.as_ref()) =>
            {
                let (registry, detail) = (self.host.clone(), Some("the token ran out".to_owned()));
                Err(Error::Status { registry, status: 401, operation: "put blob", detail })
            }
            _ => Err(self.error(response, "put blob").await),
        }
    }
}

/// Waits for the answer as long as bytes flow; none when they stopped.
async fn watched<T>(answer: impl Future<Output = T>, sent: &AtomicU64, size: u64) -> Option<T> {
    let mut answer = std::pin::pin!(answer);
    let (mut before, mut silent) = (0, 0);
    loop {
        if let Ok(answer) = tokio::time::timeout(IDLE, &mut answer).await {
            return Some(answer);
        }
        let now = sent.load(Ordering::Relaxed);
        silent = if now == before { silent + 1 } else { 0 };
        before = now;
        if silent > if now == size { PATIENCE } else { 0 } {
            return None;
        }
    }
}
