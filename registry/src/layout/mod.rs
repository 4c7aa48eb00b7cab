//! OCI image layout directories as repositories, image-spec "image-layout".

mod dir;
pub(crate) mod durable;
mod repository;

use std::{path::Path, sync::Arc};

pub(crate) use dir::LayoutDir;
pub(crate) use repository::blocking;

use crate::{Repository, Result};

/// Opens a layout directory; `create` makes an empty one where none is, but
/// never in a folder that holds something else.
///
/// The empty text as a reference means the only image there. Deleting a
/// manifest takes it off the index; its blobs stay on the disk.
pub fn open(dir: &Path, create: bool) -> Result<Arc<dyn Repository>> {
    Ok(Arc::new(repository::LayoutRepository::new(LayoutDir::open(dir, create)?)))
}
