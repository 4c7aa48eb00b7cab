//! SBOMs that came with an image: they may add packages to what was found in it, and never take one away.
//!
//! Whoever pushed the image wrote them, so they are claims, and no signature is looked at. They are found as referrers
//! (OCI distribution-spec 1.1, "Listing Referrers"), in the index as BuildKit leaves them, and under cosign's tags.

use std::collections::{BTreeSet, HashSet};

use patchline_registry::{Descriptor, Digest, Manifest, ManifestKind, Repository};
use tokio::io::AsyncReadExt as _;

use super::{limits, read, unpacked};
use crate::{Error, Inventory, Package, Result, formats::clean, inventory::Evidence, languages::python_name};

/// Media types of documents, bare or within a statement.
const DOCUMENTS: [&str; 4] = [
    "application/vnd.cyclonedx+json",
    "application/vnd.cyclonedx",
    "application/spdx+json",
    "text/spdx+json",
];
/// Of statements, envelopes and bundles: which of them are about packages is told by an annotation, or by what is in them.
const STATEMENTS: [&str; 4] = [
    "application/vnd.in-toto+json",
    "application/vnd.dsse.envelope.v1+json",
    "application/vnd.dev.sigstore.bundle.v0.3+json",
    "application/vnd.dev.sigstore.bundle+json;version=0.2",
];
/// Annotations of a layer that name the type of its predicate: BuildKit's and cosign's.
const PREDICATES: [&str; 3] =
    ["in-toto.io/predicate-type", "predicateType", "dev.sigstore.bundle.predicateType"];
/// BuildKit's annotation on an entry of an index: which image it is about.
const ATTESTS: &str = "vnd.docker.reference.digest";

/// What was found beside an image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Attached {
    /// Documents that were read.
    pub documents: usize,
    /// Packages that they name and the image was not found to hold.
    pub added: usize,
}

/// Adds what attached SBOMs claim to the inventory of their image. `index` is the index that the image was chosen from.
/// A package that was found in the image stays as it was found; each one that is added is
/// [claimed](Package::is_claimed). Documents that cannot be read stand in [`Inventory::incomplete`].
///
/// # Errors
/// The registry's.
pub async fn attach(
    repository: &dyn Repository,
    inventory: &mut Inventory,
    index: Option<&Digest>,
) -> Result<Attached> {
    let found = documents(repository, inventory, index).await?;
    let mut attached = Attached::default();
    let mut known: HashSet<Key> = inventory.packages.iter().map(key).collect();
    for document in found.iter().take(limits::sbom().attached) {
        let name = format!("sbom:{}", document.digest);
        match one(repository, document, &name, &inventory.image).await {
            Ok(claims) => {
                attached.documents += 1;
                let mut new =
                    claims.packages.into_iter().filter(may_be_added).filter(|p| known.insert(key(p)));
                let before = inventory.packages.len();
                let room = limits::sbom().components - attached.added;
                inventory.packages.extend(new.by_ref().take(room).map(|p| claimed(p, &name)));
                attached.added += inventory.packages.len() - before;
                if new.next().is_some() {
                    let reason =
                        format!("{name}: more than {} packages are claimed", limits::sbom().components);
                    inventory.incomplete.push(reason);
                }
            }
            Err(Error::Registry(error)) if error.is_transient() => return Err(Error::Registry(error)),
            Err(error) => inventory.incomplete.push(clean(&format!("{name}: {error}"), limits::sbom().text)),
        }
    }
    if found.len() > limits::sbom().attached {
        inventory.incomplete.push(format!("more than {} SBOMs are attached", limits::sbom().attached));
    }
    Ok(attached)
}

/// What makes two packages the same, however documents write them: type, name, version.
type Key = (String, String, String);

fn key(package: &Package) -> Key {
    let name = match package.kind() {
        "pypi" => python_name(&package.name),
        _ => package.name.to_ascii_lowercase(),
    };
    (package.kind().to_owned(), name, package.version.clone())
}

/// What a document itself does not take for installed is not added.
fn may_be_added(package: &Package) -> bool {
    package.stands_alone()
}

fn claimed(package: Package, document: &str) -> Package {
    let path = match &package.path {
        Some(inside) if inside != document => format!("{document}!/{inside}"),
        _ => document.to_owned(),
    };
    Package {
        path: Some(path),
        evidence: Some(Evidence::Sbom),
        layer: None,
        held: false,
        owner: None,
        ..package
    }
}

