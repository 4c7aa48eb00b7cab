//! Reports: what is merged, in which order, and how far they can be trusted.

use patchline_registry::{Digest, Platform};
use patchline_scanner::{
    Completeness, Distro, Inventory, Package, Report, Severity, advisories::AdvisorySet, report,
};
use serde_json::{Value, json};

fn inventory(release: &str, packages: &[(&str, &str, &str)]) -> Inventory {
    let package = |(name, source, version): &(&str, &str, &str)| Package {
        name: (*name).into(),
        version: (*version).into(),
        architecture: "amd64".into(),
        source: (*source).into(),
        source_version: (*version).into(),
        held: false,
        layer: Some(Digest::of(b"layer")),
        purl: String::new(),
        licenses: Vec::new(),
        ..Package::default()
    };
    Inventory {
        image: Digest::of(b"image"),
        platform: Platform { architecture: "amd64".into(), os: "linux".into(), variant: None },
        distro: Some(Distro {
            id: "debian".into(),
            version_id: Some(release.into()),
            codename: None,
            pretty_name: None,
        }),
        packages: packages.iter().map(package).collect(),
        database: Some("dpkg".into()),
        unread: vec![],
        incomplete: Vec::new(),
        unreadable: Vec::new(),
        layers: vec![],
    }
}

fn record(id: &str, package: &str, fixed: &str, more: Value) -> Value {
    let mut record = json!({"id": id, "affected": [{
        "package": {"ecosystem": "Debian:12", "name": package},
        "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": fixed}]}]}]});
    record.as_object_mut().expect("object").extend(more.as_object().expect("object").clone());
    record
}

fn set(revision: &str, records: &[Value]) -> AdvisorySet {
    let records = records.iter().map(|r| serde_json::from_value(r.clone()).expect("record"));
    AdvisorySet::from_records(records.collect(), revision)
}

