//! Whether the upgraded set still holds together: dependencies, Breaks, Conflicts (Debian Policy 7),
//! decided before anything is written.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
};

use patchline_scanner::version::compare_debian;

use super::{
    Key, Pick, Rules,
    choose::{offer, offered, replacements},
};
use crate::{
    Result,
    apt::Suite,
    deb::{Clause, Operator, PackageRecord, Relation},
    installed::Database,
};

/// Why a package stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Blocked {
    /// As in [`super::Refusal::code`].
    pub code: &'static str,
    /// For people.
    pub reason: String,
    /// What it would have become.
    pub to: Option<String>,
}

/// Parsed relations of one package.
struct Relations {
    depends: Vec<Clause>,
    against: Vec<(&'static str, Relation)>,
    provides: Vec<Relation>,
}

impl Relations {
    fn of(record: &PackageRecord) -> Result<Self> {
        let mut depends = record.relations("Pre-Depends")?;
        depends.extend(record.relations("Depends")?);
        let mut against = Vec::new();
        for field in ["Breaks", "Conflicts"] {
            let relations = record.relations(field)?.into_iter().flat_map(|c| c.alternatives);
            against.extend(relations.map(|r| (field, r)));
        }
        Ok(Self { depends, against, provides: record.provides()? })
    }
}

/// One state of the installed set.
struct World<'a> {
    by_name: HashMap<&'a str, Vec<&'a str>>,
    provided: HashMap<&'a str, Vec<(&'a str, &'a Relation)>>,
}

impl<'a> World<'a> {
    fn new(members: impl Iterator<Item = (&'a PackageRecord, &'a Relations)>) -> Self {
        let mut world = Self { by_name: HashMap::new(), provided: HashMap::new() };
        for (record, relations) in members {
            world.by_name.entry(&record.name).or_default().push(&record.version);
            for provided in &relations.provides {
                world.provided.entry(&provided.name).or_default().push((&record.name, provided));
            }
        }
        world
    }
    /// The name of a package other than `except` that meets a relation.
    fn meets(&self, relation: &Relation, except: Option<&str>) -> Option<&str> {
        if let Some((name, versions)) = self.by_name.get_key_value(relation.name.as_str())
            && Some(*name) != except
            && versions.iter().any(|version| relation.matches(name, version))
        {
            return Some(name);
        }
        self.provided
            .get(relation.name.as_str())?
            .iter()
            .find(|(name, provided)| Some(*name) != except && relation.matches_provided(provided))
            .map(|(name, _)| *name)
    }
    fn holds(&self, clause: &Clause, architecture: &str) -> bool {
        let mut applying = clause.alternatives.iter().filter(|r| r.applies_to(architecture)).peekable();
        applying.peek().is_none() || applying.any(|relation| self.meets(relation, None).is_some())
    }
}

/// Closes a set of picks over the dependencies, or says what blocks it.
pub struct Solver<'a> {
    database: &'a Database,
    suites: &'a [Arc<Suite>],
    rules: &'a Rules,
    installed: BTreeMap<&'a Key, Relations>,
}

enum Problem {
    /// Upgraded along and looked at again.
    Mended,
    /// This pick cannot be.
    Blocks(Key, Blocked),
}

impl<'a> Solver<'a> {
    /// Parses what is installed.
    pub fn new(database: &'a Database, suites: &'a [Arc<Suite>], rules: &'a Rules) -> Result<Self> {
        let installed = database
            .packages
            .iter()
            .map(|(k, p)| Ok((k, Relations::of(&p.record)?)))
            .collect::<Result<_>>()?;
        Ok(Self { database, suites, rules, installed })
    }

