//! Reports as Trivy writes them, and the program where it is at hand.

use patchline_registry::Digest;
use serde_json::{Value, json};

use super::{super::testdata, *};
use crate::Severity;

fn document(inventory: &Inventory) -> Value {
    let diff_ids: Vec<&str> = inventory.layers.iter().map(|(_, d)| d.as_str()).collect();
    json!({
        "SchemaVersion": 2, "Trivy": {"Version": "0.59.1"}, "ArtifactType": "container_image",
        "Metadata": {"OS": {"Family": "debian", "Name": "12.5"}, "DiffIDs": diff_ids},
        "Results": [
            {"Target": "web (debian 12.5)", "Class": "os-pkgs", "Type": "debian",
             "Packages": [{"Name": "libxml2", "SrcName": "libxml2-src", "SrcVersion": "2.9", "SrcRelease": "3", "SrcEpoch": 1}],
             "Vulnerabilities": [
                {"VulnerabilityID": "CVE-2024-1", "VendorIDs": ["DSA-1-1"], "PkgName": "libssl3",
                 "PkgIdentifier": {"PURL": "pkg:deb/debian/libssl3@3.0.11-1?arch=amd64"},
                 "InstalledVersion": "3.0.11-1", "FixedVersion": "3.0.14-1", "Status": "fixed",
                 "Layer": {"Digest": inventory.layers[0].0, "DiffID": inventory.layers[0].1},
                 "SeveritySource": "nvd", "Severity": "HIGH", "Title": "a title",
                 "PublishedDate": "2024-01-01T00:00:00Z"},
                {"VulnerabilityID": "CVE-2024-2", "PkgName": "libxml2", "InstalledVersion": "2.9-3",
                 "Status": "affected", "Severity": "UNKNOWN"},
                {"VulnerabilityID": "CVE-2024-3", "PkgName": "libxml2", "InstalledVersion": "2.9-3",
                 "Status": "not_affected", "Severity": "HIGH"}]},
            {"Target": "Python", "Class": "lang-pkgs", "Type": "python-pkg", "Packages": null,
             "Vulnerabilities": [
                {"VulnerabilityID": "CVE-2024-4", "PkgName": "requests", "PkgPath": "app/requests/METADATA",
                 "InstalledVersion": "2.30.0", "FixedVersion": "2.31.0, 2.32.0", "Severity": "MEDIUM"}]},
            {"Target": "nothing", "Class": "lang-pkgs", "Type": "gobinary", "Vulnerabilities": null}]
    })
}

fn read(value: &Value, inventory: &Inventory) -> Result<Report> {
    report("trivy", value.to_string().as_bytes(), inventory, Some("2026-05-01T00:00:00Z".into()))
}

#[test]
fn a_report_becomes_ours() {
    let inventory = testdata::inventory(&Digest::of(b"image"));
    let report = read(&document(&inventory), &inventory).unwrap();
    let lines: Vec<_> = report
        .findings
        .iter()
        .map(|f| (f.id.as_str(), f.source.as_str(), f.installed.as_str(), f.severity))
        .collect();
    assert_eq!(
        lines,
        [
            ("CVE-2024-1", "openssl", "3.0.11-1", Severity::High),
            ("CVE-2024-4", "requests", "2.30.0", Severity::Medium),
            ("CVE-2024-2", "libxml2-src", "1:2.9-3", Severity::Unknown),
        ]
    );
    let [ssl, requests, _] = &report.findings[..] else { panic!("three") };
    assert_eq!((ssl.severity_source.as_str(), ssl.aliases.as_slice()), ("nvd", &["DSA-1-1".to_owned()][..]));
    assert_eq!(ssl.layer.as_ref(), Some(&inventory.layers[0].0));
    assert!(
        ssl.because.ends_with("says Trivy 0.59.1 with its database of 2026-05-01T00:00:00Z"),
        "{}",
        ssl.because
    );
    assert_eq!(
        (requests.fixed.as_deref(), requests.paths.as_slice()),
        (Some("2.31.0"), &["app/requests/METADATA".to_owned()][..])
    );
    assert_eq!(report.completeness, Completeness::Complete);
    assert_eq!(report.image, inventory.image);
}

