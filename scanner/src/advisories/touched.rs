//! What an update touches: the packages about which two sets say different things.
//!
//! **What counts.** Whatever decides whether a version is affected, under which names, how bad that is, and which
//! version mends it: vulnerabilities and their aliases, ranges, versions, severity; a vulnerability that enters CISA's
//! list or leaves it; a severity that a feed has of it.
//!
//! **What does not.** Summaries, dates, who named the severity, which record says it: no image is worse or better by
//! them. Nor EPSS: its probabilities change every day for nearly every CVE, and an update would touch everything. A
//! report has the probabilities of the day on which it was made.

use std::{
    collections::{BTreeMap, BTreeSet, HashSet},
    iter::Peekable,
};

use super::{
    Advisory, AdvisorySet,
    advisory::Step,
    names, reconcile,
    set::{Reader, Rot, Said},
    threat::Cve,
};
use crate::{Error, Inventory, Package, Result, Severity, matching};

/// Names of packages, by ecosystem.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Touched {
    names: BTreeMap<String, BTreeSet<String>>,
}

impl Touched {
    /// How many packages.
    pub fn len(&self) -> usize {
        self.names.values().map(BTreeSet::len).sum()
    }
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.names.is_empty()
    }
    /// Ecosystems and names, as the ecosystem compares them.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        let of = |(ecosystem, names)| {
            let names: &BTreeSet<String> = names;
            let ecosystem: &String = ecosystem;
            names.iter().map(move |name| (ecosystem.as_str(), name.as_str()))
        };
        self.names.iter().flat_map(of)
    }
    /// Whether a package of an image is one of them. `system`: the ecosystem of the image's operating system, see
    /// [`Inventory::ecosystem`].
    pub fn has(&self, package: &Package, system: Option<&str>) -> bool {
        matching::subject(package, system).is_some_and(|(ecosystem, name, _)| {
            let names = self.names.get(ecosystem);
            names.is_some_and(|names| names.contains(&*names::normal(ecosystem, name)))
        })
    }
    /// Whether a package is one of them in images of some operating system.
    pub fn may_have(&self, package: &Package) -> bool {
        self.names.keys().any(|ecosystem| self.has(package, Some(ecosystem)))
    }
    /// Leaves in an inventory only the packages that are among them: what is known of those depends on no other.
    pub fn cut(&self, inventory: &mut Inventory) {
        let system = inventory.ecosystem();
        inventory.packages.retain(|package| self.has(package, system.as_deref()));
    }
}

impl FromIterator<(String, String)> for Touched {
    /// Of ecosystems and names in any spelling.
    fn from_iter<I: IntoIterator<Item = (String, String)>>(all: I) -> Self {
        let mut names: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for (ecosystem, name) in all {
            let name = names::normal(&ecosystem, &name).into_owned();
            names.entry(ecosystem).or_default().insert(name);
        }
        Self { names }
    }
}

impl AdvisorySet {
    /// The packages about which this set says anything else than `before`. Both are read from end to end, one package
    /// at a time.
    ///
    /// # Errors
    /// A set that is damaged.
    pub fn touched_since(&self, before: &Self) -> Result<Touched> {
        if self.revision() == before.revision() {
            return Ok(Touched::default());
        }
        let origin = || format!("revisions {} and {}", before.revision(), self.revision());
        compare(&self.inner.reader, &before.inner.reader)
            .map_err(|rot| Error::Advisories { origin: origin(), reason: rot.to_string() })
    }
}

fn compare(new: &Reader, old: &Reader) -> Result<Touched, Rot> {
    let threatened = threatened(new, old)?;
    let mut names = BTreeMap::new();
    let ecosystems: BTreeSet<&str> = new.ecosystems().chain(old.ecosystems()).collect();
    for ecosystem in ecosystems {
        let mut touched = BTreeSet::new();
        let (mut new, mut old) = (new.each(ecosystem).peekable(), old.each(ecosystem).peekable());
        // Both ascend.
        while let Some(key) = [key(&mut new)?, key(&mut old)?].into_iter().flatten().min() {
            let (new, mut old) = (take(&mut new, key)?, take(&mut old, key)?);
            for (package, new) in new {
                let before = old.remove(&package).unwrap_or_default();
                if !same(&new, &before) || new.iter().any(|a| is_about(a, &threatened)) {
                    touched.insert(package);
                }
            }
            touched.extend(old.into_iter().filter(|(_, gone)| !same(&[], gone)).map(|(package, _)| package));
        }
        if !touched.is_empty() {
            names.insert(ecosystem.to_owned(), touched);
        }
    }
    Ok(Touched { names })
}

/// The CVEs that are exploited, or have a severity, in one of the sets and not so in the other.
fn threatened(new: &Reader, old: &Reader) -> Result<HashSet<Cve>, Rot> {
    let said = |of: &Reader| -> Result<BTreeMap<Cve, (bool, Option<Severity>)>, Rot> {
        let of_weight = |(cve, threat): (Cve, super::Threat)| {
            let said = (threat.known_exploited, threat.severity.map(|(severity, _)| severity));
            (said != (false, None)).then_some((cve, said))
        };
        of.each_threat().filter_map(|threat| threat.map(of_weight).transpose()).collect()
    };
    let (new, old) = (said(new)?, said(old)?);
    let differs = |cve: &&Cve| new.get(*cve) != old.get(*cve);
    Ok(new.keys().chain(old.keys()).filter(differs).copied().collect())
}

fn is_about(advisory: &Advisory, cves: &HashSet<Cve>) -> bool {
    let mut names = advisory.vulnerabilities().chain(advisory.aliases());
    !cves.is_empty() && names.any(|name| Cve::parse(name).is_some_and(|cve| cves.contains(&cve)))
}

fn key(of: &mut Peekable<impl Iterator<Item = Result<Said, Rot>>>) -> Result<Option<u64>, Rot> {
    match of.peek() {
        None => Ok(None),
        Some(Ok(said)) => Ok(Some(said.key)),
        Some(Err(rot)) => Err(rot.clone()),
    }
}

/// The packages with a key: one, unless two names happen to have the same.
fn take(
    of: &mut Peekable<impl Iterator<Item = Result<Said, Rot>>>,
    wanted: u64,
) -> Result<BTreeMap<String, Vec<Advisory>>, Rot> {
    let mut taken = BTreeMap::new();
    while key(of)? == Some(wanted) {
        if let Some(said) = of.next().transpose()? {
            taken.insert(said.package.to_string(), said.advisories);
        }
    }
    Ok(taken)
}

/// What counts of one advisory.
type Weight<'a> = (Vec<&'a str>, Vec<&'a str>, &'a [Vec<Step>], &'a [String], Severity);

fn same(new: &[Advisory], old: &[Advisory]) -> bool {
    new == old || weights(&lent(new)) == weights(&lent(old))
}

fn lent(about: &[Advisory]) -> Vec<Advisory> {
    let mut about = about.to_vec();
    reconcile::lend(&mut about);
    about
}

/// In an order of their own: records of another name stand elsewhere.
fn weights(about: &[Advisory]) -> Vec<Weight<'_>> {
    let weight = |a| -> Weight<'_> {
        let a: &Advisory = a;
        (a.vulnerabilities().collect(), a.aliases().collect(), &a.ranges, &a.versions, a.severity())
    };
    let speaks = |weight: &Weight<'_>| !weight.0.is_empty();
    let mut weights: Vec<Weight<'_>> = about.iter().map(weight).filter(speaks).collect();
    weights.sort_unstable();
    weights
}

#[cfg(test)]
#[path = "touched_tests.rs"]
mod tests;
