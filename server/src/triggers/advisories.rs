//! New advisories against what is known of an image already: inventories are matched, no layer is read. What an image's
//! last report covers is noted with the revision that was matched, so that the next one looks only at what changed since.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use patchline_chains::Plan;
use patchline_registry::{Digest, ManifestKind, Platform, RawManifest};
use patchline_scanner::{
    Report, Reports, Severity,
    advisories::{AdvisorySet, Touched},
    rematch::{Inventories, Matched, Matcher, Reading},
};
use serde_json::Value;

use crate::{Error, Result};

/// Entries of an index that are looked at.
const MOST_PLATFORMS: usize = 64;
/// Earlier revisions that are remembered; a folder keeps fewer.
const MOST_EARLIER: usize = 64;

/// Where advisories lie, and the set that was read last.
pub(super) struct Advisories {
    folder: PathBuf,
    read: Mutex<Option<Arc<Current>>>,
}

/// A set, and what was worked out with it so far.
pub(super) struct Current {
    folder: PathBuf,
    revision: String,
    matcher: Matcher,
    /// By an earlier revision, what reads the inventories that were touched since; none: the revision is no more.
    since: tokio::sync::Mutex<HashMap<String, Option<Box<dyn Reading>>>>,
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
    pub(super) async fn set(&self, revision: &str) -> Result<Option<Arc<Current>>> {
        if self.revision().await?.as_deref() != Some(revision) {
            self.forget();
            return Ok(None);
        }
        let known = self.read.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(current) = known.filter(|current| current.revision == revision) {
            return Ok(Some(current));
        }
        let (folder, wanted) = (self.folder.clone(), revision.to_owned());
        // Megabytes: not on a thread that serves others.
        let set = blocking(move || open(&folder, &wanted)).await?;
        let current = Arc::new(Current {
            folder: self.folder.clone(),
            revision: revision.to_owned(),
            matcher: Matcher::new(vec![set]),
            since: tokio::sync::Mutex::default(),
        });
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = Some(current.clone());
        Ok(Some(current))
    }

