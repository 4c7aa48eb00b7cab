//! Targets of the configuration: checked once, called under limits, never repeated in a message.

use std::{collections::BTreeMap, fmt, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use patchline_engine::{Clock, ErrorClass, StepError, clock::SystemClock};
use patchline_registry::remote::Secret;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;
use url::Url;

use crate::{
    notify::{
        answer::{self, Answer, Unanswered},
        webhook,
    },
    summary,
};

/// How a target is called.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Method {
    /// `POST`
    #[default]
    Post,
    /// `PUT`
    Put,
    /// `PATCH`
    Patch,
}

/// One target of the configuration.
#[derive(Debug, Clone)]
pub struct TargetConfig {
    /// A secret: it may hold a token.
    pub url: Secret,
    /// How it is called.
    pub method: Method,
    /// Further headers; their values may be credentials.
    pub headers: BTreeMap<String, Secret>,
    /// `whsec_…`: calls are signed by Standard Webhooks.
    pub secret: Option<Secret>,
    /// Private and loopback addresses are allowed.
    pub allow_private: bool,
}

/// A target that cannot be called.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("target `{name}`: {reason}")]
pub struct InvalidTarget {
    /// Its name.
    pub name: String,
    /// Without any value: it may be a secret.
    pub reason: String,
}

/// All targets by name.
pub struct Targets {
    by_name: BTreeMap<String, Target>,
    clock: Arc<dyn Clock>,
}

/// A target that was checked.
pub(super) struct Target {
    url: Url,
    method: reqwest::Method,
    headers: HeaderMap,
    key: Option<Vec<u8>>,
    allow_private: bool,
    /// Texts that are never repeated, longest first.
    secrets: Vec<String>,
}

impl Default for Targets {
    fn default() -> Self {
        Self { by_name: BTreeMap::new(), clock: Arc::new(SystemClock) }
    }
}

impl fmt::Debug for Targets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.by_name.keys()).finish()
    }
}

