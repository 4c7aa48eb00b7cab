//! Walking layers as streams: decompression, tar, limits, whiteouts. Nothing is ever extracted.

mod archive;
mod claims;
mod docs;
pub(crate) mod facts;
mod kept;
pub(crate) mod merge;
mod paths;
mod pipe;
mod source;

use std::{
    io::Read,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use patchline_registry::{Descriptor, Digest, Repository, model};

pub use archive::{Entry, Kind};
pub use claims::{Claim, OneReader};
pub use kept::FactsFolder;

use crate::{Error, Result, limits::Layer};

/// Sees every entry of a layer in archive order, on a blocking thread.
pub trait Visitor: Send + 'static {
    /// One entry. `content` gives a regular file's bytes; what is left unread is skipped.
    ///
    /// # Errors
    /// Ends the walk with that reason.
    fn entry(&mut self, entry: &Entry, content: &mut dyn Read) -> Result<(), Stop>;
}

/// Where a layer's archive goes besides, while it is read.
pub type Beside = Box<dyn std::io::Write + Send>;

/// Why a walk ends early.
#[derive(Debug)]
pub enum Stop {
    /// The bytes are unreadable, or make no sense.
    Reason(String),
    /// Too much of something.
    Limit(&'static str, u64),
}

impl From<std::io::Error> for Stop {
    fn from(error: std::io::Error) -> Self {
        Self::Reason(source::describe(&error))
    }
}

/// Media types that hold a tar archive; the magic says how it is packed.
fn is_layer(media_type: &str) -> bool {
    matches!(
        media_type,
        model::OCI_LAYER_GZIP | model::OCI_LAYER_ZSTD | model::OCI_LAYER_TAR | model::DOCKER_LAYER_GZIP
    ) || media_type.starts_with("application/vnd.oci.image.layer.nondistributable.v1.tar")
        || media_type == "application/vnd.docker.image.rootfs.diff.tar"
        || media_type == "application/vnd.docker.image.rootfs.diff.tar.zstd"
        || media_type == "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"
}

/// Walks one layer to its very end and gives its diff_id, computed from what
/// was read, with the visitor. The blob's own digest and size are verified by its reader.
///
/// # Errors
/// An unreadable blob, a truncated or broken archive, a limit, or the visitor's reason.
pub async fn walk<V: Visitor>(
    repository: &dyn Repository,
    layer: &Descriptor,
    limits: Layer,
    beside: Option<Beside>,
    mut visitor: V,
) -> Result<(Digest, V)> {
    if !is_layer(&layer.media_type) {
        let reason = format!("its media type {} is not that of a layer", layer.media_type);
        return Err(Error::Layer { layer: layer.digest.clone(), reason });
    }
    let blob = repository.blob(layer).await?;
    let (digest, size) = (layer.digest.clone(), layer.size);
    // A dropped future cannot stop a blocking thread; this flag does, at its next read.
    let cancelled = Cancel(Arc::new(AtomicBool::new(false)));
    let flag = cancelled.0.clone();
    let task = tokio::task::spawn_blocking(move || {
        let (source, fault) = source::Source::new(blob, flag);
        let diff_id = source::read(source, &fault, size, &digest, limits, beside, &mut visitor)?;
        Ok((diff_id, visitor))
    });
    task.await.map_err(|e| Error::Layer {
        layer: layer.digest.clone(),
        reason: format!("reading it was broken off: {e}"),
    })?
}

struct Cancel(Arc<AtomicBool>);
impl Drop for Cancel {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
