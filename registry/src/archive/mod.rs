//! Images in one file, as `docker save` and `podman save` write them: read, never written.
//!
//! The file names its images in `manifest.json`. Layers lie in it as plain tar archives under changing names, or as
//! blobs of an OCI layout; neither the names nor what the configuration says of them is believed: each layer is hashed
//! once when the file is opened, and a manifest is made of what was found.

mod index;

use std::{collections::BTreeMap, io, path::Path, path::PathBuf, sync::Arc};

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
    let (path, wanted) = (file.to_owned(), reference.to_owned());
    let archive = blocking(move || {
        let image = index::read(&path, &wanted)?;
        Ok(Archive { path, manifest: image.manifest, blobs: image.blobs })
    })
    .await?;
    let digest = archive.manifest.digest.clone();
    Ok((Arc::new(archive), digest))
}

/// One image of such a file.
struct Archive {
    path: PathBuf,
    manifest: RawManifest,
    blobs: BTreeMap<Digest, Span>,
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
        format!("docker-archive:{}", self.path.display())
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
