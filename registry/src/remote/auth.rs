//! Credentials and tokens of one registry: what is sent, where to, for how long.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use base64::Engine as _;
use http::{HeaderMap, HeaderValue, StatusCode};
use serde::Deserialize;
use tokio::time::Instant;
use url::Url;

use super::{
    Secret,
    challenge::{Challenge, challenges},
    endpoint::{bounded_body, registry_error},
    host, retry,
};
use crate::{Error, Result};

const MAX_TOKEN_BYTES: usize = 64 * 1024;
const MAX_TOKENS: usize = 1000;
/// A token that is nearly over is not sent any more.
const MARGIN: Duration = Duration::from_secs(10);

pub(super) struct Auth {
    /// Where this registry's name and base are, for errors and comparisons.
    registry: String,
    base: Url,
    credentials: Option<(String, Secret)>,
    token_hosts: Vec<String>,
    /// What somebody lent us: it is sent as it is, and nothing else is tried.
    lent: Option<HeaderValue>,
    scheme: Mutex<Option<Challenge>>,
    tokens: Mutex<HashMap<String, Token>>,
    /// One request for a token at a time: the others wait and find it.
    fetching: tokio::sync::Mutex<()>,
}

struct Token {
    header: HeaderValue,
    until: Instant,
}

#[derive(Deserialize)]
struct TokenAnswer {
    token: Option<String>,
    access_token: Option<String>,
    expires_in: Option<u64>,
}

impl Auth {
    pub(super) fn new(
        registry: String,
        base: Url,
        credentials: Option<(String, Secret)>,
        token_hosts: Vec<String>,
    ) -> Self {
        Self {
            registry,
            base,
            credentials,
            token_hosts,
            lent: None,
            scheme: Mutex::default(),
            tokens: Mutex::default(),
            fetching: tokio::sync::Mutex::default(),
        }
    }

    /// Sends this and nothing else from now on.
    pub(super) fn lend(&mut self, lent: Option<HeaderValue>) {
        self.lent = lent;
    }

    /// Lets go of a token: the next one is new.
    pub(super) fn forget(&self, scopes: &[String]) {
        self.tokens.lock().unwrap_or_else(PoisonError::into_inner).remove(&scopes.join(" "));
    }

    /// What to send for these scopes, as far as the registry has asked yet.
    pub(super) async fn header(
        &self,
        http: &reqwest::Client,
        scopes: &[String],
    ) -> Result<Option<HeaderValue>> {
        if self.lent.is_some() {
            return Ok(self.lent.clone());
        }
        let scheme = self.scheme.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match scheme {
            None => Ok(None),
            Some(Challenge::Basic) => Ok(self.basic()),
            Some(Challenge::Bearer { realm, service }) => {
                let key = scopes.join(" ");
                if let Some(known) = self.known(&key) {
                    return Ok(Some(known));
                }
                let _alone = self.fetching.lock().await;
                if let Some(known) = self.known(&key) {
                    return Ok(Some(known));
                }
                let token = self.fetch(http, &realm, service.as_deref(), scopes).await?;
                let header = token.header.clone();
                let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
                if tokens.len() >= MAX_TOKENS {
                    tokens.clear();
                }
                tokens.insert(key, token);
                Ok(Some(header))
            }
        }
    }

    /// Learns from a 401 to a call that sent `used`; false when nothing is
    /// left to try.
    pub(super) fn learn(&self, answer: &HeaderMap, scopes: &[String], used: Option<&HeaderValue>) -> bool {
        if self.lent.is_some() {
            return false;
        }
        let asked = challenges(answer);
        let wanted = asked.into_iter().find(|c| match c {
            Challenge::Bearer { .. } => true,
            Challenge::Basic => self.credentials.is_some(),
        });
        let Some(wanted) = wanted else { return false };
        if wanted == Challenge::Basic && used.is_some() && used == self.basic().as_ref() {
            return false;
        }
        *self.scheme.lock().unwrap_or_else(PoisonError::into_inner) = Some(wanted);
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let key = scopes.join(" ");
        if used.is_some() && tokens.get(&key).map(|t| &t.header) == used {
            tokens.remove(&key);
        }
        true
    }

    fn known(&self, key: &str) -> Option<HeaderValue> {
        let tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        let token = tokens.get(key)?;
        (token.until > Instant::now() + MARGIN).then(|| token.header.clone())
    }

    fn basic(&self) -> Option<HeaderValue> {
        let (user, password) = self.credentials.as_ref()?;
        let text = base64::engine::general_purpose::STANDARD.encode(format!("{user}:{}", password.expose()));
        sensitive(&format!("Basic {text}"))
    }

    async fn fetch(
        &self,
        http: &reqwest::Client,
        realm: &str,
        service: Option<&str>,
        scopes: &[String],
    ) -> Result<Token> {
        let invalid =
            |reason: &str| Error::invalid(format!("the token challenge of {}", self.registry), reason);
        let mut url: Url = realm.parse().map_err(|_| invalid("its realm is no URL"))?;
        let untrusted = |url: &Url| Error::UntrustedRealm {
            registry: self.registry.clone(),
            realm: url.host_str().unwrap_or("nowhere").to_owned(),
        };
        let trusted = host::may_see_credentials(&self.base, &url, &self.token_hosts);
        if !trusted && (self.credentials.is_some() || !host::may_lead_to(&self.base, &url)) {
            return Err(untrusted(&url));
        }
        // What the realm carries as user info is no credential of ours.
        if !url.username().is_empty() || url.password().is_some() {
            return Err(untrusted(&url));
        }
        {
            let mut query = url.query_pairs_mut();
            if let Some(service) = service {
                query.append_pair("service", service);
            }
            for scope in scopes {
                query.append_pair("scope", scope);
            }
            if let Some((user, _)) = &self.credentials {
                query.append_pair("account", user);
            }
        }
        let mut attempt = 0;
        let response = loop {
            attempt += 1;
            let mut request = http.get(url.clone());
            if let Some(basic) = self.basic() {
                request = request.header(http::header::AUTHORIZATION, basic);
            }
            let (failure, asked) = match request.send().await {
                Ok(response) if response.status() == StatusCode::OK => break response,
                Ok(response) => {
                    let (passing, asked) =
                        (retry::is_passing(response.status()), retry::retry_after(response.headers()));
                    let failure = registry_error(&self.registry, response, "get token").await;
                    if !passing {
                        return Err(failure);
                    }
                    (failure, asked)
                }
                Err(e) => {
                    let source = e.without_url();
                    (Error::Transport { registry: self.registry.clone(), source }, None)
                }
            };
            match retry::wait(attempt, asked) {
                Some(wait) => tokio::time::sleep(wait).await,
                None => return Err(failure),
            }
        };
        let body = bounded_body(&self.registry, response, MAX_TOKEN_BYTES, "the token").await?;
        let answer: TokenAnswer =
            serde_json::from_slice(&body).map_err(|_| invalid("what its realm answers is no token"))?;
        let text = answer.token.or(answer.access_token).filter(|t| !t.is_empty());
        let header = text.and_then(|t| sensitive(&format!("Bearer {t}")));
        let header = header.ok_or_else(|| invalid("what its realm answers is no token"))?;
        // Distribution's token specification: 60 seconds when it does not say.
        let life = Duration::from_secs(answer.expires_in.unwrap_or(60).min(24 * 3600));
        Ok(Token { header, until: Instant::now() + life })
    }
}

pub(super) fn sensitive(text: &str) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_str(text).ok()?;
    value.set_sensitive(true);
    Some(value)
}
