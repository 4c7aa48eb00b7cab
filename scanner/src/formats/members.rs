//! Which packages of an inventory a finding is about, and what each is called in a document.

use std::collections::{HashMap, HashSet};

use super::{limits, text};
use crate::{Finding, Inventory};

/// A name and a version in it; whether a file tells of it.
type Key<'a> = (bool, &'a str, &'a str);

/// An index over an inventory's packages.
pub(super) struct Members<'a> {
    inventory: &'a Inventory,
    by: HashMap<Key<'a>, Vec<usize>>,
    /// One for each package, each once.
    pub(super) keys: Vec<String>,
}

impl<'a> Members<'a> {
    pub(super) fn of(inventory: &'a Inventory) -> Self {
        let mut by: HashMap<Key<'a>, Vec<usize>> = HashMap::new();
        let mut keys = Vec::with_capacity(inventory.packages.len());
        let mut seen = HashSet::new();
        for (at, package) in inventory.packages.iter().enumerate() {
            let file = package.path.is_some();
            by.entry((file, &package.name, &package.version)).or_default().push(at);
            // Advisories of most distributions are about sources.
            let source = (file, package.source.as_str(), package.source_version.as_str());
            if source != (file, package.name.as_str(), package.version.as_str()) {
                by.entry(source).or_default().push(at);
            }
            let path = package.path.as_deref().unwrap_or_default();
            let mut key = text::key(&[&package.purl, path, &package.architecture]);
            if seen.contains(&key) {
                // The same package twice at one place: its number tells them apart.
                key = text::key(&[&package.purl, path, &package.architecture, &at.to_string()]);
            }
            seen.insert(key.clone());
            keys.push(key);
        }
        Self { inventory, by, keys }
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
