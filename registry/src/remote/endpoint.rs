//! One registry as calls see it: authorisation, repetition, redirects, errors.

use bytes::{Bytes, BytesMut};
use http::{HeaderMap, Method, StatusCode, header};
use reqwest::Response;
use serde::Deserialize;
use url::Url;

use super::{
    RegistryConfig,
    auth::Auth,
    host,
    http::{Http, Pair},
    link, retry,
};
use crate::{Error, Result};

const MAX_REDIRECTS: usize = 5;

/// A registry: its base, its clients, its tokens.
pub(super) struct Endpoint {
    pub(super) host: String,
    pub(super) base: Url,
    pub(super) clients: Pair,
    pub(super) auth: Auth,
    /// Holds together the read and the write of a referrers tag.
    pub(super) referrers_tag: tokio::sync::Mutex<()>,
}

/// One call; every call here may be made twice.
pub(super) struct Call<'a> {
    pub(super) method: Method,
    pub(super) url: Url,
    pub(super) operation: &'static str,
    pub(super) scopes: &'a [String],
    pub(super) headers: HeaderMap,
    pub(super) body: Option<Bytes>,
}

/// What a call came to.
pub(super) struct Answer {
    pub(super) response: Response,
    /// Where it came from, after redirects.
    pub(super) url: Url,
    /// An earlier attempt may have reached the registry too.
    pub(super) repeated: bool,
}

impl Endpoint {
    pub(super) fn new(config: RegistryConfig, http: &Http) -> Result<Self> {
        let host = config.host;
        let bad = |reason| Error::InvalidReference { text: host.clone(), reason };
        if host.contains(['/', '@', '?', '#']) {
            return Err(bad("it is no `host[:port]`"));
        }
        // Docker Hub's images are named after one host and served by another.
        let served = match host.as_str() {
            "docker.io" | "index.docker.io" => "registry-1.docker.io",
            other => other,
        };
        let url = |scheme: &str| format!("{scheme}://{served}/").parse::<Url>();
        let mut base = url("https").map_err(|_| bad("it is no `host[:port]`"))?;
        if config.plain_http || host::is_loopback(&base) {
            base = url("http").map_err(|_| bad("it is no `host[:port]`"))?;
        }
        let clients = http.pair(host::is_loopback(&base))?;
        let auth = Auth::new(host.clone(), base.clone(), config.credentials, config.token_hosts);
        Ok(Self { host, base, clients, auth, referrers_tag: tokio::sync::Mutex::default() })
    }

    /// `/v2/<path>`; what is in `path` follows a grammar that needs no escapes.
    pub(super) fn url(&self, path: &str) -> Result<Url> {
        let joined = self.base.join(&format!("/v2/{path}"));
        joined.map_err(|_| Error::InvalidReference { text: path.to_owned(), reason: "it fits in no URL" })
    }

    /// Makes a call: once more with a token when the registry asks for one,
    /// again with growing waits when it stumbles. Gives whatever else it
    /// answers, errors too.
    pub(super) async fn call(&self, call: Call<'_>) -> Result<Answer> {
        let (mut attempt, mut renewed, mut repeated) = (0, false, false);
        loop {
            let authorization = self.auth.header(&self.clients.calls, call.scopes).await?;
            let (failure, asked) = match self.send(&call, authorization.as_ref()).await {
                Ok((response, url)) => {
                    let status = response.status();
                    if status == StatusCode::UNAUTHORIZED
                        && !renewed
                        && host::same_origin(&self.base, &url)
                        && self.auth.learn(response.headers(), call.scopes, authorization.as_ref())
                    {
                        renewed = true;
                        continue;
                    }
                    if !retry::is_passing(status) {
                        return Ok(Answer { response, url, repeated });
                    }
                    let asked = retry::retry_after(response.headers());
                    (registry_error(&self.host, response, call.operation).await, asked)
                }
                Err(failure @ Error::Transport { .. }) => (failure, None),
                Err(failure) => return Err(failure),
            };
            attempt += 1;
            let Some(wait) = retry::wait(attempt, asked) else { return Err(failure) };
            tracing::debug!(registry.host = self.host, operation = call.operation, attempt, "asking again");
            repeated = true;
            tokio::time::sleep(wait).await;
        }
    }

