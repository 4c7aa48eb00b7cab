//! Advisories derived from a Debian security suite's own packages: the
//! changelog entries above the installed version name what an upload fixes.
//! An entry without a CVE id still makes a finding of unknown severity.

use async_trait::async_trait;

use super::AdvisorySet;
use crate::Inventory;

/// One source upload of the security suite that is newer than what is installed.
#[derive(Debug, Clone)]
pub struct Upload {
    /// Source package.
    pub source: String,
    /// Its version in the suite.
    pub version: String,
    /// `bookworm-security`
    pub suite: String,
    /// Text of `changelog.Debian` as shipped in a verified package; newest entry first.
    pub changelog: String,
}

/// Who can list the uploads: `remediation`'s verified apt repositories. A narrow trait, owned here.
#[async_trait]
pub trait SecurityUploads: Send + Sync {
    /// Uploads newer than installed for the packages of an inventory, and a
    /// revision that names the repository state that was read.
    async fn uploads(
        &self,
        inventory: &Inventory,
    ) -> Result<(Vec<Upload>, String), Box<dyn std::error::Error + Send + Sync>>;
}

/// Derives the advisories that hold for this inventory.
pub fn derive(_inventory: &Inventory, _uploads: &[Upload], _revision: &str) -> AdvisorySet {
    todo!()
}
