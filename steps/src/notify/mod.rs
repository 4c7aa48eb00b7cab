//! Channels: where notifications go.

pub(crate) mod answer;
mod dingtalk;
mod message;
mod ssrf;
pub(crate) mod step;
pub(crate) mod webhook;

use std::{
    collections::{BTreeMap, VecDeque},
    fmt,
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use jiff::Timestamp;
use patchline_engine::{Clock, Deliver, DeliveryError, Message, clock::SystemClock};
use patchline_registry::remote::Secret;

/// One channel of the configuration.
#[derive(Debug, Clone)]
pub enum ChannelConfig {
    /// CloudEvents signed by Standard Webhooks.
    Webhook {
        /// A secret: it may hold a token.
        url: Secret,
        /// `whsec_…`
        secret: Option<Secret>,
        /// Private and loopback addresses are allowed.
        allow_private: bool,
    },
    /// A DingTalk custom robot.
    DingTalk {
        /// A secret: it holds the token.
        url: Secret,
        /// The signing secret.
        secret: Option<Secret>,
        /// Private and loopback addresses are allowed.
        allow_private: bool,
    },
}

/// All channels by name.
pub struct Channels {
    by_name: BTreeMap<String, Channel>,
    clock: Arc<dyn Clock>,
}

struct Channel {
    config: ChannelConfig,
    /// When this process last sent to it: a robot takes twenty messages a minute.
    sent: Mutex<VecDeque<Timestamp>>,
}

impl Default for Channels {
    fn default() -> Self {
        Self::new(BTreeMap::new())
    }
}

impl fmt::Debug for Channels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.by_name.keys()).finish()
    }
}

impl Channels {
    /// From the configuration.
    pub fn new(by_name: BTreeMap<String, ChannelConfig>) -> Self {
        Self::with_clock(by_name, Arc::new(SystemClock))
    }
    /// With a clock of one's own: signatures carry the time.
    pub fn with_clock(by_name: BTreeMap<String, ChannelConfig>, clock: Arc<dyn Clock>) -> Self {
        let by_name = by_name
            .into_iter()
            .map(|(name, config)| (name, Channel { config, sent: Mutex::default() }))
            .collect();
        Self { by_name, clock }
    }
    /// Whether a channel of this name is configured.
    pub fn contains(&self, name: &str) -> bool {
        self.by_name.contains_key(name)
    }
    /// All names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.by_name.keys().map(String::as_str)
    }
}

#[async_trait]
impl Deliver for Channels {
    async fn deliver(&self, message: &Message) -> Result<(), DeliveryError> {
        let Some(channel) = self.by_name.get(&message.channel) else {
            return Err(DeliveryError {
                code: "channel-unknown".into(),
                message: format!("no channel is named `{}`", message.channel),
                retry: false,
                after: None,
            });
        };
        let now = || self.clock.now();
        match &channel.config {
            ChannelConfig::Webhook { url, secret, allow_private } => {
                webhook::send(message, url, secret.as_ref(), *allow_private, now()).await
            }
            ChannelConfig::DingTalk { url, secret, allow_private } => {
                dingtalk::pace(&channel.sent, now())?;
                dingtalk::send(message, url, secret.as_ref(), *allow_private, &now).await
            }
        }
    }
}

#[cfg(test)]
mod tests;