/// Blobs that may be documents, each once, in the order of their digests. What cannot be found out is said.
async fn documents(
    repository: &dyn Repository,
    inventory: &mut Inventory,
    index: Option<&Digest>,
) -> Result<Vec<Descriptor>> {
    let image = &inventory.image;
    let mut manifests: BTreeSet<Digest> = BTreeSet::new();
    let referrers = repository.referrers(image).await?.into_iter();
    let promising = |referrer: &Descriptor| {
        let kind = referrer.artifact_type.as_deref().unwrap_or_default();
        kind.is_empty() || is_document(kind) || STATEMENTS.contains(&kind)
    };
    manifests.extend(referrers.filter(promising).map(|referrer| referrer.digest));
    for tag in ["sbom", "att"].map(|end| format!("sha256-{}.{end}", image.hex())) {
        manifests.extend(repository.resolve(&tag).await?.map(|found| found.digest));
    }
    if let Some(index) = index {
        let raw = repository.manifest(index.as_str()).await?;
        if let ManifestKind::Index(index) = raw.decode()? {
            let about =
                |entry: &Descriptor| entry.annotations.get(ATTESTS).is_some_and(|d| d == image.as_str());
            manifests.extend(index.manifests.into_iter().filter(about).map(|entry| entry.digest));
        }
    }
    let mut found: Vec<Descriptor> = Vec::new();
    manifests.remove(image);
    let mut unread = Vec::new();
    for digest in manifests.iter().take(limits::sbom().manifests) {
        let raw = match repository.manifest(digest.as_str()).await {
            Ok(raw) => raw,
            Err(error) if error.is_transient() => return Err(Error::Registry(error)),
            Err(error) => {
                unread.push(clean(&format!("sbom:{digest}: {error}"), limits::sbom().text));
                continue;
            }
        };
        // A signature, or whatever else refers to an image, is of no interest, whatever its form.
        let Ok(manifest) = raw.image() else { continue };
        for layer in blobs(manifest) {
            if !found.iter().any(|known| known.digest == layer.digest) {
                found.push(layer);
            }
        }
    }
    if manifests.len() > limits::sbom().manifests {
        unread.push(format!(
            "more than {} artifacts are attached: not all were looked at",
            limits::sbom().manifests
        ));
    }
    inventory.incomplete.extend(unread);
    found.sort_by(|a, b| a.digest.cmp(&b.digest));
    Ok(found)
}

fn is_document(media_type: &str) -> bool {
    DOCUMENTS.iter().any(|known| {
        media_type == *known || media_type.strip_prefix(known).is_some_and(|r| r.starts_with(';'))
    })
}

/// Layers that are documents, or statements whose predicate is one.
fn blobs(manifest: Manifest) -> impl Iterator<Item = Descriptor> {
    manifest.layers.into_iter().filter(|layer| {
        let predicate = PREDICATES.iter().find_map(|key| layer.annotations.get(*key));
        let of_packages = |kind: &String| kind.contains("cyclonedx") || kind.contains("spdx.dev");
        is_document(&layer.media_type)
            || (STATEMENTS.contains(&layer.media_type.as_str()) && predicate.is_some_and(of_packages))
    })
}

async fn one(
    repository: &dyn Repository,
    document: &Descriptor,
    name: &str,
    image: &Digest,
) -> Result<Inventory> {
    if document.size > limits::sbom().attached_size {
        return Err(Error::Limit {
            what: "the size of an attached SBOM",
            limit: limits::sbom().attached_size,
        });
    }
    let mut bytes = Vec::new();
    let mut blob = repository.blob(document).await?.take(limits::sbom().attached_size + 1);
    blob.read_to_end(&mut bytes).await.map_err(|error| {
        match error.downcast::<patchline_registry::Error>() {
            Ok(inner) => Error::Registry(inner),
            Err(source) => Error::Io { operation: format!("read {name}"), source },
        }
    })?;
    let (name, image) = (name.to_owned(), image.clone());
    let reading = move || read(&unpacked(&bytes, &name)?, &name, Some(&image), limits::sbom().envelopes);
    tokio::task::spawn_blocking(reading).await.map_err(|e| Error::Io {
        operation: "read an attached SBOM".to_owned(),
        source: std::io::Error::other(e),
    })?
}