    /// It is not asked for soon.
    pub(super) fn forget(&self) {
        *self.read.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// Images that need no look, and what is to be noted of them.
#[derive(Default)]
pub(super) struct Settled {
    images: HashSet<Digest>,
    /// See [`Inventories::set_matched`].
    pub(super) notes: Vec<Matched>,
}

impl Settled {
    pub(super) fn has(&self, image: &Digest) -> bool {
        self.images.contains(image)
    }
}

impl Current {
    /// Those of the image manifests about which these advisories say nothing that their last reports do not have: they
    /// were matched with an earlier revision, and nothing in them was touched since. All others must be looked at: those
    /// that were never matched, too, and those whose revision is no more.
    pub(super) async fn settled(&self, kept: &dyn Inventories, images: &[Digest]) -> Result<Settled> {
        let stored = |source| Error::Stored { what: "inventory", source };
        let mut by_revision: BTreeMap<String, Vec<Matched>> = BTreeMap::new();
        for one in kept.matched(images).await.map_err(stored)? {
            if let Some(revision) = one.up_to() {
                by_revision.entry(revision.to_owned()).or_default().push(one);
            }
        }
        let mut settled = Settled::default();
        for (revision, matched) in by_revision {
            if revision == self.revision {
                settled.images.extend(matched.into_iter().map(|one| one.image));
                continue;
            }
            let mut since = self.since.lock().await;
            if !since.contains_key(&revision) {
                if since.len() >= MOST_EARLIER {
                    since.clear();
                }
                let reading = self.touched(&revision).await.map(|touched| kept.reading(Some(touched)));
                since.insert(revision.clone(), reading);
            }
            let Some(Some(reading)) = since.get_mut(&revision) else { continue };
            let images: Vec<Digest> = matched.iter().map(|one| one.image.clone()).collect();
            let touched = reading.some(&images).await.map_err(stored)?;
            drop(since);
            let touched: HashSet<Digest> = touched.into_iter().map(|inventory| inventory.image).collect();
            for one in matched.into_iter().filter(|one| !touched.contains(&one.image)) {
                settled.images.insert(one.image.clone());
                settled.notes.push(one.noted(&self.revision));
            }
        }
        Ok(settled)
    }

    /// What this revision touches; none: the earlier one cannot be read any more.
    async fn touched(&self, before: &str) -> Option<Touched> {
        let (folder, now, then) = (self.folder.clone(), self.revision.clone(), before.to_owned());
        // Both are opened anew: the blocks that are read here are not those that matching asks for.
        let compare = move || open(&folder, &now)?.touched_since(&open(&folder, &then)?);
        match blocking(compare).await {
            Ok(touched) => {
                let packages = touched.len();
                tracing::info!(revision = self.revision, before, packages, "what new advisories touch");
                Some(touched)
            }
            Err(error) => {
                tracing::info!(revision = before, %error, "earlier advisories are no more: all is matched");
                None
            }
        }
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
/// that the chain asks for; and what is to be noted. Only what has an inventory is looked at: what was never scanned
/// has no report to be new against, and waits for its push or schedule.
pub(super) async fn is_news(
    (reports, kept): (&dyn Reports, &dyn Inventories),
    current: &Arc<Current>,
    plan: &Plan,
    raw: &RawManifest,
) -> Result<(bool, Vec<Matched>)> {
    let Some(least) = least(plan) else { return Ok((false, Vec::new())) };
    let stored = |what| move |source| Error::Stored { what, source };
    let manifests = manifests(plan, raw);
    // An image that is no index was looked for before its manifest was read.
    let settled = match manifests.as_slice() {
        [only] if *only == raw.digest => Settled::default(),
        several => current.settled(kept, several).await?,
    };
    // Before the inventory and the report: one that is replaced while it is looked at is not noted.
    let matched = kept.matched(&manifests).await.map_err(stored("inventory"))?;
    let mut notes = settled.notes.clone();
    for manifest in manifests.iter().filter(|manifest| !settled.has(manifest)) {
        let Some(inventory) = reports.inventory(manifest).await.map_err(stored("inventory"))? else {
            continue;
        };
        let last = reports.latest_report(manifest).await.map_err(stored("report"))?;
        let own = current.clone();
        let compare = move || {
            let report = own.matcher.report(&inventory);
            let last = last.as_ref().map(|(_, report)| report);
            // Whichever severity another chain asks for.
            let covered = Severity::ALL.iter().all(|level| !news(&report, last, *level));
            let covered = covered && own.matcher.is_sound();
            (news(&report, last, least), covered)
        };
        let compared = tokio::task::spawn_blocking(compare).await;
        let (news, covered) = compared.map_err(|e| Error::Stored { what: "inventory", source: e.into() })?;
        if news {
            return Ok((true, notes));
        }
        if covered {
            let own = matched.iter().filter(|one| one.image == *manifest);
            notes.extend(own.map(|one| one.clone().noted(&current.revision)));
        }
    }
    Ok((false, notes))
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

/// How bad each vulnerability of a source is by each of its names.
fn heaviest(report: Option<&Report>) -> HashMap<(&str, &str), Severity> {
    let mut known = HashMap::new();
    for finding in report.into_iter().flat_map(|report| &report.findings) {
        for name in std::iter::once(&finding.id).chain(&finding.aliases) {
            let heaviest = known.entry((finding.source.as_str(), name.as_str())).or_insert(finding.severity);
            *heaviest = finding.severity.max(*heaviest);
        }
    }
    known
}

/// A vulnerability of a source goes by many names: one of them is enough to know it. One that has become worse than
/// the last report had it is new, where it comes to the severity that is asked for by that.
fn news(report: &Report, last: Option<&Report>, least: Severity) -> bool {
    let known = heaviest(last);
    let least = least.max(Severity::Negligible);
    report.findings.iter().filter(|finding| finding.severity >= least).any(|finding| {
        let mut names = std::iter::once(&finding.id).chain(&finding.aliases);
        !names.any(|name| {
            known.get(&(finding.source.as_str(), name.as_str())).is_some_and(|known| *known >= least)
        })
    })
}
