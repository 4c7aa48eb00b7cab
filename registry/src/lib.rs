//! Images at rest: registry client, OCI layouts, the embedded registry, registry events.

pub mod archive;
pub mod copy;
pub mod daemon;
pub mod digest;
pub mod embedded;
mod error;
pub mod events;
mod kept;
pub mod layout;
pub mod model;
pub mod reference;
pub mod remote;
mod repository;
mod verify;

pub use copy::{CopyOptions, CopyReport, copy};
pub use digest::Digest;
pub use error::{Error, Result};
pub use kept::{Kept, tags_of};
pub use model::{Descriptor, Index, Manifest, ManifestKind, Platform, RawManifest};
pub use reference::{Location, Reference};
pub use remote::{PullAccess, Registries, RegistryConfig, Secret};
pub use repository::{BlobContent, BlobReader, Repository};
