//! `patchline image bootstrap`: a Debian image assembled from a suite without running anything.

mod accounts;
mod alternatives;
mod configure;
mod database;
mod layer;
mod select;
mod tree;
mod unpack;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use jiff::Timestamp;
use patchline_registry::{
    BlobContent, Descriptor, Digest, Manifest, RawManifest, Repository,
    model::{OCI_CONFIG, OCI_LAYER_GZIP, OCI_MANIFEST},
};
use serde_json::json;

use crate::{
    Error, Result,
    apt::{Apt, Distribution, Suite, blocking},
    deb::PackageRecord,
    fix::Progress,
};

const PATH: &str = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What to assemble.
#[derive(Debug, Clone)]
pub struct BootstrapOptions {
    /// `bookworm`: that suite alone, no security suite.
    pub suite: String,
    /// `amd64`
    pub architecture: String,
    /// Beyond the minbase-like set (essential and required priority).
    pub packages: Vec<String>,
}

/// What was assembled.
#[derive(Debug, Clone)]
pub struct Bootstrapped {
    /// The image manifest.
    pub digest: Digest,
    /// Packages installed.
    pub packages: usize,
    /// Compressed bytes of its layers.
    pub bytes: u64,
}

/// Assembles and pushes under `tag`, the tag last. Equal suites and options make equal digests.
/// Phases told: `index`, `download` (bytes), `unpack` (packages), `layer` (files), `push`.
pub async fn bootstrap(
    apt: &Apt,
    options: &BootstrapOptions,
    target: &dyn Repository,
    tag: &str,
    progress: &Progress,
) -> Result<Bootstrapped> {
    progress("index", 0, 1);
    let suite = apt.suite(Distribution::Debian, &options.suite, &options.architecture).await?;
    let (known, asked) = (suite.clone(), options.packages.clone());
    let packages = blocking("the package set", move || select::select(&known, &asked)).await?;
    progress("index", 1, 1);
    let paths = apt.download_with(&packages, progress).await?;
    let cache = &apt.config().cache;
    let scratch = tempfile::tempdir_in(cache)
        .map_err(|source| Error::Io { operation: format!("make a folder in {}", cache.display()), source })?;
    let file = scratch.path().join("layer");
    let count = packages.len();
    let layer = {
        let (suite, file, folder, progress) =
            (suite.clone(), file.clone(), scratch.path().to_owned(), progress.clone());
        blocking("the layer", move || assemble(&suite, &packages, &paths, &folder, &file, &progress)).await?
    };
    progress("push", 0, 1);
    let digest = push(&suite, options, &layer, &file, target, tag).await?;
    progress("push", 1, 1);
    Ok(Bootstrapped { digest, packages: count, bytes: layer.size })
}

fn assemble(
    suite: &Suite,
    packages: &[Arc<PackageRecord>],
    paths: &[PathBuf],
    scratch: &Path,
    file: &Path,
    progress: &Progress,
) -> Result<layer::Written> {
    let failed = |operation: &str| {
        let operation = operation.to_owned();
        move |source| Error::Io { operation, source }
    };
    let unpacked = unpack::read_all(paths, scratch, progress)?;
    for (promised, found) in packages.iter().zip(&unpacked) {
        if (&promised.name, &promised.version) != (&found.record.name, &found.record.version) {
            let reason = format!("it holds {} {}", found.record.name, found.record.version);
            return Err(Error::Unverified { file: promised.filename.clone(), reason });
        }
    }
    let date: Timestamp = suite.date.parse().map_err(|_| Error::Malformed {
        file: format!("InRelease of {}", suite.name),
        reason: "its Date is none".to_owned(),
    })?;
    let seconds = u64::try_from(date.as_second()).unwrap_or(0);
    let mut tree = tree::Tree { mtime: seconds, ..tree::Tree::default() };
    unpack::lay_links(&mut tree, &unpacked);
    let lost =
        (0..unpacked.len()).map(|i| unpack::lay(&mut tree, &unpacked, i)).collect::<Result<Vec<_>>>()?;
    let day = date.as_second() / 86_400;
    configure::configure(&mut tree, &unpacked, day).map_err(failed("configure the tree"))?;
    database::write(&mut tree, &unpacked, &lost);
    tree.add_parents();
    layer::write(&tree, file, &|done, total| progress("layer", done, total))
        .map_err(failed("write the layer"))
}

/// GOARCH and variant of Debian's architecture names.
fn platform(architecture: &str) -> (&str, Option<&str>) {
    match architecture {
        "i386" => ("386", None),
        "armel" => ("arm", Some("v5")),
        "armhf" => ("arm", Some("v7")),
        "arm64" => ("arm64", Some("v8")),
        "ppc64el" => ("ppc64le", None),
        "mips64el" => ("mips64le", None),
        other => (other, None),
    }
}

async fn push(
    suite: &Suite,
    options: &BootstrapOptions,
    layer: &layer::Written,
    file: &Path,
    target: &dyn Repository,
    tag: &str,
) -> Result<Digest> {
    let (architecture, variant) = platform(&options.architecture);
    let created = &suite.date;
    let command = format!("patchline image bootstrap {} {}", options.suite, options.packages.join(" "));
    let mut config = json!({
        "architecture": architecture,
        "os": "linux",
        "created": created,
        "config": { "Env": [PATH], "Cmd": ["bash"] },
        "rootfs": { "type": "layers", "diff_ids": [Digest::from_sha256(&layer.diff_id).as_str()] },
        "history": [{ "created": created, "created_by": command.trim_end() }],
    });
    if let Some(variant) = variant {
        config["variant"] = variant.into();
    }
    let config = config.to_string().into_bytes();
    let describe = |media_type: &str, digest: Digest, size: u64| Descriptor {
        media_type: media_type.to_owned(),
        digest,
        size,
        platform: None,
        artifact_type: None,
        annotations: BTreeMap::new(),
    };
    let manifest = Manifest {
        schema_version: 2,
        media_type: Some(OCI_MANIFEST.to_owned()),
        artifact_type: None,
        config: describe(OCI_CONFIG, Digest::of(&config), config.len() as u64),
        layers: vec![describe(OCI_LAYER_GZIP, Digest::from_sha256(&layer.digest), layer.size)],
        subject: None,
        annotations: BTreeMap::new(),
    };
    let document = serde_json::to_vec(&manifest)
        .map_err(|e| Error::Malformed { file: "the manifest".to_owned(), reason: e.to_string() })?;
    let raw = RawManifest::new(OCI_MANIFEST, document);
    target.push_blob(&manifest.layers[0], BlobContent::File(file.to_owned())).await?;
    target.push_blob(&manifest.config, BlobContent::Bytes(config.into())).await?;
    target.push_manifest(tag, &raw).await?;
    Ok(raw.digest)
}
