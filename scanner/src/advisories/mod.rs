//! What is known: OSV records compiled to an immutable set, and sets derived from a security suite itself.

mod advisory;
pub mod apt_security;
mod changelog;
mod cvss;
mod folder;
pub(crate) mod ids;
pub mod osv;
mod records;
mod shelf;
pub mod update;

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    path::Path,
    sync::Arc,
};

pub(crate) use advisory::{Advisory, Verdict};
pub use shelf::{Advisories, Shelf};

use crate::Result;

/// An immutable set of advisories; cheap to clone, many readers, no lock.
#[derive(Clone)]
pub struct AdvisorySet {
    inner: Arc<Inner>,
}

struct Inner {
    revision: String,
    count: usize,
    advisories: Vec<Advisory>,
    /// Ecosystem, then source package, to indices.
    index: HashMap<String, HashMap<String, Vec<usize>>>,
    /// Ecosystems for which silence means "nothing known", not "nobody looked".
    covered: BTreeSet<String>,
}

impl AdvisorySet {
    /// Opens the newest revision in an advisory folder; none: nothing has been loaded yet.
    ///
    /// # Errors
    /// A folder whose pointer or set cannot be read, or whose set is not what its name promises.
    pub fn open(folder: &Path) -> Result<Option<Self>> {
        let Some(pointer) = folder::Pointer::read(folder)? else { return Ok(None) };
        Self::open_revision(folder, &pointer.revision).map(Some)
    }
    /// Which revision is the newest in an advisory folder, without reading it; none: nothing has been loaded yet.
    ///
    /// # Errors
    /// A folder whose pointer cannot be read.
    pub fn newest(folder: &Path) -> Result<Option<String>> {
        Ok(folder::Pointer::read(folder)?.map(|pointer| pointer.revision))
    }
    /// Opens one revision, that a plan or another process names.
    ///
    /// # Errors
    /// As [`AdvisorySet::open`].
    pub fn open_revision(folder: &Path, revision: &str) -> Result<Self> {
        Ok(Self::new(folder::read_set(folder, revision)?, revision.to_owned(), []))
    }
    /// A set without any advisory: nobody has looked.
    pub fn empty() -> Self {
        Self::new(Vec::new(), "none".to_owned(), [])
    }
    /// A set of OSV records; withdrawn ones, and ecosystems that are not matched, are left out.
    pub fn from_records(records: Vec<osv::Record>, revision: impl Into<String>) -> Self {
        let advisories = records.into_iter().flat_map(|r| advisory::compile(&r)).collect();
        Self::new(advisories, revision.into(), [])
    }
    pub(crate) fn new(
        mut advisories: Vec<Advisory>,
        revision: String,
        covered: impl IntoIterator<Item = String>,
    ) -> Self {
        // Equal advisories give equal reports, in whatever order they came.
        advisories.sort_by(|a, b| (&a.id, &a.ecosystem, &a.package).cmp(&(&b.id, &b.ecosystem, &b.package)));
        let mut index: HashMap<String, HashMap<String, Vec<usize>>> = HashMap::new();
        let mut covered: BTreeSet<String> = covered.into_iter().collect();
        for (i, a) in advisories.iter().enumerate() {
            index.entry(a.ecosystem.clone()).or_default().entry(a.package.clone()).or_default().push(i);
        }
        covered.extend(index.keys().cloned());
        let count = advisories.iter().map(|a| a.id.as_str()).collect::<HashSet<_>>().len();
        Self { inner: Arc::new(Inner { revision, count, advisories, index, covered }) }
    }
    /// Content hash of the set.
    pub fn revision(&self) -> &str {
        &self.inner.revision
    }
    /// How many advisories.
    pub fn len(&self) -> usize {
        self.inner.count
    }
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Whether silence about a package of this ecosystem (`Debian:12`) means that nothing is known against it.
    pub fn covers(&self, ecosystem: &str) -> bool {
        self.inner.covered.contains(ecosystem)
    }
    /// What is known about a source package.
    pub(crate) fn about<'a>(
        &'a self,
        ecosystem: &str,
        package: &str,
    ) -> impl Iterator<Item = &'a Advisory> + 'a {
        let found = self.inner.index.get(ecosystem).and_then(|packages| packages.get(package));
        found.into_iter().flatten().map(|i| &self.inner.advisories[*i])
    }
}

impl std::fmt::Debug for AdvisorySet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AdvisorySet")
            .field("revision", &self.inner.revision)
            .field("advisories", &self.inner.count)
            .finish_non_exhaustive()
    }
}
