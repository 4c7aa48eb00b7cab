use serde_json::json;

use super::*;

fn record(value: serde_json::Value) -> osv::Record {
    serde_json::from_value(value).expect("a record")
}

fn with_events(events: serde_json::Value) -> Advisory {
    let record = record(json!({"id": "CVE-2024-0001", "affected": [{
        "package": {"ecosystem": "Debian:12", "name": "a"},
        "ranges": [{"type": "ECOSYSTEM", "events": events}]}]}));
    compile(&record).remove(0)
}

fn fixed(advisory: &Advisory, installed: &str) -> Option<Option<String>> {
    advisory.affects(installed).map(|v| v.fixed)
}

#[test]
fn ranges_follow_the_schemas_evaluation() {
    let simple = with_events(json!([{"introduced": "0"}, {"fixed": "2-1"}]));
    assert_eq!(fixed(&simple, "1"), Some(Some("2-1".into())));
    assert_eq!(fixed(&simple, "0~a"), Some(Some("2-1".into())));
    assert_eq!(fixed(&simple, "2-1"), None);
    assert_eq!(fixed(&simple, "2-1~deb12u1"), Some(Some("2-1".into())));
    let twice =
        with_events(json!([{"fixed": "4"}, {"introduced": "3"}, {"fixed": "2"}, {"introduced": "1"}]));
    assert_eq!(fixed(&twice, "0.5"), None);
    assert_eq!(fixed(&twice, "1"), Some(Some("2".into())));
    assert_eq!(fixed(&twice, "2.5"), None);
    assert_eq!(fixed(&twice, "3.1"), Some(Some("4".into())));
    let last = with_events(json!([{"introduced": "0"}, {"last_affected": "2"}]));
    assert_eq!(fixed(&last, "2"), Some(None));
    assert_eq!(fixed(&last, "2.0.1"), None);
    assert_eq!(fixed(&with_events(json!([{"introduced": "0"}])), "9"), Some(None));
}

#[test]
fn versions_by_name_count_where_no_range_stands() {
    let record = record(json!({"id": "GHSA-aaaa-bbbb-cccc", "aliases": null, "affected": [{
        "package": {"ecosystem": "Debian:12", "name": "a"}, "versions": ["1-1"]}]}));
    let advisory = compile(&record).remove(0);
    assert_eq!(fixed(&advisory, "1-1"), Some(None));
    assert_eq!(fixed(&advisory, "1-2"), None);
    assert_eq!(advisory.vulnerabilities, ["GHSA-aaaa-bbbb-cccc"]);
}

#[test]
fn bulletins_expand_to_their_cves() {
    let affected = json!([{"package": {"ecosystem": "Debian:12", "name": "a"}, "ranges": []}]);
    let names = |value| {
        let advisory = compile(&record(value)).remove(0);
        (advisory.vulnerabilities, advisory.aliases)
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
    assert_eq!(
        names(
            json!({"id": "DEBIAN-CVE-2024-5", "upstream": ["CVE-2024-5"], "related": ["CVE-2024-6"], "affected": affected})
        ),
        (strings(&["CVE-2024-5"]), strings(&["DEBIAN-CVE-2024-5"]))
    );
    assert!(
        compile(&record(
            json!({"id": "CVE-2024-7", "withdrawn": "2024-01-01T00:00:00Z", "affected": affected})
        ))
        .is_empty()
    );
    let elsewhere = json!([{"package": {"ecosystem": "npm", "name": "a"}}, {"ranges": []}]);
    assert!(compile(&record(json!({"id": "CVE-2024-8", "affected": elsewhere}))).is_empty());
}

#[test]
fn severity_says_who_said_it() {
    let of = |record_part: serde_json::Value, urgency: &str| {
        let mut value = json!({"id": "DEBIAN-CVE-2024-1", "affected": [{
            "package": {"ecosystem": "Debian:12", "name": "a"}, "ecosystem_specific": {"urgency": urgency}}]});
        value.as_object_mut().expect("object").extend(record_part.as_object().expect("object").clone());
        let advisory = compile(&record(value)).remove(0);
        (advisory.severity, advisory.severity_source)
    };
    let vector =
        json!({"severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}]});
    assert_eq!(of(vector.clone(), "not yet assigned"), (Severity::Critical, "debian".into()));
    assert_eq!(of(vector, "unimportant"), (Severity::Negligible, "debian".into()));
    assert_eq!(of(json!({}), "low"), (Severity::Low, "debian".into()));
    assert_eq!(
        of(json!({"id": "GHSA-x", "database_specific": {"severity": "MODERATE"}}), ""),
        (Severity::Medium, "ghsa".into())
    );
    assert_eq!(of(json!({}), "end-of-life"), (Severity::Unknown, "none".into()));
}
