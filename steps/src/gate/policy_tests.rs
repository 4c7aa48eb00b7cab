//! Licences, bases, grace and exceptions, through the whole step.

use std::sync::Arc;

use patchline_engine::StepStatus;
use patchline_registry::Digest;
use patchline_scanner::{Completeness, Finding, Report};
use serde_json::{Value, json};

use super::{
    Gate, Outcome, Step, StepError,
    tests::{finding, inventory},
};
use crate::{exceptions::Exceptions, testing::Bench};

/// What is in the image beside its findings.
#[derive(Default)]
struct Scene {
    /// Of `openssl`.
    licenses: &'static [&'static str],
    exceptions: Option<Value>,
    layers: Vec<(Digest, Digest)>,
    findings: Vec<Finding>,
}

async fn judge_on(
    bench: Bench,
    digest: &Digest,
    with: Value,
    scene: Scene,
) -> Result<(bool, Value), StepError> {
    let mut world = bench.world.clone();
    if let Some(lists) = scene.exceptions {
        world.exceptions = Arc::new(Exceptions::new(serde_json::from_value(lists).expect("lists")));
    }
    let report = Report {
        version: 1,
        image: digest.clone(),
        distro: None,
        packages: 2,
        advisory_revision: "r1".into(),
        completeness: Completeness::Complete,
        findings: scene.findings,
    };
    let mut inventory = inventory(digest);
    inventory.packages[0].licenses = scene.licenses.iter().map(|l| (*l).to_owned()).collect();
    inventory.packages[1].licenses = vec!["BSD-3-Clause".to_owned()];
    inventory.layers = scene.layers;
    world.reports.put_inventory(&inventory).await.expect("kept");
    let id = world.reports.put_report(&report).await.expect("kept");
    let scan = json!({"report": id, "reports": [{"platform": null, "image": digest, "report": id}]});
    let steps = [("scan", "scan", StepStatus::Succeeded, scan)];
    let context = bench.context(("shop/web", Some("v1"), digest), with, &steps);
    Ok(match Gate::new(world).run(context).await? {
        Outcome::Denied { output, .. } => (true, output),
        Outcome::Succeeded { output, .. } => (false, output),
        other => panic!("a gate has no such outcome: {other:?}"),
    })
}

async fn judge(with: Value, scene: Scene) -> (bool, Value) {
    let bench = Bench::start().await;
    let digest = bench.push("shop/web", "v1", "app").await;
    judge_on(bench, &digest, with, scene).await.expect("a verdict")
}

fn published(id: &str, severity: &str, at: &str) -> Finding {
    Finding {
        published: Some(at.parse().expect("a moment")),
        ..finding(id, severity, Some("3.0.15-1"), true)
    }
}

#[tokio::test]
async fn licences() {
    let agpl = || json!({"license": {"forbidden": ["AGPL-3.0-only", "SSPL-1.0"]}});
    for (with, licenses, verdict, said) in [
        (
            json!({"deny": [agpl()]}),
            &["MIT", "AGPL-3.0-only"][..],
            "denied",
            "openssl has the licence AGPL-3.0-only",
        ),
        (json!({"deny": [agpl()]}), &["MIT OR AGPL-3.0-only"], "passed", ""),
        (json!({"deny": [agpl()]}), &["MIT", "NOASSERTION"], "passed", ""),
        (json!({"warn": [agpl()]}), &["AGPL-3.0-only"], "warned", "AGPL-3.0-only"),
        (json!({"deny": [{"license": {"allowed": ["MIT", "BSD-*"]}}]}), &["MIT"], "passed", ""),
        (
            json!({"deny": [{"license": {"allowed": ["MIT", "BSD-*"]}}]}),
            &["Zlib"],
            "denied",
            "openssl has the licence Zlib",
        ),
        (
            json!({"deny": [{"license": {"forbidden": ["X11"], "unknown": "deny"}}]}),
            &[],
            "denied",
            "not all known",
        ),
        (
            json!({"deny": [{"license": {"forbidden": ["X11"], "unknown": "warn"}}]}),
            &[],
            "warned",
            "of openssl are not all known",
        ),
        // A rule is a conjunction.
        (
            json!({"deny": [{"license": {"forbidden": ["MIT"]}, "severity": "critical"}]}),
            &["MIT"],
            "passed",
            "",
        ),
    ] {
        let (denied, output) = judge(with.clone(), Scene { licenses, ..Scene::default() }).await;
        assert_eq!((denied, &output["verdict"]), (verdict == "denied", &json!(verdict)), "{with}: {output}");
        let text = format!("{}{}", output["denied_by"], output["warned_by"]);
        assert!(text.contains(said), "{with}: {text}");
        assert_eq!(output["mendable"], false, "no upgrade changes a licence");
        let known = !licenses.is_empty() && !licenses.contains(&"NOASSERTION");
        assert_eq!(output["unknown_licenses"], if known { 0 } else { 1 }, "{with}");
    }
    assert_eq!(judge(json!({}), Scene::default()).await.1["unknown_licenses"], Value::Null);
}

