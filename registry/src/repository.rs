//! What every place that holds images can do, wherever it is.

use std::{path::PathBuf, pin::Pin};

use async_trait::async_trait;
use bytes::Bytes;
use tokio::io::AsyncRead;

use crate::{Descriptor, Digest, RawManifest, Result, remote::PullAccess};

/// A blob as it arrives. The bytes are counted and hashed on the way: a wrong
/// size or digest is an `io::Error` (its inner error is [`crate::Error`])
/// before or at the end of the stream, never a silent success.
pub type BlobReader = Pin<Box<dyn AsyncRead + Send>>;

/// What to push.
#[derive(Debug, Clone)]
pub enum BlobContent {
    /// Small: configs.
    Bytes(Bytes),
    /// Large: layers, streamed from disk.
    File(PathBuf),
}

/// One repository: in a registry, or an OCI layout directory.
#[async_trait]
pub trait Repository: Send + Sync {
    /// `host/repository` or `oci:DIR`, for people.
    fn name(&self) -> String;
    /// Where a tag or digest points (HEAD); none when it is not there.
    async fn resolve(&self, reference: &str) -> Result<Option<Descriptor>>;
    /// The manifest of a tag or digest: at most 4 MiB, digest verified.
    async fn manifest(&self, reference: &str) -> Result<RawManifest>;
    /// Opens a blob.
    async fn blob(&self, blob: &Descriptor) -> Result<BlobReader>;
    /// Whether the blob is here already.
    async fn has_blob(&self, digest: &Digest) -> Result<bool>;
    /// Uploads a blob (nothing is sent when it is here already).
    async fn push_blob(&self, blob: &Descriptor, content: BlobContent) -> Result<()>;
    /// Uploads a blob from a stream, as `copy` does.
    async fn push_blob_stream(&self, blob: &Descriptor, content: BlobReader) -> Result<()>;
    /// Cross-repository mount: true when mounted, false when it must be uploaded.
    async fn mount_blob(&self, digest: &Digest, from_repository: &str) -> Result<bool>;
    /// Puts a manifest under a tag or its own digest.
    async fn push_manifest(&self, reference: &str, manifest: &RawManifest) -> Result<()>;
    /// All tags, every page.
    async fn tags(&self) -> Result<Vec<String>>;
    /// Removes a manifest by digest, and with it every tag that points at it.
    async fn delete_manifest(&self, digest: &Digest) -> Result<()>;
    /// Removes a tag alone, when it still points at `expected`. Registries
    /// that cannot do that answer [`crate::Error::Unsupported`].
    async fn untag(&self, tag: &str, expected: &Digest) -> Result<()>;
    /// Manifests whose `subject` is `digest`.
    async fn referrers(&self, digest: &Digest) -> Result<Vec<Descriptor>>;
    /// `Some((host, repository))` when this is a repository in a registry: what mounting needs.
    fn origin(&self) -> Option<(String, String)>;
    /// What somebody else may pull this repository with, for a while; none: it is in no registry. `probe` is a blob
    /// of it, which is asked for, so that the registry says what it wants to see.
    async fn pull_access(&self, _probe: &Digest) -> Result<Option<PullAccess>> {
        Ok(None)
    }
}
