//! Which version each source's packages should go to. Advisories speak of sources, or of binary packages by name.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use patchline_scanner::Finding;

use super::Pick;
use crate::{
    UpgradePolicy,
    fix::family,
    plan::Blocked,
    rpm::{Database, Entry, Evr, Installed, Repositories, compare},
};

/// What must be reached.
#[derive(Debug, Default)]
pub(crate) struct Want {
    /// Lowest version, by source or package, that mends every selected finding, or that a former fix had reached.
    pub(crate) lowest: BTreeMap<String, String>,
}

impl Want {
    /// The highest `fixed` of these findings, by what they speak of.
    pub(crate) fn from_findings<'f>(findings: impl Iterator<Item = &'f Finding>) -> Self {
        let mut want = Self::default();
        for finding in findings.filter(|finding| family::is_rpms(finding)) {
            if let Some(fixed) = &finding.fixed {
                want.raise(&finding.source, fixed);
            }
        }
        want
    }
    /// What a former fix had reached must not go back.
    pub(crate) fn raise(&mut self, subject: &str, version: &str) {
        let known = self.lowest.entry(subject.to_owned()).or_insert_with(|| version.to_owned());
        if compare(known, version) == Ordering::Less {
            version.clone_into(known);
        }
    }
    /// Whether anything is wanted of a package.
    pub(crate) fn names(&self, installed: &Installed) -> bool {
        self.lowest.contains_key(&installed.source.0) || self.lowest.contains_key(&installed.name)
    }
}

/// The version that counts for what an advisory speaks of: the source's, or the package's own.
fn version<'a>(subject: &str, source: &'a (String, Evr), own: &'a Evr) -> &'a Evr {
    if source.0 == subject { &source.1 } else { own }
}

/// Versions that may replace an installed package.
pub(super) fn replacements(repositories: &Repositories, installed: &Installed) -> Vec<Arc<Entry>> {
    let fits = |entry: &&Arc<Entry>| {
        let moved = [&entry.architecture, &installed.architecture].iter().any(|a| *a == "noarch");
        // A module's packages follow its own stream, which primary.xml does not name.
        let modular = |evr: &Evr| evr.release.as_deref().is_some_and(|release| release.contains(".module"));
        (entry.architecture == installed.architecture || moved)
            && modular(&entry.evr) == modular(&installed.evr)
            && entry.evr.compare(&installed.evr) == Ordering::Greater
    };
    repositories.candidates(&installed.name).filter(fits).cloned().collect()
}

/// An installed package, and what may replace it, each with the version that counts.
type Offers<'a> = (&'a Installed, Vec<(Evr, Arc<Entry>)>);

/// The version of every wanted package; what no repository has is blocked at once.
pub(crate) fn wanted(
    database: &Database,
    repositories: &Repositories,
    want: &Want,
    policy: UpgradePolicy,
    blocked: &mut BTreeMap<String, Blocked>,
) -> BTreeMap<String, Pick> {
    let mut picks = BTreeMap::new();
    for (subject, lowest) in &want.lowest {
        let members = database.packages.values().filter(|package| {
            (&package.source.0 == subject || &package.name == subject)
                && compare(&version(subject, &package.source, &package.evr).to_string(), lowest).is_lt()
        });
        let mut offers: Vec<Offers<'_>> = Vec::new();
        for installed in members {
            let entries = replacements(repositories, installed)
                .into_iter()
                .filter_map(|entry| {
                    let source = entry.source();
                    let reached = version(subject, &source, &entry.evr).clone();
                    let fits =
                        source.0 == installed.source.0 && compare(&reached.to_string(), lowest).is_ge();
                    fits.then_some((reached, entry))
                })
                .collect();
            offers.push((installed, entries));
        }
        let mut versions: Vec<Evr> = Vec::new();
        for (reached, _) in offers.iter().flat_map(|(_, entries)| entries) {
            if !versions.contains(reached) {
                versions.push(reached.clone());
            }
        }
        versions.sort_by(Evr::compare);
        if policy == UpgradePolicy::Latest {
            versions.reverse();
        }
        let has = |version: &Evr| {
            offers.iter().filter(|(_, entries)| entries.iter().any(|(reached, _)| reached == version)).count()
        };
        // The first in the policy's order that carries the most of the installed packages along.
        let most = versions.iter().map(&has).max().unwrap_or(0);
        let chosen = versions.iter().find(|version| has(version) == most);
        for (installed, entries) in &offers {
            let best = chosen.and_then(|chosen| entries.iter().find(|(reached, _)| reached == chosen));
            if let Some((_, entry)) = best {
                picks.insert(installed.name.clone(), Pick { entry: entry.clone() });
                continue;
            }
            blocked
                .entry(installed.name.clone())
                .or_insert_with(|| missing(repositories, subject, lowest, chosen));
        }
    }
    let stay: BTreeSet<&String> = blocked.keys().collect();
    picks.retain(|name, _| !stay.contains(name));
    picks
}

fn missing(repositories: &Repositories, subject: &str, lowest: &str, chosen: Option<&Evr>) -> Blocked {
    let mut reason = match chosen {
        Some(chosen) => format!("{subject} {chosen} no longer builds it"),
        None => format!("no verified repository has {subject} {lowest} or later"),
    };
    for unused in repositories.unused.iter().filter(|_| chosen.is_none()) {
        reason.push_str("; ");
        reason.push_str(unused);
    }
    Blocked { code: "not-in-repository", reason, to: None }
}