    /// The picks that hold together, with what goes along; the rest is in `blocked`, group by group.
    pub fn solve(
        &self,
        wanted: &BTreeMap<Key, Pick>,
        blocked: &mut BTreeMap<Key, Blocked>,
    ) -> Result<BTreeMap<Key, Pick>> {
        'again: loop {
            let mut picks = wanted.clone();
            // What is bound to a blocked package by `=` is blocked with it.
            for (key, why) in blocked.clone() {
                if wanted.contains_key(&key) {
                    self.block(&key, why, wanted, blocked)?;
                }
            }
            picks.retain(|key, _| !blocked.contains_key(key));
            // Every round upgrades one more package along, or blocks one more.
            for _ in 0..=self.database.packages.len() * 4 {
                match self.problem(&mut picks, blocked)? {
                    None => return Ok(picks),
                    Some(Problem::Mended) => {}
                    Some(Problem::Blocks(key, why)) => {
                        self.block(&key, why, &picks, blocked)?;
                        continue 'again;
                    }
                }
            }
            let Some(key) = picks.keys().next().cloned() else { return Ok(picks) };
            let why = Blocked { code: "conflict", reason: "its dependencies do not settle".into(), to: None };
            self.block(&key, why, &picks, blocked)?;
        }
    }

    /// Blocks a pick and all that `=` binds to it.
    fn block(
        &self,
        key: &Key,
        why: Blocked,
        picks: &BTreeMap<Key, Pick>,
        blocked: &mut BTreeMap<Key, Blocked>,
    ) -> Result<()> {
        let mut bound = vec![key.clone()];
        let mut seen = BTreeSet::from([key.clone()]);
        while let Some(at) = bound.pop() {
            let to = picks.get(&at).map(|pick| pick.record.version.clone());
            let reason =
                if &at == key { why.reason.clone() } else { format!("bound to {}: {}", key.0, why.reason) };
            blocked.entry(at.clone()).or_insert(Blocked {
                code: why.code,
                reason,
                to: to.or(why.to.clone()),
            });
            for (other, pick) in picks {
                if !seen.contains(other)
                    && (self.binds(&pick.record, &at.0)?
                        || picks.get(&at).map_or(Ok(false), |p| self.binds(&p.record, &other.0))?)
                {
                    seen.insert(other.clone());
                    bound.push(other.clone());
                }
            }
        }
        Ok(())
    }

    /// Whether a record depends on exactly one version of another package.
    fn binds(&self, record: &PackageRecord, other: &str) -> Result<bool> {
        Ok(Relations::of(record)?.depends.iter().any(|clause| {
            clause.alternatives.len() == 1
                && clause.alternatives[0].name == other
                && matches!(clause.alternatives[0].version, Some((Operator::Equal, _)))
        }))
    }

    fn problem(
        &self,
        picks: &mut BTreeMap<Key, Pick>,
        blocked: &BTreeMap<Key, Blocked>,
    ) -> Result<Option<Problem>> {
        let architecture = self.database.architecture.as_str();
        let new: BTreeMap<Key, (Arc<PackageRecord>, Relations)> = picks
            .iter()
            .map(|(k, pick)| Ok((k.clone(), (pick.record.clone(), Relations::of(&pick.record)?))))
            .collect::<Result<_>>()?;
        let before = World::new(self.database.packages.iter().map(|(k, p)| (&p.record, &self.installed[k])));
        let after = World::new(self.database.packages.iter().map(|(k, p)| match new.get(k) {
            Some((record, relations)) => (&**record, relations),
            None => (&p.record, &self.installed[k]),
        }));
        let alternatives =
            |clause: &Clause| -> Vec<String> { clause.alternatives.iter().map(|r| r.name.clone()).collect() };
        for (key, (record, relations)) in &new {
            for clause in relations.depends.iter().filter(|c| !after.holds(c, architecture)) {
                // An image stripped of a dependency stays as stripped as it was.
                let names = alternatives(clause);
                let unmet_before = self.installed[key]
                    .depends
                    .iter()
                    .any(|old| alternatives(old) == names && !before.holds(old, architecture));
                if unmet_before {
                    continue;
                }
                for relation in &clause.alternatives {
                    if self.take_along(picks, blocked, relation)? {
                        return Ok(Some(Problem::Mended));
                    }
                }
                let known = clause.alternatives.iter().any(|r| after.by_name.contains_key(r.name.as_str()));
                let needs = format!("{} {} needs {clause}", record.name, record.version);
                let to = None;
                let why = match (self.ruled_out(clause, blocked)?, known) {
                    (Some((name, why)), _) => {
                        let reason = format!("{needs}, and {name} stays: {}", why.reason);
                        Blocked { code: why.code, reason, to }
                    }
                    (None, true) => {
                        let reason = format!("{needs}, which nothing here meets");
                        Blocked { code: "conflict", reason, to }
                    }
                    (None, false) => {
                        let reason = format!("{needs}, which is not installed");
                        Blocked { code: "new-dependency", reason, to }
                    }
                };
                return Ok(Some(Problem::Blocks(key.clone(), why)));
            }
            for (field, relation) in &relations.against {
                if relation.applies_to(architecture)
                    && let Some(hit) = after.meets(relation, Some(&record.name))
                    && !(self.already(key, relation) && before.meets(relation, Some(&record.name)).is_some())
                {
                    let hit = hit.to_owned();
                    if self.move_past(picks, blocked, &hit, relation)? {
                        return Ok(Some(Problem::Mended));
                    }
                    let reason = format!("{} {} {} {relation}", record.name, record.version, verb(field));
                    return Ok(Some(Problem::Blocks(
                        key.clone(),
                        Blocked { code: "conflict", reason, to: None },
                    )));
                }
            }
        }
        for (key, installed) in self.database.packages.iter().filter(|(k, _)| !new.contains_key(*k)) {
            let relations = &self.installed[key];
            for clause in &relations.depends {
                if after.holds(clause, architecture) || !before.holds(clause, architecture) {
                    continue;
                }
                if let Some(record) =
                    self.meeting(key, &after, architecture)?.filter(|_| !blocked.contains_key(key))
                {
                    picks.insert(key.clone(), Pick { record, along: true });
                    return Ok(Some(Problem::Mended));
                }
                let names = alternatives(clause);
                let culprit = new.keys().find(|k| names.contains(&k.0)).or_else(|| {
                    new.iter()
                        .find(|(k, _)| self.installed[*k].provides.iter().any(|p| names.contains(&p.name)))
                        .map(|(k, _)| k)
                });
                if let Some(culprit) = culprit {
                    let reason =
                        format!("{} {} needs {clause}", installed.record.name, installed.record.version);
                    let why = Blocked { code: "conflict", reason, to: None };
                    return Ok(Some(Problem::Blocks(culprit.clone(), why)));
                }
            }
            for (field, relation) in &relations.against {
                if relation.applies_to(architecture)
                    && before.meets(relation, Some(&key.0)).is_none()
                    && let Some(hit) = after.meets(relation, Some(&key.0))
                    && let Some(culprit) = new.keys().find(|k| k.0 == hit)
                {
                    let reason = format!("{} {} {relation}", installed.record.name, verb(field));
                    let why = Blocked { code: "conflict", reason, to: None };
                    return Ok(Some(Problem::Blocks(culprit.clone(), why)));
                }
            }
        }
        Ok(None)
    }

    /// The installed package that would meet a clause and stays by somebody's word, and whose.
    fn ruled_out(
        &self,
        clause: &Clause,
        blocked: &BTreeMap<Key, Blocked>,
    ) -> Result<Option<(&'a str, Blocked)>> {
        for relation in &clause.alternatives {
            for (key, installed) in self.database.packages.iter().filter(|(key, _)| key.0 == relation.name) {
                let would = offered(self.suites, installed)?.into_iter().find(|r| r.satisfies(relation));
                let why = would.and_then(|record| {
                    let known = blocked.get(key).filter(|why| matches!(why.code, "deny-listed" | "held"));
                    known.cloned().or_else(|| self.rules.against(&offer(&record)))
                });
                if let Some(why) = why {
                    return Ok(Some((key.0.as_str(), why)));
                }
            }
        }
        Ok(None)
    }

    /// Whether the installed version is against the same already: then nothing gets worse.
    fn already(&self, key: &Key, relation: &Relation) -> bool {
        self.installed[key].against.iter().any(|(_, old)| old == relation)
    }

    /// Upgrades an installed package so that it meets a relation.
    fn take_along(
        &self,
        picks: &mut BTreeMap<Key, Pick>,
        blocked: &BTreeMap<Key, Blocked>,
        relation: &Relation,
    ) -> Result<bool> {
        self.move_to(picks, blocked, &relation.name, |record| record.satisfies(relation))
    }
    /// Upgrades an installed package so that a `Breaks` no longer hits it.
    fn move_past(
        &self,
        picks: &mut BTreeMap<Key, Pick>,
        blocked: &BTreeMap<Key, Blocked>,
        package: &str,
        relation: &Relation,
    ) -> Result<bool> {
        self.move_to(picks, blocked, package, |record| !record.satisfies(relation))
    }
    fn move_to(
        &self,
        picks: &mut BTreeMap<Key, Pick>,
        blocked: &BTreeMap<Key, Blocked>,
        package: &str,
        fits: impl Fn(&PackageRecord) -> bool,
    ) -> Result<bool> {
        for (key, installed) in self.database.packages.iter().filter(|(key, _)| key.0 == package) {
            if blocked.contains_key(key) || picks.get(key).is_some_and(|pick| !pick.along) {
                continue;
            }
            let above = picks.get(key).map_or(&installed.record.version, |pick| &pick.record.version).clone();
            let lowest = replacements(self.suites, installed, self.rules)?
                .into_iter()
                .filter(|r| compare_debian(&r.version, &above) == Ordering::Greater && fits(r))
                .min_by(|a, b| compare_debian(&a.version, &b.version));
            if let Some(record) = lowest {
                picks.insert(key.clone(), Pick { record, along: true });
                return Ok(true);
            }
        }
        Ok(false)
    }
    /// The lowest newer version of an installed package whose dependencies all hold.
    fn meeting(
        &self,
        key: &Key,
        after: &World<'_>,
        architecture: &str,
    ) -> Result<Option<Arc<PackageRecord>>> {
        let mut found: Option<Arc<PackageRecord>> = None;
        for record in replacements(self.suites, &self.database.packages[key], self.rules)? {
            let holds =
                Relations::of(&record)?.depends.iter().all(|clause| after.holds(clause, architecture));
            if holds
                && found
                    .as_ref()
                    .is_none_or(|f| compare_debian(&record.version, &f.version) == Ordering::Less)
            {
                found = Some(record);
            }
        }
        Ok(found)
    }
}

fn verb(field: &str) -> &'static str {
    if field == "Breaks" { "breaks" } else { "conflicts with" }
}

#[cfg(test)]
#[path = "solve_tests.rs"]
mod tests;
