//! What two scanners say of one image, held against each other: pure, and the same from either side.
//!
//! Two findings are one where they share a name of the vulnerability and a name of the package. A CVE and the GHSA that is
//! its alias are one; two CVEs that share a bulletin (`DSA-…`, `RHSA-…`) are not.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet, HashMap},
};

use serde::Serialize;

use crate::{Counts, Finding, Report, Severity, version::Order};

/// One vulnerability of one package, as one side has it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct One {
    /// `CVE-…` where there is one.
    pub id: String,
    /// Source package, or a language's.
    pub package: String,
    /// Its version.
    pub installed: String,
    /// The worst that is said of it.
    pub severity: Severity,
    /// The version that fixes it.
    pub fixed: Option<String>,
}

/// One that both have, and of which they say different things.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Differing {
    /// As the first has it.
    pub ours: One,
    /// As the second has it.
    pub theirs: One,
}

/// Where two reports agree and where they do not; lists are sorted, the worst first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Disagreement {
    /// What both have.
    pub both: usize,
    /// What only the first has.
    pub only_ours: Vec<One>,
    /// What only the second has.
    pub only_theirs: Vec<One>,
    /// Both have it, and judge it differently. Unknown against a level is a difference.
    pub severity: Vec<Differing>,
    /// Both have it, and name another version that fixes it, or one of them names none.
    pub fixed: Vec<Differing>,
}

impl Disagreement {
    /// Whether they say the same.
    pub fn is_empty(&self) -> bool {
        self.only_ours.is_empty()
            && self.only_theirs.is_empty()
            && self.severity.is_empty()
            && self.fixed.is_empty()
    }
    /// What only one side has, by severity, zero where there is none.
    pub fn by_severity(only: &[One]) -> Counts {
        let mut counts: Counts = Severity::ALL.into_iter().map(|severity| (severity, 0)).collect();
        for one in only {
            *counts.entry(one.severity).or_default() += 1;
        }
        counts
    }
}

/// Ids of documents that may speak of several vulnerabilities: to share one is not to be one.
const BULLETINS: [&str; 16] = [
    "DSA-",
    "DLA-",
    "DTSA-",
    "USN-",
    "LSN-",
    "RHSA-",
    "RHBA-",
    "RHEA-",
    "ALSA-",
    "ALBA-",
    "RLSA-",
    "RXSA-",
    "ELSA-",
    "SUSE-",
    "openSUSE-",
    "ALAS",
];

/// Holds two reports of one image against each other.
pub fn compare(ours: &Report, theirs: &Report) -> Disagreement {
    let all: Vec<&Finding> = ours.findings.iter().chain(&theirs.findings).collect();
    let split = ours.findings.len();
    let mut groups = Groups::new(all.len());
    let mut seen: HashMap<(&str, String), usize> = HashMap::new();
    for (at, finding) in all.iter().enumerate() {
        let packages: BTreeSet<String> =
            finding.packages.iter().chain([&finding.source]).map(|p| plain(p)).collect();
        for id in names(finding) {
            for package in &packages {
                match seen.get(&(id, package.clone())) {
                    Some(other) => groups.join(at, *other),
                    None => drop(seen.insert((id, package.clone()), at)),
                }
            }
        }
    }
    let mut sides: BTreeMap<usize, [Vec<&Finding>; 2]> = BTreeMap::new();
    for (at, finding) in all.iter().enumerate() {
        sides.entry(groups.root(at)).or_default()[usize::from(at >= split)].push(finding);
    }
    let mut found = Disagreement::default();
    for [ours, theirs] in sides.into_values() {
        match (one(&ours), one(&theirs)) {
            (Some(one), None) => found.only_ours.push(one),
            (None, Some(one)) => found.only_theirs.push(one),
            (Some(mine), Some(other)) => {
                found.both += 1;
                let differing = Differing { ours: mine, theirs: other };
                if !same_fixes(&ours, &theirs) {
                    found.fixed.push(differing.clone());
                }
                if differing.ours.severity != differing.theirs.severity {
                    found.severity.push(differing);
                }
            }
            (None, None) => {}
        }
    }
    found.only_ours.sort_by(worst_first);
    found.only_theirs.sort_by(worst_first);
    let worst = |a: &Differing, b: &Differing| {
        let severity = |d: &Differing| d.ours.severity.max(d.theirs.severity);
        severity(b).cmp(&severity(a)).then_with(|| a.cmp(b))
    };
    found.severity.sort_by(worst);
    found.fixed.sort_by(worst);
    found
}

fn worst_first(a: &One, b: &One) -> Ordering {
    b.severity.cmp(&a.severity).then_with(|| a.cmp(b))
}

/// The names that are the vulnerability's alone.
fn names(finding: &Finding) -> impl Iterator<Item = &str> {
    let bulletin = |id: &str| BULLETINS.iter().any(|prefix| id.starts_with(prefix));
    let aliases = finding.aliases.iter().map(String::as_str).filter(move |id| !bulletin(id));
    std::iter::once(finding.id.as_str()).chain(aliases)
}

/// Names of packages that ecosystems take for one.
fn plain(name: &str) -> String {
    name.chars().map(|c| if matches!(c, '_' | '.') { '-' } else { c.to_ascii_lowercase() }).collect()
}

/// What one side says of a vulnerability, in however many findings.
fn one(side: &[&Finding]) -> Option<One> {
    let first = side.iter().min_by_key(|f| (!f.id.starts_with("CVE-"), &f.id, &f.source, &f.installed))?;
    Some(One {
        id: first.id.clone(),
        package: first.source.clone(),
        installed: first.installed.clone(),
        severity: side.iter().map(|f| f.severity).max().unwrap_or_default(),
        fixed: side.iter().find_map(|f| f.fixed.clone()),
    })
}

/// Whether some version that one side names is, in the ecosystem's order, one that the other names; or both name none.
fn same_fixes(ours: &[&Finding], theirs: &[&Finding]) -> bool {
    let fixes = |side: &[&Finding]| side.iter().filter_map(|f| f.fixed.clone()).collect::<BTreeSet<_>>();
    let (mine, other) = (fixes(ours), fixes(theirs));
    if mine.is_empty() || other.is_empty() {
        return mine.is_empty() && other.is_empty();
    }
    let order = ours.iter().chain(theirs).find_map(|f| Order::of_ecosystem(&f.ecosystem));
    let same = |a: &str, b: &str| a == b || order.is_some_and(|o| o.compare(a, b) == Ordering::Equal);
    mine.iter().any(|a| other.iter().any(|b| same(a, b)))
}

/// Which findings are one: disjoint sets, joined by their lowest member.
struct Groups(Vec<usize>);

impl Groups {
    fn new(count: usize) -> Self {
        Self((0..count).collect())
    }
    fn root(&mut self, mut at: usize) -> usize {
        while self.0[at] != at {
            self.0[at] = self.0[self.0[at]];
            at = self.0[at];
        }
        at
    }
    fn join(&mut self, a: usize, b: usize) {
        let (a, b) = (self.root(a), self.root(b));
        self.0[a.max(b)] = a.min(b);
    }
}

#[cfg(test)]
#[path = "compare_tests.rs"]
mod tests;
