//! What is kept about one image: its inventories and reports by platform, where it comes from, what was made of it.

use patchline_registry::{Digest, Location, ManifestKind, Reference};
use patchline_remediation::FixPlan;
use patchline_scanner::{Finding, Inventory, Report};

use crate::{Error, Result, ServerContext, seen::ImageName};

/// One image manifest of an image.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    pub(crate) manifest: Digest,
    pub(crate) inventory: Option<Inventory>,
    /// (id, report).
    pub(crate) report: Option<(String, Report)>,
}

impl Part {
    /// `linux/amd64`, where it is known.
    pub(crate) fn platform(&self) -> Option<String> {
        self.inventory.as_ref().map(|i| match &i.platform.variant {
            Some(variant) => format!("{}/{}/{variant}", i.platform.os, i.platform.architecture),
            None => format!("{}/{}", i.platform.os, i.platform.architecture),
        })
    }
    pub(crate) fn findings(&self) -> &[Finding] {
        self.report.as_ref().map_or(&[], |(_, report)| &report.findings)
    }
    fn is_empty(&self) -> bool {
        self.inventory.is_none() && self.report.is_none()
    }
}

/// What is kept about `digest`: one part for an image manifest, one a platform for an index (its entries are
/// asked of the registry, under `name`). Empty where nothing is kept.
pub(crate) async fn parts(
    context: &ServerContext,
    digest: &Digest,
    name: Option<&ImageName>,
) -> Result<Vec<Part>> {
    let whole = part(context, digest).await?;
    if !whole.is_empty() {
        return Ok(vec![whole]);
    }
    let Some(name) = name else { return Ok(Vec::new()) };
    let mut parts = Vec::new();
    for child in children(context, digest, name).await {
        let part = part(context, &child).await?;
        if !part.is_empty() {
            parts.push(part);
        }
    }
    Ok(parts)
}

async fn part(context: &ServerContext, manifest: &Digest) -> Result<Part> {
    let stored = |what| move |source| Error::Stored { what, source };
    Ok(Part {
        manifest: manifest.clone(),
        inventory: context.reports.inventory(manifest).await.map_err(stored("inventory"))?,
        report: context.reports.latest_report(manifest).await.map_err(stored("report"))?,
    })
}

/// Entries of an index; none for an image manifest, or where the registry no longer has it.
async fn children(context: &ServerContext, digest: &Digest, name: &ImageName) -> Vec<Digest> {
    match manifest(context, digest, name).await {
        Some(ManifestKind::Index(index)) => {
            // A page shows a handful of platforms; an index of thousands is no image of anybody's.
            index.manifests.into_iter().take(32).map(|entry| entry.digest).collect()
        }
        _ => Vec::new(),
    }
}

async fn manifest(context: &ServerContext, digest: &Digest, name: &ImageName) -> Option<ManifestKind> {
    let reference = Reference {
        registry: name.registry.clone(),
        repository: name.repository.clone(),
        tag: None,
        digest: Some(digest.clone()),
    };
    let repository = context.registries.open(&Location::Registry(reference)).ok()?;
    match repository.manifest(digest.as_str()).await {
        Ok(raw) => raw.decode().ok(),
        Err(error) => {
            tracing::debug!(image.digest = %digest, error.code = error.code(), "manifest not shown: {error}");
            None
        }
    }
}

/// How large an image is where it lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Weight {
    /// Compressed bytes of all layers.
    pub(crate) bytes: u64,
    pub(crate) layers: usize,
}

/// Asked of the registry; none where it no longer has the image.
pub(crate) async fn weight(context: &ServerContext, digest: &Digest, name: &ImageName) -> Option<Weight> {
    match manifest(context, digest, name).await? {
        ManifestKind::Image(image) => Some(Weight {
            bytes: image.layers.iter().map(|l| l.size).fold(0, u64::saturating_add),
            layers: image.layers.len(),
        }),
        ManifestKind::Index(_) => None,
    }
}

/// Where an image stands between originals and fixed images.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lineage {
    /// The original that it was made from, and how.
    pub(crate) made_by: Option<(Digest, FixPlan)>,
    /// What was made from it, newest last.
    pub(crate) fixes: Vec<(Digest, FixPlan)>,
}

pub(crate) async fn lineage(context: &ServerContext, digest: &Digest) -> Result<Lineage> {
    let stored = |source| Error::Stored { what: "fix", source };
    Ok(Lineage {
        made_by: context.fixes.fix_of(digest).await.map_err(stored)?,
        fixes: context.fixes.fixes_from(digest).await.map_err(stored)?,
    })
}
