//! A repository with a few documents and blobs more, which nobody has pushed yet.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use async_trait::async_trait;
use patchline_registry::{
    BlobContent, BlobReader, Descriptor, Digest, Error, RawManifest, Repository, Result,
};

/// Reads fall through to what lies under it; nothing is written.
pub(crate) struct Overlay<'a> {
    base: &'a dyn Repository,
    manifests: BTreeMap<Digest, RawManifest>,
    bytes: BTreeMap<Digest, Vec<u8>>,
    files: BTreeMap<Digest, PathBuf>,
    beside: Option<(&'a dyn Repository, BTreeSet<Digest>)>,
}

impl<'a> Overlay<'a> {
    pub(crate) fn new(base: &'a dyn Repository) -> Self {
        let (manifests, bytes, files) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
        Self { base, manifests, bytes, files, beside: None }
    }
    pub(crate) fn manifest(mut self, manifest: RawManifest) -> Self {
        self.manifests.insert(manifest.digest.clone(), manifest);
        self
    }
    pub(crate) fn bytes(mut self, bytes: Vec<u8>) -> Self {
        self.bytes.insert(Digest::of(&bytes), bytes);
        self
    }
    pub(crate) fn file(mut self, digest: Digest, path: PathBuf) -> Self {
        self.files.insert(digest, path);
        self
    }
    /// Blobs that lie in another repository.
    pub(crate) fn beside(
        mut self,
        other: &'a dyn Repository,
        blobs: impl IntoIterator<Item = Digest>,
    ) -> Self {
        self.beside = Some((other, blobs.into_iter().collect()));
        self
    }
    fn elsewhere(&self, blob: &Digest) -> Option<&'a dyn Repository> {
        self.beside.as_ref().filter(|(_, blobs)| blobs.contains(blob)).map(|(other, _)| *other)
    }
    fn read_only<T>(&self) -> Result<T> {
        Err(Error::Unsupported {
            registry: self.name(),
            operation: "write to an image that is not pushed yet",
        })
    }
}

#[async_trait]
impl Repository for Overlay<'_> {
    fn name(&self) -> String {
        self.base.name()
    }
    async fn resolve(&self, reference: &str) -> Result<Option<Descriptor>> {
        match reference.parse::<Digest>().ok().and_then(|digest| self.manifests.get(&digest)) {
            Some(manifest) => Ok(Some(manifest.descriptor())),
            None => self.base.resolve(reference).await,
        }
    }
    async fn manifest(&self, reference: &str) -> Result<RawManifest> {
        match reference.parse::<Digest>().ok().and_then(|digest| self.manifests.get(&digest)) {
            Some(manifest) => Ok(manifest.clone()),
            None => self.base.manifest(reference).await,
        }
    }
    async fn blob(&self, blob: &Descriptor) -> Result<BlobReader> {
        if let Some(bytes) = self.bytes.get(&blob.digest) {
            return Ok(Box::pin(std::io::Cursor::new(bytes.clone())));
        }
        if let Some(other) = self.elsewhere(&blob.digest) {
            return other.blob(blob).await;
        }
        let Some(path) = self.files.get(&blob.digest) else { return self.base.blob(blob).await };
        let file = tokio::fs::File::open(path)
            .await
            .map_err(|source| Error::Io { operation: format!("open {}", path.display()), source })?;
        Ok(Box::pin(file))
    }
    async fn has_blob(&self, digest: &Digest) -> Result<bool> {
        Ok(self.bytes.contains_key(digest)
            || self.files.contains_key(digest)
            || self.elsewhere(digest).is_some()
            || self.base.has_blob(digest).await?)
    }
    async fn push_blob(&self, _: &Descriptor, _: BlobContent) -> Result<()> {
        self.read_only()
    }
    async fn push_blob_stream(&self, _: &Descriptor, _: BlobReader) -> Result<()> {
        self.read_only()
    }
    async fn mount_blob(&self, _: &Digest, _: &str) -> Result<bool> {
        self.read_only()
    }
    async fn push_manifest(&self, _: &str, _: &RawManifest) -> Result<()> {
        self.read_only()
    }
    async fn tags(&self) -> Result<Vec<String>> {
        self.base.tags().await
    }
    async fn delete_manifest(&self, _: &Digest) -> Result<()> {
        self.read_only()
    }
    async fn untag(&self, _: &str, _: &Digest) -> Result<()> {
        self.read_only()
    }
    async fn referrers(&self, digest: &Digest) -> Result<Vec<Descriptor>> {
        self.base.referrers(digest).await
    }
    fn origin(&self) -> Option<(String, String)> {
        self.base.origin()
    }
}
