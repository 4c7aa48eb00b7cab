//! From a manifest to an inventory: configuration, layers in parallel, facts merged.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use futures::{StreamExt as _, TryStreamExt as _};
use patchline_registry::{Descriptor, Digest, Manifest, Platform, Repository, model};
use serde::Deserialize;
use tokio::io::AsyncReadExt as _;

use crate::{
    Error, Inventory, LayerFacts, LayerRead, Package, Result,
    languages::Component,
    layers::{
        facts::{self, Facts},
        merge,
    },
    licenses, limits,
    packages::purl,
    windows,
};

/// Why nothing is known of a layer that the registry does not hold: its `urls` are a stranger's, and would have this
/// machine ask whatever they name.
const FOREIGN: &str = "only its vendor has it, and an address that an image names is not followed";

/// OCI image-spec "config", as far as an inventory needs it.
#[derive(Deserialize)]
struct Config {
    architecture: String,
    os: String,
    #[serde(rename = "os.version")]
    os_version: Option<String>,
    variant: Option<String>,
    rootfs: RootFs,
}

#[derive(Deserialize)]
struct RootFs {
    diff_ids: Vec<Digest>,
}

/// See [`crate::inventory`].
pub(crate) async fn inventory(
    repository: &dyn Repository,
    digest: &Digest,
    kept: Arc<dyn LayerFacts>,
    told: &crate::Progress,
) -> Result<Inventory> {
    let raw = repository.manifest(digest.as_str()).await?;
    if raw.digest != *digest {
        return Err(Error::Registry(patchline_registry::Error::DigestMismatch {
            what: "the manifest".to_owned(),
            expected: digest.clone(),
            actual: raw.digest,
        }));
    }
    let manifest = raw.image()?;
    let config = config(repository, &manifest).await?;
    let found = read_layers(repository, &manifest, kept.as_ref(), told).await?;
    let (mut layers, mut absent) = (Vec::with_capacity(found.len()), Vec::new());
    for ((layer, facts), claimed) in manifest.layers.iter().zip(found).zip(&config.rootfs.diff_ids) {
        match facts {
            Some(facts) if facts.diff_id != *claimed => {
                let reason = format!("its diff_id is {}, the configuration says {claimed}", facts.diff_id);
                return Err(Error::Layer { layer: layer.digest.clone(), reason });
            }
            Some(facts) => layers.push(facts),
            None => {
                absent.push(format!("layer {}: {FOREIGN}", layer.digest));
                layers.push(Arc::new(Facts::empty(claimed.clone())));
            }
        }
    }
    // Parsing is done, but a thousand layers of a thousand packages are still work.
    let image = digest.clone();
    let blobs: Vec<Digest> = manifest.layers.into_iter().map(|l| l.digest).collect();
    let merging = tokio::task::spawn_blocking(move || {
        let Config { architecture, os, variant, os_version, .. } = config;
        let mut inventory = assemble(image, Platform { architecture, os, variant }, &blobs, &layers)?;
        inventory.incomplete.extend(absent);
        windows::complete(&mut inventory, os_version.as_deref());
        Ok(inventory)
    });
    merging.await.map_err(|e| Error::Io {
        operation: "merge the layers".to_owned(),
        source: std::io::Error::other(e),
    })?
}

/// Merges layers, lowest first; of one that is no blob nobody is told which it is.
pub(crate) fn assemble(
    image: Digest,
    platform: Platform,
    blobs: &[Digest],
    layers: &[Arc<Facts>],
) -> Result<Inventory> {
    let merged = merge::merge(layers)?;
    let listed = merged.packages.iter().map(|(database, p, layer)| Package {
        name: p.name.clone(),
        version: p.version.clone(),
        architecture: p.architecture.clone(),
        source: p.source.clone(),
        source_version: p.source_version.clone(),
        held: p.held,
        layer: blobs.get(*layer).cloned(),
        purl: purl::of(database, p, merged.distro.as_ref()),
        licenses: match &p.license {
            Some(text) => licenses::stated(text),
            None => merged.licenses(&p.name).to_vec(),
        },
        ..Package::default()
    });
    let components = merged.components.iter().map(|(path, component, layer)| Package {
        layer: blobs.get(*layer).cloned(),
        owner: merged.owner(path).map(str::to_owned),
        ..of_language(path, component)
    });
    let packages = listed.chain(components).collect();
    Ok(Inventory {
        image,
        platform,
        packages,
        incomplete: merged.incomplete.clone(),
        unreadable: merged.unreadable.clone(),
        distro: merged.distro,
        database: merged.database.map(str::to_owned),
        unread: merged.unread,
        layers: blobs.iter().cloned().zip(layers.iter().map(|f| f.diff_id.clone())).collect(),
    })
}

/// A package of a language as inventories have it; the layer and the owner are not known yet.
fn of_language(path: &str, component: &Component) -> Package {
    let name = component.full_name();
    Package {
        source: name.clone(),
        source_version: component.version.clone(),
        version: component.version.clone(),
        purl: component.purl(),
        licenses: component.licenses.iter().flat_map(|text| licenses::stated(text)).collect(),
        path: Some(match &component.inside {
            Some(inside) => format!("{path}!/{inside}"),
            None => path.to_owned(),
        }),
        evidence: Some(component.evidence),
        name,
        ..Package::default()
    }
}

