//! Which packages make the image: the base set, what was asked for, and what they depend on.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use patchline_scanner::version::compare_debian;

use crate::{
    Error, Result,
    apt::Suite,
    deb::{Clause, PackageRecord, Relation},
};

/// What minbase has beyond the essential and required packages. `usr-is-merged` is the empty twin of
/// `usrmerge`, whose conversion a fresh tree does not need.
const BEYOND: &[&str] = &["apt", "debian-archive-keyring"];
const MERGED: &str = "usr-is-merged";
const MAX_PACKAGES: usize = 5000;

/// Packages chosen so far, with who provides which name.
struct Chosen {
    packages: BTreeMap<String, Arc<PackageRecord>>,
    by_name: BTreeMap<String, Vec<Arc<PackageRecord>>>,
    /// Clauses with one way to hold, and those with several: the latter wait, so that what is
    /// chosen anyway decides them.
    plain: VecDeque<(String, Clause)>,
    open: VecDeque<(String, Clause)>,
}

/// The whole set by name, or the relation that cannot hold.
pub(super) fn select(suite: &Suite, asked: &[String]) -> Result<Vec<Arc<PackageRecord>>> {
    let mut chosen = Chosen {
        packages: BTreeMap::new(),
        by_name: BTreeMap::new(),
        plain: VecDeque::new(),
        open: VecDeque::new(),
    };
    for package in suite.with_line("Essential: yes").chain(suite.with_line("Priority: required")) {
        let name = package?.name.clone();
        chosen.add_named(suite, &name, "the base set")?;
    }
    if !suite.candidates(MERGED)?.is_empty() {
        chosen.add_named(suite, MERGED, "the base set")?;
    }
    for name in BEYOND {
        chosen.add_named(suite, name, "the base set")?;
    }
    for name in asked {
        chosen.add_named(suite, name, "the command")?;
    }
    while let Some((from, clause)) = chosen.plain.pop_front().or_else(|| chosen.open.pop_front()) {
        if chosen.holds(&clause) {
            continue;
        }
        let package = best(suite, &clause)?
            .ok_or_else(|| Error::Unsatisfiable { relation: format!("{from} depends on {clause}") })?;
        chosen.add(package)?;
        if chosen.packages.len() > MAX_PACKAGES {
            return Err(Error::Unsatisfiable { relation: format!("more than {MAX_PACKAGES} packages") });
        }
    }
    chosen.check()?;
    Ok(chosen.packages.into_values().collect())
}

impl Chosen {
    fn add_named(&mut self, suite: &Suite, name: &str, from: &str) -> Result<()> {
        if self.packages.contains_key(name) {
            return Ok(());
        }
        let package = newest(suite.candidates(name)?)
            .ok_or_else(|| Error::Unsatisfiable { relation: format!("{from} asks for {name}") })?;
        self.add(package)
    }

    fn add(&mut self, package: Arc<PackageRecord>) -> Result<()> {
        for field in ["Pre-Depends", "Depends"] {
            for clause in package.relations(field)? {
                let queue = if clause.alternatives.len() == 1 { &mut self.plain } else { &mut self.open };
                queue.push_back((package.name.clone(), clause));
            }
        }
        let mut names: Vec<String> = package.provides()?.into_iter().map(|provided| provided.name).collect();
        names.push(package.name.clone());
        names.sort();
        names.dedup();
        for name in names {
            self.by_name.entry(name).or_default().push(package.clone());
        }
        self.packages.insert(package.name.clone(), package);
        Ok(())
    }

    /// Chosen packages that satisfy a relation.
    fn matching(&self, relation: &Relation) -> impl Iterator<Item = &Arc<PackageRecord>> {
        self.by_name.get(&relation.name).into_iter().flatten().filter(|package| package.satisfies(relation))
    }

    fn holds(&self, clause: &Clause) -> bool {
        clause.alternatives.iter().any(|relation| self.matching(relation).next().is_some())
    }

