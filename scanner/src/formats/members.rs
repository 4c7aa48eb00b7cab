//! Which packages of an inventory a finding is about, and what each is called in a document.

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;

use super::{limits, text};
use crate::{Finding, Inventory, Package};

/// A name and a version in it; whether a file tells of it.
type Key<'a> = (bool, &'a str, &'a str);

/// An index over an inventory's packages.
pub(super) struct Members<'a> {
    inventory: &'a Inventory,
    by: HashMap<Key<'a>, Vec<usize>, RandomState>,
    /// Packages that stand at one place a second time: their number tells them apart.
    again: HashSet<usize>,
}

/// What a package is and where it stands.
type Place<'a> = [&'a str; 3];

fn place(package: &Package) -> Place<'_> {
    [&package.purl, package.path.as_deref().unwrap_or_default(), &package.architecture]
}

impl<'a> Members<'a> {
    pub(super) fn of(inventory: &'a Inventory) -> Self {
        let mut by: HashMap<Key<'a>, Vec<usize>, RandomState> = HashMap::default();
        let mut again = HashSet::new();
        let mut seen: HashSet<Place<'a>, RandomState> = HashSet::default();
        for (at, package) in inventory.packages.iter().enumerate() {
            let file = package.path.is_some();
            by.entry((file, &package.name, &package.version)).or_default().push(at);
            // Advisories of most distributions are about sources.
            let source = (file, package.source.as_str(), package.source_version.as_str());
            if source != (file, package.name.as_str(), package.version.as_str()) {
                by.entry(source).or_default().push(at);
            }
            if !seen.insert(place(package)) {
                again.insert(at);
            }
        }
        Self { inventory, by, again }
    }

    /// What a package is called, by its index; no two are called the same.
    pub(super) fn key(&self, at: usize) -> String {
        let [purl, path, architecture] = place(&self.inventory.packages[at]);
        if self.again.contains(&at) {
            return text::key(&[purl, path, architecture, &at.to_string()]);
        }
        text::key(&[purl, path, architecture])
    }

    /// Indexes of packages, in the inventory's order, and no more than a document has room for.
    pub(super) fn about(&self, finding: &Finding) -> Vec<usize> {
        let file = !finding.paths.is_empty();
        let found = self.by.get(&(file, finding.source.as_str(), finding.installed.as_str()));
        let fits = |at: &&usize| {
            let package = &self.inventory.packages[**at];
            match &package.path {
                // A report's lists are sorted.
                Some(path) => finding.paths.binary_search(path).is_ok() && package.stands_alone(),
                None => finding.packages.binary_search(&package.name).is_ok(),
            }
        };
        let mut about: Vec<usize> =
            found.into_iter().flatten().filter(fits).take(limits::documents().places).copied().collect();
        about.dedup();
        about
    }
}
