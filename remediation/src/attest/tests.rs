use patchline_registry::Platform;
use patchline_scanner::{Completeness, Finding, Package, Severity};
use serde_json::json;

use super::*;
use crate::{Executor, Refusal, Upgrade};

fn finding(id: &str, source: &str, installed: &str) -> Finding {
    Finding {
        id: id.into(),
        aliases: vec![format!("ALIAS-{id}")],
        ecosystem: "Debian:12".into(),
        packages: vec![format!("lib{source}")],
        paths: Vec::new(),
        source: source.into(),
        installed: installed.into(),
        fixed: Some("2".into()),
        severity: Severity::High,
        severity_source: "none".into(),
        mendable: None,
        known_exploited: false,
        epss: None,
        layer: None,
        summary: None,
        published: None,
        because: String::new(),
    }
}

fn report(findings: Vec<Finding>) -> Report {
    Report {
        version: 1,
        image: Digest::of(b"fixed"),
        distro: None,
        packages: 3,
        advisory_revision: "r1".into(),
        completeness: Completeness::Complete,
        findings,
    }
}

fn inventory(packages: &[(&str, &str)]) -> Inventory {
    let package = |(name, version): &(&str, &str)| Package {
        name: (*name).into(),
        version: (*version).into(),
        architecture: "amd64".into(),
        purl: format!("pkg:deb/debian/{name}@{version}?arch=amd64"),
        ..Package::default()
    };
    Inventory {
        image: Digest::of(b"fixed"),
        platform: Platform { os: "linux".into(), architecture: "amd64".into(), variant: None },
        distro: None,
        packages: packages.iter().map(package).collect(),
        database: Some("dpkg".into()),
        unread: Vec::new(),
        incomplete: Vec::new(),
        unreadable: Vec::new(),
        layers: Vec::new(),
    }
}

fn plan() -> FixPlan {
    let upgrade = |package: &str| Upgrade {
        package: package.into(),
        architecture: "amd64".into(),
        source: package.trim_start_matches("lib").into(),
        from: "1".into(),
        to: "2".into(),
        mends: Vec::new(),
        because: String::new(),
        executor: Executor::Native,
        repository: String::new(),
        size: 0,
        ..Upgrade::default()
    };
    let refusal = |package: &str, code: &str, reason: &str, leaves: &str| Refusal {
        package: package.into(),
        from: "1".into(),
        to: Some("2".into()),
        code: code.into(),
        reason: reason.into(),
        leaves: vec![leaves.into()],
    };
    FixPlan {
        version: 1,
        upgrades: vec![upgrade("liba"), upgrade("libcopied")],
        refused: vec![
            refusal("libheld", "held", "dpkg's selection is `hold`", "CVE-3"),
            refusal("libcopied", "unfixed-copy", "/opt/x is a copy of the old /usr/x", "CVE-4"),
        ],
        repositories: Vec::new(),
        advisory_revision: "r1".into(),
        smoked: Vec::new(),
    }
}

fn vex_of(before: Option<&Report>, after: &Report, plan: Option<&FixPlan>) -> Value {
    let inventory = inventory(&[("liba", "2"), ("libcopied", "2"), ("libheld", "1"), ("libgone", "1")]);
    let named = Named {
        name: "registry.example/shop/web:v1_fixed",
        repository: Some("registry.example/shop/web"),
        at: Timestamp::UNIX_EPOCH,
    };
    let document = vex(&named, &Found { inventory: &inventory, report: after, before, plan }).expect("made");
    assert_eq!(document.kind, Kind::Vex);
    serde_json::from_slice(&document.bytes).expect("JSON")
}

