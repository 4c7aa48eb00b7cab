//! One POST to a channel, and its answer, bounded in time and size.

use std::{net::SocketAddr, time::Duration};

use patchline_engine::DeliveryError;
use reqwest::{
    StatusCode,
    header::{CONTENT_TYPE, HeaderMap, RETRY_AFTER},
};
use url::{Host, Url};

use super::ssrf;

/// From the first byte of the request to the last one of the answer.
const TIMEOUT: Duration = Duration::from_secs(15);

/// Beyond it an answer is cut.
const MOST_ANSWER: usize = 64 << 10;

/// An answer's parts that tell what became of a message.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) retry_after: Option<Duration>,
    pub(super) body: Vec<u8>,
}

/// Posts to the checked addresses of `url`; follows no redirect, asks no
/// proxy (it would resolve the name once more, unchecked).
pub(super) async fn post(
    url: &Url,
    allow_private: bool,
    content_type: &'static str,
    headers: HeaderMap,
    body: Vec<u8>,
) -> Result<Answer, DeliveryError> {
    let addresses = ssrf::checked_addresses(url, allow_private).await?;
    let client = client(url, &addresses).map_err(unreachable)?;
    let request = client
        .post(url.clone())
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

/// Without the URL, which is a secret.
fn unreachable(error: reqwest::Error) -> DeliveryError {
    let error = error.without_url();
    let what = if error.is_timeout() {
        "the channel did not answer in time"
    } else if error.is_connect() {
        "the channel cannot be reached"
    } else {
        "the channel's answer cannot be read"
    };
    DeliveryError { code: "channel-unreachable".into(), message: what.into(), retry: true, after: None }
}

/// At most so many bytes, at a character's end.
pub(super) fn cut(text: &str, most: usize) -> &str {
    let mut end = most.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}
