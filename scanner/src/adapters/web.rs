//! Asking a scanner over HTTP: no redirect is followed unseen, no answer is longer than it may be, no address is shown.

use std::time::Duration;

use patchline_registry::Secret;
use reqwest::{Client, Method, RequestBuilder, Response, header};
use serde::Deserialize;
use url::{Host, Url};

use super::{Error, Result, json, limits, process, times};
use crate::formats::clean;

/// One scanner's address.
pub(super) struct Web {
    pub(super) scanner: String,
    client: Client,
    base: Url,
}

impl Web {
    /// `base`: what comes before the paths of its API.
    pub(super) fn new(scanner: &str, mut base: Url) -> Result<Self> {
        // Whoever was first has set the provider: which one that is makes no difference here.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let limits = limits::adapters();
        let mut builder = Client::builder()
            .user_agent(concat!("patchline/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(limits.connect_seconds))
            .read_timeout(Duration::from_secs(limits.idle_seconds))
            .redirect(reqwest::redirect::Policy::none());
        let here = match base.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(ip)) => ip.is_loopback(),
            Some(Host::Ipv6(ip)) => ip.is_loopback(),
            None => false,
        };
        if here {
            builder = builder.no_proxy();
        }
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        let client = builder.build().map_err(|e| unreachable(scanner, e))?;
        Ok(Self { scanner: scanner.to_owned(), client, base })
    }

    /// A request below the base; the segments are escaped.
    pub(super) fn request(&self, method: Method, path: &[&str]) -> Result<RequestBuilder> {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| json::unreadable(&self.scanner, "its address is no base address"))?
            .pop_if_empty()
            .extend(path);
        Ok(self.client.request(method, url))
    }

    /// With a credential, which goes to the base's origin alone.
    pub(super) fn authorized(request: RequestBuilder, authorization: Option<&Secret>) -> RequestBuilder {
        let Some(secret) = authorization else { return request };
        match header::HeaderValue::from_str(secret.expose()) {
            Ok(mut value) => {
                value.set_sensitive(true);
                request.header(header::AUTHORIZATION, value)
            }
            // Without it the other side refuses, and says so.
            Err(_) => request,
        }
    }

    pub(super) async fn send(&self, request: RequestBuilder) -> Result<Response> {
        request.send().await.map_err(|e| unreachable(&self.scanner, e))
    }

    /// A redirect of an answer that stays with this origin; any other is an error.
    pub(super) fn stays(&self, response: &Response) -> Result<()> {
        let Some(to) = response.headers().get(header::LOCATION) else { return Ok(()) };
        let to = to.to_str().ok().and_then(|text| response.url().join(text).ok());
        match to {
            Some(to) if to.origin() == self.base.origin() => Ok(()),
            _ => Err(json::unreadable(&self.scanner, "it sends us to another place")),
        }
    }

    /// The body of an answer with this status; any other status is an error.
    pub(super) async fn body(
        &self,
        response: Response,
        status: u16,
        operation: &'static str,
        limit: usize,
    ) -> Result<Vec<u8>> {
        if response.status().as_u16() != status {
            return Err(self.refused(response, operation).await);
        }
        self.bounded(response, limit).await
    }

    /// What it says instead of what was asked for. Harbor's `{error:{message}}`, Clair's `{message}`, or nothing.
    pub(super) async fn refused(&self, response: Response, operation: &'static str) -> Error {
        #[derive(Deserialize)]
        struct Said {
            #[serde(default)]
            error: Option<Message>,
            #[serde(default)]
            message: Option<String>,
        }
        #[derive(Deserialize)]
        struct Message {
            #[serde(default)]
            message: String,
        }
        let status = response.status().as_u16();
        let body = self.bounded(response, process::SAID).await.unwrap_or_default();
        let said: Option<Said> = serde_json::from_slice(&body).ok();
        let said = said.and_then(|said| said.error.map(|e| e.message).or(said.message)).unwrap_or_default();
        let said = match said.trim() {
            "" => "it says nothing".to_owned(),
            said => clean(said, limits::adapters().shown),
        };
        Error::Refused { scanner: self.scanner.clone(), status, operation, said }
    }

    async fn bounded(&self, mut response: Response, limit: usize) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|e| unreachable(&self.scanner, e))? {
            if body.len() + chunk.len() > limit {
                let (what, limit) = ("the size of its answer", limit as u64);
                return Err(Error::TooMuch { scanner: self.scanner.clone(), what, limit });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

/// A scan within its time.
pub(super) async fn within<T>(
    scanner: &str,
    time: Duration,
    scan: impl Future<Output = Result<T>>,
) -> Result<T> {
    let late = |_| Error::Late { scanner: scanner.to_owned(), seconds: time.as_secs() };
    tokio::time::timeout(time, scan).await.map_err(late)?
}

/// The next wait: half as long again.
pub(super) fn longer(wait: Duration) -> Duration {
    (wait * 3 / 2).min(times::POLLS[1])
}

fn unreachable(scanner: &str, error: reqwest::Error) -> Error {
    // Without the address: it may hold a token.
    let error = error.without_url();
    let reason = match std::error::Error::source(&error) {
        // What it was waited for stands deeper than this.
        _ if error.is_timeout() => "it takes too long".to_owned(),
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    };
    Error::Unreachable { scanner: scanner.to_owned(), reason: clean(&reason, limits::adapters().shown) }
}
