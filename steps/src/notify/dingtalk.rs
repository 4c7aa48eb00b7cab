//! DingTalk's custom robot: signed in the query, and its answer's body believed, not its status.

use std::{
    collections::VecDeque,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use jiff::Timestamp;
use patchline_engine::{DeliveryError, Message};
use patchline_registry::remote::Secret;
use reqwest::header::HeaderMap;
use serde::Deserialize;
use serde_json::json;
use sha2::Sha256;
use url::Url;

use super::answer::{self, Answer, cut};

/// A robot takes so many messages in a minute, then none for ten.
const PER_MINUTE: usize = 20;
const MINUTE: i64 = 60;
const THROTTLED: Duration = Duration::from_secs(600);

/// A body beyond it is refused.
const MOST_TEXT: usize = 18_000;

/// Takes a place in this minute's twenty, or says when there is one.
pub(super) fn pace(sent: &Mutex<VecDeque<Timestamp>>, now: Timestamp) -> Result<(), DeliveryError> {
    let mut sent = sent.lock().unwrap_or_else(PoisonError::into_inner);
    while sent.front().is_some_and(|at| now.as_second() - at.as_second() >= MINUTE) {
        sent.pop_front();
    }
    if let Some(oldest) = sent.front().filter(|_| sent.len() >= PER_MINUTE) {
        let left = (oldest.as_second() + MINUTE - now.as_second()).clamp(1, MINUTE);
        return Err(DeliveryError {
            code: "dingtalk-paced".into(),
            message: format!("{PER_MINUTE} messages went to this robot within a minute"),
            retry: true,
            after: Some(Duration::from_secs(left.unsigned_abs())),
        });
    }
    sent.push_back(now);
    Ok(())
}

/// Sends once; an answer of `invalid timestamp` is signed and sent again once.
pub(super) async fn send(
    message: &Message,
    url: &Secret,
    secret: Option<&Secret>,
    allow_private: bool,
    now: &(dyn Fn() -> Timestamp + Send + Sync),
) -> Result<(), DeliveryError> {
    let body = body(message);
    let mut again = secret.is_some();
    loop {
        let url = signed(url, secret, now())?;
        let answer = answer::post(
            &url,
            allow_private,
            "application/json;charset=utf-8",
            HeaderMap::new(),
            body.clone(),
        )
        .await?;
        match judge(&answer) {
            Err(Refused::Timestamp(_)) if again => again = false,
            Err(Refused::Timestamp(error) | Refused::Other(error)) => return Err(error),
            Ok(()) => return Ok(()),
        }
    }
}

fn body(message: &Message) -> Vec<u8> {
    let text = |key: &str| message.payload[key].as_str().unwrap_or_default();
    let title = if text("title").is_empty() { "Patchline" } else { cut(text("title"), 200) };
    let markdown = format!("#### {title}\n\n{}", cut(text("text_markdown"), MOST_TEXT));
    json!({"msgtype": "markdown", "markdown": {"title": title, "text": markdown}, "at": {"isAtAll": false}})
        .to_string()
        .into_bytes()
}

/// `timestamp` in milliseconds and `sign` = base64(HMAC-SHA256(secret, "{ms}\n{secret}")).
fn signed(url: &Secret, secret: Option<&Secret>, now: Timestamp) -> Result<Url, DeliveryError> {
    let mut url = Url::parse(url.expose()).map_err(|_| DeliveryError {
        code: "channel-invalid".into(),
        message: "the channel's address is none".into(),
        retry: false,
        after: None,
    })?;
    if let Some(secret) = secret {
        let ms = now.as_millisecond();
        let sign = sign(secret.expose(), ms);
        url.query_pairs_mut().append_pair("timestamp", &ms.to_string()).append_pair("sign", &sign);
    }
    Ok(url)
}

fn sign(secret: &str, ms: i64) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(format!("{ms}\n{secret}").as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

enum Refused {
    Timestamp(DeliveryError),
    Other(DeliveryError),
}

#[derive(Deserialize)]
struct Said {
    errcode: i64,
    #[serde(default)]
    errmsg: String,
}

/// Success is a 2xx **and** `errcode` 0.
fn judge(answer: &Answer) -> Result<(), Refused> {
    let status = answer.status.as_u16();
    let error = |code: String, message: String, retry: bool, after: Option<Duration>| DeliveryError {
        code,
        message,
        retry,
        after,
    };
    if !answer.status.is_success() {
        let retry = status >= 500 || matches!(status, 408 | 429);
        let message = format!("DingTalk answers {status}");
        return Err(Refused::Other(error("dingtalk-status".into(), message, retry, answer.retry_after)));
    }
    let Ok(said) = serde_json::from_slice::<Said>(&answer.body) else {
        let message = format!("DingTalk answers {status} without an errcode");
        return Err(Refused::Other(error("dingtalk-answer-unreadable".into(), message, true, None)));
    };
    if said.errcode == 0 {
        return Ok(());
    }
    let why: String = said.errmsg.chars().filter(|c| !c.is_control()).take(200).collect();
    let message = format!("DingTalk refuses the message with errcode {}: {why}", said.errcode);
    let code = format!("dingtalk-{}", said.errcode);
    Err(match said.errcode {
        310_000 if said.errmsg.contains("invalid timestamp") => {
            Refused::Timestamp(error(code, message, false, None))
        }
        130_101 | 410_100 => {
            Refused::Other(error(code, message, true, Some(answer.retry_after.unwrap_or(THROTTLED))))
        }
        -1 => Refused::Other(error("dingtalk-busy".into(), message, true, None)),
        _ => Refused::Other(error(code, message, false, None)),
    })
}
