use serde_json::json;

use super::*;
use crate::Severity;

fn record(value: serde_json::Value) -> osv::Record {
    serde_json::from_value(value).expect("a record")
}

fn compiled(value: serde_json::Value) -> Vec<Advisory> {
    compile(&record(value), &"osv/x".into())
}

#[test]
fn bulletins_expand_to_their_cves() {
    let affected = json!([{"package": {"ecosystem": "Debian:12", "name": "a"}, "ranges": []}]);
    let names = |value| {
        let advisory = compiled(value).remove(0);
        (advisory.record.vulnerabilities.clone(), advisory.record.aliases.clone())
    };
    let strings = |list: &[&str]| list.iter().map(|s| (*s).to_owned()).collect::<Vec<_>>();
    assert_eq!(
        names(
            json!({"id": "DSA-1-1", "related": ["CVE-2024-2"], "upstream": ["CVE-2024-1"], "affected": affected})
        ),
        (strings(&["CVE-2024-1", "CVE-2024-2"]), strings(&["DSA-1-1"]))
    );
    assert_eq!(
        names(json!({"id": "DLA-1-1", "details": "see CVE-2024-12345", "affected": affected})).0,
        strings(&["CVE-2024-12345"])
    );
    assert_eq!(names(json!({"id": "DSA-2-1", "affected": affected})), (strings(&["DSA-2-1"]), vec![]));
    for repeated in ["DEBIAN", "ALPINE"] {
        assert_eq!(
            names(
                json!({"id": format!("{repeated}-CVE-2024-5"), "upstream": ["CVE-2024-5"], "related": ["CVE-2024-6"], "affected": affected})
            ),
            (strings(&["CVE-2024-5"]), strings(&[&format!("{repeated}-CVE-2024-5")]))
        );
    }
    assert_eq!(
        names(json!({"id": "ALSA-2024:1", "related": ["CVE-2024-1"], "affected": affected})).0,
        strings(&["CVE-2024-1"])
    );
    assert!(
        compiled(json!({"id": "CVE-2024-7", "withdrawn": "2024-01-01T00:00:00Z", "affected": affected}))
            .is_empty()
    );
    let elsewhere = json!([{"package": {"ecosystem": "Nowhere", "name": "a"}}, {"ranges": []}]);
    assert!(compiled(json!({"id": "CVE-2024-8", "affected": elsewhere})).is_empty());
}

#[test]
fn an_erratum_about_a_bug_is_no_vulnerability() {
    let affected = json!([{"package": {"ecosystem": "AlmaLinux:9", "name": "a"}, "ranges": []}]);
    assert!(compiled(json!({"id": "ALBA-2024:1", "affected": affected})).is_empty());
    assert_eq!(
        compiled(json!({"id": "ALBA-2024:1", "related": ["CVE-2024-1"], "affected": affected})).len(),
        1
    );
    assert_eq!(compiled(json!({"id": "ALSA-2024:1", "affected": affected})).len(), 1);
}

#[test]
fn every_ecosystem_with_an_order_is_compiled_by_the_names_it_goes_by() {
    let of = |ecosystem: &str, name: &str, kind: &str| {
        let advisory = compiled(json!({"id": "GHSA-aaaa-bbbb-cccc", "affected": [{
            "package": {"ecosystem": ecosystem, "name": name},
            "ranges": [{"type": kind, "events": [{"introduced": "0"}, {"fixed": "1.10.0"}]},
                {"type": "GIT", "events": [{"introduced": "0"}]}]}]}))
        .remove(0);
        assert!(advisory.affects("1.9.0").is_some(), "{ecosystem}: ten is more than nine");
        assert!(advisory.affects("1.10.0").is_none(), "{ecosystem}");
        advisory.package.to_string()
    };
    assert_eq!(of("PyPI", "Zope.Interface", "ECOSYSTEM"), "zope-interface");
    assert_eq!(of("npm", "@a/B", "SEMVER"), "@a/B");
    assert_eq!(of("Maven", "org.example:a", "ECOSYSTEM"), "org.example:a");
    assert_eq!(of("NuGet", "A.B", "ECOSYSTEM"), "a.b");
    assert_eq!(of("Packagist", "A/b", "ECOSYSTEM"), "a/b");
    assert_eq!(of("RubyGems", "a_b", "ECOSYSTEM"), "a_b");
    assert_eq!(of("Go", "stdlib", "SEMVER"), "stdlib");
    assert_eq!(of("crates.io", "a", "SEMVER"), "a");
    assert_eq!(of("Alpine:v3.20", "a", "ECOSYSTEM"), "a");
    assert_eq!(of("AlmaLinux:9", "a", "ECOSYSTEM"), "a");
    assert_eq!(of("Bitnami", "a", "SEMVER"), "a");
}

