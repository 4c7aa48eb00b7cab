//! Images in one file, as `docker save` and `podman save` write them: read, never written.
//!
//! The file names its images in `manifest.json`. Layers lie in it as plain tar archives under changing names, or as
//! blobs of an OCI layout; neither the names nor what the configuration says of them is believed: each layer is hashed
//! once when the file is opened, and a manifest is made of what was found.

mod index;

use std::{
    collections::BTreeMap,
    fs::File,
    io,
    os::fd::AsRawFd as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use tokio::io::{AsyncReadExt as _, AsyncSeekExt as _, BufReader};

use self::index::Span;
use crate::{
    BlobContent, BlobReader, Descriptor, Digest, Error, RawManifest, Repository, Result,
    layout::{blocking, durable},
    verify::Verified,
};

/// How much is read at once.
const CHUNK: usize = 256 * 1024;

/// Opens a file of images; `reference` is one of the names under which an image was saved (`app:1`), or the empty text
/// for the only one. Reads all of its layers once.
///
/// # Errors
/// A file that is no such archive, has no such image, or more than one where none was named.
pub async fn open(file: &Path, reference: &str) -> Result<(Arc<dyn Repository>, Digest)> {
    let name = format!("docker-archive:{}", file.display());
    read(file.to_owned(), name, reference.to_owned(), None).await
}

/// Opens the only image of a file without a name of its own, which lives as long as the image is looked at.
pub(crate) async fn of_unnamed(file: File, name: String) -> Result<(Arc<dyn Repository>, Digest)> {
    // Each blob is read at a place of its own, so the file is opened anew for each: proc_pid_fd(5).
    let path = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
    read(path, name, String::new(), Some(file)).await
}

async fn read(
    path: PathBuf,
    name: String,
    wanted: String,
    unnamed: Option<File>,
) -> Result<(Arc<dyn Repository>, Digest)> {
    let archive = blocking(move || {
        let image = index::read(&path, &name, &wanted)?;
        Ok(Archive { path, name, manifest: image.manifest, blobs: image.blobs, _unnamed: unnamed })
    })
    .await?;
    let digest = archive.manifest.digest.clone();
    Ok((Arc::new(archive), digest))
}

/// One image of such a file.
struct Archive {
    path: PathBuf,
    name: String,
    manifest: RawManifest,
    blobs: BTreeMap<Digest, Span>,
    /// Held open: its path goes through it.
    _unnamed: Option<File>,
}

impl Archive {
    fn missing<T>(&self, what: String) -> Result<T> {
        Err(Error::NotFound { what, repository: self.name() })
    }
    fn unsupported<T>(&self, operation: &'static str) -> Result<T> {
        Err(Error::Unsupported { registry: self.name(), operation })
    }
}

#[async_trait]
impl Repository for Archive {
    fn name(&self) -> String {
        self.name.clone()
    }

    async fn resolve(&self, reference: &str) -> Result<Option<Descriptor>> {
        let known = reference.is_empty() || reference == self.manifest.digest.as_str();
        Ok(known.then(|| self.manifest.descriptor()))
    }

    async fn manifest(&self, reference: &str) -> Result<RawManifest> {
        match self.resolve(reference).await? {
            Some(_) => Ok(self.manifest.clone()),
            None => self.missing(format!("image {reference}")),
        }
    }

    async fn blob(&self, blob: &Descriptor) -> Result<BlobReader> {
        let what = format!("blob {}", blob.digest);
        let Some(span) = self.blobs.get(&blob.digest) else { return self.missing(what) };
        let failed = || Error::io(format!("read {what}"));
        let file = durable::open_regular(&self.path).map_err(failed())?;
        let mut file = tokio::fs::File::from_std(file);
        file.seek(io::SeekFrom::Start(span.start)).await.map_err(failed())?;
        Ok(Verified::boxed(BufReader::with_capacity(CHUNK, file).take(span.length), blob))
    }

    async fn has_blob(&self, digest: &Digest) -> Result<bool> {
        Ok(self.blobs.contains_key(digest))
    }

    async fn push_blob(&self, _: &Descriptor, _: BlobContent) -> Result<()> {
        self.unsupported("take a blob")
    }
    async fn push_blob_stream(&self, _: &Descriptor, _: BlobReader) -> Result<()> {
        self.unsupported("take a blob")
    }
    async fn mount_blob(&self, _: &Digest, _: &str) -> Result<bool> {
        Ok(false)
    }
    async fn push_manifest(&self, _: &str, _: &RawManifest) -> Result<()> {
        self.unsupported("take an image")
    }
    async fn tags(&self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }
    async fn delete_manifest(&self, _: &Digest) -> Result<()> {
        self.unsupported("remove an image")
    }
    async fn untag(&self, _: &str, _: &Digest) -> Result<()> {
        self.unsupported("remove a tag")
    }
    async fn referrers(&self, _: &Digest) -> Result<Vec<Descriptor>> {
        Ok(Vec::new())
    }
    fn origin(&self) -> Option<(String, String)> {
        None
    }
}

#[cfg(test)]
mod tests;
