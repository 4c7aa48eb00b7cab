//! New advisories against what is known of an image already: inventories are matched, no layer is read.

use std::{
    collections::HashSet,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use patchline_chains::Plan;
use patchline_registry::{Digest, ManifestKind, Platform, RawManifest};
use patchline_scanner::{Finding, Inventory, Report, Reports, Severity, advisories::AdvisorySet};
use serde_json::Value;

use crate::{Error, Result};

/// Entries of an index that are looked at.
const MOST_PLATFORMS: usize = 64;

/// Where advisories lie, and the set that was read last.
pub(super) struct Advisories {
    folder: PathBuf,
    read: Mutex<Option<AdvisorySet>>,
}

impl Advisories {
    pub(super) fn new(folder: PathBuf) -> Self {
        Self { folder, read: Mutex::default() }
    }

    /// The newest revision; none: none are loaded.
    pub(super) async fn revision(&self) -> Result<Option<String>> {
        let folder = self.folder.clone();
        blocking(move || AdvisorySet::newest(&folder)).await
    }

    /// The set of a revision; none: it is the newest no more, and the newest has a firing of its own.
    pub(super) async fn set(&self, revision: &str) -> Result<Option<AdvisorySet>> {
        if self.revision().await?.as_deref() != Some(revision) {
            self.forget();
            return Ok(None);
        }
        let known = self.read.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(set) = known.filter(|set| set.revision() == revision) {
            return Ok(Some(set));
        }
        let (folder, wanted) = (self.folder.clone(), revision.to_owned());
        // Megabytes: not on a thread that serves others.
        let set = blocking(move || open(&folder, &wanted)).await?;
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = Some(set.clone());
        Ok(Some(set))
    }

    /// It is not asked for soon.
    pub(super) fn forget(&self) {
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

fn open(folder: &Path, revision: &str) -> patchline_scanner::Result<AdvisorySet> {
    AdvisorySet::open_revision(folder, revision)
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> patchline_scanner::Result<T> + Send + 'static,
) -> Result<T> {
    let stored = |source| Error::Stored { what: "advisories", source };
    tokio::task::spawn_blocking(work).await.map_err(|e| stored(e.into()))?.map_err(|e| stored(e.into()))
}

/// Whether these advisories find something in an image that its last report does not have, of at least the severity
/// that the chain asks for. Only what has an inventory is looked at: what was never scanned has no report to be new
/// against, and waits for its push or schedule.
pub(super) async fn is_news(
    reports: &dyn Reports,
    set: &AdvisorySet,
    plan: &Plan,
    raw: &RawManifest,
) -> Result<bool> {
    let Some(least) = least(plan) else { return Ok(false) };
    for manifest in manifests(plan, raw) {
        let stored = |what| move |source| Error::Stored { what, source };
        let Some(inventory) = reports.inventory(&manifest).await.map_err(stored("inventory"))? else {
            continue;
        };
        let last = reports.latest_report(&manifest).await.map_err(stored("report"))?;
        let set = set.clone();
        let news =
            tokio::task::spawn_blocking(move || news(&inventory, last.map(|(_, r)| r).as_ref(), &set, least));
        if news.await.map_err(|e| Error::Stored { what: "inventory", source: e.into() })? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The severity that a chain asks for.
fn least(plan: &Plan) -> Option<Severity> {
    serde_json::from_value(Value::String(plan.on_advisories.clone()?)).ok()
}

/// The image manifests of an image, as far as their platforms are in the chain's scope.
fn manifests(plan: &Plan, raw: &RawManifest) -> Vec<Digest> {
    let scope = &plan.scope.platforms;
    let covered = |platform: &Platform| {
        let mut label = format!("{}/{}", platform.os, platform.architecture);
        if let Some(variant) = &platform.variant {
            label = format!("{label}/{variant}");
        }
        let covers =
            |s: &String| label.strip_prefix(s.as_str()).is_some_and(|r| r.is_empty() || r.starts_with('/'));
        scope.is_empty() || scope.iter().any(covers)
    };
    match raw.decode() {
        Ok(ManifestKind::Image(_)) => vec![raw.digest.clone()],
        Ok(ManifestKind::Index(index)) => index
            .manifests
            .into_iter()
            .filter(|entry| entry.platform.as_ref().is_none_or(covered))
            .map(|entry| entry.digest)
            .take(MOST_PLATFORMS)
            .collect(),
        Err(_) => Vec::new(),
    }
}

/// A vulnerability of a source goes by many names: one of them is enough to know it. One that has become worse than
/// the last report had it is new, where it comes to the severity that is asked for by that.
fn news(inventory: &Inventory, last: Option<&Report>, set: &AdvisorySet, least: Severity) -> bool {
    let heavy = |finding: &&Finding| finding.severity >= least && finding.severity != Severity::Unknown;
    let names = |f: &Finding| -> Vec<(String, String)> {
        let ids = std::iter::once(&f.id).chain(&f.aliases);
        ids.map(|id| (f.source.clone(), id.clone())).collect()
    };
    let known: HashSet<(String, String)> =
        last.iter().flat_map(|report| &report.findings).filter(heavy).flat_map(names).collect();
    let report = patchline_scanner::report(inventory, &[set]);
    report.findings.iter().filter(heavy).any(|f| names(f).iter().all(|name| !known.contains(name)))
}
