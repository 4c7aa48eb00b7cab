//! Copying an image from one repository to another, tag last.

use std::{
    collections::HashSet,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
    time::Duration,
};

use futures::{StreamExt, TryStreamExt, stream};

use crate::{Descriptor, Digest, Error, ManifestKind, RawManifest, Repository, Result};

/// How to copy.
#[derive(Debug, Clone, Default)]
pub struct CopyOptions {
    /// Take referrers and signature tags along.
    pub referrers: bool,
}

/// What a copy did.
#[derive(Debug, Clone)]
pub struct CopyReport {
    /// Of the manifest or index that was copied.
    pub digest: Digest,
    /// Blobs mounted from another repository of the same registry.
    pub mounted: usize,
    /// Blobs uploaded.
    pub uploaded: usize,
    /// Blobs that were there already.
    pub present: usize,
    /// Bytes uploaded.
    pub bytes: u64,
}

/// Blobs under way at once.
const CONCURRENCY: usize = 4;
/// How deep indexes and referrers may nest.
const MAX_DEPTH: usize = 4;
/// The most manifests of one copy.
const MAX_MANIFESTS: usize = 2000;
/// How often one blob is tried.
const ATTEMPTS: u32 = 3;

/// Copies the manifest or whole index that `reference` names, blobs first,
/// then children, the tag last. Twice is harmless.
///
/// Layers that may only be fetched from where they come from (image-spec
/// "Non-Distributable Layers") are left out. Where the two repositories share
/// a registry, blobs are mounted instead of sent.
pub async fn copy(
    source: &dyn Repository,
    reference: &str,
    target: &dyn Repository,
    target_reference: &str,
    options: &CopyOptions,
) -> Result<CopyReport> {
    let root = source.manifest(reference).await?;
    let copy = Copy { source, target, counts: Counts::default() };
    let mut done = Done::default();
    copy.parts(&root, 0, &mut done).await?;
    if options.referrers {
        // Before the tag: who sees the image sees its signatures too.
        copy.companions(&root, &mut done).await?;
    }
    target.push_manifest(target_reference, &root).await?;
    let arrived = target.resolve(target_reference).await?;
    match arrived {
        Some(there) if there.digest == root.digest => Ok(copy.counts.report(root.digest)),
        Some(there) => {
            let what = format!("image {target_reference} as stored in {}", target.name());
            Err(Error::DigestMismatch { what, expected: root.digest, actual: there.digest })
        }
        None => {
            let what = format!("image {target_reference}, which was just put there,");
            Err(Error::NotFound { what, repository: target.name() })
        }
    }
}

#[derive(Default)]
struct Counts {
    mounted: AtomicUsize,
    uploaded: AtomicUsize,
    present: AtomicUsize,
    bytes: AtomicU64,
}

impl Counts {
    fn report(&self, digest: Digest) -> CopyReport {
        CopyReport {
            digest,
            mounted: self.mounted.load(Ordering::Relaxed),
            uploaded: self.uploaded.load(Ordering::Relaxed),
            present: self.present.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
        }
    }
}

/// What this copy has been through already.
#[derive(Default)]
struct Done {
    manifests: HashSet<Digest>,
    blobs: HashSet<Digest>,
}

struct Copy<'a> {
    source: &'a dyn Repository,
    target: &'a dyn Repository,
    counts: Counts,
}

