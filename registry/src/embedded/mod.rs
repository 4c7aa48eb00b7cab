//! The embedded registry: distribution-spec 1.1 over an OCI layout per repository, with push events.

mod blobs;
mod failure;
mod lists;
mod manifests;
mod route;
mod storage;
mod uploads;

use std::{path::Path, sync::Arc, time::SystemTime};

use tokio::sync::mpsc;

use crate::{Result, events::PushEvent, layout::Swept};
use storage::Storage;
use uploads::Uploads;

/// The embedded registry; cheap to clone.
///
/// Below its folder, `repositories/<name>` (with `+` for `/`) is an OCI layout
/// of its own, and `blobs` the pool that all of them hard-link their blobs
/// from: mounting moves no bytes.
#[derive(Clone)]
pub struct Embedded {
    inner: Arc<Inner>,
}

struct Inner {
    storage: Arc<Storage>,
    uploads: Uploads,
    events: mpsc::Sender<PushEvent>,
}

impl Embedded {
    /// Opens (or makes) the storage folder. `events`: where pushes of tagged
    /// manifests are told, after they are durable; when the receiver lags the
    /// push waits, so that none is lost while the process lives.
    pub fn open(dir: &Path, events: mpsc::Sender<PushEvent>) -> Result<Self> {
        let storage = Storage::open(dir)?;
        let uploads = Uploads::open(dir)?;
        Ok(Self { inner: Arc::new(Inner { storage: Arc::new(storage), uploads, events }) })
    }

    /// `/v2/…`.
    pub fn router(&self) -> axum::Router {
        route::router(self.inner.clone())
    }

    /// Every (repository, tag, digest): what a server asks on start, to find pushes that it missed.
    pub fn all_tags(&self) -> Result<Vec<(String, String, crate::Digest)>> {
        let mut all = Vec::new();
        for name in self.inner.storage.names()? {
            let Some(repository) = self.inner.storage.repository(&name)? else { continue };
            all.extend(repository.tags()?.into_iter().map(|(tag, digest)| (name.clone(), tag, digest)));
        }
        Ok(all)
    }

    /// Removes blobs that no manifest is made of and that were written before
    /// `older_than`: leave time for what is being pushed. Blocks.
    pub fn sweep(&self, older_than: SystemTime) -> Result<Swept> {
        self.inner.storage.sweep(older_than)
    }
}
