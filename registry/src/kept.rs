//! What must outlive the removal of one tag: its manifest, and the other tags on it.

use futures::{FutureExt as _, StreamExt as _, TryStreamExt as _, future::BoxFuture, stream};

use crate::{Digest, RawManifest, Repository, Result};

/// The tags that point at a digest now.
pub async fn tags_of(repository: &dyn Repository, digest: &Digest) -> Result<Vec<String>> {
    let calls: Vec<BoxFuture<'_, Result<Option<String>>>> = repository
        .tags()
        .await?
        .into_iter()
        .map(|tag| {
            async move {
                let found = repository.resolve(&tag).await?;
                Ok(found.filter(|d| d.digest == *digest).map(|_| tag))
            }
            .boxed()
        })
        .collect();
    let found: Vec<Option<String>> = stream::iter(calls).buffered(8).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

/// A manifest and the tags on it, read before one tag goes: some registries
/// drop the manifest together with any tag, and with it every other tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// The manifest, whose digest is verified.
    pub manifest: RawManifest,
    /// The other tags that point at it.
    pub tags: Vec<String>,
}

impl Kept {
    /// Reads what must stay when `tag` goes.
    pub async fn beside(repository: &dyn Repository, tag: &str, digest: &Digest) -> Result<Self> {
        let mut tags = tags_of(repository, digest).await?;
        tags.retain(|t| t != tag);
        Ok(Self { manifest: repository.manifest(digest.as_str()).await?, tags })
    }

    /// Whether the manifest is gone.
    pub async fn is_gone(&self, repository: &dyn Repository) -> Result<bool> {
        Ok(repository.resolve(self.manifest.digest.as_str()).await?.is_none())
    }

    /// Puts back what is not there: the manifest by digest, and each tag that
    /// points nowhere. A tag that was moved meanwhile stays where it is.
    pub async fn put_back(&self, repository: &dyn Repository) -> Result<()> {
        if self.is_gone(repository).await? {
            repository.push_manifest(self.manifest.digest.as_str(), &self.manifest).await?;
        }
        for tag in &self.tags {
            if repository.resolve(tag).await?.is_none() {
                repository.push_manifest(tag, &self.manifest).await?;
            }
        }
        Ok(())
    }
}
