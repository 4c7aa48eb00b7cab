//! Attestations over a real registry.

use std::sync::Arc;

use patchline_engine::StepStatus;
use patchline_registry::{Digest, Platform};
use patchline_remediation::{
    FixPlan,
    attest::{IN_TOTO, cosign, dsse},
    fix::Fixes as _,
};
use patchline_scanner::{Completeness, Finding, Inventory, Package, Report, Reports as _, Severity};

use super::*;
use crate::{
    signers::Signers,
    testing::{self, Bench},
};

fn report(image: &Digest, ids: &[&str]) -> Report {
    let finding = |id: &&str| Finding {
        id: (*id).into(),
        aliases: Vec::new(),
        ecosystem: "Debian:12".into(),
        packages: vec!["libabc".into()],
        paths: Vec::new(),
        source: "abc".into(),
        installed: "2".into(),
        fixed: None,
        severity: Severity::High,
        severity_source: "none".into(),
        mendable: None,
        known_exploited: false,
        epss: None,
        layer: None,
        summary: None,
        published: None,
        because: String::new(),
    };
    Report {
        version: 1,
        image: image.clone(),
        distro: None,
        packages: 1,
        advisory_revision: "r1".into(),
        completeness: Completeness::Complete,
        findings: ids.iter().map(finding).collect(),
    }
}

/// A bench whose image was scanned: it has one finding.
async fn scanned() -> (Bench, Digest, Value) {
    let mut bench = Bench::start().await;
    bench.world.signers = Arc::new(Signers::new([("release".to_owned(), testing::key())].into()));
    let digest = bench.push("shop/web", "v1", "one").await;
    let package = Package {
        name: "libabc".into(),
        version: "2".into(),
        purl: "pkg:deb/debian/libabc@2".into(),
        ..Package::default()
    };
    let inventory = Inventory {
        image: digest.clone(),
        platform: Platform { os: "linux".into(), architecture: "amd64".into(), variant: None },
        distro: None,
        packages: vec![package],
        database: Some("dpkg".into()),
        unread: Vec::new(),
        incomplete: Vec::new(),
        unreadable: Vec::new(),
        layers: Vec::new(),
    };
    bench.memory.put_inventory(&inventory).await.expect("kept");
    let id = bench.memory.put_report(&report(&digest, &["CVE-1"])).await.expect("kept");
    let output = json!({"reports": [{"platform": null, "image": digest, "report": id}]});
    (bench, digest, output)
}

async fn run(bench: &Bench, digest: &Digest, scan: &Value, with: Value) -> Result<Value, String> {
    let steps = [("scan", "scan", StepStatus::Succeeded, scan.clone())];
    let context = bench.context(("shop/web", Some("v1"), digest), with, &steps);
    match Attest::new(bench.world.clone()).run(context).await {
        Ok(Outcome::Succeeded { output, .. }) => Ok(output),
        Ok(other) => panic!("{other:?}"),
        Err(error) => Err(error.code),
    }
}

async fn read(repository: &dyn Repository, digest: &Digest) -> Value {
    use tokio::io::AsyncReadExt as _;
    let manifest = repository.manifest(digest.as_str()).await.expect("there").image().expect("an image");
    let mut bytes = Vec::new();
    repository.blob(&manifest.layers[0]).await.expect("a blob").read_to_end(&mut bytes).await.expect("read");
    serde_json::from_slice(&bytes).expect("JSON")
}

#[tokio::test]
async fn what_a_scan_found_is_attached_and_twice_is_once() {
    let (bench, digest, scan) = scanned().await;
    let repository = bench.repository("shop/web");
    for _ in 0..2 {
        let output = run(&bench, &digest, &scan, json!({})).await.expect("attached");
        assert_eq!(
            (output["attached"].as_array().expect("list").len(), &output["signed"]),
            (2, &json!(false))
        );
        assert!(crate::fits::misfits(&Kind.outputs(), &output).is_empty(), "{output}");
    }
    let mut listed = repository.referrers(&digest).await.expect("a list");
    listed.sort_by(|a, b| a.artifact_type.cmp(&b.artifact_type));
    let types: Vec<_> = listed.iter().filter_map(|l| l.artifact_type.as_deref()).collect();
    assert_eq!(types, ["application/vnd.cyclonedx+json", "application/vnd.openvex+json"]);
    let sbom = read(&*repository, &listed[0].digest).await;
    assert_eq!(sbom["components"][0]["purl"], "pkg:deb/debian/libabc@2");
    let vex = read(&*repository, &listed[1].digest).await;
    assert_eq!(vex["statements"][0]["status"], "affected");

    let refused = run(&bench, &digest, &scan, json!({"what": ["provenance"]})).await;
    assert_eq!(refused, Err("attest-provenance".to_owned()));
    let refused = run(&bench, &digest, &scan, json!({"key": "no"})).await;
    assert_eq!(refused, Err("signing-key-unknown".to_owned()));
    assert_eq!(run(&bench, &digest, &json!({"reports": []}), json!({})).await, Err("no-scan".to_owned()));
}

#[tokio::test]
async fn a_key_signs_what_is_attached() {
    let (bench, digest, scan) = scanned().await;
    let repository = bench.repository("shop/web");
    let with = json!({"what": ["vex"], "key": "release"});
    let output = run(&bench, &digest, &scan, with).await.expect("attached");
    assert_eq!((output["attached"].as_array().expect("list").len(), &output["signed"]), (2, &json!(true)));
    let tag = cosign::tag(&digest, "att");
    let under = repository.resolve(&tag).await.expect("an answer").expect("cosign's tag");
    let envelope = read(&*repository, &under.digest).await.to_string();
    let public = testing::key().verifying_key();
    let statement = dsse::open(&public, IN_TOTO, envelope.as_bytes()).expect("signed");
    let statement: Value = serde_json::from_slice(&statement).expect("JSON");
    assert_eq!(statement["subject"][0]["digest"]["sha256"], digest.hex());
    assert_eq!(statement["predicate"]["statements"][0]["vulnerability"]["name"], "CVE-1");
}

#[tokio::test]
async fn a_fix_of_ours_says_what_it_ended_by_the_same_advisories_alone() {
    for (revision, expected) in [("r1", &["affected", "fixed"][..]), ("r0", &["affected"])] {
        let (bench, digest, scan) = scanned().await;
        let origin = Digest::of(b"origin");
        let plan: FixPlan = serde_json::from_value(json!({
            "version": 1, "refused": [], "repositories": [], "advisory_revision": revision,
            "upgrades": [{"package": "libabc", "architecture": "amd64", "source": "abc", "from": "1", "to": "2",
                "mends": ["CVE-2"], "because": ""}],
        }))
        .expect("a plan");
        bench.memory.put_fix(&origin, &digest, &plan).await.expect("kept");
        let before = Report { advisory_revision: revision.into(), ..report(&origin, &["CVE-1", "CVE-2"]) };
        bench.memory.put_report(&before).await.expect("kept");
        let output = run(&bench, &digest, &scan, json!({"what": ["vex"]})).await.expect("attached");
        let referrer = output["attached"][0].as_str().expect("a digest").parse().expect("a digest");
        let vex = read(&*bench.repository("shop/web"), &referrer).await;
        let all = vex["statements"].as_array().expect("a list").iter();
        let status: Vec<&str> = all.filter_map(|s| s["status"].as_str()).collect();
        assert_eq!(status, expected, "{revision}");
    }
}
