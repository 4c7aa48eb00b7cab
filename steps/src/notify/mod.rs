//! Channels: where notifications go.

use std::collections::BTreeMap;

use async_trait::async_trait;
use patchline_engine::{Deliver, DeliveryError, Message};
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
#[derive(Debug, Default)]
pub struct Channels {
    _by_name: BTreeMap<String, ChannelConfig>,
}

impl Channels {
    /// From the configuration.
    pub fn new(by_name: BTreeMap<String, ChannelConfig>) -> Self {
        Self { _by_name: by_name }
    }
}

#[async_trait]
impl Deliver for Channels {
    async fn deliver(&self, _message: &Message) -> Result<(), DeliveryError> {
        todo!()
    }
}
