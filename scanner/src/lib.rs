//! What is in an image and what is known to be wrong with it.

pub mod adapters;
pub mod advisories;
pub mod compare;
#[cfg(any(test, feature = "workbench"))]
#[doc(hidden)]
pub mod corpus;
mod error;
pub mod finding;
pub mod formats;
#[cfg(any(test, feature = "workbench"))]
#[doc(hidden)]
pub mod fuzzing;
mod image;
pub mod inventory;
mod languages;
pub mod layers;
pub mod licenses;
pub mod limits;
mod matching;
pub mod packages;
pub mod rematch;
pub mod report;
mod rootfs;
pub mod sbom;
pub mod version;
mod windows;

pub use error::{Error, Result};
pub use finding::{Finding, Severity};
pub use inventory::{Distro, Inventory, Package};
pub use languages::{Coordinates, Jar, JarManifest};
pub use report::{Completeness, Counts, Report};

use std::sync::Arc;

use async_trait::async_trait;
use patchline_registry::Repository;
pub use patchline_registry::{Digest, Platform};

/// Facts about layers, kept so that a known layer is never read again. A
/// narrow persistence trait: `store` implements it.
#[async_trait]
pub trait LayerFacts: Send + Sync {
    /// The facts of a layer (by its blob digest) as these analysers (name and version) left them.
    async fn get(&self, layer: &Digest, analysers: &str) -> Result<Option<Vec<u8>>>;
    /// Keeps them; twice is harmless.
    async fn put(&self, layer: &Digest, analysers: &str, facts: &[u8]) -> Result<()>;
    /// Waits until nobody else reads this layer. Whoever waited asks again what is known of it.
    async fn claim(&self, _layer: &Digest, _analysers: &str) -> Result<layers::Claim> {
        Ok(layers::Claim::free())
    }
    /// Who else wants a layer that is read now: its archive is written there, too, unpacked and not verified yet. A
    /// writer that fails is written to no more, and fails nothing.
    fn beside(&self, _layer: &Digest) -> Option<layers::Beside> {
        None
    }
}

/// Facts that nobody keeps: for a scan without a store.
pub struct NoFacts;
#[async_trait]
impl LayerFacts for NoFacts {
    async fn get(&self, _: &Digest, _: &str) -> Result<Option<Vec<u8>>> {
        Ok(None)
    }
    async fn put(&self, _: &Digest, _: &str, _: &[u8]) -> Result<()> {
        Ok(())
    }
}

/// Reads the inventory of one image manifest (not an index): layers in
/// parallel, nothing extracted, whiteouts applied, blob digests and diff_ids verified.
///
/// `manifest` is a digest of an image manifest in `repository`.
pub async fn inventory(
    repository: &dyn Repository,
    manifest: &Digest,
    facts: Arc<dyn LayerFacts>,
) -> Result<Inventory> {
    inventory_told(repository, manifest, facts, &(Arc::new(|_: &LayerRead<'_>| {}) as Progress)).await
}

/// [`inventory`] that tells of each layer as soon as it is read.
pub async fn inventory_told(
    repository: &dyn Repository,
    manifest: &Digest,
    facts: Arc<dyn LayerFacts>,
    told: &Progress,
) -> Result<Inventory> {
    image::inventory(repository, manifest, facts, told).await
}

/// Reads the inventory of a folder that holds the root of a system, as if it were the only layer of an image. No link
/// out of it is followed, no device, pipe or socket is opened, and no other file system is entered. What could not be
/// looked at stands in [`Inventory::incomplete`]. There is no manifest: [`Inventory::image`] is the digest of what was
/// found, so that it changes when that does.
///
/// # Errors
/// A folder that is none, a package database that makes no sense, or a limit.
pub async fn rootfs(folder: &std::path::Path) -> Result<Inventory> {
    rootfs::rootfs(folder).await
}

/// Hears how far reading an image has come; must be quick.
pub type Progress = Arc<dyn Fn(&LayerRead<'_>) + Send + Sync>;

/// A layer that has just been read, or whose facts were kept.
#[derive(Debug, Clone, Copy)]
pub struct LayerRead<'a> {
    /// Its blob.
    pub layer: &'a Digest,
    /// Its bytes, as they lie in the registry.
    pub size: u64,
    /// How many have been read, this one among them; they do not end in the order of the image.
    pub done: usize,
    /// How many there are; one that stands twice counts once.
    pub layers: usize,
}

/// Matches an inventory against advisory sets; later sets add, equal vulnerabilities merge.
pub fn report(inventory: &Inventory, advisories: &[&advisories::AdvisorySet]) -> Report {
    matching::report(inventory, advisories)
}

/// Persistence of inventories and reports; `store` implements it.
#[async_trait]
pub trait Reports: Send + Sync {
    /// Keeps an inventory by its image; twice is harmless.
    async fn put_inventory(&self, inventory: &Inventory) -> Result<(), BoxError>;
    /// An image's inventory.
    async fn inventory(&self, image: &Digest) -> Result<Option<Inventory>, BoxError>;
    /// Keeps a report; its id is the digest of its canonical JSON. Twice is harmless.
    async fn put_report(&self, report: &Report) -> Result<String, BoxError>;
    /// A report by id.
    async fn report(&self, id: &str) -> Result<Option<Report>, BoxError>;
    /// The newest report of an image, with its id.
    async fn latest_report(&self, image: &Digest) -> Result<Option<(String, Report)>, BoxError>;
}

/// What a store may say went wrong.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
