//! What registries say happened. A hint, never the truth: the registry is asked.

use crate::{Digest, Result};

/// A manifest was pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushEvent {
    /// The registry's own id of the event: deliveries are counted once by it.
    pub id: String,
    /// Host as the registry names itself; may be wrong behind a proxy.
    pub host: Option<String>,
    /// `shop/web`.
    pub repository: String,
    /// None for a push by digest.
    pub tag: Option<String>,
    /// Of the manifest.
    pub digest: Option<Digest>,
    /// Of the manifest.
    pub media_type: Option<String>,
}

/// Decodes Distribution's notification envelope
/// (`application/vnd.docker.distribution.events.v2+json`): pushes of
/// manifests and indexes, everything else is left out.
pub fn decode_distribution(_body: &[u8]) -> Result<Vec<PushEvent>> {
    todo!()
}
