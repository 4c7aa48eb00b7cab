//! Whether the upgraded set still holds together, by apk's relations: what each package needs, provides and excludes.
//!
//! Nothing is ever added or removed: what would need that is refused by name. An `install_if` cannot become true by
//! upgrades alone but through what they newly provide, so it draws nothing in.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use super::{
    Pick,
    choose::{offer, offered, replacements},
};
use crate::{
    apk::{Database, Dependency, IndexEntry, Installed, Repositories},
    plan::{Blocked, Rules},
};

/// One package in one state of the set.
#[derive(Clone, Copy)]
struct Member<'a> {
    name: &'a str,
    version: &'a str,
    build: &'a str,
    depends: &'a [Dependency],
    provides: &'a [Dependency],
}

impl<'a> Member<'a> {
    fn installed(package: &'a Installed) -> Self {
        Self {
            name: &package.name,
            version: &package.version,
            build: &package.build,
            depends: &package.depends,
            provides: &package.provides,
        }
    }
    fn entry(entry: &'a IndexEntry) -> Self {
        Self {
            name: &entry.name,
            version: &entry.version,
            build: entry.field('C').unwrap_or_default(),
            depends: &entry.depends,
            provides: &entry.provides,
        }
    }
    fn meets(&self, dependency: &Dependency) -> bool {
        dependency.names_package(self.name, self.version, self.build)
            || self.provides.iter().any(|provide| dependency.names_provide(provide))
    }
}

/// All of them.
struct World<'a> {
    members: BTreeMap<&'a str, Member<'a>>,
    provided: HashMap<&'a str, Vec<&'a str>>,
}

impl<'a> World<'a> {
    fn new(members: impl Iterator<Item = Member<'a>>) -> Self {
        let mut world = Self { members: BTreeMap::new(), provided: HashMap::new() };
        for member in members {
            for provide in member.provides {
                world.provided.entry(&provide.name).or_default().push(member.name);
            }
            world.members.insert(member.name, member);
        }
        world
    }
    /// A package other than `except` that is what a relation names, whatever its `!`.
    fn meets(&self, dependency: &Dependency, except: &str) -> Option<&'a str> {
        let named = self.members.get_key_value(dependency.name.as_str()).map(|(name, _)| *name);
        let provided = self.provided.get(dependency.name.as_str()).into_iter().flatten().copied();
        named
            .into_iter()
            .chain(provided)
            .filter(|name| *name != except)
            .find(|name| self.members.get(name).is_some_and(|member| member.meets(dependency)))
    }
}

/// What a round found.
enum Problem {
    /// This one goes along.
    Along(String, Arc<IndexEntry>),
    /// This pick cannot be.
    Blocks(String, Blocked),
}

/// Closes a set of picks over the relations, or says what blocks it.
pub(crate) struct Solver<'a> {
    pub(crate) database: &'a Database,
    pub(crate) repositories: &'a Repositories,
    pub(crate) rules: &'a Rules,
}

