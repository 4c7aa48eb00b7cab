//! A comparison as people and programs read it.

use super::*;

fn report(findings: Value) -> Report {
    let mut report = json!({"version": 1, "image": patchline_registry::Digest::of(b""), "distro": null, "packages": 1,
        "advisory_revision": "r", "completeness": {"state": "complete"}});
    report["findings"] = findings;
    serde_json::from_value(report).unwrap()
}

fn finding(id: &str, severity: &str, fixed: Value) -> Value {
    json!({"id": id, "aliases": [], "packages": ["libssl3"], "source": "openssl", "installed": "3.0.11", "fixed": fixed,
        "severity": severity, "severity_source": "x", "mendable": null, "known_exploited": false, "epss": null,
        "layer": null, "summary": null, "because": ""})
}

#[test]
fn each_way_to_disagree_is_a_part_of_its_own() {
    let ours = report(json!([finding("CVE-1", "low", json!("2")), finding("CVE-2", "high", json!(null))]));
    let theirs =
        report(json!([finding("CVE-1", "high", json!(null)), finding("CVE-3\u{1b}[2J", "low", json!("4"))]));
    let compared = Compared::new("builtin", &ours, "trivy", &theirs);
    let text = compared.text(100);
    let head = "builtin and trivy: 1 in both, 1 only in builtin, 1 only in trivy; 1 judged differently, 1 fixed differently";
    assert!(text.contains(head), "{text}");
    for part in ["only in builtin: 1", "only in trivy: 1", "judged differently: 1", "fixed differently: 1"] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("\u{1b}[2J") && text.contains("no fix"), "{text}");
    let json = compared.json().unwrap();
    assert_eq!(json["theirs"], json!({"scanner": "trivy", "revision": "r"}));
    assert_eq!(json["disagreement"]["only_ours"][0]["id"], "CVE-2");
    assert_eq!(json["disagreement"]["severity"][0]["theirs"]["severity"], "high");
    let same = Compared::new("builtin", &ours, "trivy", &ours).text(100);
    assert_eq!(same.trim().lines().count(), 1, "{same}");
}

#[test]
fn a_scanner_that_is_not_there_is_told_with_those_there_are() {
    let failure = known(&Scanners::default(), "tryvi").unwrap_err();
    assert_eq!(
        (failure.code.as_str(), failure.hint.as_deref()),
        ("scanner-unknown", Some("there are: builtin"))
    );
    assert!(known(&Scanners::default(), "builtin").is_ok());
}
