//! Matching stored inventories again: of each only what new advisories touch, and each version of a package once.

use std::{
    collections::HashMap,
    fmt::Write as _,
    sync::{Arc, PoisonError, RwLock},
};

use async_trait::async_trait;
use patchline_registry::Digest;

use crate::{
    BoxError, Finding, Inventory, Report,
    advisories::{AdvisorySet, Touched},
    limits, matching,
};

/// Stored inventories, many at a time; `store` implements it.
#[async_trait]
pub trait Inventories: Send + Sync {
    /// Begins to read. With `only`, each inventory holds just the packages that are among those, and one that has none
    /// of them is left out.
    fn reading(&self, only: Option<Touched>) -> Box<dyn Reading>;
    /// How far images were matched: those that have an inventory and a report.
    async fn matched(&self, images: &[Digest]) -> Result<Vec<Matched>, BoxError>;
    /// Notes the revisions up to which the images were matched. One whose inventory was replaced since [`Matched`] was
    /// read is passed over.
    async fn set_matched(&self, images: &[Matched]) -> Result<(), BoxError>;
}

/// Reads inventories; remembers packages that many of them have.
#[async_trait]
pub trait Reading: Send {
    /// The inventories of images, in any order; of some hundred images at a time.
    async fn some(&mut self, images: &[Digest]) -> Result<Vec<Inventory>, BoxError>;
}

/// What was matched with other rules may have found less: each release counts as others.
const RULES: &str = env!("CARGO_PKG_VERSION");

/// How far an image's last report covers what is known of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matched {
    /// The image manifest.
    pub image: Digest,
    /// Counts on with each inventory of the image that is another than the one before.
    pub edition: i64,
    /// Its last report.
    pub report: String,
    /// What was noted last; none: nothing was, or of another report or inventory. See [`Matched::up_to`].
    pub note: Option<String>,
}

impl Matched {
    /// The revision of the advisories that was found to know nothing of the inventory that the report does not have, by
    /// this version's matching; none: there is none.
    pub fn up_to(&self) -> Option<&str> {
        self.note.as_deref()?.strip_prefix(RULES)?.strip_prefix(' ')
    }
    /// The same, up to this revision.
    #[must_use]
    pub fn noted(self, revision: &str) -> Self {
        Self { note: Some(format!("{RULES} {revision}")), ..self }
    }
}

/// Matches many inventories against the same advisories: what is known of one version of one package is worked out
/// once. Any number of threads may share it.
#[derive(Debug)]
pub struct Matcher {
    sets: Vec<AdvisorySet>,
    known: RwLock<Known>,
}

#[derive(Debug, Default)]
struct Known {
    by_subject: HashMap<Box<str>, Arc<[Finding]>>,
    findings: usize,
}

impl Matcher {
    /// Over these sets, as [`crate::report`] takes them.
    pub fn new(sets: Vec<AdvisorySet>) -> Self {
        Self { sets, known: RwLock::default() }
    }

    /// Whether all that was asked of the sets could be read: if not, a report may have found less than there is.
    pub fn is_sound(&self) -> bool {
        self.sets.iter().all(|set| set.fault().is_none())
    }

    /// The same as [`crate::report`] gives.
    pub fn report(&self, inventory: &Inventory) -> Report {
        let sets: Vec<&AdvisorySet> = self.sets.iter().collect();
        let mut key = String::new();
        matching::report_by(inventory, &sets, |subject| self.look_up(subject, &sets, &mut key))
    }

    /// The findings of a report, in no order, shared by all images that have them: without packages, paths and layers,
    /// and not copied. With how many packages carry each.
    pub fn findings(&self, inventory: &Inventory) -> Vec<(Arc<[Finding]>, usize)> {
        let sets: Vec<&AdvisorySet> = self.sets.iter().collect();
        let (mut key, system) = (String::new(), matching::system(inventory));
        // What is claimed is apart from what was found, as in a report.
        let subject =
            |package| matching::subject(package, system.as_deref()).map(|of| (of, package.is_claimed()));
        let mut subjects: Vec<_> = inventory.packages.iter().filter_map(subject).collect();
        subjects.sort_unstable();
        let mut findings = Vec::new();
        for same in subjects.chunk_by(|a, b| a == b) {
            let known = self.look_up(same[0].0, &sets, &mut key);
            if !known.is_empty() {
                findings.push((known, same.len()));
            }
        }
        findings
    }

    /// What is known of a subject; `key` is room to work in.
    fn look_up(
        &self,
        subject: matching::Subject<'_>,
        sets: &[&AdvisorySet],
        key: &mut String,
    ) -> Arc<[Finding]> {
        let (ecosystem, name, version) = subject;
        key.clear();
        // Lengths first: a name may hold whatever stands between it and its version.
        let lengths = write!(key, "{} {} ", ecosystem.len(), name.len());
        debug_assert!(lengths.is_ok(), "text can always be added to");
        key.extend([ecosystem, name, version]);
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = known.by_subject.get(key.as_str()) {
            return known.clone();
        }
        drop(known);
        let new: Arc<[Finding]> = matching::known(subject, sets).into();
        self.keep(key, new.clone());
        new
    }

    fn keep(&self, key: &str, new: Arc<[Finding]>) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.by_subject.len() >= limits::rematch().versions
            || known.findings >= limits::rematch().findings
        {
            *known = Known::default();
        }
        known.findings += new.len();
        known.by_subject.insert(key.into(), new);
    }
}

#[cfg(test)]
#[path = "rematch_tests.rs"]
mod tests;