#[test]
fn another_image_another_version_and_no_report_at_all_are_refused() {
    let inventory = testdata::inventory(&Digest::of(b"image"));
    let code = |change: &dyn Fn(&mut Value)| {
        let mut value = document(&inventory);
        change(&mut value);
        read(&value, &inventory).map_err(|e| e.code()).err()
    };
    assert_eq!(code(&|_| {}), None);
    assert_eq!(code(&|v| v["SchemaVersion"] = 3.into()), Some("scanner-unreadable"));
    assert_eq!(code(&|v| v["ArtifactType"] = "filesystem".into()), Some("scanner-unreadable"));
    assert_eq!(code(&|v| v["Metadata"]["DiffIDs"] = json!([Digest::of(b"x")])), Some("scanner-other-image"));
    assert_eq!(code(&|v| v["Results"] = "none".into()), Some("scanner-unreadable"));
    for bytes in ["", "[]", "{}", "null", "{\"SchemaVersion\":2,\"Results\":[{\"Vulnerabilities\":[{}]}]}"] {
        let error = report("trivy", bytes.as_bytes(), &inventory, None).unwrap_err();
        assert_eq!(error.code(), "scanner-unreadable", "{bytes}");
    }
    let deep = format!("{{\"SchemaVersion\":2,\"Other\":{}1{}}}", "[".repeat(100_000), "]".repeat(100_000));
    // What nobody asks for is passed over, however deep it is; that is not done by calling oneself.
    assert!(report("trivy", deep.as_bytes(), &inventory, None).is_ok());
}

#[test]
fn an_end_of_life_and_an_image_of_nothing_are_no_clean_bill() {
    let inventory = testdata::inventory(&Digest::of(b"image"));
    let mut value = document(&inventory);
    value["Metadata"]["OS"]["EOSL"] = true.into();
    assert!(matches!(read(&value, &inventory).unwrap().completeness, Completeness::Incomplete { .. }));
    let nothing = json!({"SchemaVersion": 2, "ArtifactType": "container_image"});
    assert!(matches!(read(&nothing, &inventory).unwrap().completeness, Completeness::Undetermined { .. }));
}

#[test]
fn reports_of_trivys_own_tests_are_read() {
    let Some(files) = testdata::shared("payloads") else {
        println!("skipped: the shared data folder is not here");
        return;
    };
    let (mut reports, mut found) = (0, 0);
    for (path, bytes) in
        files.iter().filter(|(path, _)| path.contains("trivy-e2e/") && path.ends_with(".json.golden"))
    {
        let Ok(value) = serde_json::from_slice::<Value>(bytes) else { continue };
        if value["ArtifactType"] != "container_image" || value["SchemaVersion"] != 2 {
            continue;
        }
        let mut inventory = testdata::inventory(&Digest::of(b"image"));
        inventory.layers = value["Metadata"]["DiffIDs"]
            .as_array()
            .into_iter()
            .flatten()
            .map(|d| (Digest::of(b"blob"), d.as_str().unwrap().parse().unwrap()))
            .collect();
        let theirs = value["Results"].as_array().into_iter().flatten();
        let theirs: std::collections::BTreeSet<&str> = theirs
            .flat_map(|r| r["Vulnerabilities"].as_array().into_iter().flatten())
            .map(|v| v["VulnerabilityID"].as_str().unwrap())
            .collect();
        let report = report("trivy", bytes, &inventory, None).unwrap_or_else(|e| panic!("{path}: {e}"));
        let ours: std::collections::BTreeSet<&str> = report
            .findings
            .iter()
            .flat_map(|f| f.aliases.iter().chain([&f.id]))
            .map(String::as_str)
            .collect();
        assert!(theirs.is_subset(&ours), "{path}: {theirs:?} against {ours:?}");
        reports += 1;
        found += report.findings.len();
    }
    println!("{reports} reports of Trivy's with {found} findings");
    assert!(reports > 20 && found > 50, "{reports} reports, {found} findings");
}