fn critical() -> Value {
    json!({"severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}]})
}

#[test]
fn a_vulnerability_is_as_old_as_the_first_advisory_about_it() {
    let inventory = inventory("12", &[("a", "a", "1"), ("b", "b", "1"), ("c", "c", "1")]);
    let at = |moment: &str| json!({"published": moment, "upstream": ["CVE-2026-1"]});
    let first = set("one", &[record("DSA-1-1", "a", "2", at("2026-03-02T10:00:00Z"))]);
    let second = set(
        "two",
        &[
            record("DEBIAN-CVE-2026-1", "a", "2", at("2026-03-01T10:00:00.5Z")),
            record("DSA-2-1", "b", "2", json!({"upstream": ["CVE-2026-2"]})),
            record("DSA-3-1", "c", "2", json!({"upstream": ["CVE-2026-3"], "published": "yesterday"})),
        ],
    );
    let found = report(&inventory, &[&first, &second]);
    let dates: Vec<_> =
        found.findings.iter().map(|f| (f.id.as_str(), f.published.map(|at| at.to_string()))).collect();
    assert_eq!(
        dates,
        [("CVE-2026-1", Some("2026-03-01T10:00:00Z".to_owned())), ("CVE-2026-2", None), ("CVE-2026-3", None)]
    );
    // What was stored before nobody asked is still read.
    let mut json = serde_json::to_value(&found).expect("json");
    json["findings"][0].as_object_mut().expect("a map").remove("published");
    assert_eq!(serde_json::from_value::<Report>(json).expect("a report").findings[0].published, None);
}

#[test]
fn equal_vulnerabilities_merge_and_the_lowest_fix_wins() {
    let inventory = inventory(
        "12",
        &[("libssl3", "openssl", "3.0.11-1"), ("openssl", "openssl", "3.0.11-1"), ("zlib1g", "zlib", "1")],
    );
    let first = set(
        "one",
        &[record("DSA-1-1", "openssl", "3.0.15-1", json!({"upstream": ["CVE-2024-1", "CVE-2024-2"]}))],
    );
    let second = set(
        "two",
        &[
            record("DEBIAN-CVE-2024-2", "openssl", "3.0.13-1", critical()),
            record("CVE-2020-9", "openssl", "3.0.9-1", critical()),
            record("CVE-2024-3", "zlib", "2", json!({"database_specific": {"severity": "low"}})),
        ],
    );
    let report = report(&inventory, &[&first, &second]);
    let lines: Vec<_> = report
        .findings
        .iter()
        .map(|f| {
            format!(
                "{:?} {} {} {} {:?} {:?}",
                f.severity,
                f.id,
                f.source,
                f.fixed.as_deref().unwrap_or("-"),
                f.packages,
                f.aliases
            )
        })
        .collect();
    assert_eq!(
        lines,
        [
            r#"Critical CVE-2024-2 openssl 3.0.13-1 ["libssl3", "openssl"] ["DEBIAN-CVE-2024-2", "DSA-1-1"]"#,
            r#"Low CVE-2024-3 zlib 2 ["zlib1g"] []"#,
            r#"Unknown CVE-2024-1 openssl 3.0.15-1 ["libssl3", "openssl"] ["DSA-1-1"]"#,
        ]
    );
    assert_eq!(report.completeness, Completeness::Complete);
    assert_eq!((report.advisory_revision.as_str(), report.packages), ("one,two", 3));
    assert_eq!(report.worst(), Some(Severity::Critical));
    let counts: Vec<usize> = report.counts().into_values().collect();
    assert_eq!(counts, [1, 0, 1, 0, 0, 1]);
    assert_eq!(
        report.findings[2].because,
        "openssl 3.0.11-1 < 3.0.15-1 (dpkg order; DSA-1-1, Debian:12; revision one)"
    );
    assert!(report.findings.iter().all(|f| f.fixable() && f.mendable.is_none() && f.layer.is_some()));
}

#[test]
fn ghsas_join_the_cve_that_they_are_an_alias_of_and_bulletins_join_nothing() {
    let inventory = inventory("12", &[("a", "a", "1")]);
    let set = set(
        "r",
        &[
            record("CVE-2024-1", "a", "2", json!({"aliases": ["GHSA-aaaa-bbbb-cccc"]})),
            record("GHSA-aaaa-bbbb-cccc", "a", "2", json!({"database_specific": {"severity": "HIGH"}})),
            record("DSA-1-1", "a", "2", json!({})),
            record("CVE-2024-4", "a", "0.5", json!({})),
        ],
    );
    let ids: Vec<_> = report(&inventory, &[&set]).findings.into_iter().map(|f| (f.id, f.aliases)).collect();
    assert_eq!(
        ids,
        [("CVE-2024-1".to_owned(), vec!["GHSA-aaaa-bbbb-cccc".to_owned()]), ("DSA-1-1".to_owned(), vec![])]
    );
}

#[test]
fn silence_is_not_taken_for_health() {
    let undetermined = |report: Report| match report.completeness {
        Completeness::Undetermined { reason } => reason,
        other => panic!("{other:?}"),
    };
    let bookworm = inventory("12", &[("a", "a", "1")]);
    assert!(undetermined(report(&bookworm, &[])).contains("Debian:12"));
    assert!(undetermined(report(&bookworm, &[&AdvisorySet::empty()])).contains("Debian:12"));
    let known = set("r", &[record("CVE-2024-1", "a", "2", json!({}))]);
    assert!(undetermined(report(&inventory("13", &[]), &[&known])).contains("Debian:13"));
    assert!(undetermined(report(&inventory("10", &[]), &[&known])).contains("buster"));
    assert!(
        undetermined(report(&Inventory { distro: None, ..bookworm.clone() }, &[&known]))
            .contains("os-release")
    );
    assert!(
        undetermined(report(&Inventory { database: None, ..bookworm.clone() }, &[&known]))
            .contains("database")
    );
    let mixed = Inventory { unread: vec!["rpm".into()], ..bookworm };
    let report = report(&mixed, &[&known]);
    assert!(
        matches!(&report.completeness, Completeness::Incomplete { reasons } if reasons[0].contains("rpm"))
    );
    assert_eq!(report.findings.len(), 1);
}

#[test]
fn equal_reports_have_equal_bytes() {
    let inventory = inventory("12", &[("a", "a", "1"), ("b", "b", "1")]);
    let mut records = vec![
        record("DSA-1-1", "a", "2", json!({"upstream": ["CVE-2024-1"], "summary": "one"})),
        record("DSA-2-1", "a", "2", json!({"upstream": ["CVE-2024-1"], "summary": "two"})),
        record("CVE-2024-2", "b", "2", json!({})),
    ];
    let one = report(&inventory, &[&set("r", &records)]).canonical_json();
    records.reverse();
    let two = report(&inventory, &[&set("r", &records)]).canonical_json();
    assert_eq!(Digest::of(&one), Digest::of(&two));
    let back: Report = serde_json::from_slice(&one).expect("a report");
    assert_eq!(back.canonical_json(), one);
}
