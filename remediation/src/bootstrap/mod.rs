//! `patchline image bootstrap`: a Debian image assembled from a suite without running anything.

use patchline_registry::{Digest, Repository};

use crate::{Result, apt::Apt, fix::Progress};

/// What to assemble.
#[derive(Debug, Clone)]
pub struct BootstrapOptions {
    /// `bookworm`: that suite alone, no security suite.
    pub suite: String,
    /// `amd64`
    pub architecture: String,
    /// Beyond the minbase-like set (essential and required priority).
    pub packages: Vec<String>,
}

/// What was assembled.
#[derive(Debug, Clone)]
pub struct Bootstrapped {
    /// The image manifest.
    pub digest: Digest,
    /// Packages installed.
    pub packages: usize,
    /// Compressed bytes of its layers.
    pub bytes: u64,
}

/// Assembles and pushes under `tag`, the tag last.
pub async fn bootstrap(
    _apt: &Apt,
    _options: &BootstrapOptions,
    _target: &dyn Repository,
    _tag: &str,
    _progress: &Progress,
) -> Result<Bootstrapped> {
    todo!()
}
