//! Rebasing: an image's own layers, set on the newer image that its base has become.
//!
//! Nothing is built anew and nothing is run. So it is done only where a build would have given the same: the image's own
//! layers install no package, cover nothing that the base has changed, and stand on the same release. Everything else is
//! refused by name ([`conflicts`]).

mod conflicts;
mod documents;

use std::sync::Arc;

use bytes::Bytes;
use patchline_registry::{Descriptor, Digest, ManifestKind, RawManifest, Repository};
use patchline_scanner::{
    Finding, Inventory, LayerFacts, Report, Severity, advisories::AdvisorySet, packages::os_release,
};
use serde_json::Value;

use crate::{
    Error, Progress, Result,
    lineage::{self, PREFIX},
    overlay::Overlay,
    tree::{Flavour, Image, Tree, image_blocking as blocking, layer_tree, open},
};

pub use documents::LONGEST_NAME;

/// The annotation that names the image that was rebased.
const SOURCE: &str = "rebase-source";
/// Findings that are named in one message.
const NAMED: usize = 5;

/// What to rebase, and onto what.
pub struct RebaseRequest<'a> {
    /// Where the image is.
    pub repository: &'a dyn Repository,
    /// An image manifest (not an index).
    pub manifest: Digest,
    /// Where both bases are.
    pub base: &'a dyn Repository,
    /// The base's name, as the image is to have it in `org.opencontainers.image.base.name`.
    pub name: String,
    /// What the image was built on: an index or an image manifest.
    pub old: Digest,
    /// What the name points at now.
    pub new: Digest,
    /// Of the image.
    pub report: &'a Report,
    /// What the report was made from.
    pub advisories: &'a [&'a AdvisorySet],
    /// Progress.
    pub progress: Progress,
}

/// A rebased image before its push.
pub struct Rebased {
    /// The new manifest; equal for equal input.
    pub manifest: RawManifest,
    /// The new configuration's bytes.
    pub config: Bytes,
    /// What it was made from.
    pub source: Digest,
    /// The base's layers, which the image's repository may not have yet.
    pub layers: Vec<Descriptor>,
    /// How many layers of the old base went.
    pub replaced: usize,
    /// The re-scan that proves it.
    pub report: Report,
    /// Its inventory.
    pub inventory: Inventory,
}

/// What became of it.
pub enum Rebase {
    /// The base is what it was for this platform.
    Current,
    /// Set on the newer one, and proven.
    Image(Box<Rebased>),
}

/// Rebases and proves. Pushes nothing.
///
/// # Errors
/// [`Error::Base`] where the image does not stand on what it says, or the base is gone; [`Error::RebaseRefused`] where
/// a build might have given another image, or the newer base brings findings of high severity.
pub async fn rebase(request: &RebaseRequest<'_>, facts: &Arc<dyn LayerFacts>) -> Result<Rebase> {
    let image = open(request.repository, request.manifest.as_str()).await?;
    let old = base(request, &request.old, &image).await?;
    let new = base(request, &request.new, &image).await?;
    if old.raw.digest == new.raw.digest {
        return Ok(Rebase::Current);
    }
    let own = image.diff_ids.strip_prefix(old.diff_ids.as_slice()).ok_or_else(|| Error::Base {
        name: request.name.clone(),
        reason: format!("the image's first layers are not those of {}", old.raw.digest),
    })?;
    if own.is_empty() {
        let reason = "it has no layer of its own: it is the base".to_owned();
        return Err(Error::Base { name: request.name.clone(), reason });
    }
    let own = image.manifest.layers.len() - own.len();
    judge(request, facts, (&old, &new), &image, own).await?;
    let documents = documents::rebased(request, &image, (&old, &new))?;
    let (manifest, config) = (documents.manifest, Bytes::from(documents.config));
    let overlay = Overlay::new(request.repository)
        .manifest(manifest.clone())
        .bytes(config.to_vec())
        .beside(request.base, new.manifest.layers.iter().map(|layer| layer.digest.clone()));
    (request.progress)("prove", 0, 1);
    let inventory = patchline_scanner::inventory(&overlay, &manifest.digest, facts.clone()).await?;
    let report = patchline_scanner::report(&inventory, request.advisories);
    brings(request.report, &report)?;
    (request.progress)("prove", 1, 1);
    Ok(Rebase::Image(Box::new(Rebased {
        layers: manifest.image()?.layers.into_iter().take(new.diff_ids.len()).collect(),
        manifest,
        config,
        source: request.manifest.clone(),
        replaced: old.diff_ids.len(),
        report,
        inventory,
    })))
}

impl Rebased {
    /// Pushes layers, configuration and manifest by digest. Twice is harmless. No tag is written.
    pub async fn push(&self, repository: &dyn Repository, base: &dyn Repository) -> Result<()> {
        for layer in &self.layers {
            if repository.has_blob(&layer.digest).await? {
                continue;
            }
            let (ours, theirs) = (repository.origin(), base.origin());
            let mounted = match (ours, theirs) {
                (Some((host, _)), Some((other, from))) if host == other => {
                    repository.mount_blob(&layer.digest, &from).await?
                }
                _ => false,
            };
            if !mounted {
                repository.push_blob_stream(layer, base.blob(layer).await?).await?;
            }
        }
        let content = patchline_registry::BlobContent::Bytes(self.config.clone());
        repository.push_blob(&self.manifest.image()?.config, content).await?;
        repository.push_manifest(self.manifest.digest.as_str(), &self.manifest).await?;
        Ok(())
    }
}

