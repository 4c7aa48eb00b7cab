//! Rules over findings, packages and configuration, by table; and the step as a whole.

use std::sync::Arc;

use patchline_engine::StepStatus;
use patchline_registry::Digest;
use patchline_scanner::{Completeness, Finding, Inventory};

use super::*;
use crate::testing::Bench;

pub(super) fn finding(id: &str, severity: &str, fixed: Option<&str>, mendable: bool) -> Finding {
    serde_json::from_value(json!({
        "id": id, "aliases": [format!("GHSA-{id}")], "packages": ["libssl3", "openssl"], "source": "openssl",
        "installed": "3.0.11-1", "fixed": fixed, "severity": severity, "severity_source": "debian",
        "mendable": mendable, "known_exploited": id.ends_with("kev"), "epss": null, "layer": null,
        "summary": null, "because": "test",
    }))
    .expect("a finding")
}

pub(super) fn inventory(image: &Digest) -> Inventory {
    let package = |name: &str, version: &str| {
        json!({"name": name, "version": version, "architecture": "amd64", "source": name,
            "source_version": version, "held": false, "layer": null, "purl": "pkg:deb/debian/x"})
    };
    serde_json::from_value(json!({
        "image": image, "platform": {"os": "linux", "architecture": "amd64"}, "distro": null,
        "packages": [package("openssl", "3.0.11-1"), package("netcat-openbsd", "1.2")],
        "database": "dpkg", "layers": [],
    }))
    .expect("an inventory")
}

/// Runs a gate over these findings in a registry with an image whose user is `user`.
async fn judge(with: Value, findings: Vec<Finding>, completeness: Completeness, user: &str) -> (bool, Value) {
    let bench = Bench::start().await;
    let digest = bench.push("shop/web", "v1", user).await;
    let report = patchline_scanner::Report {
        version: 1,
        image: digest.clone(),
        distro: None,
        packages: 2,
        advisory_revision: "r1".into(),
        completeness,
        findings,
    };
    bench.world.reports.put_inventory(&inventory(&digest)).await.expect("kept");
    let id = bench.world.reports.put_report(&report).await.expect("kept");
    let scan = json!({"report": id, "reports": [{"platform": null, "image": digest, "report": id}]});
    let steps = [("scan", "scan", StepStatus::Succeeded, scan)];
    let context = bench.context(("shop/web", Some("v1"), &digest), with, &steps);
    let (denied, output) = match Gate::new(bench.world.clone()).run(context).await.expect("a verdict") {
        Outcome::Denied { output, .. } => (true, output),
        Outcome::Succeeded { output, .. } => (false, output),
        Outcome::Child { .. } | Outcome::Approval { .. } => panic!("a gate waits for nothing"),
    };
    assert_eq!(crate::fits::misfits(&Kind.outputs(), &output), [""; 0]);
    (denied, output)
}

