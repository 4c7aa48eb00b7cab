//! What is known: OSV records and distributions' feeds compiled to an immutable set, and sets derived from a security suite itself.

mod advisory;
pub mod apt_security;
mod bucket;
mod changelog;
mod compile;
mod cvss;
mod feeds;
mod folder;
mod http;
pub(crate) mod ids;
mod names;
mod old;
pub mod osv;
mod reconcile;
mod records;
mod set;
mod severity;
mod shelf;
mod threat;
mod touched;
pub mod update;

use std::{
    collections::BTreeSet,
    path::Path,
    sync::{Arc, OnceLock},
};

pub(crate) use advisory::{Advisory, Verdict};
pub use shelf::{Advisories, Shelf};
pub use threat::Threat;
pub use touched::Touched;

use crate::{Result, limits};

/// An immutable set of advisories; cheap to clone, many readers, no lock.
#[derive(Clone)]
pub struct AdvisorySet {
    inner: Arc<Inner>,
}

struct Inner {
    revision: String,
    reader: set::Reader,
    /// The first that could not be read of what opening did not look at.
    fault: OnceLock<String>,
}

impl AdvisorySet {
    /// Opens the newest revision in an advisory folder; none: nothing has been loaded yet.
    ///
    /// # Errors
    /// A folder whose pointer or set cannot be read, or a set that is not what it was when it was written.
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
        Ok(Self::over(folder::read_set(folder, revision)?, revision.to_owned()))
    }
    /// A set without any advisory: nobody has looked.
    pub fn empty() -> Self {
        Self::new(Vec::new(), "none".to_owned(), [])
    }
    /// A set of OSV records; withdrawn ones, and ecosystems that are not matched, are left out.
    pub fn from_records(records: Vec<osv::Record>, revision: impl Into<String>) -> Self {
        let advisories = records.iter().flat_map(|r| compile::compile(r, &"".into())).collect();
        Self::new(advisories, revision.into(), [])
    }
    pub(crate) fn new(
        mut advisories: Vec<Advisory>,
        revision: String,
        covered: impl IntoIterator<Item = String>,
    ) -> Self {
        let mut all: BTreeSet<String> = reconcile::reconcile(&mut advisories);
        all.extend(covered);
        let image = set::write(advisories, &threat::Threats::new(), &all);
        Self::over(set::Reader::memory(image), revision)
    }
    fn over(reader: set::Reader, revision: String) -> Self {
        Self { inner: Arc::new(Inner { revision, reader, fault: OnceLock::new() }) }
    }
    /// Content hash of the set.
    pub fn revision(&self) -> &str {
        &self.inner.revision
    }
    /// How many advisories.
    pub fn len(&self) -> usize {
        usize::try_from(self.inner.reader.count()).unwrap_or(usize::MAX)
    }
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Whether silence about a package of this ecosystem (`Debian:12`) means that nothing is known against it.
    pub fn covers(&self, ecosystem: &str) -> bool {
        self.inner.reader.covers(ecosystem)
    }
    /// What is known of a CVE apart from any package.
    pub fn threat(&self, cve: &str) -> Threat {
        let found = threat::Cve::parse(cve).map(|cve| self.inner.reader.threat(cve));
        self.held(found.transpose()).flatten().unwrap_or_default()
    }
    /// Why an answer may have lacked something: a part of the file could not be read. Whoever makes a report asks this
    /// last, and claims no completeness where it says something.
    pub fn fault(&self) -> Option<&str> {
        self.inner.fault.get().map(String::as_str)
    }
    /// How many advisories speak of a package.
    pub fn known(&self, ecosystem: &str, package: &str) -> usize {
        self.about(ecosystem, package).count()
    }
    /// What is known about a package, a source package where the ecosystem has such; in any spelling that the ecosystem
    /// takes for the same.
    pub(crate) fn about(&self, ecosystem: &str, package: &str) -> impl Iterator<Item = Advisory> + use<> {
        let found = self.inner.reader.about(ecosystem, &names::normal(ecosystem, package));
        let mut found = self.held(found).unwrap_or_default();
        reconcile::lend(&mut found);
        found.into_iter().filter(|a| a.vulnerabilities().next().is_some())
    }
    fn held<T>(&self, found: Result<T, set::Rot>) -> Option<T> {
        found
            .map_err(|rot| {
                let fault = format!("revision {} of the advisories is damaged: {rot}", self.inner.revision);
                if self.inner.fault.set(fault).is_ok() {
                    tracing::error!(revision = self.inner.revision, %rot, "a set of advisories is damaged");
                }
            })
            .ok()
    }
}

impl std::fmt::Debug for AdvisorySet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AdvisorySet")
            .field("revision", &self.inner.revision)
            .field("advisories", &self.len())
            .finish_non_exhaustive()
    }
}
