//! The generic webhook: CloudEvents 1.0 in structured mode, signed by Standard Webhooks.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use patchline_engine::{DeliveryError, Message};
use patchline_registry::remote::Secret;
use reqwest::{
    StatusCode,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use serde_json::{Value, json};
use sha2::Sha256;
use url::Url;

use super::answer::{self, cut};

/// Receivers of Standard Webhooks may refuse more than 20 KB.
const MOST_BODY: usize = 20_000;

/// Sends once.
pub(super) async fn send(
    message: &Message,
    url: &Secret,
    secret: Option<&Secret>,
    allow_private: bool,
    now: Timestamp,
) -> Result<(), DeliveryError> {
    let url = Url::parse(url.expose())
        .map_err(|_| permanent("channel-invalid", "the channel's address is none"))?;
    let body = body(message);
    let mut headers = headers(&message.id, now, &body, secret)?;
    headers.extend(traceparent(message.payload["traceparent"].as_str().unwrap_or_default()));
    let answer =
        answer::post(&url, allow_private, "application/cloudevents+json; charset=utf-8", headers, body)
            .await?;
    match answer.status {
        status if status.is_success() => Ok(()),
        StatusCode::GONE => {
            Err(permanent("webhook-gone", "the receiver answers 410: it wants no more messages"))
        }
        status if status.is_redirection() => Err(DeliveryError {
            code: "webhook-redirect".into(),
            message: format!("the receiver answers {}: a redirect is never followed", status.as_u16()),
            retry: true,
            after: None,
        }),
        status => Err(DeliveryError {
            code: "webhook-status".into(),
            message: format!("the receiver answers {}", status.as_u16()),
            retry: true,
            after: answer.retry_after,
        }),
    }
}

fn permanent(code: &str, message: &str) -> DeliveryError {
    DeliveryError { code: code.into(), message: message.into(), retry: false, after: None }
}

/// The event's bytes: the same on every try, so that a repeat is seen as one.
fn body(message: &Message) -> Vec<u8> {
    let payload = &message.payload;
    let text = |key: &str| payload[key].as_str().unwrap_or_default();
    let event = |data: Value| {
        let mut event = json!({
            "specversion": "1.0",
            "id": message.id,
            "source": if text("source").is_empty() { "urn:patchline" } else { text("source") },
            "type": if text("type").is_empty() { "dev.patchline.message" } else { text("type") },
            "datacontenttype": "application/json",
            "data": data,
        });
        // `traceparent`: CloudEvents, "Distributed Tracing" extension.
        for key in ["subject", "traceparent"] {
            if !text(key).is_empty() {
                event[key] = json!(text(key));
            }
        }
        event.to_string().into_bytes()
    };
    let whole = json!({
        "title": text("title"), "text": text("text_markdown"), "facts": payload["facts"], "details": payload["data"],
    });
    let bytes = event(whole);
    if bytes.len() <= MOST_BODY {
        return bytes;
    }
    // Details can be asked for; what happened cannot be left out.
    let mut most = 4000;
    loop {
        let short = event(json!({
            "title": cut(text("title"), 500), "text": cut(text("text_markdown"), most), "truncated": true,
        }));
        // A text of control characters grows sixfold in JSON.
        if short.len() <= MOST_BODY || most == 0 {
            return short;
        }
        most /= 2;
    }
}

fn headers(
    id: &str,
    now: Timestamp,
    body: &[u8],
    secret: Option<&Secret>,
) -> Result<HeaderMap, DeliveryError> {
    let key = secret.map(key).transpose()?;
    signed(id, now, body, key.as_deref())
        .ok_or_else(|| permanent("channel-invalid", "the message's id is no header value"))
}

/// W3C Trace Context: the span of the step that makes the call, or that wrote the message.
pub(crate) fn traceparent(text: &str) -> Option<(HeaderName, HeaderValue)> {
    let value = HeaderValue::from_str(text).ok().filter(|value| !value.is_empty())?;
    Some((HeaderName::from_static("traceparent"), value))
}

/// The headers of Standard Webhooks; none where the id is no header value.
pub(crate) fn signed(id: &str, now: Timestamp, body: &[u8], key: Option<&[u8]>) -> Option<HeaderMap> {
    let seconds = now.as_second();
    let mut headers = HeaderMap::new();
    headers.insert("webhook-id", HeaderValue::from_str(id).ok()?);
    headers.insert("webhook-timestamp", HeaderValue::from(seconds));
    if let Some(key) = key {
        let signature = format!("v1,{}", sign(key, id, seconds, body));
        headers.insert("webhook-signature", HeaderValue::from_str(&signature).ok()?);
    }
    Some(headers)
}

/// `whsec_` and 24 to 64 bytes in base64.
pub(crate) fn key_of(secret: &Secret) -> Option<Vec<u8>> {
    let text = secret.expose().trim();
    let bytes = STANDARD.decode(text.strip_prefix("whsec_").unwrap_or(text)).ok();
    bytes.filter(|b| (24..=64).contains(&b.len()))
}

fn key(secret: &Secret) -> Result<Vec<u8>, DeliveryError> {
    key_of(secret).ok_or_else(|| {
        permanent(
            "webhook-secret-invalid",
            "the channel's secret is not `whsec_` and 24 to 64 bytes in base64",
        )
    })
}

/// Standard Webhooks, "Signature scheme", v1: HMAC-SHA256 over `id.timestamp.body`.
fn sign(key: &[u8], id: &str, seconds: i64, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    mac.update(format!("{id}.{seconds}.").as_bytes());
    mac.update(body);
    STANDARD.encode(mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_example_verifies() {
        // The vector of the Standard Webhooks specification's own libraries.
        let key = key(&Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")).expect("a secret");
        let signature = sign(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signature, "g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        for wrong in ["whsec_", "whsec_c2hvcnQ=", "whsec_!!!", "plain"] {
            assert_eq!(super::key(&Secret::new(wrong)).expect_err(wrong).code, "webhook-secret-invalid");
        }
    }

    #[test]
    fn a_large_message_is_cut_and_stays_an_event() {
        let payload = json!({"type": "dev.patchline.gate.denied", "title": "t", "source": "urn:x", "subject": "s",
            "text_markdown": "ü\u{1}".repeat(30_000), "facts": [], "data": {"ids": vec!["x"; 5000]}});
        let message = Message { id: "msg_1".into(), channel: "c".into(), payload };
        let bytes = body(&message);
        assert!(bytes.len() <= MOST_BODY);
        assert_eq!(bytes, body(&message), "the same on every try");
        let event: Value = serde_json::from_slice(&bytes).expect("json");
        assert_eq!((event["id"].as_str(), event["data"]["truncated"].as_bool()), (Some("msg_1"), Some(true)));
    }
}