#[tokio::test]
async fn rules() {
    let all = || {
        vec![
            finding("CVE-1", "critical", Some("3.0.15-1"), true),
            finding("CVE-2", "high", Some("3.0.15-1"), false),
            finding("CVE-2", "high", Some("3.0.15-1"), true),
            finding("CVE-3-kev", "medium", None, false),
            finding("UPLOAD-1", "unknown", Some("3.0.15-1"), true),
        ]
    };
    // (the rule, whether it denies, whether upgrades alone meet it)
    for (rule, denies, mendable) in [
        (json!({"fixable": true, "count": 1}), true, false),
        (json!({"fixable": true, "count": 2}), true, true),
        (json!({"fixable": true, "count": 3}), true, true),
        (json!({"fixable": true, "count": 4}), false, false),
        (json!({"severity": ">= high"}), true, false),
        (json!({"severity": ">= high", "count": 2}), true, true),
        // One id in two source packages counts once.
        (json!({"severity": ">= high", "count": 3}), false, false),
        (json!({"severity": "critical"}), true, true),
        (json!({"severity": ">= negligible", "count": 4}), false, false),
        (json!({"severity": "unknown"}), true, true),
        (json!({"severity": "low"}), false, false),
        (json!({"known_exploited": true}), true, false),
        (json!({"known_exploited": true, "severity": ">= high"}), false, false),
        (json!({"ids": ["ghsa-cve-1"]}), true, true),
        (json!({"ids": ["CVE-9"]}), false, false),
        (json!({"packages": {"forbidden": ["netcat*", "telnetd"]}}), true, false),
        (json!({"packages": {"forbidden": ["telnetd"]}}), false, false),
        (json!({"packages": {"forbidden": ["netcat*", "!netcat-*"]}}), false, false),
        (json!({"packages": {"minimum": {"openssl": "3.0.15"}}}), true, true),
        (json!({"packages": {"minimum": {"openssl": "3.1"}}}), true, false),
        (json!({"packages": {"minimum": {"openssl": "3.0.11-1", "absent": "1"}}}), false, false),
        (json!({"packages": {"required": ["ca-certificates"]}}), true, false),
        (json!({"packages": {"required": ["openssl"]}}), false, false),
        (json!({"run_as_root": true}), false, false),
        (json!({"run_as_root": false}), true, false),
        // A conjunction: one part that upgrades meet is enough.
        (json!({"severity": "critical", "packages": {"required": ["ca-certificates"]}}), true, true),
        (json!({"severity": "low", "packages": {"required": ["ca-certificates"]}}), false, false),
        (json!({"when": "findings.exists(f, f.severity == 'critical' && f.fixable)"}), true, true),
        (json!({"when": "findings.exists(f, f.epss > 0.5)"}), false, false),
        (json!({"when": "image.tag == 'v1'"}), true, false),
        // Nobody knows what it means: it denies, and is not mendable.
        (json!({"when": "findings.nothing > 1"}), true, false),
    ] {
        let (denied, output) = judge(json!({"deny": [rule]}), all(), Completeness::Complete, "app").await;
        assert_eq!(denied, denies, "{rule}: {output}");
        assert_eq!(output["mendable"], mendable, "{rule}: {output}");
        assert_eq!(output["verdict"], if denies { "denied" } else { "passed" }, "{rule}");
    }
    let (denied, output) =
        judge(json!({"warn": [{"fixable": true}]}), all(), Completeness::Complete, "app").await;
    assert!(!denied);
    assert_eq!(output["verdict"], "warned");
    assert_eq!(output["warned_by"][0]["ids"], json!(["CVE-1", "CVE-2", "UPLOAD-1"]));
}

#[tokio::test]
async fn the_summary_says_why_it_passed_or_which_rules_denied() {
    let some = || {
        vec![
            finding("CVE-1", "high", None, false),
            finding("CVE-2", "low", None, false),
            finding("CVE-2", "low", None, true),
        ]
    };
    for (with, findings, summary) in [
        (json!({}), some(), "no rule denies: there is none"),
        (json!({"deny": [{"severity": "critical"}]}), some(), "no rule denies: 0 of 2 findings match"),
        (json!({"deny": [{"severity": "critical"}]}), vec![], "no rule denies: nothing was found"),
        (
            json!({"deny": [{"severity": ">= high", "count": 2}, {"ids": ["CVE-9"]}]}),
            some(),
            "no rule denies: 1 of 2 findings match, and no rule holds in full",
        ),
        (json!({"deny": [{"run_as_root": true}]}), some(), "no rule denies: the one there is does not hold"),
        (json!({"warn": [{"severity": "low"}]}), some(), "warned: severity low, from 1 on (1)"),
        (
            json!({"deny": [{"count": 1}, {"run_as_root": false}, {"severity": "critical"}]}),
            some(),
            "denied: from 1 on (2); the image does not run as root",
        ),
    ] {
        let with_message = {
            let mut with = with.clone();
            with["message"] = json!("ask us");
            with
        };
        let (denied, output) = judge(with_message, findings, Completeness::Complete, "app").await;
        assert_eq!(output["summary"], summary, "{with}");
        assert_eq!(output["message"].is_string(), denied, "a denial's text is for denials: {with}");
    }
    let cut = Completeness::Incomplete { reasons: vec!["no mirror".into()] };
    let (_, output) = judge(json!({}), vec![], cut, "app").await;
    assert_eq!(output["summary"], "denied: the scan is incomplete");
    let (_, output) =
        judge(json!({"deny": [{"ids": vec!["CVE-1"; 30]}]}), some(), Completeness::Complete, "app").await;
    let line = output["summary"].as_str().expect("a text");
    assert!(line.ends_with("… (1)") && line.chars().count() <= 90, "{line}");
}

