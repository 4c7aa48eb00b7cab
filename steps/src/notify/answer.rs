//! One request to a channel or a target, and its answer, bounded in time and size.

use std::{net::SocketAddr, time::Duration};

use patchline_engine::DeliveryError;
use reqwest::{
    Method, StatusCode,
    header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER},
};
use url::{Host, Url};

use super::ssrf;

/// From the first byte of the request to the last one of the answer.
const TIMEOUT: Duration = Duration::from_secs(15);

/// Beyond it an answer is cut.
const MOST_ANSWER: usize = 64 << 10;

/// An answer's parts that tell what became of a request.
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) retry_after: Option<Duration>,
    pub(crate) body: Vec<u8>,
}

/// Why there is no answer. The address is never told: it is a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unanswered {
    #[error("the receiver's address is https, or http where private addresses are allowed")]
    Scheme,
    #[error("the receiver's address has no host")]
    NoHost,
    #[error("the receiver's host has no address")]
    NoAddress,
    #[error(
        "the receiver's host is a private, local or reserved address, which its configuration does not allow"
    )]
    Private,
    #[error("the receiver's host cannot be resolved")]
    Unresolved,
    #[error("the receiver did not answer in time")]
    Late,
    #[error("the receiver cannot be reached")]
    Closed,
    #[error("the receiver's answer cannot be read")]
    Broken,
}

impl Unanswered {
    /// Whether another try may help.
    pub(crate) fn retry(self) -> bool {
        !matches!(self, Self::Scheme | Self::NoHost | Self::Private)
    }
}

impl From<Unanswered> for DeliveryError {
    fn from(why: Unanswered) -> Self {
        let code = match why {
            Unanswered::Scheme | Unanswered::NoHost | Unanswered::NoAddress | Unanswered::Private => {
                "channel-address-refused"
            }
            Unanswered::Unresolved => "channel-unresolved",
            Unanswered::Late | Unanswered::Closed | Unanswered::Broken => "channel-unreachable",
        };
        Self { code: code.into(), message: why.to_string(), retry: why.retry(), after: None }
    }
}

/// Posts a message.
pub(super) async fn post(
    url: &Url,
    allow_private: bool,
    content_type: &'static str,
    headers: HeaderMap,
    body: Vec<u8>,
) -> Result<Answer, DeliveryError> {
    Ok(call(Method::POST, url, allow_private, content_type, headers, body).await?)
}

/// Asks one of the checked addresses of `url`; follows no redirect, asks no
/// proxy (it would resolve the name once more, unchecked).
pub(crate) async fn call(
    method: Method,
    url: &Url,
    allow_private: bool,
    content_type: &'static str,
    headers: HeaderMap,
    body: Vec<u8>,
) -> Result<Answer, Unanswered> {
    let addresses = ssrf::checked_addresses(url, allow_private).await?;
    let client = client(url, &addresses).map_err(unreachable)?;
    let request = client
        .request(method, url.clone())
        .headers(headers)
        .header(CONTENT_TYPE, content_type)
        .body(body)
        .timeout(TIMEOUT);
    let mut response = request.send().await.map_err(unreachable)?;
    let status = response.status();
    let retry_after = response
        .headers()
        .get(RETRY_AFTER)
        .and_then(|v| v.to_str().ok())
        .and_then(|v| v.trim().parse().ok())
        .map(|seconds: u64| Duration::from_secs(seconds.min(24 * 3600)));
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
        let room = MOST_ANSWER - body.len();
        body.extend_from_slice(&chunk[..chunk.len().min(room)]);
        if chunk.len() >= room {
            break;
        }
    }
    Ok(Answer { status, retry_after, body })
}

fn client(url: &Url, addresses: &[SocketAddr]) -> Result<reqwest::Client, reqwest::Error> {
    // An error means that the process has a provider already.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("patchline/", env!("CARGO_PKG_VERSION")))
        .redirect(reqwest::redirect::Policy::none())
        .connect_timeout(Duration::from_secs(5))
        .no_proxy();
    if let Some(Host::Domain(name)) = url.host() {
        builder = builder.resolve_to_addrs(name, addresses);
    }
    builder.build()
}

fn unreachable(error: reqwest::Error) -> Unanswered {
    if error.is_timeout() {
        Unanswered::Late
    } else if error.is_connect() {
        Unanswered::Closed
    } else {
        Unanswered::Broken
    }
}

/// At most so many bytes, at a character's end.
pub(crate) fn cut(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