/// What an image was rebased from; none: it was not, or its own layers do not bear it out.
pub async fn source(repository: &dyn Repository, manifest: &Digest) -> Result<Option<Digest>> {
    let image = open(repository, manifest.as_str()).await?;
    let said = image.manifest.annotations.get(&format!("{PREFIX}{SOURCE}"));
    let Some(source) = said.and_then(|text| text.parse::<Digest>().ok()) else { return Ok(None) };
    if repository.resolve(source.as_str()).await?.is_none() {
        return Ok(None);
    }
    let from = open(repository, source.as_str()).await?;
    let same = from.diff_ids.last().is_some_and(|top| image.diff_ids.last() == Some(top));
    Ok(same.then_some(source))
}

/// A base's image for the platform of the image.
async fn base(request: &RebaseRequest<'_>, digest: &Digest, image: &Image) -> Result<Image> {
    let failed = |reason: String| Error::Base { name: request.name.clone(), reason };
    if request.base.resolve(digest.as_str()).await?.is_none() {
        return Err(failed(format!("{digest} is no longer there: only a build can tell what is its")));
    }
    let said = |config: &Value, key: &str| config.get(key).and_then(Value::as_str).map(str::to_owned);
    let (os, architecture, variant) = (
        said(&image.config, "os").unwrap_or_else(|| "linux".to_owned()),
        said(&image.config, "architecture").unwrap_or_default(),
        said(&image.config, "variant"),
    );
    let digest = match request.base.manifest(digest.as_str()).await?.decode()? {
        ManifestKind::Image(_) => digest.clone(),
        ManifestKind::Index(index) => {
            let child = index.manifests.into_iter().find(|child| {
                let platform = child.platform.as_ref();
                // Of arm64 some say v8 and some say nothing.
                platform.is_some_and(|p| {
                    p.os == os
                        && p.architecture == architecture
                        && (p.variant == variant || architecture == "arm64")
                })
            });
            child.ok_or_else(|| failed(format!("{digest} has no {os}/{architecture}")))?.digest
        }
    };
    let found = open(request.base, digest.as_str()).await?;
    let same = said(&found.config, "architecture").unwrap_or_default() == architecture;
    if same { Ok(found) } else { Err(failed(format!("{digest} is not for {architecture}"))) }
}

/// Refuses what a build might have made otherwise.
async fn judge(
    request: &RebaseRequest<'_>,
    facts: &Arc<dyn LayerFacts>,
    (old, new): (&Image, &Image),
    image: &Image,
    own: usize,
) -> Result<()> {
    let flavour = Flavour::Dpkg;
    let told = |what: &'static str| {
        let progress = request.progress.clone();
        move |done, all| progress(what, done, all)
    };
    let before = old.tree(request.base, facts, flavour, told("read the old base")).await?;
    let after = new.tree(request.base, facts, flavour, told("read the new base")).await?;
    let mut layers = Vec::new();
    for layer in &image.manifest.layers[own..] {
        layers.push(layer_tree(request.repository, layer, facts, flavour).await?);
    }
    let release = |tree: &Tree| {
        let distro = tree.text("etc/os-release").and_then(|text| os_release::parse(&text));
        distro.map(|distro| (distro.id, distro.version_id))
    };
    let (was, is) = (release(&before), release(&after));
    if was != is {
        let named = |release: Option<(String, Option<String>)>| match release {
            Some((id, version)) => format!("{id} {}", version.unwrap_or_default()).trim_end().to_owned(),
            None => "a system without a name".to_owned(),
        };
        let reason = format!("{} has become {}: build again", named(was), named(is));
        return Err(Error::RebaseRefused { reason });
    }
    let found = blocking(move || Ok(conflicts::between(&before, &after, &layers))).await?;
    match conflicts::told(&found) {
        Some(reason) => Err(Error::RebaseRefused { reason }),
        None => Ok(()),
    }
}

/// A newer base that brings what is worse than what it ends is none to be set on unseen.
fn brings(before: &Report, after: &Report) -> Result<()> {
    let grave = |finding: &&Finding| matches!(finding.severity, Severity::High | Severity::Critical);
    let known =
        |finding: &&Finding| before.findings.iter().any(|f| f.id == finding.id && f.source == finding.source);
    let new: Vec<&Finding> = after.findings.iter().filter(grave).filter(|f| !known(f)).collect();
    if new.is_empty() {
        return Ok(());
    }
    let named: Vec<String> =
        new.iter().take(NAMED).map(|f| format!("{} in {} {}", f.id, f.source, f.installed)).collect();
    let more = match new.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let reason = format!("the newer base brings {}{more}", named.join(", "));
    Err(Error::RebaseRefused { reason })
}

/// The documents of a rebased image.
type Documents = lineage::Documents;

#[cfg(test)]
mod tests;