#[tokio::test]
async fn a_new_advisory_warns_and_an_old_or_dangerous_one_denies() {
    let with = |rule: Value| json!({"deny": [rule], "grace": {"new_advisory": "7d"}});
    let (young, old) = ("2026-06-08T00:00:00Z", "2026-05-01T00:00:00Z");
    let exploited = || Finding { known_exploited: true, ..published("CVE-3", "high", young) };
    for (rule, findings, verdict, ids) in [
        (json!({"severity": ">= high"}), vec![published("CVE-1", "high", young)], "warned", json!(["CVE-1"])),
        (json!({"severity": ">= high"}), vec![published("CVE-1", "high", old)], "denied", json!([])),
        (json!({"severity": ">= high"}), vec![finding("CVE-1", "high", None, false)], "denied", json!([])),
        (json!({"severity": ">= high"}), vec![exploited()], "denied", json!([])),
        // Two make the rule hold, and one of them is young.
        (
            json!({"count": 2}),
            vec![published("CVE-1", "low", young), published("CVE-2", "low", old)],
            "warned",
            json!(["CVE-1"]),
        ),
        (
            json!({"when": "findings.exists(f, f.severity == 'high')"}),
            vec![published("CVE-1", "high", young)],
            "warned",
            json!(["CVE-1"]),
        ),
        // Time makes nothing hold that would not without it, and excuses no mistake.
        (
            json!({"when": "size(findings) == 0"}),
            vec![published("CVE-1", "high", young)],
            "passed",
            json!([]),
        ),
        (
            json!({"when": "findings.nothing > 1"}),
            vec![published("CVE-1", "high", young)],
            "denied",
            json!([]),
        ),
    ] {
        let (denied, output) = judge(with(rule.clone()), Scene { findings, ..Scene::default() }).await;
        assert_eq!((denied, &output["verdict"]), (verdict == "denied", &json!(verdict)), "{rule}: {output}");
        assert_eq!(output["graced"], ids, "{rule}");
        let said = output["warned_by"][0]["message"].as_str().unwrap_or_default();
        assert_eq!(said.contains("published within the last 7d"), verdict == "warned", "{rule}: {said}");
    }
}