    /// Sends once and follows redirects of reads. Only the registry itself
    /// sees the authorisation.
    async fn send(
        &self,
        call: &Call<'_>,
        authorization: Option<&http::HeaderValue>,
    ) -> Result<(Response, Url)> {
        let mut url = call.url.clone();
        for _ in 0..=MAX_REDIRECTS {
            let mut request = self.clients.calls.request(call.method.clone(), url.clone());
            request = request.headers(call.headers.clone());
            if let Some(value) = authorization.filter(|_| host::same_origin(&self.base, &url)) {
                request = request.header(header::AUTHORIZATION, value.clone());
            }
            if let Some(body) = &call.body {
                request = request.body(body.clone());
            }
            let response = request.send().await.map_err(|e| self.transport(e))?;
            let moved = matches!(response.status().as_u16(), 301 | 302 | 303 | 307 | 308);
            if !moved || !matches!(call.method, Method::GET | Method::HEAD) {
                return Ok((response, url));
            }
            let to = link::location(&self.base, &url, response.headers());
            url = to.ok_or_else(|| self.invalid(call.operation, "its redirect leads nowhere we may go"))?;
        }
        Err(self.invalid(call.operation, "too many redirects"))
    }

    pub(super) fn transport(&self, error: reqwest::Error) -> Error {
        Error::Transport { registry: self.host.clone(), source: error.without_url() }
    }

    pub(super) fn invalid(&self, operation: &str, reason: impl Into<String>) -> Error {
        Error::invalid(format!("the answer of {} to {operation}", self.host), reason)
    }

    pub(super) async fn error(&self, response: Response, operation: &'static str) -> Error {
        registry_error(&self.host, response, operation).await
    }

    pub(super) async fn body(&self, response: Response, limit: usize, what: &str) -> Result<Bytes> {
        bounded_body(&self.host, response, limit, what).await
    }
}

#[derive(Deserialize)]
struct ErrorBody {
    errors: Vec<ErrorEntry>,
}

#[derive(Deserialize)]
struct ErrorEntry {
    code: Option<String>,
    message: Option<String>,
}

/// The error that an answer means, whatever was asked.
pub(super) async fn registry_error(registry: &str, response: Response, operation: &'static str) -> Error {
    let registry = registry.to_owned();
    let status = response.status().as_u16();
    match status {
        401 | 403 => Error::Denied { registry, status },
        429 => Error::Throttled { retry_after: retry::retry_after(response.headers()), registry },
        _ => {
            let body = bounded_body(&registry, response, 16 * 1024, "an error").await.unwrap_or_default();
            let first =
                serde_json::from_slice::<ErrorBody>(&body).ok().and_then(|b| b.errors.into_iter().next());
            let detail = first.map(|e| {
                let text = [e.code, e.message].into_iter().flatten().collect::<Vec<_>>().join(": ");
                // It ends up on terminals and in pages.
                text.chars().filter(|c| !c.is_control()).take(300).collect()
            });
            Error::Status { registry, status, operation, detail }
        }
    }
}

/// A body of at most `limit` bytes, whatever its `Content-Length` says.
pub(super) async fn bounded_body(
    registry: &str,
    mut response: Response,
    limit: usize,
    what: &str,
) -> Result<Bytes> {
    let mut body = BytesMut::new();
    loop {
        let chunk = response.chunk().await;
        let chunk =
            chunk.map_err(|e| Error::Transport { registry: registry.to_owned(), source: e.without_url() })?;
        let Some(chunk) = chunk else { return Ok(body.freeze()) };
        if body.len() + chunk.len() > limit {
            return Err(Error::invalid(
                format!("{what} from {registry}"),
                format!("larger than {limit} bytes"),
            ));
        }
        body.extend_from_slice(&chunk);
    }
}
