//! The embedded registry: distribution-spec 1.1 over an OCI layout per repository, with push events.

use std::path::Path;

use tokio::sync::mpsc;

use crate::{Result, events::PushEvent};

/// The embedded registry; cheap to clone.
#[derive(Clone)]
pub struct Embedded {}

impl Embedded {
    /// Opens (or makes) the storage folder. `events`: where pushes of tagged
    /// manifests are told, after they are durable; when the receiver lags the
    /// push waits, so that none is lost while the process lives.
    pub fn open(_dir: &Path, _events: mpsc::Sender<PushEvent>) -> Result<Self> {
        todo!()
    }
    /// `/v2/…`.
    pub fn router(&self) -> axum::Router {
        todo!()
    }
    /// Every (repository, tag, digest): what a server asks on start, to find pushes that it missed.
    pub fn all_tags(&self) -> Result<Vec<(String, String, crate::Digest)>> {
        todo!()
    }
}
