//! Which version each source package should go to: source versions compared, never binary ones.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use patchline_scanner::{Finding, version::compare_debian};

use super::{Blocked, Key, Rules, rules::Offer};
use crate::{
    Result, UpgradePolicy,
    apt::Suite,
    deb::PackageRecord,
    installed::{Database, Installed},
};

/// A version chosen for an installed package.
#[derive(Debug, Clone)]
pub struct Pick {
    /// What it goes to.
    pub record: Arc<PackageRecord>,
    /// Only because another needs it.
    pub along: bool,
}

/// What must be reached.
#[derive(Debug, Default)]
pub struct Want {
    /// Lowest source version by source that mends every selected finding.
    pub fixed: BTreeMap<String, String>,
    /// Lowest source version by source for another reason: what a former fix had reached.
    pub floors: BTreeMap<String, String>,
}

impl Want {
    /// The highest `fixed` of these findings, by source. Those of languages' packages are not dpkg's to mend, even where
    /// a source has the same name.
    pub fn from_findings<'f>(findings: impl Iterator<Item = &'f Finding>) -> Self {
        let mut want = Self::default();
        for finding in findings.filter(|f| f.is_deb()) {
            if let Some(fixed) = &finding.fixed {
                raise(&mut want.fixed, &finding.source, fixed);
            }
        }
        want
    }
    /// What a former fix had reached must not go back.
    pub fn floor(&mut self, source: &str, version: &str) {
        raise(&mut self.floors, source, version);
    }
    fn sources(&self) -> BTreeMap<&str, &str> {
        let mut all: BTreeMap<&str, &str> = BTreeMap::new();
        for (source, version) in self.fixed.iter().chain(&self.floors) {
            let lowest = all.entry(source).or_insert(version);
            if compare_debian(lowest, version) == Ordering::Less {
                *lowest = version;
            }
        }
        all
    }
}

fn raise(map: &mut BTreeMap<String, String>, source: &str, version: &str) {
    match map.get_mut(source) {
        Some(known) if compare_debian(known, version) != Ordering::Less => {}
        Some(known) => version.clone_into(known),
        None => {
            map.insert(source.to_owned(), version.to_owned());
        }
    }
}

/// A record as the rules look at it.
pub(super) fn offer(record: &PackageRecord) -> Offer<'_> {
    Offer { name: &record.name, source: &record.source, versions: [&record.version, &record.source_version] }
}

/// Records that may replace an installed package, security first, without those that the rules forbid.
pub(super) fn replacements(
    suites: &[Arc<Suite>],
    installed: &Installed,
    rules: &Rules,
) -> Result<Vec<Arc<PackageRecord>>> {
    let mut found = offered(suites, installed)?;
    found.retain(|record| rules.against(&offer(record)).is_none());
    Ok(found)
}

/// Records of the suites that may replace an installed package, security first, whatever the rules say.
pub(super) fn offered(suites: &[Arc<Suite>], installed: &Installed) -> Result<Vec<Arc<PackageRecord>>> {
    let old = &installed.record;
    let mut found = Vec::new();
    for suite in suites {
        for record in suite.candidates(&old.name)? {
            let same_architecture = record.architecture == old.architecture
                || ((record.architecture == "all" || old.architecture == "all") && !old.is_multiarch_same());
            // What calls itself the same as what the distribution has is the distribution's.
            let named_twice = suite.home.is_of_image()
                && found.iter().any(|known: &Arc<PackageRecord>| {
                    (&known.version, &known.architecture) == (&record.version, &record.architecture)
                });
            if same_architecture
                && !named_twice
                && compare_debian(&record.version, &old.version) == Ordering::Greater
            {
                found.push(record);
            }
        }
    }
    Ok(found)
}

/// The version of every wanted package; what no repository has is blocked at once.
pub fn wanted(
    database: &Database,
    suites: &[Arc<Suite>],
    want: &Want,
    policy: UpgradePolicy,
    rules: &Rules,
    blocked: &mut BTreeMap<Key, Blocked>,
) -> Result<BTreeMap<Key, Pick>> {
    let mut picks = BTreeMap::new();
    for (source, lowest) in want.sources() {
        let members: Vec<(&Key, &Installed)> = database
            .packages
            .iter()
            .filter(|(_, p)| {
                p.record.source == source
                    && compare_debian(&p.record.source_version, lowest) == Ordering::Less
            })
            .collect();
        let mut offers: Vec<(&Key, Vec<Arc<PackageRecord>>)> = Vec::new();
        let mut versions: BTreeSet<String> = BTreeSet::new();
        for (key, installed) in members {
            let mut records = offered(suites, installed)?;
            records.retain(|r| {
                r.source == source && compare_debian(&r.source_version, lowest) != Ordering::Less
            });
            let before = records.len();
            let mut why = None;
            records.retain(|r| {
                let against = rules.against(&offer(r));
                why = against.clone().or(why.take());
                against.is_none()
            });
            if let (true, true, Some(why)) = (before > 0, records.is_empty(), why) {
                blocked.entry(key.clone()).or_insert(why);
            }
            versions.extend(records.iter().map(|r| r.source_version.clone()));
            offers.push((key, records));
        }
        let mut versions: Vec<String> = versions.into_iter().collect();
        versions.sort_by(|a, b| compare_debian(a, b));
        if policy == UpgradePolicy::Latest {
            versions.reverse();
        }
        let has = |version: &str| {
            offers.iter().filter(|(_, r)| r.iter().any(|r| r.source_version == version)).count()
        };
        // The first in the policy's order that carries the most of the installed packages along.
        let Some(most) = versions.iter().map(|v| has(v)).max() else {
            for (key, _) in &offers {
                blocked.entry((*key).clone()).or_insert_with(|| Blocked {
                    code: "not-in-repository",
                    reason: format!("no verified repository has {source} {lowest} or later"),
                    to: None,
                });
            }
            continue;
        };
        let Some(chosen) = versions.iter().find(|v| has(v) == most) else { continue };
        for (key, records) in offers {
            // Of several builds of one source version the newest.
            let best = records
                .into_iter()
                .filter(|r| &r.source_version == chosen)
                .max_by(|a, b| compare_debian(&a.version, &b.version));
            match best {
                Some(record) => {
                    picks.insert(key.clone(), Pick { record, along: false });
                }
                None => {
                    blocked.entry(key.clone()).or_insert_with(|| Blocked {
                        code: "not-in-repository",
                        reason: format!("{source} {chosen} no longer builds it"),
                        to: None,
                    });
                }
            }
        }
    }
    Ok(picks)
}