    /// Nothing in the set may break or conflict with another of it.
    fn check(&self) -> Result<()> {
        for package in self.packages.values() {
            for (field, verb) in [("Conflicts", "conflicts with"), ("Breaks", "breaks")] {
                for relation in package.relations(field)?.iter().flat_map(|clause| &clause.alternatives) {
                    // A package may conflict with what it provides itself: that means all the others.
                    if let Some(other) = self.matching(relation).find(|other| other.name != package.name) {
                        let relation = format!(
                            "{} {verb} {relation}, which is {} {}",
                            package.name, other.name, other.version
                        );
                        return Err(Error::Unsatisfiable { relation });
                    }
                }
            }
        }
        Ok(())
    }
}

fn newest(candidates: Vec<Arc<PackageRecord>>) -> Option<Arc<PackageRecord>> {
    candidates.into_iter().max_by(|a, b| compare_debian(&a.version, &b.version))
}

/// The first alternative that the suite has, a real package before one that provides it.
fn best(suite: &Suite, clause: &Clause) -> Result<Option<Arc<PackageRecord>>> {
    for relation in &clause.alternatives {
        let mut real = suite.candidates(&relation.name)?;
        real.retain(|package| relation.matches(&package.name, &package.version));
        if let Some(package) = newest(real) {
            return Ok(Some(package));
        }
        let mut providers = suite.providers(&relation.name)?;
        providers.retain(|package| package.satisfies(relation));
        let weight = |package: &PackageRecord| match package.fields.get("Priority") {
            Some("required") => 0,
            Some("important") => 1,
            Some("standard") => 2,
            _ => 3,
        };
        providers.sort_by(|a, b| (weight(a), &a.name).cmp(&(weight(b), &b.name)));
        if let Some(package) = providers.into_iter().next() {
            return Ok(Some(package));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::apt::Place;

    fn chosen(extra: &str, asked: &[&str]) -> Result<Vec<String>> {
        let base = "Package: apt\nVersion: 1\nArchitecture: amd64\n\nPackage: debian-archive-keyring\nVersion: 1\nArchitecture: all\n\nPackage: base\nVersion: 1\nArchitecture: amd64\nEssential: yes\nDepends: awk\n\nPackage: mawk\nVersion: 1\nArchitecture: amd64\nPriority: required\nProvides: awk\n\nPackage: gawk\nVersion: 1\nArchitecture: amd64\nPriority: optional\nProvides: awk\n\n";
        let suite = Suite::new("bookworm", "h", "d", Place::Debian, vec![format!("{base}{extra}")]).unwrap();
        let asked: Vec<_> = asked.iter().map(|name| (*name).to_owned()).collect();
        Ok(select(&suite, &asked)?.iter().map(|package| package.name.clone()).collect())
    }

    #[test]
    fn what_is_chosen_already_decides_alternatives() {
        assert_eq!(chosen("", &[]).unwrap(), ["apt", "base", "debian-archive-keyring", "mawk"]);
        let extra = "Package: one\nVersion: 1\nArchitecture: all\nDepends: left | right, two\n\nPackage: two\nVersion: 1\nArchitecture: all\nDepends: right (>= 1)\n\nPackage: left\nVersion: 1\nArchitecture: all\n\nPackage: right\nVersion: 2\nArchitecture: all\n";
        let names = chosen(extra, &["one"]).unwrap();
        assert!(names.contains(&"right".to_owned()) && !names.contains(&"left".to_owned()), "{names:?}");
    }

    #[test]
    fn what_cannot_hold_is_named() {
        let error = chosen("Package: one\nVersion: 1\nArchitecture: all\nDepends: base (>= 2)\n", &["one"])
            .unwrap_err();
        assert_eq!(error.to_string(), "no package set satisfies one depends on base (>= 2)");
        let error =
            chosen("Package: one\nVersion: 1\nArchitecture: all\nConflicts: awk\n", &["one"]).unwrap_err();
        assert!(error.to_string().contains("one conflicts with awk, which is mawk 1"), "{error}");
        assert!(chosen("", &["absent"]).unwrap_err().to_string().contains("absent"));
        let own = "Package: one\nVersion: 1\nArchitecture: all\nProvides: virtual\nConflicts: virtual\n";
        assert!(chosen(own, &["one"]).is_ok());
    }
}
