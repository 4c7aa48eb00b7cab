//! Whether the upgraded set still holds together, by rpm's relations.
//!
//! A database of headers says what the installed packages need. A text manifest names packages and nothing of that: it comes
//! from the repositories, where they still have the installed versions. Of others it is known that they are there, and no
//! more. Nothing is ever added or removed: what would need that is refused by name.

use std::collections::{BTreeMap, HashMap};

use super::{Pick, choose::replacements};
use crate::{
    plan::Blocked,
    rpm::{Database, Entry, Relation, Repositories},
    tree::Tree,
};

/// One package in one state of the set.
#[derive(Clone)]
struct Member<'a> {
    name: &'a str,
    version: String,
    requires: &'a [Relation],
    conflicts: &'a [Relation],
    obsoletes: &'a [Relation],
    itself: Relation,
    provides: &'a [Relation],
}

impl<'a> Member<'a> {
    fn entry(entry: &'a Entry) -> Self {
        Self {
            name: &entry.name,
            version: entry.evr.to_string(),
            requires: &entry.requires,
            conflicts: &entry.conflicts,
            obsoletes: &entry.obsoletes,
            itself: Relation::itself(&entry.name, &entry.evr),
            provides: &entry.provides,
        }
    }
    fn meets(&self, relation: &Relation) -> bool {
        relation.is_met_by(&self.itself) || self.provides.iter().any(|one| relation.is_met_by(one))
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
    /// A package other than `except` that is what a relation names.
    fn meets(&self, relation: &Relation, except: &str) -> Option<&'a str> {
        let named = self.members.get_key_value(relation.name.as_str()).map(|(name, _)| *name);
        let provided = self.provided.get(relation.name.as_str()).into_iter().flatten().copied();
        named
            .into_iter()
            .chain(provided)
            .filter(|name| *name != except)
            .find(|name| self.members.get(name).is_some_and(|member| member.meets(relation)))
    }
}

/// What a round found.
enum Problem {
    /// This one goes along.
    Along(String, Pick),
    /// This pick cannot be.
    Blocks(String, Blocked),
}

/// Closes a set of picks over the relations, or says what blocks it.
pub(crate) struct Solver<'a> {
    pub(crate) tree: &'a Tree,
    pub(crate) database: &'a Database,
    pub(crate) repositories: &'a Repositories,
}