#[tokio::test]
async fn a_broken_expression_says_so() {
    let with = json!({"deny": [{"when": "findings.nothing > 1", "message": "hm"}], "message": "ask us"});
    let (denied, output) = judge(with, vec![], Completeness::Complete, "app").await;
    assert!(denied);
    let said = output["denied_by"][0]["message"].as_str().expect("a text");
    assert!(said.contains("findings.nothing") && said.contains("mended first"), "{said}");
    assert_eq!(output["message"], "ask us");
    // A rule that only tells holds too, and says why.
    let with = json!({"warn": [{"when": "findings.nothing > 1"}]});
    let (denied, output) = judge(with, vec![], Completeness::Complete, "app").await;
    assert_eq!((denied, &output["verdict"]), (false, &json!("warned")));
    let said = output["warned_by"][0]["message"].as_str().expect("a text");
    assert!(said.contains("findings.nothing") && said.contains("mended first"), "{said}");
}

#[tokio::test]
async fn what_cannot_be_known_denies_unless_a_rule_says_otherwise() {
    let cut = || Completeness::Incomplete { reasons: vec!["no mirror".into()] };
    let blind = || Completeness::Undetermined { reason: "no database".into() };
    for completeness in [cut(), blind()] {
        let (denied, output) = judge(json!({}), vec![], completeness, "app").await;
        assert!(denied);
        assert_eq!(
            (&output["mendable"], &output["denied_by"][0]["rule"]),
            (&json!(false), &json!("undetermined"))
        );
    }
    let said = |word: &str| json!({"deny": [{"undetermined": word}]});
    assert!(judge(said("deny"), vec![], cut(), "app").await.0);
    let (denied, output) = judge(said("warn"), vec![], cut(), "app").await;
    assert_eq!((denied, &output["verdict"]), (false, &json!("warned")));
    let (denied, output) = judge(said("allow"), vec![], blind(), "app").await;
    assert_eq!((denied, &output["verdict"]), (false, &json!("passed")));
}

#[tokio::test]
async fn root_is_seen_and_a_long_list_is_cut() {
    let (denied, _) =
        judge(json!({"deny": [{"run_as_root": true}]}), vec![], Completeness::Complete, "0:0").await;
    assert!(denied);
    let many: Vec<Finding> = (0..300).map(|n| finding(&format!("CVE-{n}"), "high", None, false)).collect();
    let (_, output) = judge(json!({"deny": [{"count": 1}]}), many, Completeness::Complete, "app").await;
    let rule = &output["denied_by"][0];
    assert_eq!((rule["findings"].as_u64(), rule["ids"].as_array().map(Vec::len)), (Some(300), Some(20)));
    assert!(rule["message"].as_str().expect("a text").contains("and 295 more"));
    assert!(output.to_string().len() < 8 << 10);
}

#[tokio::test]
async fn without_a_scan_there_is_no_verdict() {
    let bench = Bench::start().await;
    let digest = bench.push("shop/web", "v1", "app").await;
    let context = bench.context(("shop/web", Some("v1"), &digest), json!({}), &[]);
    let gate: Arc<dyn Step> = Arc::new(Gate::new(bench.world.clone()));
    assert_eq!(gate.run(context).await.expect_err("nothing is known").code, "no-scan");
}
