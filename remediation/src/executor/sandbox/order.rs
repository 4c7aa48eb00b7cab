//! In which order dpkg is given packages: what one Pre-Depends on is unpacked and configured before it (Policy 7.2), with what
//! that itself depends on; all else is configured at the end.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Result, deb::PackageRecord};

/// How deep Pre-Depends are followed; the repository chooses how deep they go.
const DEEPEST: usize = 100;

/// One thing that dpkg does, to packages by their positions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stage {
    /// `dpkg --unpack`
    Unpack(Vec<usize>),
    /// `dpkg --configure`
    Configure(Vec<usize>),
}

/// Everything unpacked, and configured what must be on the way. A circle is entered at its first name.
pub(super) fn stages(records: &[&PackageRecord]) -> Result<Vec<Stage>> {
    let mut by_name: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (position, record) in records.iter().enumerate() {
        by_name.entry(&record.name).or_default().push(position);
    }
    let named = |field: &str, record: &PackageRecord| -> Result<Vec<usize>> {
        let clauses = record.relations(field)?;
        let names =
            clauses.iter().flat_map(|clause| &clause.alternatives).map(|relation| relation.name.as_str());
        Ok(names.filter_map(|name| by_name.get(name)).flatten().copied().collect())
    };
    let mut plan = Plan { before: Vec::new(), with: Vec::new(), begun: BTreeSet::new(), ..Plan::default() };
    for record in records {
        let before = named("Pre-Depends", record)?;
        plan.with.push([before.clone(), named("Depends", record)?].concat());
        plan.before.push(before);
    }
    for start in by_name.values().flatten().copied() {
        plan.unpack(start, 0);
    }
    Ok(plan.stages)
}

#[derive(Default)]
struct Plan {
    /// Pre-Depends, by position.
    before: Vec<Vec<usize>>,
    /// The same with Depends.
    with: Vec<Vec<usize>>,
    begun: BTreeSet<usize>,
    unpacked: BTreeSet<usize>,
    configured: BTreeSet<usize>,
    stages: Vec<Stage>,
}

impl Plan {
    fn unpack(&mut self, at: usize, depth: usize) {
        if !self.begun.insert(at) {
            return;
        }
        if depth < DEEPEST {
            let needed = self.needed(at);
            for one in &needed {
                self.unpack(*one, depth + 1);
            }
            // Whoever is in the midst of being unpacked itself is part of a circle, and comes with the rest.
            let ready: Vec<usize> = needed
                .into_iter()
                .filter(|one| self.unpacked.contains(one) && !self.configured.contains(one))
                .collect();
            if !ready.is_empty() {
                self.configured.extend(&ready);
                self.stages.push(Stage::Configure(ready));
            }
        }
        self.unpacked.insert(at);
        match self.stages.last_mut() {
            Some(Stage::Unpack(all)) => all.push(at),
            _ => self.stages.push(Stage::Unpack(vec![at])),
        }
    }

    /// What must be configured before a package is unpacked: its Pre-Depends, and all that those depend on.
    fn needed(&self, at: usize) -> Vec<usize> {
        let mut found = Vec::new();
        let mut open = self.before[at].clone();
        let mut seen = BTreeSet::from([at]);
        while let Some(one) = open.pop() {
            if seen.insert(one) && !self.configured.contains(&one) {
                found.push(one);
                open.extend(&self.with[one]);
            }
        }
        // What is found last is what others need.
        found.reverse();
        found
    }
}

#[cfg(test)]
mod tests {
    use super::{Stage::*, *};
    use crate::deb::control;

    fn record(name: &str, fields: &str) -> PackageRecord {
        let text = format!("Package: {name}\nVersion: 1\nArchitecture: all\n{fields}");
        PackageRecord::from_stanza("t", &control::single("t", &text).unwrap(), None).unwrap()
    }

    fn staged(all: &[(&str, &str)]) -> Vec<Stage> {
        let records: Vec<PackageRecord> = all.iter().map(|(name, fields)| record(name, fields)).collect();
        stages(&records.iter().collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn what_is_needed_before_is_configured_before() {
        let pam = [
            ("libpam-modules", "Pre-Depends: libpam-modules-bin (= 1), libc6\n"),
            ("libpam-modules-bin", "Depends: libpam0g (>= 1)\n"),
            ("libpam0g", ""),
            ("zz", "Depends: libpam-modules\n"),
        ];
        assert_eq!(staged(&pam), [Unpack(vec![2, 1]), Configure(vec![2, 1]), Unpack(vec![0, 3])]);
        assert_eq!(staged(&[("bb", ""), ("aa", "Depends: bb\n")]), [Unpack(vec![1, 0])]);
        assert_eq!(staged(&[]), []);
    }

    #[test]
    fn circles_end() {
        let circle = [("aa", "Pre-Depends: bb\n"), ("bb", "Pre-Depends: aa\n")];
        assert_eq!(staged(&circle), [Unpack(vec![1]), Configure(vec![1]), Unpack(vec![0])]);
        let around = [("aa", "Pre-Depends: bb\n"), ("bb", "Depends: aa\n")];
        assert_eq!(staged(&around), [Unpack(vec![1]), Configure(vec![1]), Unpack(vec![0])]);
        let deep: Vec<(String, String)> =
            (0..500).map(|n| (format!("p{n:03}"), format!("Pre-Depends: p{:03}\n", n + 1))).collect();
        let deep: Vec<(&str, &str)> = deep.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        let unpacked: usize =
            staged(&deep).iter().map(|s| if let Unpack(all) = s { all.len() } else { 0 }).sum();
        assert_eq!(unpacked, 500);
    }
}