impl Targets {
    /// From the configuration.
    pub fn new(by_name: BTreeMap<String, TargetConfig>) -> Result<Self, InvalidTarget> {
        Self::with_clock(by_name, Arc::new(SystemClock))
    }
    /// With a clock of one's own: signatures carry the time.
    pub fn with_clock(
        by_name: BTreeMap<String, TargetConfig>,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, InvalidTarget> {
        let checked = by_name.into_iter().map(|(name, config)| match Target::new(&config) {
            Ok(target) => Ok((name, target)),
            Err(reason) => Err(InvalidTarget { name, reason }),
        });
        Ok(Self { by_name: checked.collect::<Result<_, _>>()?, clock })
    }
    /// All names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }
    pub(super) fn get(&self, name: &str) -> Option<&Target> {
        self.by_name.get(name)
    }
    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// Set by us, or by HTTP itself.
const OURS: [&str; 10] = [
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
    "idempotency-key",
    "traceparent",
    "content-type",
    "content-length",
    "transfer-encoding",
    "connection",
    "host",
];

impl Target {
    fn new(config: &TargetConfig) -> Result<Self, String> {
        let url = Url::parse(config.url.expose().trim()).map_err(|_| "its `url` is no address".to_owned())?;
        if !matches!(url.scheme(), "https" | "http") {
            return Err("its `url` is neither https nor http".into());
        }
        let mut headers = HeaderMap::new();
        for (name, value) in &config.headers {
            let known = HeaderName::try_from(name.as_str()).map_err(|_| format!("`{name}` is no header"))?;
            if OURS.contains(&known.as_str()) {
                return Err(format!("the header `{name}` is not the configuration's to set"));
            }
            let mut value = HeaderValue::from_str(value.expose().trim())
                .map_err(|_| format!("the value of header `{name}` is no header value"))?;
            value.set_sensitive(true);
            headers.insert(known, value);
        }
        let key = match &config.secret {
            None => None,
            Some(secret) => Some(
                webhook::key_of(secret)
                    .ok_or("its `secret` is not `whsec_` and 24 to 64 bytes in base64".to_owned())?,
            ),
        };
        Ok(Self {
            secrets: secrets(&url, config),
            url,
            method: match config.method {
                Method::Post => reqwest::Method::POST,
                Method::Put => reqwest::Method::PUT,
                Method::Patch => reqwest::Method::PATCH,
            },
            headers,
            key,
            allow_private: config.allow_private,
        })
    }

    /// One call; a failure says whether anything was sent.
    pub(super) async fn call(
        &self,
        id: &str,
        traceparent: &str,
        body: Vec<u8>,
        now: Timestamp,
    ) -> Result<Answer, (bool, StepError)> {
        let mut headers = webhook::signed(id, now, &body, self.key.as_deref()).unwrap_or_default();
        if let Some(id) = headers.get("webhook-id").cloned() {
            headers.insert("idempotency-key", id);
        }
        headers.extend(self.headers.clone());
        headers.extend(webhook::traceparent(traceparent));
        let method = self.method.clone();
        answer::call(method, &self.url, self.allow_private, "application/json", headers, body)
            .await
            .map_err(|why| (matches!(why, Unanswered::Late | Unanswered::Broken), unanswered(why)))
    }

    /// The beginning of an answer as one line, without anything that is a secret here.
    pub(super) fn redact(&self, body: &[u8], most: usize) -> String {
        let mut text = String::from_utf8_lossy(body).into_owned();
        for secret in &self.secrets {
            if text.contains(secret.as_str()) {
                text = text.replace(secret.as_str(), "***");
            }
        }
        let words = text.split(|c: char| c.is_whitespace() || c.is_control()).filter(|w| !w.is_empty());
        // A word can be as long as the whole answer; so many are more than a line holds.
        summary::cut(&words.take(most).collect::<Vec<_>>().join(" "), most)
    }
}

fn unanswered(why: Unanswered) -> StepError {
    let code = match why {
        Unanswered::Scheme | Unanswered::NoHost | Unanswered::NoAddress | Unanswered::Private => {
            "target-address-refused"
        }
        Unanswered::Unresolved => "target-unresolved",
        Unanswered::Late | Unanswered::Closed | Unanswered::Broken => "target-unreachable",
    };
    let class = if why.retry() { ErrorClass::Transient } else { ErrorClass::Permanent };
    StepError { class, code: code.into(), message: why.to_string() }
}

/// What a receiver may repeat of a call: the address and its parts, header values and their words.
fn secrets(url: &Url, config: &TargetConfig) -> Vec<String> {
    let mut all = vec![config.url.expose().trim().to_owned(), url.to_string(), url.username().to_owned()];
    all.extend(url.password().map(str::to_owned));
    all.extend(url.query().map(str::to_owned));
    all.extend(url.query_pairs().map(|(_, value)| value.into_owned()));
    // Short segments are words like `api` or `v1`.
    all.extend(url.path_segments().into_iter().flatten().filter(|s| s.len() >= 12).map(str::to_owned));
    for value in config.headers.values().chain(&config.secret) {
        let text = value.expose().trim();
        all.push(text.to_owned());
        all.extend(text.split_whitespace().skip(1).map(str::to_owned));
        // Basic: a receiver that says whom it refused may say it decoded.
        let basic = text.strip_prefix("Basic ").and_then(|encoded| STANDARD.decode(encoded.trim()).ok());
        if let Some(pair) = basic.and_then(|bytes| String::from_utf8(bytes).ok()) {
            all.extend(pair.split_once(':').map(|(_, password)| password.to_owned()));
            all.push(pair);
        }
    }
    // A single letter would black out the whole answer.
    all.retain(|text| text.len() >= 4);
    all.sort_unstable_by(|a, b| b.len().cmp(&a.len()).then(a.cmp(b)));
    all.dedup();
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(url: &str, headers: &[(&str, &str)]) -> TargetConfig {
        TargetConfig {
            url: Secret::new(url),
            method: Method::Post,
            headers: headers.iter().map(|(n, v)| ((*n).to_owned(), Secret::new(*v))).collect(),
            secret: None,
            allow_private: true,
        }
    }

    #[test]
    fn a_target_that_cannot_be_called_is_refused_without_its_secrets() {
        for (config, said) in [
            (config("hunter2", &[]), "no address"),
            (config("ftp://hunter2.example", &[]), "neither https nor http"),
            (config("https://x", &[("no header", "hunter2")]), "no header"),
            (config("https://x", &[("X-Key", "hunter2\n")]), ""),
            (config("https://x", &[("X-Key", "hunter\n2")]), "no header value"),
            (config("https://x", &[("Idempotency-Key", "hunter2")]), "not the configuration's"),
            (TargetConfig { secret: Some(Secret::new("hunter2")), ..config("https://x", &[]) }, "whsec_"),
        ] {
            match Targets::new([("it".to_owned(), config)].into()) {
                Ok(_) => assert_eq!(said, ""),
                Err(error) => {
                    let text = error.to_string();
                    assert!(text.contains("`it`") && text.contains(said) && !said.is_empty(), "{text}");
                    assert!(!text.contains("hunter"), "{text}");
                }
            }
        }
    }

    #[test]
    fn an_answer_is_repeated_without_what_was_sent() {
        let basic = format!("Basic {}", STANDARD.encode("deployer:opensesame"));
        let url = "https://me:pass1word@deploy.example/hooks/T0123456789AB?token=hush-hush&n=1";
        let target = Target::new(&config(url, &[("Authorization", "Bearer hunter2"), ("X-Login", &basic)]));
        let target = target.expect("a target");
        let echo = format!(
            "you sent\r\n\u{1b}[1m{url} with Bearer hunter2 and {basic} opensesame T0123456789AB hush-hush\0 to v1"
        );
        let said = target.redact(echo.as_bytes(), 200);
        for secret in ["hunter2", "opensesame", "hush", "T0123456789AB", "pass1word", &basic[6..], "\u{1b}"] {
            assert!(!said.contains(secret), "{secret}: {said}");
        }
        assert!(said.starts_with("you sent") && said.ends_with("to v1"), "{said}");
        assert!(target.redact(&[b'x'; 100_000], 200).chars().count() <= 200);
        assert_eq!(target.redact(&[0xff, 0xfe], 200), "\u{fffd}\u{fffd}");
    }
}