impl<'a> Solver<'a> {
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
                    Some(Problem::Along(name, pick)) => {
                        picks.insert(name, pick);
                    }
                    Some(Problem::Blocks(name, why)) => {
                        blocked.insert(name, why);
                        continue 'again;
                    }
                }
            }
            let Some((name, pick)) = picks.first_key_value() else { return picks };
            let reason = "its dependencies do not settle".to_owned();
            let to = Some(pick.entry.evr.to_string());
            blocked.insert(name.clone(), Blocked { code: "conflict", reason, to });
        }
    }

    fn installed(&self, name: &str) -> Option<Member<'a>> {
        let installed = self.database.packages.get(name)?;
        if let Some(held) = installed.held.as_deref() {
            return Some(Member {
                name: &installed.name,
                version: installed.evr.to_string(),
                requires: &held.requires,
                conflicts: &held.conflicts,
                obsoletes: &held.obsoletes,
                itself: Relation::itself(&installed.name, &installed.evr),
                provides: &held.provides,
            });
        }
        Some(match self.repositories.exactly(installed) {
            Some(entry) => Member::entry(entry),
            None => Member {
                name: &installed.name,
                version: installed.evr.to_string(),
                requires: &[],
                conflicts: &[],
                obsoletes: &[],
                itself: Relation::itself(&installed.name, &installed.evr),
                provides: &[],
            },
        })
    }

    fn problem(
        &self,
        picks: &BTreeMap<String, Pick>,
        blocked: &BTreeMap<String, Blocked>,
    ) -> Option<Problem> {
        let names = || self.database.packages.keys();
        let old = World::new(names().filter_map(|name| self.installed(name)));
        let new = World::new(names().filter_map(|name| match picks.get(name) {
            Some(pick) => Some(Member::entry(&pick.entry)),
            None => self.installed(name),
        }));
        for member in new.members.values() {
            let before = old.members.get(member.name);
            let picked = picks.contains_key(member.name);
            let known = |relation: &Relation, of: fn(&Member<'a>) -> &'a [Relation]| {
                before.is_some_and(|before| of(before).contains(relation))
            };
            for relation in member.requires.iter().filter(|relation| !relation.is_of_rpm()) {
                // rpm itself will lay the packages, and reads those; what it refuses is refused whole.
                if relation.is_rich() && self.database.headers.is_some() {
                    continue;
                }
                let there = || self.is_there(relation);
                if new.meets(relation, "").is_some() || there() {
                    continue;
                }
                let was = known(relation, |member| member.requires);
                // What was not met before is not ours to judge, and what is not read is as it was.
                if was && (relation.is_rich() || old.meets(relation, "").is_none()) {
                    continue;
                }
                return Some(self.unmet(member, relation, picked, &old, picks, blocked));
            }
            for relation in member.conflicts.iter().filter(|relation| !relation.is_rich()) {
                let Some(other) = new.meets(relation, member.name) else { continue };
                if known(relation, |member| member.conflicts) && old.meets(relation, member.name).is_some() {
                    continue;
                }
                let what = format!("conflicts with {relation}, which {other} is");
                if let Some(problem) = excluded(member, other, &what, picks) {
                    return Some(problem);
                }
            }
            for relation in member.obsoletes.iter().filter(|_| picked) {
                // Obsoletes look at names, not at what is provided (rpm-dependencies(7)).
                let gone = new.members.get(relation.name.as_str());
                let gone =
                    gone.filter(|other| other.name != member.name && relation.is_met_by(&other.itself));
                if let Some(other) = gone {
                    let what = format!("obsoletes {}, which would have to go", other.name);
                    if let Some(problem) = excluded(member, member.name, &what, picks) {
                        return Some(problem);
                    }
                }
            }
        }
        None
    }

    /// A path that a relation names stands in the image.
    fn is_there(&self, relation: &Relation) -> bool {
        relation.path().is_some_and(|path| self.tree.get(&self.tree.real(path)).is_some())
    }

    fn unmet(
        &self,
        member: &Member<'_>,
        relation: &Relation,
        picked: bool,
        old: &World<'_>,
        picks: &BTreeMap<String, Pick>,
        blocked: &BTreeMap<String, Blocked>,
    ) -> Problem {
        let block = |name: &str, code, reason| {
            let to = picks.get(name).map(|pick| pick.entry.evr.to_string());
            Problem::Blocks(name.to_owned(), Blocked { code, reason, to })
        };
        let needs = format!("{} {} needs {relation}", member.name, member.version);
        if picked {
            if relation.is_rich() {
                return block(
                    member.name,
                    "conflict",
                    format!("{needs}, and rich dependencies are not read"),
                );
            }
            if let Some((name, pick)) =
                self.along(picks, blocked, |entry| Member::entry(entry).meets(relation))
            {
                return Problem::Along(name, pick);
            }
            let why = match blocked.get(&relation.name) {
                Some(why) => format!("{} stays, for {}", relation.name, why.reason),
                None => "no installed package is that, nor becomes it".to_owned(),
            };
            let installed = self.database.packages.contains_key(&relation.name);
            let code = if installed { "conflict" } else { "new-dependency" };
            return block(member.name, code, format!("{needs}: {why}"));
        }
        // Something that goes up was that before.
        let provider = old.meets(relation, "").filter(|name| picks.contains_key(*name));
        let provider = provider.or_else(|| picks.keys().next().map(String::as_str)).unwrap_or(member.name);
        if let Some(installed) = self.database.packages.get(member.name)
            && !blocked.contains_key(member.name)
            && let Some(pick) = picks.get(provider)
        {
            // A version of the package itself that no longer needs it, or needs what comes.
            let mut entries = replacements(self.repositories, installed);
            entries.sort_by(|a, b| a.evr.compare(&b.evr));
            let fits = entries.into_iter().find(|entry| {
                let mut of_name = entry.requires.iter().filter(|needed| needed.name == relation.name);
                of_name.all(|needed| {
                    Member::entry(&pick.entry).meets(needed) || Member::entry(entry).meets(needed)
                })
            });
            if let Some(entry) = fits {
                return Problem::Along(member.name.to_owned(), Pick { entry });
            }
        }
        block(provider, "conflict", format!("{needs}, which {provider} no longer is"))
    }

    /// An installed package that may go up to something that fits.
    fn along(
        &self,
        picks: &BTreeMap<String, Pick>,
        blocked: &BTreeMap<String, Blocked>,
        fits: impl Fn(&Entry) -> bool,
    ) -> Option<(String, Pick)> {
        self.database
            .packages
            .values()
            .filter(|package| !picks.contains_key(&package.name) && !blocked.contains_key(&package.name))
            .find_map(|package| {
                let mut entries = replacements(self.repositories, package);
                entries.sort_by(|a, b| a.evr.compare(&b.evr));
                let entry = entries.into_iter().find(|entry| fits(entry))?;
                Some((package.name.clone(), Pick { entry }))
            })
    }
}

/// Something that must not be there is.
fn excluded(member: &Member<'_>, other: &str, what: &str, picks: &BTreeMap<String, Pick>) -> Option<Problem> {
    let culprit = [member.name, other].into_iter().find_map(|name| Some((name, picks.get(name)?)));
    culprit.map(|(name, pick)| {
        let reason = format!("{} {} {what}", member.name, member.version);
        let to = Some(pick.entry.evr.to_string());
        Problem::Blocks(name.to_owned(), Blocked { code: "conflict", reason, to })
    })
}