#[tokio::test]
async fn exceptions_take_out_and_never_hide() {
    let entry = |more: Value| {
        let mut entry = json!({"reason": "not reachable", "owner": "web", "expires": "2026-12-31"});
        for (key, value) in more.as_object().expect("a map") {
            entry[key] = value.clone();
        }
        entry
    };
    let lists = |more: Value| Some(json!({"main": [entry(more)]}));
    let severe = || json!({"deny": [{"severity": ">= low"}], "exceptions": "main"});
    let forbidden = || {
        json!({"exceptions": "main", "deny": [{"packages": {"forbidden": ["netcat*"]}},
            {"license": {"forbidden": ["BSD-3-Clause"]}}]})
    };
    let one = || vec![finding("CVE-1", "high", None, false)];
    for (with, more, findings, verdict, used) in [
        (severe(), json!({"id": "cve-1"}), one(), "passed", 1),
        (severe(), json!({"id": "GHSA-CVE-1"}), one(), "passed", 1),
        (severe(), json!({"package": "openssl"}), one(), "passed", 1),
        (severe(), json!({"package": "lib*"}), one(), "denied", 0),
        (severe(), json!({"id": "CVE-1", "package": "openssl"}), one(), "passed", 1),
        (severe(), json!({"id": "CVE-1", "package": "zlib"}), one(), "denied", 0),
        (severe(), json!({"id": "CVE-2"}), one(), "denied", 0),
        (severe(), json!({"id": "CVE-1", "expires": "2026-06-09"}), one(), "denied", 0),
        (severe(), json!({"id": "CVE-1", "scope": {"repositories": ["shop/**"]}}), one(), "passed", 1),
        (severe(), json!({"id": "CVE-1", "scope": {"repositories": ["!shop/**"]}}), one(), "denied", 0),
        (forbidden(), json!({"package": "netcat*"}), vec![], "passed", 1),
        (forbidden(), json!({"package": "netcat*", "id": "CVE-1"}), vec![], "denied", 0),
        (
            json!({"exceptions": "main", "deny": [{"packages": {"required": ["openssl"]}}]}),
            json!({"package": "openssl"}),
            vec![],
            "passed",
            1,
        ),
        (
            json!({"exceptions": "main", "deny": [{"when": "size(findings) > 0"}]}),
            json!({"id": "CVE-1"}),
            one(),
            "passed",
            1,
        ),
    ] {
        let scene =
            Scene { exceptions: lists(more.clone()), findings, licenses: &["MIT"], ..Scene::default() };
        let (denied, output) = judge(with.clone(), scene).await;
        assert_eq!(
            (denied, &output["verdict"]),
            (verdict == "denied", &json!(verdict)),
            "{with} {more}: {output}"
        );
        assert_eq!(output["excepted"].as_array().map(Vec::len), Some(used), "{with} {more}: {output}");
    }
    let scene = Scene { exceptions: lists(json!({"id": "CVE-1"})), findings: one(), ..Scene::default() };
    let (_, output) = judge(severe(), scene).await;
    assert_eq!(
        output["excepted"][0],
        json!({"list": "main", "exception": "CVE-1", "reason": "not reachable", "owner": "web",
            "expires": "2026-12-31", "findings": 1, "ids": ["CVE-1"], "packages": []})
    );
    assert_eq!((&output["total"], &output["counts"]["high"]), (&json!(1), &json!(1)), "the report keeps it");
    assert_eq!(output["summary"], "no rule denies: 0 of 1 finding match; 1 excepted");
}

#[tokio::test]
async fn a_list_that_nobody_made_fails_the_step() {
    let bench = Bench::start().await;
    let digest = bench.push("shop/web", "v1", "app").await;
    let error = judge_on(bench, &digest, json!({"exceptions": "mian"}), Scene::default())
        .await
        .expect_err("no such list");
    assert_eq!((error.code.as_str(), error.message.contains("there is none")), ("exceptions-unknown", true));
}

#[tokio::test]
async fn a_base_image_policy() {
    for (patterns, key, verdict, said) in [
        ("main/base/**", "not_in", "passed", ""),
        (
            "main/other/**",
            "not_in",
            "denied",
            "no image in main/other/** is its base, though it claims main/base/debian:12",
        ),
        ("main/base/**", "in", "denied", "the image is built on main/base/debian:12"),
        ("main/other/**", "in", "passed", ""),
    ] {
        let bench = Bench::start().await;
        bench.push_layers(("base/debian", "12"), &[("os", "os-plain")], json!({})).await;
        let claims = json!({"org.opencontainers.image.base.name": "main/base/debian:12"});
        let layers = [("os", "os-plain"), ("app", "app-plain")];
        let (digest, layers) = bench.push_layers(("shop/web", "v1"), &layers, claims).await;
        let with = json!({"deny": [{"base_image": {key: [patterns]}}]});
        let scene = Scene { layers, ..Scene::default() };
        let (denied, output) = judge_on(bench, &digest, with, scene).await.expect("a verdict");
        assert_eq!((denied, &output["verdict"]), (verdict == "denied", &json!(verdict)), "{output}");
        assert!(output["denied_by"].to_string().contains(said), "{output}");
        assert_eq!(output["mendable"], false);
    }
}
