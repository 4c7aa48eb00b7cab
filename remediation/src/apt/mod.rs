//! Verified apt repositories: InRelease → Packages → .deb, each by its hash.

mod suite;

use std::{path::PathBuf, sync::Arc};

use url::Url;

use crate::{Result, deb::PackageRecord};
pub use suite::Suite;

/// Where Debian's archives are mirrored.
#[derive(Debug, Clone, Default)]
pub struct Mirrors {
    /// Base of the main archive, the folder that holds `dists/` and `pool/`.
    pub debian: Option<Url>,
    /// Base of the security archive.
    pub debian_security: Option<Url>,
}

impl Mirrors {
    /// From the machine's own apt configuration: one-line and deb822 sources under `/etc/apt`.
    pub fn from_machine() -> Self {
        todo!()
    }
    /// From the text of an image's own sources files (hints only).
    pub fn from_sources(_texts: &[(String, String)]) -> Self {
        todo!()
    }
    /// `self` first, then `other` for what is missing.
    pub fn or(self, other: Self) -> Self {
        Self {
            debian: self.debian.or(other.debian),
            debian_security: self.debian_security.or(other.debian_security),
        }
    }
}

/// How to reach and trust repositories.
#[derive(Debug, Clone)]
pub struct AptConfig {
    /// Mirrors.
    pub mirrors: Mirrors,
    /// Folder for verified indices (by InRelease hash) and packages (by SHA-256).
    pub cache: PathBuf,
    /// Keyring files; empty: the host's Debian keyrings under `/usr/share/keyrings`.
    pub keyrings: Vec<PathBuf>,
    /// Accept a suite whose `Valid-Until` has passed.
    pub allow_expired: bool,
}

/// The apt client; cheap to clone.
#[derive(Clone)]
pub struct Apt {
    _config: Arc<AptConfig>,
}

impl Apt {
    /// No request is made.
    pub fn new(config: AptConfig) -> Result<Self> {
        Ok(Self { _config: Arc::new(config) })
    }
    /// Fetches and verifies one suite (`bookworm`, `bookworm-security`; component main) for an architecture.
    pub async fn suite(&self, _suite: &str, _architecture: &str) -> Result<Arc<Suite>> {
        todo!()
    }
    /// Downloads and verifies packages, several at once; paths in the cache, in the same order.
    pub async fn download(&self, _packages: &[Arc<PackageRecord>]) -> Result<Vec<PathBuf>> {
        todo!()
    }
}
