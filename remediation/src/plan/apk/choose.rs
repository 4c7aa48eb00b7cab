//! Which version each origin's packages should go to. All packages of one origin have one version.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use patchline_scanner::Finding;

use super::{Pick, eol};
use crate::{
    UpgradePolicy,
    apk::{Bound, Database, Dependency, IndexEntry, Installed, Repositories, compare},
    fix::family,
    plan::{Blocked, Chosen, Offer, Rules},
};

/// What must be reached.
#[derive(Debug, Default)]
pub(crate) struct Want {
    /// Lowest version by origin that mends every selected finding, or that a former fix had reached.
    pub(crate) lowest: BTreeMap<String, String>,
    /// What a former fix had reached, by origin.
    pub(crate) floors: BTreeMap<String, String>,
}

impl Want {
    /// The highest `fixed` of these findings, by origin. Those of languages' packages are not apk's to mend.
    pub(crate) fn from_findings<'f>(findings: impl Iterator<Item = &'f Finding>) -> Self {
        let mut want = Self::default();
        for finding in findings.filter(|finding| family::is_apks(finding)) {
            if let Some(fixed) = &finding.fixed {
                want.raise(&finding.source, fixed);
            }
        }
        want
    }
    /// What a former fix had reached must not go back.
    pub(crate) fn floor(&mut self, origin: &str, version: &str) {
        self.raise(origin, version);
        self.floors.insert(origin.to_owned(), version.to_owned());
    }
    fn raise(&mut self, origin: &str, version: &str) {
        let known = self.lowest.entry(origin.to_owned()).or_insert_with(|| version.to_owned());
        if compare(known, version) == Ordering::Less {
            version.clone_into(known);
        }
    }
}

/// The tag that `world` names for a package, else the one that it was installed from.
pub(crate) fn world_tag<'d>(database: &'d Database, installed: &'d Installed) -> Option<&'d str> {
    let named = database.world.iter().find(|asked| asked.name == installed.name && asked.tag.is_some());
    named.and_then(|asked| asked.tag.as_deref()).or(installed.tag.as_deref())
}

/// What of `world` this version does not meet: a pin, `pkg=1.2`, `pkg<2`, `pkg~1.2`, `pkg><Q1…`.
fn unmet<'d>(database: &'d Database, entry: &IndexEntry) -> Option<&'d Dependency> {
    database.world.iter().filter(|asked| asked.name == entry.name && asked.bound != Bound::Any).find(
        |asked| asked.names_package(&entry.name, &entry.version, &entry.build().base64()) == asked.conflict,
    )
}

/// An entry as the rules look at it.
pub(super) fn offer(entry: &IndexEntry) -> Offer<'_> {
    Offer { name: &entry.name, source: &entry.origin, versions: [&entry.version, &entry.version] }
}

