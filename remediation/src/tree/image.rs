//! Reading an image's tree out of a repository, each layer once and kept as facts.

use std::sync::Arc;

use futures::{StreamExt as _, TryStreamExt as _, stream};
use patchline_registry::{Descriptor, Digest, Manifest, RawManifest, Repository};
use patchline_scanner::LayerFacts;
use serde_json::Value;

use super::{Flavour, LayerTree, Tree, TreesBeside};
use crate::{Error, Result};

const MAX_CONFIG: u64 = 16 << 20;
/// Layers that are read at once: reading is one core's work each.
const AT_ONCE: usize = 2;

/// An image manifest with its configuration, both exactly as stored.
#[derive(Debug, Clone)]
pub struct Image {
    /// The manifest's bytes.
    pub raw: RawManifest,
    /// Decoded.
    pub manifest: Manifest,
    /// The configuration, whole.
    pub config: Value,
    /// `rootfs.diff_ids` of the configuration.
    pub diff_ids: Vec<Digest>,
}

/// Opens an image manifest and its configuration.
pub async fn open(repository: &dyn Repository, reference: &str) -> Result<Image> {
    use tokio::io::AsyncReadExt;
    let raw = repository.manifest(reference).await?;
    let manifest = raw.image()?;
    let bad = |reason: &str| Error::Malformed { file: "image configuration".into(), reason: reason.into() };
    if manifest.config.size > MAX_CONFIG {
        return Err(bad("it is too large"));
    }
    let mut bytes = Vec::new();
    repository
        .blob(&manifest.config)
        .await?
        .take(MAX_CONFIG + 1)
        .read_to_end(&mut bytes)
        .await
        .map_err(|source| Error::Io { operation: "read the image configuration".into(), source })?;
    let config: Value = serde_json::from_slice(&bytes).map_err(|e| bad(&e.to_string()))?;
    let diff_ids = diff_ids(&config).ok_or_else(|| bad("it has no rootfs.diff_ids"))?;
    if diff_ids.len() != manifest.layers.len() {
        return Err(bad("its diff_ids are not as many as the manifest's layers"));
    }
    Ok(Image { raw, manifest, config, diff_ids })
}

/// `rootfs.diff_ids`.
pub(crate) fn diff_ids(config: &Value) -> Option<Vec<Digest>> {
    config.pointer("/rootfs/diff_ids")?.as_array()?.iter().map(|d| d.as_str()?.parse().ok()).collect()
}

/// One layer's tree, from the facts or from the blob.
pub async fn layer_tree(
    repository: &dyn Repository,
    layer: &Descriptor,
    facts: &Arc<dyn LayerFacts>,
    flavour: Flavour,
) -> Result<LayerTree> {
    if let Some(bytes) = facts.get(&layer.digest, flavour.analyser()).await?
        && let Some(tree) = blocking(move || Ok(LayerTree::decode(&bytes))).await?
    {
        return Ok(tree);
    }
    let blob = match repository.blob(layer).await {
        // Image-spec, "Non-Distributable Layers".
        Err(patchline_registry::Error::NotFound { .. }) if layer.is_foreign() => {
            let reason = format!(
                "layer {} lies at its vendor alone, and an address that an image names is not followed",
                layer.digest
            );
            return Err(Error::UnsupportedSystem { system: "the image".into(), reason });
        }
        blob => blob?,
    };
    let digest = layer.digest.clone();
    let bridge = tokio_util::io::SyncIoBridge::new(blob);
    let (tree, bytes) = blocking(move || {
        let tree = LayerTree::read_for(flavour, &digest, bridge)?;
        let bytes = tree.encode()?;
        Ok((tree, bytes))
    })
    .await?;
    facts.put(&layer.digest, flavour.analyser(), &bytes).await?;
    Ok(tree)
}

/// Runs what chews bytes off the async threads.
pub(crate) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result,
        Err(e) => Err(Error::Io { operation: "finish a background task".into(), source: e.into() }),
    }
}

impl Image {
    /// The merged tree of all layers. `done(n)` after each layer.
    pub async fn tree(
        &self,
        repository: &dyn Repository,
        facts: &Arc<dyn LayerFacts>,
        flavour: Flavour,
        done: impl FnMut(u64, u64) + Send,
    ) -> Result<Tree> {
        self.tree_with(None, repository, facts, flavour, done).await
    }

    /// The same, with what a scan has just read.
    pub(crate) async fn tree_with(
        &self,
        beside: Option<&TreesBeside>,
        repository: &dyn Repository,
        facts: &Arc<dyn LayerFacts>,
        flavour: Flavour,
        mut done: impl FnMut(u64, u64) + Send,
    ) -> Result<Tree> {
        let mut tree = Tree::default();
        let all = self.manifest.layers.len() as u64;
        let one = async |layer: &Descriptor| {
            let taken = beside.filter(|_| flavour == Flavour::Dpkg).and_then(|read| read.take(&layer.digest));
            match taken {
                Some(taken) => Ok(Arc::unwrap_or_clone(taken)),
                None => layer_tree(repository, layer, facts, flavour).await,
            }
        };
        let layers: Vec<_> = self.manifest.layers.iter().map(one).collect();
        let mut layers = stream::iter(layers).buffered(AT_ONCE);
        let mut n = 0;
        while let Some(layer) = layers.try_next().await? {
            tree.apply(layer);
            n += 1;
            done(n, all);
        }
        Ok(tree)
    }
}