impl Copy<'_> {
    /// Everything that the target needs before it can take this manifest.
    async fn parts(&self, manifest: &RawManifest, depth: usize, done: &mut Done) -> Result<()> {
        if depth > MAX_DEPTH || done.manifests.len() >= MAX_MANIFESTS {
            return Err(Error::invalid(
                format!("image {}", manifest.digest),
                "too many or too deep manifests",
            ));
        }
        done.manifests.insert(manifest.digest.clone());
        match manifest.decode()? {
            ManifestKind::Image(image) => {
                let mut blobs = image.layers;
                blobs.push(image.config);
                blobs.retain(|b| !b.is_foreign() && done.blobs.insert(b.digest.clone()));
                // Owned, so that the futures do not borrow from the closure's argument.
                stream::iter(blobs)
                    .map(|blob| async move { self.blob(&blob).await })
                    .buffer_unordered(CONCURRENCY)
                    .try_collect::<()>()
                    .await
            }
            ManifestKind::Index(index) => {
                for child in index.manifests {
                    if done.manifests.contains(&child.digest) {
                        continue;
                    }
                    let raw = self.manifest_of(&child).await?;
                    Box::pin(self.whole(&raw, depth + 1, done)).await?;
                }
                Ok(())
            }
        }
    }

    /// A manifest with its parts, under its digest.
    async fn whole(&self, manifest: &RawManifest, depth: usize, done: &mut Done) -> Result<()> {
        self.parts(manifest, depth, done).await?;
        self.target.push_manifest(manifest.digest.as_str(), manifest).await
    }

    async fn manifest_of(&self, descriptor: &Descriptor) -> Result<RawManifest> {
        let raw = self.source.manifest(descriptor.digest.as_str()).await?;
        let actual = raw.bytes.len() as u64;
        if actual != descriptor.size {
            let what = format!("manifest {}", descriptor.digest);
            return Err(Error::SizeMismatch { what, expected: descriptor.size, actual });
        }
        Ok(raw)
    }

    async fn blob(&self, blob: &Descriptor) -> Result<()> {
        if self.target.has_blob(&blob.digest).await? {
            self.counts.present.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        if let (Some((from, repository)), Some((to, _))) = (self.source.origin(), self.target.origin())
            && from == to
            && self.target.mount_blob(&blob.digest, &repository).await?
        {
            self.counts.mounted.fetch_add(1, Ordering::Relaxed);
            return Ok(());
        }
        let mut attempt = 0;
        loop {
            attempt += 1;
            let sent = match self.source.blob(blob).await {
                Ok(content) => self.target.push_blob_stream(blob, content).await,
                Err(e) => Err(e),
            };
            match sent {
                Err(e) if e.is_transient() && attempt < ATTEMPTS => {
                    tracing::debug!(blob.digest = %blob.digest, attempt, error = %e, "copying the blob again");
                    tokio::time::sleep(Duration::from_millis(300) * attempt).await;
                }
                Err(e) => return Err(e),
                Ok(()) => break,
            }
        }
        self.counts.uploaded.fetch_add(1, Ordering::Relaxed);
        self.counts.bytes.fetch_add(blob.size, Ordering::Relaxed);
        Ok(())
    }

    /// Referrers of the image and of its children, and the tags under which
    /// cosign keeps signatures, attestations and inventories.
    async fn companions(&self, root: &RawManifest, done: &mut Done) -> Result<()> {
        let mut subjects = vec![(root.digest.clone(), 0)];
        if let ManifestKind::Index(index) = root.decode()? {
            subjects.extend(index.manifests.into_iter().map(|m| (m.digest, 0)));
        }
        let mut seen = HashSet::new();
        while let Some((subject, depth)) = subjects.pop() {
            if !seen.insert(subject.clone()) {
                continue;
            }
            for referrer in self.source.referrers(&subject).await? {
                let raw = self.manifest_of(&referrer).await?;
                if !done.manifests.contains(&raw.digest) {
                    self.whole(&raw, 0, done).await?;
                }
                // A signature of an inventory refers to a referrer.
                if depth < MAX_DEPTH {
                    subjects.push((raw.digest, depth + 1));
                }
            }
            for suffix in ["sig", "att", "sbom"] {
                let tag = format!("sha256-{}.{suffix}", subject.hex());
                let Some(found) = self.source.resolve(&tag).await? else { continue };
                let raw = self.manifest_of(&found).await?;
                self.parts(&raw, 0, done).await?;
                self.target.push_manifest(&tag, &raw).await?;
            }
        }
        Ok(())
    }
}
