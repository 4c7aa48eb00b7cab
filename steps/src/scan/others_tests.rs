//! A chain's scan with other scanners, over a registry, and what a gate sees of it.

use std::sync::Arc;

use async_trait::async_trait;
use patchline_chains::StepKind as _;
use patchline_engine::{Outcome, Step as _};
use patchline_scanner::adapters::{Adapter, Error, Result};

use super::*;
use crate::{
    scan::{Kind, Scan},
    testing::Bench,
};

/// Says of every image that it has one vulnerability; or fails.
struct Peer {
    name: &'static str,
    fails: bool,
}

#[async_trait]
impl Adapter for Peer {
    fn name(&self) -> &str {
        self.name
    }
    async fn scan(&self, subject: &Subject<'_>) -> Result<Report> {
        if self.fails {
            return Err(Error::Late { scanner: self.name.into(), seconds: 5 });
        }
        let inventory = subject.inventory;
        let report = json!({
            "version": 1, "image": inventory.image, "distro": null, "packages": 1, "advisory_revision": "Peer 1",
            "completeness": {"state": "complete"},
            "findings": [{"id": "CVE-2024-1", "aliases": [], "packages": ["a"], "source": "a", "installed": "1",
                "fixed": null, "severity": "high", "severity_source": "peer", "mendable": null,
                "known_exploited": false, "epss": null, "layer": null, "summary": null, "because": "says Peer 1"}],
        });
        Ok(serde_json::from_value(report).expect("a report"))
    }
}

async fn scanned(scanner: Value) -> std::result::Result<Value, StepError> {
    let mut bench = Bench::start().await;
    let peers = [Peer { name: "peer", fails: false }, Peer { name: "late", fails: true }];
    bench.world.scanners = Scanners::new(peers.map(|peer| Arc::new(peer) as Arc<dyn Adapter>));
    let (digest, _) = bench.push_layers(("shop/web", "v1"), &[], json!({})).await;
    let context = bench.context(("shop/web", Some("v1"), &digest), json!({ "scanner": scanner }), &[]);
    let outcome = Scan::new(bench.world.clone()).run(context).await?;
    let Outcome::Succeeded { output, .. } = outcome else { panic!("a scan only succeeds") };
    assert_eq!(crate::fits::misfits(&Kind.outputs(), &output), [""; 0]);
    Ok(output)
}

#[tokio::test]
async fn what_another_scanner_says_otherwise_is_told_in_figures() {
    let output = scanned(json!(["builtin", "peer"])).await.expect("a scan");
    let told = &output["disagreement"];
    assert_eq!((&told["only_theirs"], &told["only_ours"], &told["both"]), (&json!(1), &json!(0), &json!(0)));
    assert_eq!(told["only_theirs_by_severity"]["high"], 1);
    assert_eq!(told["only_theirs_ids"], json!(["CVE-2024-1"]));
    assert_eq!(told["scanners"][0]["scanner"], "peer");
    assert_eq!(output["total"], 0, "the first is believed");
    let alone = scanned(json!("peer")).await.expect("a scan");
    assert_eq!((&alone["total"], &alone["completeness"]), (&json!(1), &json!("complete")));
    assert!(alone.get("disagreement").is_none());
}

#[tokio::test]
async fn a_comparison_that_failed_leaves_nobody_knowing() {
    let output = scanned(json!(["peer", "late"])).await.expect("a scan");
    assert_eq!((&output["completeness"], &output["total"]), (&json!("undetermined"), &json!(1)));
    let reason = output["reasons"][0].as_str().expect("a reason");
    assert_eq!(reason, "the comparison with `late` failed: late was not done after 5 seconds (scanner-late)");
    assert!(output.get("disagreement").is_none());
    let error = scanned(json!("late")).await.expect_err("nobody else was asked");
    assert_eq!((error.code.as_str(), error.class), ("scanner-late", patchline_engine::ErrorClass::Transient));
}

#[tokio::test]
async fn a_scanner_that_nobody_configured_is_told_with_those_there_are() {
    let error = scanned(json!(["builtin", "tryvi"])).await.expect_err("unknown");
    assert_eq!(error.code, "scanner-unknown");
    assert!(error.message.ends_with("there are: builtin, late, peer"), "{}", error.message);
    for wrong in [json!([]), json!(["peer", "peer"]), json!(7), json!(["peer", 7])] {
        assert_eq!(scanned(wrong).await.expect_err("wrong").code, "parameters-invalid");
    }
}
