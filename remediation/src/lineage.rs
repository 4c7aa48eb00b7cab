//! From a fixed image back to its original: our annotations, believed only when the layers agree.

use patchline_registry::Digest;
use serde::{Deserialize, Serialize};

/// Prefix of all our annotation keys.
pub const PREFIX: &str = "dev.patchline.";

/// What a fixed image's manifest says of where it comes from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lineage {
    /// The original's image manifest.
    pub source: Digest,
    /// The patch layer's blob.
    pub patch_layer: Digest,
    /// The original's tag, as the chain saw it.
    pub source_tag: Option<String>,
    /// How many packages went up.
    pub upgrades: usize,
}
