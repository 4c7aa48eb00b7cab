//! Reports as Grype writes them.

use patchline_registry::Digest;
use serde_json::{Value, json};

use super::{super::testdata, *};
use crate::Severity;

fn document(inventory: &Inventory) -> Value {
    json!({
        "matches": [
            {"vulnerability": {"id": "CVE-2024-1", "namespace": "debian:distro:debian:12", "severity": "Negligible",
                "fix": {"versions": ["3.0.14-1"], "state": "fixed"}, "epss": [{"cve": "CVE-2024-1", "epss": 0.25}],
                "knownExploited": [{"cve": "CVE-2024-1"}], "description": "words"},
             "relatedVulnerabilities": null,
             "matchDetails": [{"type": "exact-direct-match", "fix": {"suggestedVersion": "3.0.13-1"}}],
             "artifact": {"name": "libssl3", "version": "3.0.11-1", "type": "deb", "purl": "pkg:deb/debian/libssl3@3.0.11-1",
                "locations": [{"path": "/var/lib/dpkg/status", "layerID": inventory.layers[1].1}],
                "upstreams": [{"name": "openssl"}]}},
            {"vulnerability": {"id": "GHSA-aaaa-bbbb-cccc", "namespace": "github:language:java", "severity": "High", "fix": {}},
             "relatedVulnerabilities": [{"id": "CVE-2024-2"}],
             "artifact": {"name": "log4j-core", "version": "2.14", "type": "java-archive",
                "purl": "pkg:maven/org.apache.logging.log4j/log4j-core@2.14", "locations": [{"path": "/app/a.jar"}]}}],
        "source": {"type": "image", "target": {"manifestDigest": inventory.image}},
        "descriptor": {"name": "grype", "version": "0.90.0", "db": {"status": {"built": "2026-05-01T00:00:00Z"}}}
    })
}

fn read(value: &Value, inventory: &Inventory) -> Result<Report> {
    report("grype", value.to_string().as_bytes(), inventory)
}

#[test]
fn a_report_becomes_ours() {
    let inventory = testdata::inventory(&Digest::of(b"image"));
    let report = read(&document(&inventory), &inventory).unwrap();
    let [log4j, ssl] = &report.findings[..] else { panic!("two: {:#?}", report.findings) };
    assert_eq!(
        (log4j.id.as_str(), log4j.source.as_str()),
        ("CVE-2024-2", "org.apache.logging.log4j:log4j-core")
    );
    assert_eq!((log4j.ecosystem.as_str(), log4j.severity_source.as_str()), ("Maven", "ghsa"));
    assert_eq!(log4j.paths, ["app/a.jar"]);
    assert_eq!(
        (ssl.source.as_str(), ssl.severity, ssl.fixed.as_deref()),
        ("openssl", Severity::Negligible, Some("3.0.13-1"))
    );
    assert_eq!((ssl.epss, ssl.known_exploited, ssl.paths.len()), (Some(0.25), true, 0));
    assert_eq!(ssl.layer.as_ref(), Some(&inventory.layers[1].0));
    assert!(
        ssl.because.ends_with("says Grype 0.90.0 with its database of 2026-05-01T00:00:00Z"),
        "{}",
        ssl.because
    );
}

#[test]
fn another_image_and_another_program_are_refused() {
    let inventory = testdata::inventory(&Digest::of(b"image"));
    let code = |change: &dyn Fn(&mut Value)| {
        let mut value = document(&inventory);
        change(&mut value);
        read(&value, &inventory).map_err(|e| e.code()).err()
    };
    assert_eq!(code(&|_| {}), None);
    assert_eq!(code(&|v| v["descriptor"]["name"] = "syft".into()), Some("scanner-unreadable"));
    assert_eq!(code(&|v| v["source"]["type"] = "directory".into()), Some("scanner-unreadable"));
    let other = Digest::of(b"other");
    assert_eq!(
        code(&|v| v["source"]["target"]["manifestDigest"] = json!(other)),
        Some("scanner-other-image")
    );
    assert_eq!(code(&|v| v["matches"][0]["artifact"] = Value::Null), Some("scanner-unreadable"));
    let deep = format!("{{\"source\":{{\"target\":{}1{}}}}}", "[".repeat(100_000), "]".repeat(100_000));
    let error = report("grype", deep.as_bytes(), &inventory).unwrap_err();
    assert!(error.to_string().contains("recursion limit"), "{error}");
}

#[test]
fn a_report_of_grypes_own_tests_is_read() {
    let Some(files) = testdata::shared("payloads") else {
        println!("skipped: the shared data folder is not here");
        return;
    };
    let (_, bytes) = files.iter().find(|(path, _)| path.contains("grype/json")).expect("Grype's report");
    let mut inventory = testdata::inventory(&Digest::of(b"image"));
    let value: Value = serde_json::from_slice(bytes).unwrap();
    inventory.image = value["source"]["target"]["manifestDigest"].as_str().unwrap().parse().unwrap();
    let report = report("grype", bytes, &inventory).unwrap();
    let ids: Vec<&str> = report.findings.iter().map(|f| f.id.as_str()).collect();
    assert_eq!(ids, ["CVE-1999-0002", "CVE-1999-0001"]);
    assert!(report.findings[0].known_exploited);
    assert_eq!(report.advisory_revision, "Grype with a database of unknown date");
}