#[test]
fn a_vulnerability_is_fixed_only_where_the_rescan_lost_it_by_an_upgrade() {
    let before = report(vec![
        finding("CVE-1", "a", "1"),
        finding("CVE-2", "gone", "1"),
        finding("CVE-3", "held", "1"),
        finding("CVE-4", "copied", "1"),
    ]);
    // The plan promised nothing of CVE-5, and it came with the upgrade.
    let after = report(vec![finding("CVE-3", "held", "1"), finding("CVE-5", "a", "2")]);
    let plan = plan();
    let told = vex_of(Some(&before), &after, Some(&plan));
    assert_eq!(told["@context"], "https://openvex.dev/ns/v0.2.0");
    assert_eq!(told["timestamp"], "1970-01-01T00:00:00Z");
    let statements = told["statements"].as_array().unwrap();
    let said: Vec<(&str, &str)> = statements
        .iter()
        .map(|s| (s["vulnerability"]["name"].as_str().unwrap(), s["status"].as_str().unwrap()))
        .collect();
    // CVE-2 went, and nothing that we did says why: nothing is claimed of it.
    assert_eq!(said, [("CVE-1", FIXED), ("CVE-3", AFFECTED), ("CVE-4", AFFECTED), ("CVE-5", AFFECTED)]);
    let product = &statements[0]["products"][0];
    let hex = Digest::of(b"fixed").hex().to_owned();
    assert_eq!(
        product["@id"],
        format!("pkg:oci/web@sha256%3A{hex}?repository_url=registry.example/shop/web")
    );
    assert_eq!(product["hashes"]["sha-256"], hex);
    assert_eq!(product["subcomponents"], json!([{"@id": "pkg:deb/debian/liba@2?arch=amd64"}]));
    assert_eq!(statements[0]["action_statement"], Value::Null);
    let action = |at: usize| statements[at]["action_statement"].as_str().unwrap();
    assert!(
        action(1).contains("libheld was not upgraded (held): dpkg's selection is `hold`"),
        "{}",
        action(1)
    );
    assert!(action(2).contains("/opt/x is a copy of the old /usr/x"), "{}", action(2));
    assert_eq!(action(3), "Upgrade a from 2 to 2.");
    assert_eq!(told, vex_of(Some(&before), &after, Some(&plan)), "equal images have equal documents");
}

#[test]
fn an_alias_of_what_is_left_is_not_fixed() {
    let before = report(vec![finding("ALIAS-CVE-1", "a", "1")]);
    let after = report(vec![finding("CVE-1", "a", "2")]);
    let told = vex_of(Some(&before), &after, Some(&plan()));
    assert_eq!(told["statements"].as_array().unwrap().len(), 1);
    assert_eq!(told["statements"][0]["status"], AFFECTED);
}

#[test]
fn an_image_that_is_nobodys_fix_is_affected_by_what_it_has() {
    let told = vex_of(None, &report(vec![finding("CVE-1", "held", "1")]), None);
    assert_eq!(told["statements"][0]["status"], AFFECTED);
    assert_eq!(told["statements"][0]["action_statement"], "Upgrade held from 1 to 2.");
    assert_eq!(vex_of(None, &report(Vec::new()), None)["statements"], json!([]));
}

#[test]
fn a_statement_names_the_image_by_digest() {
    let document = Document { kind: Kind::Provenance, bytes: Bytes::from_static(b"{\"a\": 1}") };
    let image = Digest::of(b"fixed");
    let told: Value =
        serde_json::from_slice(&document.statement("registry.example/web", &image).unwrap()).unwrap();
    assert_eq!(
        told,
        json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"name": "registry.example/web", "digest": {"sha256": image.hex()}}],
            "predicateType": "https://slsa.dev/provenance/v1",
            "predicate": {"a": 1},
        })
    );
}

#[test]
fn the_time_of_documents_is_the_images_own() {
    let at = |config: &str| created(config.as_bytes()).to_string();
    assert_eq!(at(r#"{"created": "2024-01-01T00:00:00Z"}"#), "2024-01-01T00:00:00Z");
    for none in ["", "{}", r#"{"created": null}"#, r#"{"created": "soon"}"#, r#"{"created": 5}"#] {
        assert_eq!(at(none), "1970-01-01T00:00:00Z", "{none}");
    }
}

#[test]
fn kinds_are_known_by_their_words() {
    for kind in Kind::ALL {
        assert_eq!(kind.word().parse(), Ok(kind));
    }
    assert_eq!(
        "sbom,vex".parse::<Kind>().unwrap_err().to_string(),
        "`sbom,vex` is none of sbom, vex, provenance"
    );
}