/// Versions that may replace an installed package, without those that a pin, named apart, or the rules forbid.
pub(super) fn replacements<'d>(
    database: &'d Database,
    repositories: &Repositories,
    installed: &Installed,
    rules: &Rules,
) -> (Vec<Arc<IndexEntry>>, Option<(&'d Dependency, String)>) {
    let (mut found, pinned) = offered(database, repositories, installed);
    found.retain(|entry| rules.against(&offer(entry)).is_none());
    (found, pinned)
}

/// The same, whatever the rules say.
pub(super) fn offered<'d>(
    database: &'d Database,
    repositories: &Repositories,
    installed: &Installed,
) -> (Vec<Arc<IndexEntry>>, Option<(&'d Dependency, String)>) {
    let mut pinned = None;
    let found = repositories
        .candidates(&installed.name, world_tag(database, installed))
        .into_iter()
        .filter(|entry| compare(&entry.version, &installed.version) == Ordering::Greater)
        .filter(|entry| match unmet(database, entry) {
            Some(pin) => {
                pinned = Some((pin, entry.version.clone()));
                false
            }
            None => true,
        })
        .collect();
    (found, pinned)
}

/// The version of every wanted package; what no repository has is blocked at once. `end`: since when the system's
/// branch gets no updates.
pub(crate) fn wanted(
    database: &Database,
    repositories: &Repositories,
    want: &Want,
    policy: UpgradePolicy,
    rules: &Rules,
    end: Option<&eol::Ended>,
    blocked: &mut BTreeMap<String, Blocked>,
) -> BTreeMap<String, Pick> {
    let mut picks = BTreeMap::new();
    for (origin, lowest) in &want.lowest {
        let members =
            database.packages.values().filter(|p| &p.origin == origin && compare(&p.version, lowest).is_lt());
        let mut offers: Vec<(&Installed, Vec<Arc<IndexEntry>>)> = Vec::new();
        for installed in members {
            let (mut entries, pinned) = offered(database, repositories, installed);
            entries.retain(|entry| &entry.origin == origin && compare(&entry.version, lowest).is_ge());
            let ruled_out = entries.iter().find_map(|entry| rules.against(&offer(entry)));
            entries.retain(|entry| rules.against(&offer(entry)).is_none());
            if let (true, Some(why)) = (entries.is_empty(), ruled_out) {
                blocked.entry(installed.name.clone()).or_insert(why);
            }
            if let (true, Some((pin, version))) = (entries.is_empty(), pinned) {
                blocked.entry(installed.name.clone()).or_insert_with(|| Blocked {
                    code: "held",
                    reason: format!("/etc/apk/world asks for {pin}"),
                    to: Some(version),
                });
            }
            offers.push((installed, entries));
        }
        let versions: BTreeSet<&str> =
            offers.iter().flat_map(|(_, entries)| entries).map(|e| e.version.as_str()).collect();
        let mut versions: Vec<String> = versions.into_iter().map(str::to_owned).collect();
        versions.sort_by(|a, b| compare(a, b));
        if policy == UpgradePolicy::Latest {
            versions.reverse();
        }
        let has = |version: &str| {
            offers.iter().filter(|(_, entries)| entries.iter().any(|e| e.version == version)).count()
        };
        // The first in the policy's order that carries the most of the installed packages along.
        let most = versions.iter().map(|version| has(version)).max().unwrap_or(0);
        let chosen = versions.iter().find(|version| has(version) == most);
        for (installed, entries) in &offers {
            let best = chosen.and_then(|chosen| entries.iter().find(|entry| &entry.version == chosen));
            if let Some(entry) = best {
                picks.insert(installed.name.clone(), Pick { entry: entry.clone() });
                continue;
            }
            blocked
                .entry(installed.name.clone())
                .or_insert_with(|| missing(repositories, origin, lowest, chosen, end));
        }
    }
    picks.retain(|name, _| !blocked.contains_key(name));
    picks
}

/// The entry of every upgrade of a plan that a person has edited; what is not installed as it says, or what no repository
/// has, is blocked.
pub(crate) fn exactly(
    database: &Database,
    repositories: &Repositories,
    chosen: &[Chosen],
    rules: &Rules,
    blocked: &mut BTreeMap<String, Blocked>,
) -> BTreeMap<String, Pick> {
    let mut picks = BTreeMap::new();
    for one in chosen {
        let to = Some(one.to.clone());
        let Some(installed) = database.packages.get(&one.package).filter(|p| p.version == one.from) else {
            let reason = format!("{} {} is not installed", one.package, one.from);
            blocked.insert(one.package.clone(), Blocked { code: "not-installed", reason, to });
            continue;
        };
        let (entries, pinned) = offered(database, repositories, installed);
        let entry = entries.into_iter().find(|entry| entry.version == one.to);
        let why = match (&entry, pinned) {
            (Some(entry), _) => rules.against(&offer(entry)),
            (None, Some((pin, version))) if version == one.to => {
                let reason = format!("/etc/apk/world asks for {pin}");
                Some(Blocked { code: "held", reason, to })
            }
            (None, _) => {
                let reason = format!("no verified repository has {} {}", one.package, one.to);
                Some(Blocked { code: "not-in-repository", reason, to })
            }
        };
        match (entry, why) {
            (Some(entry), None) => {
                picks.insert(one.package.clone(), Pick { entry });
            }
            (_, why) => {
                why.map(|why| blocked.entry(one.package.clone()).or_insert(why));
            }
        }
    }
    picks.retain(|name, _| !blocked.contains_key(name));
    picks
}

fn missing(
    repositories: &Repositories,
    origin: &str,
    lowest: &str,
    chosen: Option<&String>,
    end: Option<&eol::Ended>,
) -> Blocked {
    if let Some(chosen) = chosen {
        let reason = format!("{origin} {chosen} no longer builds it");
        return Blocked { code: "not-in-repository", reason, to: None };
    }
    let mut reason = format!("no verified repository has {origin} {lowest} or later");
    for unused in &repositories.unused {
        reason.push_str("; ");
        reason.push_str(unused);
    }
    match end {
        Some(end) => Blocked { code: "end-of-life", reason: format!("{reason}: {end}"), to: None },
        None => Blocked { code: "not-in-repository", reason, to: None },
    }
}
