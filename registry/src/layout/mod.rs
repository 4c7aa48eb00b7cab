//! OCI image layout directories as repositories, image-spec "image-layout".

mod dir;
pub(crate) mod durable;
mod entries;
mod repository;
mod sweep;

use std::{path::Path, sync::Arc, time::SystemTime};

pub(crate) use dir::LayoutDir;
pub(crate) use repository::blocking;
pub use sweep::Swept;
pub(crate) use sweep::remove_if;

use crate::{Repository, Result};

/// Opens a layout directory; `create` makes an empty one where none is, but
/// never in a folder that holds something else.
///
/// The empty text as a reference means the only image there. Deleting a
/// manifest takes it off the index; its blobs stay until [`sweep`].
pub fn open(dir: &Path, create: bool) -> Result<Arc<dyn Repository>> {
    Ok(Arc::new(repository::LayoutRepository::new(LayoutDir::open(dir, create)?)))
}

/// Removes what no listed manifest is made of and was last written before
/// `older_than`: leave time for what is being pushed. A manifest that cannot
/// be read stops it before anything is removed. Blocks.
pub fn sweep(dir: &Path, older_than: SystemTime) -> Result<Swept> {
    LayoutDir::open(dir, false)?.sweep(older_than)
}
