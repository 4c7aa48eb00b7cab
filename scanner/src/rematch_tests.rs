use std::collections::BTreeMap;

use patchline_registry::Platform;
use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::{Distro, Package, languages::Evidence, report};

/// Few names and versions, so that they meet.
fn package() -> impl Strategy<Value = Package> {
    let (names, versions) = (prop::sample::select(vec!["a", "b", "Flask_Login"]), 1..4_u8);
    (names, versions, 0..6_u8, prop::option::of(0..3_u8)).prop_map(|(name, version, kind, layer)| {
        let version = version.to_string();
        let plain = Package {
            name: name.to_owned(),
            version: version.clone(),
            source: name.to_owned(),
            source_version: version,
            layer: layer.map(|n| Digest::of(&[n])),
            ..Package::default()
        };
        let of = |purl: &str, path: Option<&str>| Package {
            purl: purl.into(),
            path: path.map(str::to_owned),
            ..plain.clone()
        };
        match kind {
            0 => of("pkg:deb/debian/x", None),
            1 => Package { name: format!("lib{name}"), ..of("pkg:deb/debian/x", None) },
            2 => of("pkg:npm/x", Some("app/package.json")),
            3 => of("pkg:pypi/x", Some("usr/lib/METADATA")),
            4 => Package {
                evidence: Some(Evidence::LockFile),
                ..of("pkg:npm/x", Some("app/package-lock.json"))
            },
            _ => Package { owner: Some("o".into()), ..of("pkg:pypi/x", Some("usr/lib/b/METADATA")) },
        }
    })
}

fn inventory() -> impl Strategy<Value = Inventory> {
    let release = prop::sample::select(vec![None, Some("11"), Some("12"), Some("999")]);
    (prop::collection::vec(package(), 0..12), release, any::<bool>()).prop_map(
        |(packages, release, database)| Inventory {
            image: Digest::of(b"image"),
            platform: Platform { architecture: "amd64".into(), os: "linux".into(), variant: None },
            distro: release.map(|release| Distro {
                id: "debian".into(),
                version_id: Some(release.into()),
                codename: None,
                pretty_name: None,
            }),
            packages,
            database: database.then(|| "dpkg".into()),
            unread: Vec::new(),
            incomplete: Vec::new(),
            unreadable: Vec::new(),
            layers: Vec::new(),
        },
    )
}

/// By (place of a name, where): which version mends it.
type Records = BTreeMap<(u8, u8), u8>;

fn set(records: &Records, revision: &str) -> AdvisorySet {
    let record = |((name, ecosystem), fixed): (&(u8, u8), &u8)| {
        let name = ["a", "b", "flask-login"][usize::from(*name)];
        let ecosystem = ["Debian:11", "Debian:12", "npm", "PyPI"][usize::from(*ecosystem)];
        let id = format!("GHSA-{name}-{ecosystem}");
        let record = json!({"id": id, "aliases": [format!("CVE-2026-100{fixed}")], "affected": [{
            "package": {"ecosystem": ecosystem, "name": name},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": fixed.to_string()}]}]}]});
        serde_json::from_value(record).expect("record")
    };
    AdvisorySet::from_records(records.iter().map(record).collect(), revision)
}

fn records() -> impl Strategy<Value = Records> {
    prop::collection::btree_map((0..3_u8, 0..4_u8), 1..5_u8, 0..8)
}

/// What of a finding depends on the inventory and the advisories, and not on the revision's name.
fn told(findings: &[Finding]) -> Vec<Finding> {
    findings.iter().map(|f| Finding { because: String::new(), ..f.clone() }).collect()
}

/// Without what carries it.
fn alone(finding: &Finding) -> Finding {
    Finding { packages: Vec::new(), paths: Vec::new(), layer: None, ..finding.clone() }
}

proptest! {
    /// What is remembered of one image is right for the next.
    #[test]
    fn a_matcher_says_what_a_report_says(all in prop::collection::vec(inventory(), 1..6), records in records()) {
        let set = set(&records, "1");
        let matcher = Matcher::new(vec![set.clone()]);
        for inventory in &all {
            let report = report(inventory, &[&set]);
            let mut shared: Vec<Finding> = matcher.findings(inventory).iter().flat_map(|(f, _)| f.to_vec()).collect();
            let mut plain: Vec<Finding> = report.findings.iter().map(alone).collect();
            let by = |f: &Finding| (f.ecosystem.clone(), f.source.clone(), f.installed.clone(), f.id.clone());
            shared.sort_by_key(by);
            plain.sort_by_key(by);
            prop_assert_eq!(shared, plain);
            prop_assert_eq!(matcher.report(inventory), report);
        }
    }

    /// What is not touched is as it was, and what is can be matched without the rest.
    #[test]
    fn what_is_cut_away_has_the_findings_that_it_had(inventory in inventory(), before in records(), after in records()) {
        let (old, new) = (set(&before, "1"), set(&after, "2"));
        let touched = new.touched_since(&old).expect("whole");
        let mut cut = inventory.clone();
        touched.cut(&mut cut);
        prop_assert!(cut.packages.iter().all(|p| touched.may_have(p)));
        let is_touched = |f: &Finding| touched.iter().any(|(e, n)| {
            e == f.ecosystem && n == f.source.to_lowercase().replace('_', "-")
        });
        let (was, is) = (report(&inventory, &[&old]).findings, report(&inventory, &[&new]).findings);
        let (hit, rest): (Vec<Finding>, Vec<Finding>) = is.into_iter().partition(is_touched);
        let was: Vec<Finding> = was.into_iter().filter(|f| !is_touched(f)).collect();
        prop_assert_eq!(told(&was), told(&rest));
        let alone = report(&cut, &[&new]).findings;
        prop_assert_eq!(alone, hit);
    }
}

#[test]
fn what_other_rules_have_matched_counts_for_nothing() {
    let matched = Matched { image: Digest::of(b"image"), edition: 0, report: "sha256:0".into(), note: None };
    assert_eq!(matched.up_to(), None);
    let noted = matched.clone().noted("sha256:1");
    assert_eq!(noted.up_to(), Some("sha256:1"));
    for other in ["sha256:1", "0.0.1 sha256:1", "", "0.1.00 sha256:1"] {
        assert_eq!(Matched { note: Some(other.into()), ..matched.clone() }.up_to(), None, "{other}");
    }
}
