//! Whether a copy of an image is whole: what `backup` and `replicate` make is read back.

use patchline_engine::StepError;
use patchline_registry::{Digest, ManifestKind, Repository};

use crate::failure;

/// Manifests below one copy: index, platforms, attestations, referrers.
const MOST_MANIFESTS: usize = 1000;

/// Asks the registry for everything that the copy under `tag` consists of. `manifest`
/// re-hashes what it gets; blobs were hashed by the registry when they came.
pub(crate) async fn verify_copy(
    repository: &dyn Repository,
    tag: &str,
    digest: &Digest,
    code: &'static str,
) -> Result<(), StepError> {
    let broken = |reason: String| {
        let text = format!("the copy {tag} in {} is not whole: {reason}", repository.name());
        StepError::permanent(code, text)
    };
    match repository.resolve(tag).await.map_err(failure::registry)? {
        Some(found) if found.digest == *digest => {}
        Some(found) => return Err(broken(format!("the tag points at {}", found.digest))),
        None => return Err(broken("the tag is not there".to_owned())),
    }
    let mut waiting = vec![digest.clone()];
    let mut seen = 0;
    while let Some(digest) = waiting.pop() {
        seen += 1;
        if seen > MOST_MANIFESTS {
            return Err(broken(format!("it holds more than {MOST_MANIFESTS} manifests")));
        }
        let raw = repository.manifest(digest.as_str()).await.map_err(failure::registry)?;
        match raw.decode().map_err(failure::registry)? {
            ManifestKind::Index(index) => waiting.extend(index.manifests.into_iter().map(|m| m.digest)),
            ManifestKind::Image(manifest) => {
                for blob in std::iter::once(&manifest.config).chain(&manifest.layers) {
                    let foreign =
                        blob.media_type.contains("nondistributable") || blob.media_type.contains(".foreign.");
                    if !foreign && !repository.has_blob(&blob.digest).await.map_err(failure::registry)? {
                        return Err(broken(format!("blob {} is missing", blob.digest)));
                    }
                }
            }
        }
    }
    Ok(())
}

/// Whether every referrer of the image came along.
pub(crate) async fn verify_referrers(
    source: &dyn Repository,
    target: &dyn Repository,
    digest: &Digest,
    code: &'static str,
) -> Result<(), StepError> {
    let there = target.referrers(digest).await.map_err(failure::registry)?;
    for referrer in source.referrers(digest).await.map_err(failure::registry)? {
        if !there.iter().any(|r| r.digest == referrer.digest) {
            let text = format!("referrer {} is not in {}", referrer.digest, target.name());
            return Err(StepError::permanent(code, text));
        }
    }
    Ok(())
}
