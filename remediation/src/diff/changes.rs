//! Two images as their scans tell of them: packages and findings, beside the files.

use std::collections::{BTreeMap, BTreeSet};

use patchline_scanner::{Inventory, Report};
use serde::Serialize;

use super::{Change, Difference};

/// What changed from one image to another, as `patchline diff A B --output json` writes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Changes {
    /// (package, from, to); empty text: not there.
    pub packages: Vec<(String, String, String)>,
    /// Findings only in the first.
    pub gone: Vec<String>,
    /// Findings in both.
    pub left: Vec<String>,
    /// Findings only in the second.
    pub new: Vec<String>,
    /// How many files differ, also where not all of them are named.
    pub count: Count,
    /// Sizes, layers and files.
    #[serde(flatten)]
    pub image: Difference,
}

/// Files that differ, by what happened to them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Count {
    /// Not there before.
    pub added: usize,
    /// Another.
    pub changed: usize,
    /// Not there any more.
    pub removed: usize,
}

impl Changes {
    /// Of two images that were scanned by the same advisories.
    pub fn of(before: (&Inventory, &Report), after: (&Inventory, &Report), image: Difference) -> Self {
        let versions = |inventory: &Inventory| -> BTreeMap<String, String> {
            let named = |p: &patchline_scanner::Package| format!("{}:{}", p.name, p.architecture);
            inventory.packages.iter().map(|p| (named(p), p.version.clone())).collect()
        };
        let ids = |report: &Report| -> BTreeSet<String> {
            report.findings.iter().map(|f| format!("{} ({})", f.id, f.source)).collect()
        };
        let (old, new) = (versions(before.0), versions(after.0));
        let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
        let at = |map: &BTreeMap<String, String>, name: &str| map.get(name).cloned().unwrap_or_default();
        let packages = names
            .into_iter()
            .map(|name| (name.clone(), at(&old, name), at(&new, name)))
            .filter(|(_, from, to)| from != to)
            .collect();
        let (old, new) = (ids(before.1), ids(after.1));
        Self {
            packages,
            gone: old.difference(&new).cloned().collect(),
            left: old.intersection(&new).cloned().collect(),
            new: new.difference(&old).cloned().collect(),
            count: Count::of(&image),
            image,
        }
    }
}

impl Count {
    fn of(image: &Difference) -> Self {
        let count = |change| image.files.iter().filter(|file| file.change == change).count();
        Self { added: count(Change::Added), changed: count(Change::Changed), removed: count(Change::Removed) }
    }
}

#[cfg(test)]
mod tests {
    use patchline_registry::{Digest, Platform};
    use patchline_scanner::{Completeness, Finding, Package};
    use serde_json::json;

    use super::*;
    use crate::diff::{FileChange, Side};

    fn scanned(packages: &[(&str, &str)], findings: &[&str]) -> (Inventory, Report) {
        let image = Digest::of(b"");
        let package = |(name, version): &(&str, &str)| Package {
            name: (*name).into(),
            version: (*version).into(),
            architecture: "amd64".into(),
            ..Package::default()
        };
        let finding = |id: &&str| -> Finding {
            let value = json!({
                "id": id, "aliases": [], "ecosystem": "Debian:12", "packages": ["a"], "paths": [], "source": "a",
                "installed": "1", "fixed": null, "severity": "high", "severity_source": "x", "mendable": null,
                "known_exploited": false, "epss": null, "layer": null, "summary": null, "because": "",
            });
            serde_json::from_value(value).expect("a finding")
        };
        let inventory = Inventory {
            image: image.clone(),
            platform: Platform { architecture: "amd64".into(), os: "linux".into(), variant: None },
            distro: None,
            packages: packages.iter().map(package).collect(),
            database: None,
            unread: Vec::new(),
            incomplete: Vec::new(),
            unreadable: Vec::new(),
            layers: Vec::new(),
        };
        let report = Report {
            version: 1,
            image,
            distro: None,
            packages: packages.len(),
            advisory_revision: String::new(),
            completeness: Completeness::Complete,
            findings: findings.iter().map(finding).collect(),
        };
        (inventory, report)
    }

    #[test]
    fn packages_findings_and_files_are_told_apart() {
        let file = |path: &str, change| FileChange { path: path.into(), change, what: vec![], size: (0, 0) };
        let side = || Side { digest: Digest::of(b""), size: 1, layers: vec![], files: 1 };
        let image = Difference {
            before: side(),
            after: side(),
            shared: 1,
            files: vec![file("a", Change::Added), file("b", Change::Removed), file("c", Change::Removed)],
        };
        let (old, before) = scanned(&[("same", "1"), ("up", "1"), ("went", "1")], &["CVE-1", "CVE-2"]);
        let (new, after) = scanned(&[("same", "1"), ("up", "2"), ("came", "1")], &["CVE-2", "CVE-3"]);
        let changes = Changes::of((&old, &before), (&new, &after), image);
        let triple = |a: &str, b: &str, c: &str| (a.to_owned(), b.to_owned(), c.to_owned());
        assert_eq!(
            changes.packages,
            [triple("came:amd64", "", "1"), triple("up:amd64", "1", "2"), triple("went:amd64", "1", "")]
        );
        assert_eq!((changes.gone, changes.left), (vec!["CVE-1 (a)".into()], vec!["CVE-2 (a)".into()]));
        assert_eq!(changes.new, ["CVE-3 (a)"]);
        assert_eq!(changes.count, Count { added: 1, changed: 0, removed: 2 });
    }
}