async fn config(repository: &dyn Repository, manifest: &Manifest) -> Result<Config> {
    let descriptor = &manifest.config;
    let invalid = |reason: String| {
        let what = format!("the image configuration {}", descriptor.digest);
        Error::Registry(patchline_registry::Error::InvalidDocument { what, reason })
    };
    if ![model::OCI_CONFIG, "application/vnd.docker.container.image.v1+json"]
        .contains(&descriptor.media_type.as_str())
    {
        return Err(invalid(format!("{} is not an image's", descriptor.media_type)));
    }
    if descriptor.size > limits::image().config {
        return Err(Error::Limit {
            what: "the size of an image configuration",
            limit: limits::image().config,
        });
    }
    if manifest.layers.len() > limits::image().layers {
        return Err(Error::Limit { what: "the number of layers", limit: limits::image().layers as u64 });
    }
    let mut bytes = Vec::new();
    let mut blob = repository.blob(descriptor).await?.take(limits::image().config + 1);
    blob.read_to_end(&mut bytes).await.map_err(|error| {
        match error.downcast::<patchline_registry::Error>() {
            Ok(inner) => Error::Registry(inner),
            Err(source) => Error::Io { operation: "read the image configuration".to_owned(), source },
        }
    })?;
    let config: Config = serde_json::from_slice(&bytes).map_err(|e| invalid(e.to_string()))?;
    let (claimed, there) = (config.rootfs.diff_ids.len(), manifest.layers.len());
    if claimed != there {
        return Err(invalid(format!("it names {claimed} diff_ids for {there} layers")));
    }
    Ok(config)
}

/// The facts of every layer in manifest order, none of one that is nowhere; a layer that stands twice is read once.
async fn read_layers(
    repository: &dyn Repository,
    manifest: &Manifest,
    kept: &dyn LayerFacts,
    told: &crate::Progress,
) -> Result<Vec<Option<Arc<Facts>>>> {
    let mut distinct: Vec<&Descriptor> = Vec::new();
    let mut index: HashMap<&Digest, usize> = HashMap::new();
    for layer in &manifest.layers {
        index.entry(&layer.digest).or_insert_with(|| {
            distinct.push(layer);
            distinct.len() - 1
        });
    }
    let count = Count { told, done: AtomicUsize::new(0), layers: distinct.len() };
    // The largest first: what is left at the end is then little, and no core waits for another for long.
    let mut order: Vec<usize> = (0..distinct.len()).collect();
    order.sort_by_key(|at| std::cmp::Reverse(distinct[*at].size));
    let count = &count;
    let reads: Vec<_> =
        order
            .into_iter()
            .map(|at| (at, distinct[at]))
            .map(|(at, layer)| async move {
                counted(repository, layer, kept, count).await.map(|facts| (at, facts))
            })
            .collect();
    let mut found: Vec<Option<Arc<Facts>>> = vec![None; distinct.len()];
    let mut reads = futures::stream::iter(reads).buffer_unordered(limits::image().at_once);
    while let Some((at, facts)) = reads.try_next().await? {
        found[at] = facts.map(Arc::new);
    }
    Ok(manifest.layers.iter().map(|layer| found[index[&layer.digest]].clone()).collect())
}

/// How far it has come, and who hears of it.
struct Count<'a> {
    told: &'a crate::Progress,
    done: AtomicUsize,
    layers: usize,
}

async fn counted(
    repository: &dyn Repository,
    layer: &Descriptor,
    kept: &dyn LayerFacts,
    count: &Count<'_>,
) -> Result<Option<Facts>> {
    let facts = one(repository, layer, kept).await?;
    let done = count.done.fetch_add(1, Ordering::Relaxed) + 1;
    (count.told)(&LayerRead { layer: &layer.digest, size: layer.size, done, layers: count.layers });
    Ok(facts)
}

async fn one(
    repository: &dyn Repository,
    layer: &Descriptor,
    kept: &dyn LayerFacts,
) -> Result<Option<Facts>> {
    // Image-spec, "Non-Distributable Layers": many registries hold them all the same.
    if layer.is_foreign() && !repository.has_blob(&layer.digest).await? {
        return Ok(None);
    }
    if let Some(facts) = known(layer, kept).await? {
        return Ok(Some(facts));
    }
    let _claim = kept.claim(&layer.digest, &facts::analysers()).await?;
    if let Some(facts) = known(layer, kept).await? {
        return Ok(Some(facts));
    }
    let facts = facts::read(repository, layer, *limits::layer(), kept.beside(&layer.digest)).await?;
    let bytes =
        facts.encode().map_err(|source| Error::Io { operation: "encode layer facts".to_owned(), source })?;
    kept.put(&layer.digest, &facts::analysers(), &bytes).await?;
    Ok(Some(facts))
}

/// What is kept of a layer.
async fn known(layer: &Descriptor, kept: &dyn LayerFacts) -> Result<Option<Facts>> {
    let Some(bytes) = kept.get(&layer.digest, &facts::analysers()).await? else { return Ok(None) };
    // Megabytes of text: layers side by side, and not on a thread that serves others.
    let decoded = tokio::task::spawn_blocking(move || Facts::decode(&bytes)).await.unwrap_or_default();
    if decoded.is_none() {
        tracing::warn!(layer.digest = %layer.digest, "kept facts are unreadable, reading again");
    }
    Ok(decoded)
}