#[test]
fn versions_by_name_stay_where_they_say_more_than_the_ranges() {
    let advisory = compiled(json!({"id": "PYSEC-1", "affected": [{
        "package": {"ecosystem": "PyPI", "name": "a"},
        "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "1"}, {"fixed": "2"}]}],
        "versions": ["1.0", "1.5", "3.0rc1"]}]}))
    .remove(0);
    assert_eq!(advisory.versions, ["3.0rc1"]);
    let fixed = |version: &str| advisory.affects(version).map(|v| v.fixed);
    assert_eq!(fixed("1.7"), Some(Some("2".into())));
    assert_eq!(fixed("3.0.rc1"), Some(None), "the same version, written otherwise");
    assert_eq!(fixed("3.0"), None);
}

#[test]
fn severity_says_who_said_it() {
    let of = |record_part: serde_json::Value, urgency: &str| {
        let mut value = json!({"id": "DEBIAN-CVE-2024-1", "affected": [{
            "package": {"ecosystem": "Debian:12", "name": "a"}, "ecosystem_specific": {"urgency": urgency}}]});
        value.as_object_mut().expect("object").extend(record_part.as_object().expect("object").clone());
        let advisory = compiled(value).remove(0);
        (advisory.severity, advisory.severity_source.to_string())
    };
    let scores = |list: &[&str]| json!({"severity": list.iter().map(|s| json!({"type": "CVSS", "score": s})).collect::<Vec<_>>()});
    let critical = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H";
    assert_eq!(of(scores(&[critical]), "not yet assigned"), (Severity::Critical, "debian".into()));
    assert_eq!(of(scores(&[critical]), "unimportant"), (Severity::Negligible, "debian".into()));
    assert_eq!(of(json!({}), "low"), (Severity::Low, "debian".into()));
    let newer = "CVSS:4.0/AV:N/AC:L/AT:N/PR:L/UI:N/VC:L/VI:L/VA:L/SC:N/SI:N/SA:N";
    assert_eq!(of(scores(&[critical, newer]), "").0, Severity::Medium, "the newest version that is given");
    assert_eq!(of(scores(&["AV:N/AC:L/Au:N/C:P/I:P/A:P"]), "").0, Severity::High);
    assert_eq!(
        of(json!({"id": "GHSA-x", "database_specific": {"severity": "MODERATE"}}), ""),
        (Severity::Medium, "ghsa".into())
    );
    assert_eq!(
        of(json!({"id": "ALSA-2024:1", "summary": "Important: a security update"}), ""),
        (Severity::High, "almalinux".into())
    );
    assert_eq!(
        of(json!({"id": "UBUNTU-CVE-2024-1", "severity": [{"type": "Ubuntu", "score": "medium"}]}), ""),
        (Severity::Medium, "ubuntu".into())
    );
    assert_eq!(
        of(json!({"id": "RUBYSEC-1", "database_specific": {"cvss_v3": "7.5"}}), ""),
        (Severity::High, "osv".into())
    );
    assert_eq!(of(json!({}), "end-of-life"), (Severity::Unknown, "none".into()));
}

#[test]
fn one_line_is_short_whatever_it_is_made_of() {
    assert_eq!(one_line(" a\n\tb\u{7} "), Some("a b".into()));
    assert_eq!(one_line(" \n"), None);
    let long = one_line(&"word ".repeat(100_000)).expect("a line");
    assert!(long.chars().count() <= 241 && long.ends_with('…'));
}
