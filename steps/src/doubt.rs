//! What a failed change to a registry leaves behind: it stands, it was surely not made, or nobody knows.

use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use patchline_engine::{Context, ErrorClass, StepError};
use patchline_registry::{
    BlobContent, BlobReader, Descriptor, Digest, RawManifest, Repository, Result as RegistryResult,
};

use crate::failure;

/// One intent of a step, from before it is recorded.
pub(crate) struct Doubt<'a> {
    context: &'a Context,
    kind: &'static str,
    target: String,
    /// An earlier attempt has left it open: what it sent may still be on its way.
    before: bool,
}

impl<'a> Doubt<'a> {
    /// Looks what earlier attempts have left, before the intent is recorded.
    pub(crate) async fn of(
        context: &'a Context,
        kind: &'static str,
        target: &str,
    ) -> Result<Self, StepError> {
        let effects = &context.effects;
        let earlier = effects.log.of_step(&effects.run, &effects.step).await.map_err(failure::engine)?;
        let before = earlier.iter().any(|i| i.kind == kind && i.target == target && !i.done);
        Ok(Self { context, kind, target: target.to_owned(), before })
    }

    /// It was made; what was recorded beside it is in doubt no more.
    pub(crate) async fn made(&self) -> Result<(), StepError> {
        let effects = &self.context.effects;
        let done = effects.log.done(&effects.run, &effects.step, self.kind, &self.target).await;
        done.map_err(failure::engine)?;
        effects.withdraw_open().await.map_err(failure::engine)
    }

    /// The attempt failed with `error`. `sent`: whether the change itself was asked for. `stands` looks at the world.
    /// What cannot be told stays open: then the step ends `unknown`.
    pub(crate) async fn failed<L>(&self, error: StepError, sent: bool, stands: L) -> StepError
    where
        L: AsyncFnOnce() -> RegistryResult<bool>,
    {
        let settled = if !sent && !self.before {
            self.context.effects.withdraw_open().await.map_err(failure::engine)
        } else if sent && is_answer(&error) {
            match stands().await {
                Ok(true) => self.made().await,
                Ok(false) => self.context.effects.withdraw_open().await.map_err(failure::engine),
                Err(_) => Ok(()),
            }
        } else {
            Ok(())
        };
        if let Err(unsettled) = settled {
            tracing::warn!(run.id = %self.context.run, step.name = self.context.step, error = %unsettled,
                "an intent stays open");
        }
        error
    }
}

/// Whether the other side has said no, so that nothing is on its way any more.
pub(crate) fn is_answer(error: &StepError) -> bool {
    matches!(error.class, ErrorClass::Auth | ErrorClass::Permanent | ErrorClass::Throttled(_))
}

/// Whether a tag points at the digest.
pub(crate) async fn is_at(repository: &dyn Repository, tag: &str, digest: &Digest) -> RegistryResult<bool> {
    Ok(repository.resolve(tag).await?.is_some_and(|d| d.digest == *digest))
}

/// A repository that remembers whether one tag of it was asked to be written.
pub(crate) struct Asked<'a> {
    inner: &'a dyn Repository,
    tag: &'a str,
    was: AtomicBool,
}

impl<'a> Asked<'a> {
    pub(crate) fn new(inner: &'a dyn Repository, tag: &'a str) -> Self {
        Self { inner, tag, was: AtomicBool::new(false) }
    }
    /// Whether it was.
    pub(crate) fn was(&self) -> bool {
        self.was.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Repository for Asked<'_> {
    fn name(&self) -> String {
        self.inner.name()
    }
    async fn resolve(&self, reference: &str) -> RegistryResult<Option<Descriptor>> {
        self.inner.resolve(reference).await
    }
    async fn manifest(&self, reference: &str) -> RegistryResult<RawManifest> {
        self.inner.manifest(reference).await
    }
    async fn blob(&self, blob: &Descriptor) -> RegistryResult<BlobReader> {
        self.inner.blob(blob).await
    }
    async fn has_blob(&self, digest: &Digest) -> RegistryResult<bool> {
        self.inner.has_blob(digest).await
    }
    async fn push_blob(&self, blob: &Descriptor, content: BlobContent) -> RegistryResult<()> {
        self.inner.push_blob(blob, content).await
    }
    async fn push_blob_stream(&self, blob: &Descriptor, content: BlobReader) -> RegistryResult<()> {
        self.inner.push_blob_stream(blob, content).await
    }
    async fn mount_blob(&self, digest: &Digest, from_repository: &str) -> RegistryResult<bool> {
        self.inner.mount_blob(digest, from_repository).await
    }
    async fn push_manifest(&self, reference: &str, manifest: &RawManifest) -> RegistryResult<()> {
        if reference == self.tag {
            self.was.store(true, Ordering::SeqCst);
        }
        self.inner.push_manifest(reference, manifest).await
    }
    async fn tags(&self) -> RegistryResult<Vec<String>> {
        self.inner.tags().await
    }
    async fn delete_manifest(&self, digest: &Digest) -> RegistryResult<()> {
        self.inner.delete_manifest(digest).await
    }
    async fn untag(&self, tag: &str, expected: &Digest) -> RegistryResult<()> {
        self.inner.untag(tag, expected).await
    }
    async fn referrers(&self, digest: &Digest) -> RegistryResult<Vec<Descriptor>> {
        self.inner.referrers(digest).await
    }
    fn origin(&self) -> Option<(String, String)> {
        self.inner.origin()
    }
}