impl Solver<'_> {
    /// The picks that hold together, with what goes along; the rest is in `blocked`.
    pub(crate) fn solve(
        &self,
        wanted: &BTreeMap<String, Pick>,
        blocked: &mut BTreeMap<String, Blocked>,
    ) -> BTreeMap<String, Pick> {
        'again: loop {
            let mut picks = wanted.clone();
            picks.retain(|name, _| !blocked.contains_key(name));
            // Every round upgrades one more package along, or blocks one more.
            for _ in 0..=self.database.packages.len() {
                match self.problem(&picks, blocked) {
                    None => return picks,
                    Some(Problem::Along(name, entry)) => {
                        picks.insert(name, Pick { entry });
                    }
                    Some(Problem::Blocks(name, why)) => {
                        blocked.insert(name, why);
                        continue 'again;
                    }
                }
            }
            let Some((name, pick)) = picks.first_key_value() else { return picks };
            let to = Some(pick.entry.version.clone());
            let reason = "its dependencies do not settle".to_owned();
            blocked.insert(name.clone(), Blocked { code: "conflict", reason, to });
        }
    }

    fn problem(
        &self,
        picks: &BTreeMap<String, Pick>,
        blocked: &BTreeMap<String, Blocked>,
    ) -> Option<Problem> {
        let packages = &self.database.packages;
        let old = World::new(packages.values().map(Member::installed));
        let new = World::new(packages.values().map(|package| match picks.get(&package.name) {
            Some(pick) => Member::entry(&pick.entry),
            None => Member::installed(package),
        }));
        for member in new.members.values() {
            for dependency in member.depends {
                let met = new.meets(dependency, if dependency.conflict { member.name } else { "" });
                let problem = match (dependency.conflict, met) {
                    (true, Some(other))
                        if old.meets(dependency, member.name).is_none()
                            || picks.contains_key(member.name) =>
                    {
                        self.excluded(member, other, dependency, picks)
                    }
                    (false, None) => self.unmet(member, dependency, &old, picks, blocked),
                    _ => None,
                };
                if problem.is_some() {
                    return problem;
                }
            }
        }
        None
    }

    /// Something that must not be there is.
    fn excluded(
        &self,
        member: &Member<'_>,
        other: &str,
        dependency: &Dependency,
        picks: &BTreeMap<String, Pick>,
    ) -> Option<Problem> {
        let reason =
            format!("{} {} excludes {dependency}, and {other} is there", member.name, member.version);
        let culprit = [member.name, other].into_iter().find_map(|name| Some((name, picks.get(name)?)));
        culprit.map(|(name, pick)| {
            let to = Some(pick.entry.version.clone());
            Problem::Blocks(name.to_owned(), Blocked { code: "conflict", reason, to })
        })
    }

    fn unmet(
        &self,
        member: &Member<'_>,
        dependency: &Dependency,
        old: &World<'_>,
        picks: &BTreeMap<String, Pick>,
        blocked: &BTreeMap<String, Blocked>,
    ) -> Option<Problem> {
        let block = |name: &str, code, reason| {
            let to = picks.get(name).map(|pick| pick.entry.version.clone());
            Problem::Blocks(name.to_owned(), Blocked { code, reason, to })
        };
        if picks.contains_key(member.name) {
            if let Some((name, entry)) =
                self.along(picks, blocked, |entry| Member::entry(entry).meets(dependency))
            {
                return Some(Problem::Along(name, entry));
            }
            let needs = format!("{} {} needs {dependency}", member.name, member.version);
            if let Some((name, why)) = self.ruled_out(dependency, blocked) {
                let reason = format!("{needs}, and {name} stays: {}", why.reason);
                return Some(block(member.name, why.code, reason));
            }
            let why = self.why(dependency, blocked);
            let code = if self.is_offered(dependency) { "new-dependency" } else { "conflict" };
            let reason = format!("{needs}: {why}");
            return Some(block(member.name, code, reason));
        }
        // What was broken before is not ours to judge.
        let provider = old.meets(dependency, "")?;
        let own = self.database.packages.get(member.name)?;
        let pick = picks.get(provider)?;
        // A version of the package itself that no longer needs it, or needs what comes.
        let (entries, _) = replacements(self.database, self.repositories, own, self.rules);
        let fits =
            entries.into_iter().filter(|_| !blocked.contains_key(member.name)).find(|entry| {
                entry.depends.iter().filter(|d| !d.conflict && d.name == dependency.name).all(|needed| {
                    Member::entry(&pick.entry).meets(needed) || Member::entry(entry).meets(needed)
                })
            });
        if let Some(entry) = fits {
            return Some(Problem::Along(member.name.to_owned(), entry));
        }
        let reason = format!(
            "{} {} needs {dependency}, which {provider} {} no longer is",
            member.name, member.version, pick.entry.version
        );
        Some(block(provider, "conflict", reason))
    }

    /// An installed package that may go up to something that fits.
    fn along(
        &self,
        picks: &BTreeMap<String, Pick>,
        blocked: &BTreeMap<String, Blocked>,
        fits: impl Fn(&IndexEntry) -> bool,
    ) -> Option<(String, Arc<IndexEntry>)> {
        self.database
            .packages
            .values()
            .filter(|package| !picks.contains_key(&package.name) && !blocked.contains_key(&package.name))
            .find_map(|package| {
                let (mut entries, _) = replacements(self.database, self.repositories, package, self.rules);
                entries.sort_by(|a, b| crate::apk::compare(&a.version, &b.version));
                let entry = entries.into_iter().find(|entry| fits(entry))?;
                Some((package.name.clone(), entry))
            })
    }

    /// The installed package that would meet a relation and stays by somebody's word, and whose.
    fn ruled_out(
        &self,
        dependency: &Dependency,
        blocked: &BTreeMap<String, Blocked>,
    ) -> Option<(&str, Blocked)> {
        self.database.packages.values().find_map(|package| {
            let (entries, _) = offered(self.database, self.repositories, package);
            let would = entries.into_iter().find(|entry| Member::entry(entry).meets(dependency))?;
            let known = blocked.get(&package.name).filter(|why| matches!(why.code, "deny-listed" | "held"));
            let why = known.cloned().or_else(|| self.rules.against(&offer(&would)))?;
            Some((package.name.as_str(), why))
        })
    }

    /// Whether a package that is not installed would meet it.
    fn is_offered(&self, dependency: &Dependency) -> bool {
        self.repositories.all.iter().filter(|one| one.tag.is_none()).any(|one| {
            one.index.iter().any(|entry| {
                !self.database.packages.contains_key(&entry.name) && Member::entry(entry).meets(dependency)
            })
        })
    }

    fn why(&self, dependency: &Dependency, blocked: &BTreeMap<String, Blocked>) -> String {
        match blocked.get(&dependency.name) {
            Some(why) => format!("{} stays, for {}", dependency.name, why.reason),
            None if self.is_offered(dependency) => "only a package that is not installed is that".to_owned(),
            None => "no installed package is that, nor becomes it".to_owned(),
        }
    }
}
