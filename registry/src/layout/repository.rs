//! The [`Repository`] over a layout directory.

use std::{io::Cursor, sync::Arc};

use async_trait::async_trait;
use tokio::io::{AsyncWriteExt, BufReader};

use super::{LayoutDir, durable};
use crate::{
    BlobContent, BlobReader, Descriptor, Digest, Error, RawManifest, Repository, Result, reference::is_tag,
    verify::Verified,
};

/// How much passes between two hops to the disk.
const CHUNK: usize = 256 * 1024;

pub(super) struct LayoutRepository {
    dir: Arc<LayoutDir>,
}

impl LayoutRepository {
    pub(super) fn new(dir: LayoutDir) -> Self {
        Self { dir: Arc::new(dir) }
    }

    async fn on_disk<T: Send + 'static>(
        &self,
        work: impl FnOnce(&LayoutDir) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let dir = self.dir.clone();
        blocking(move || work(&dir)).await
    }
}

/// Runs what blocks on the disk apart from the tasks that must not.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(lost) => Err(Error::io("work on the disk")(std::io::Error::other(lost))),
    }
}

#[async_trait]
impl Repository for LayoutRepository {
    fn name(&self) -> String {
        self.dir.name()
    }

    async fn resolve(&self, reference: &str) -> Result<Option<Descriptor>> {
        let reference = reference.to_owned();
        self.on_disk(move |dir| dir.find(&reference)).await
    }

    async fn manifest(&self, reference: &str) -> Result<RawManifest> {
        let reference = reference.to_owned();
        self.on_disk(move |dir| match dir.find(&reference)? {
            Some(found) => dir.read_manifest(&found),
            None => {
                let what =
                    if reference.is_empty() { "an image".to_owned() } else { format!("image {reference}") };
                Err(Error::NotFound { what, repository: dir.name() })
            }
        })
        .await
    }

    async fn blob(&self, blob: &Descriptor) -> Result<BlobReader> {
        let wanted = blob.clone();
        let file = self
            .on_disk(move |dir| {
                let what = format!("blob {}", wanted.digest);
                match dir.blob_size(&wanted.digest)? {
                    None => Err(Error::NotFound { what, repository: dir.name() }),
                    Some(actual) if actual != wanted.size => {
                        Err(Error::SizeMismatch { what, expected: wanted.size, actual })
                    }
                    Some(_) => durable::open_regular(&dir.blob_path(&wanted.digest))
                        .map_err(Error::io(format!("read {what}"))),
                }
            })
            .await?;
        Ok(Verified::boxed(BufReader::with_capacity(CHUNK, tokio::fs::File::from_std(file)), blob))
    }

    async fn has_blob(&self, digest: &Digest) -> Result<bool> {
        let digest = digest.clone();
        self.on_disk(move |dir| Ok(dir.blob_size(&digest)?.is_some())).await
    }

    async fn push_blob(&self, blob: &Descriptor, content: BlobContent) -> Result<()> {
        let reader: BlobReader = match content {
            BlobContent::Bytes(bytes) => Box::pin(Cursor::new(bytes)),
            BlobContent::File(path) => {
                let file = tokio::fs::File::open(&path).await;
                Box::pin(file.map_err(Error::io(format!("read {}", path.display())))?)
            }
        };
        self.push_blob_stream(blob, reader).await
    }

    async fn push_blob_stream(&self, blob: &Descriptor, content: BlobReader) -> Result<()> {
        let (digest, size) = (blob.digest.clone(), blob.size);
        let temp = self
            .on_disk(move |dir| match dir.blob_size(&digest)? {
                Some(here) if here == size => Ok(None),
                _ => dir.begin_blob().map(Some),
            })
            .await?;
        let Some(temp) = temp else { return Ok(()) };
        let failed = || Error::io(format!("write blob {}", blob.digest));
        let file = temp.as_file().try_clone().map_err(failed())?;
        let mut file = tokio::fs::File::from_std(file);
        let mut content = BufReader::with_capacity(CHUNK, Verified::new(content, blob));
        tokio::io::copy_buf(&mut content, &mut file).await.map_err(failed())?;
        file.flush().await.map_err(failed())?;
        let digest = blob.digest.clone();
        self.on_disk(move |dir| dir.commit_blob(temp, &digest)).await
    }

    async fn mount_blob(&self, _digest: &Digest, _from_repository: &str) -> Result<bool> {
        Ok(false)
    }

    async fn push_manifest(&self, reference: &str, manifest: &RawManifest) -> Result<()> {
        let tag = match reference.parse::<Digest>() {
            Ok(digest) if digest == manifest.digest => None,
            Ok(expected) => {
                let (what, actual) = ("manifest".to_owned(), manifest.digest.clone());
                return Err(Error::DigestMismatch { what, expected, actual });
            }
            // The only image of a layout needs no tag.
            Err(_) if reference.is_empty() => None,
            Err(_) if is_tag(reference) => Some(reference.to_owned()),
            Err(_) => {
                return Err(Error::InvalidReference { text: reference.to_owned(), reason: "it is no tag" });
            }
        };
        let manifest = manifest.clone();
        self.on_disk(move |dir| dir.put_manifest(tag.as_deref(), &manifest)).await
    }

    async fn tags(&self) -> Result<Vec<String>> {
        self.on_disk(|dir| Ok(dir.tags()?.into_iter().map(|(tag, _)| tag).collect())).await
    }

    async fn delete_manifest(&self, digest: &Digest) -> Result<()> {
        let digest = digest.clone();
        self.on_disk(move |dir| dir.delete_manifest(&digest)).await
    }

    async fn untag(&self, tag: &str, expected: &Digest) -> Result<()> {
        let (tag, expected) = (tag.to_owned(), expected.clone());
        self.on_disk(move |dir| dir.untag(&tag, Some(&expected))).await
    }

    async fn referrers(&self, digest: &Digest) -> Result<Vec<Descriptor>> {
        let digest = digest.clone();
        self.on_disk(move |dir| dir.referrers(&digest)).await
    }

    fn origin(&self) -> Option<(String, String)> {
        None
    }
}
