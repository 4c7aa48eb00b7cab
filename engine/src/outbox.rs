//! Messages written in the completion transaction and delivered apart from it, at least once.

use async_trait::async_trait;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// One message to one channel. Its id derives from run, step and channel: a
/// step that runs twice writes it once, and receivers tell repeats by it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Message {
    /// `webhook-id`, the CloudEvent's `id`.
    pub id: String,
    /// The channel's name in the configuration.
    pub channel: String,
    /// What the channel renders; no secret.
    pub payload: Value,
}

/// Where a delivery stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum DeliveryState {
    /// Not yet tried, or to be tried again.
    Pending {
        /// Tries so far.
        attempts: u32,
        /// Why the last one failed.
        problem: Option<crate::Problem>,
    },
    /// The channel took it.
    Delivered,
    /// Given up; a person can send it again.
    Failed {
        /// Why.
        problem: crate::Problem,
    },
}

/// A message and where it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Delivery {
    /// The message.
    pub message: Message,
    /// Which step wrote it.
    pub step: String,
    /// Where it stands.
    #[serde(flatten)]
    pub state: DeliveryState,
    /// Last change.
    pub at: Timestamp,
}

/// A delivery that did not work.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct DeliveryError {
    /// Stable, kebab-case: `dingtalk-310000`.
    pub code: String,
    /// Without the URL: it is a secret.
    pub message: String,
    /// Whether to try again.
    pub retry: bool,
    /// Not before.
    pub after: Option<std::time::Duration>,
}

/// Who delivers: `steps::notify` implements it over its channels.
#[async_trait]
pub trait Deliver: Send + Sync {
    /// Sends once.
    async fn deliver(&self, message: &Message) -> Result<(), DeliveryError>;
}
