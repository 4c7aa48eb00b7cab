//! What is written, and what is remembered while images are matched again.

use std::{fmt::Write as _, sync::Arc};

use patchline_registry::Digest;
use serde_json::json;

use super::{Row, row};
use crate::{
    Completeness, Inventory, Package,
    advisories::AdvisorySet,
    formats::{
        Scanned, cyclonedx, gitlab,
        harbor::{self, Artifact},
        junit, sarif, spdx,
        testdata::{self, Made},
    },
    rematch::Matcher,
};

pub(super) fn rows() -> Vec<Row> {
    vec![
        // GitLab's title has the format's own bound.
        row(("documents", "text"), 10, "harbor 9; sarif 9; gitlab 60; cyclonedx 9; junit 9;", summaries),
        row(("documents", "text"), 10, "description 9;", description),
        row(
            ("documents", "text"),
            10,
            "harbor 9; sarif 9; gitlab 9; cyclonedx 9; spdx 9; junit 9;",
            reasons_long,
        ),
        row(("documents", "name"), 10, "harbor 9; sarif 9; gitlab 9; cyclonedx 9; junit 9;", sources),
        row(("documents", "name"), 10, "cyclonedx 9; spdx 9;", paths_long),
        row(("documents", "places"), 1, "sarif 1; gitlab 1; junit 1;", places),
        row(("documents", "places"), 1, "affects 1;", affected),
        row(
            ("documents", "reasons"),
            1,
            "harbor 1; sarif 1; gitlab 1; cyclonedx 1; spdx 1; junit 1;",
            reasons,
        ),
        row(("rematch", "versions"), 1, "remembered=false;", remembered),
        row(("rematch", "findings"), 1, "remembered=false;", remembered),
    ]
}

/// Each form of it.
fn written(made: &Made) -> Vec<(&'static str, String)> {
    let scanned: Scanned<'_> = made.scanned();
    let artifact = Artifact {
        repository: "shop/web".into(),
        digest: made.inventory.image.to_string(),
        tag: None,
        mime_type: "application/vnd.oci.image.manifest.v1+json".into(),
    };
    let json = |value: serde_json::Result<String>| value.expect("JSON");
    vec![
        (
            "harbor",
            json(serde_json::to_string(&harbor::document(&made.report, artifact, "1.2.3", scanned.at))),
        ),
        ("sarif", json(serde_json::to_string(&sarif::log(&scanned)))),
        ("gitlab", json(serde_json::to_string(&gitlab::document(&scanned)))),
        ("cyclonedx", json(serde_json::to_string(&cyclonedx::document(&scanned)))),
        ("spdx", json(serde_json::to_string(&spdx::document(&scanned)))),
        ("junit", junit::document(&scanned)),
    ]
}

/// How much of it stands in each form that has any.
fn amounts(made: &Made, amount: impl Fn(&str) -> usize) -> String {
    let mut out = String::new();
    for (form, text) in written(made) {
        let found = amount(&text);
        if found > 0 {
            let _ = write!(out, "{form} {found}; ");
        }
    }
    out
}

const LONG: usize = 60;

/// The longest run of a letter that nothing else has one of.
fn longest(text: &str) -> usize {
    text.split(|c| c != 'ü').map(|run| run.chars().count()).max().unwrap_or_default()
}

fn summarised() -> Made {
    let mut made = testdata::plain();
    made.report.findings.truncate(1);
    made.report.findings[0].summary = Some("ü".repeat(LONG));
    made
}

fn summaries() -> String {
    amounts(&summarised(), longest)
}

fn description() -> String {
    let document = serde_json::to_value(gitlab::document(&summarised().scanned())).expect("JSON");
    let text = document["vulnerabilities"][0]["description"].as_str().unwrap_or_default();
    format!("description {};", longest(text))
}

fn sources() -> String {
    let mut made = testdata::plain();
    made.report.findings.truncate(1);
    made.report.findings[0].source = "ü".repeat(LONG);
    amounts(&made, longest)
}

fn paths_long() -> String {
    let mut made = testdata::plain();
    made.report.findings.clear();
    made.inventory.packages.truncate(3);
    made.inventory.packages[2].path = Some("ü".repeat(LONG));
    amounts(&made, longest)
}

fn incomplete(reasons: Vec<String>) -> Made {
    let mut made = testdata::plain();
    made.report.completeness = Completeness::Incomplete { reasons };
    made
}

fn reasons_long() -> String {
    amounts(&incomplete(vec!["ü".repeat(LONG)]), longest)
}

/// Which of two reasons are told.
fn reasons() -> String {
    let made = incomplete(vec!["cut here".into(), "and there".into()]);
    amounts(&made, |text| ["cut here", "and there"].iter().filter(|reason| text.contains(**reason)).count())
}

/// Which of a finding's two files are told.
fn places() -> String {
    let mut made = testdata::plain();
    made.report.findings.truncate(1);
    made.inventory.packages.clear();
    let files = ["app/a/package.json", "app/b/package.json"];
    amounts(&made, |text| files.iter().filter(|file| text.contains(**file)).count())
}

/// How many packages a vulnerability is said to affect.
fn affected() -> String {
    let made = testdata::plain();
    let document = serde_json::to_value(cyclonedx::document(&made.scanned())).expect("JSON");
    let all = document["vulnerabilities"].as_array().map(Vec::as_slice).unwrap_or_default();
    let most = all.iter().filter_map(|v| v["affects"].as_array().map(Vec::len)).max();
    format!("affects {};", most.unwrap_or_default())
}

fn inventory(name: &str) -> Inventory {
    let mut inventory = testdata::empty().inventory;
    inventory.image = Digest::of(name.as_bytes());
    inventory.packages = vec![Package {
        name: name.into(),
        version: "1.0.0".into(),
        source: name.into(),
        source_version: "1.0.0".into(),
        purl: format!("pkg:npm/{name}@1.0.0"),
        path: Some(format!("{name}/package.json")),
        ..Package::default()
    }];
    inventory
}

/// Whether what was worked out of one image's package is there after another's was.
fn remembered() -> String {
    let record = |name: &str| {
        serde_json::from_value(json!({"id": format!("GHSA-{name}"), "affected": [{
            "package": {"ecosystem": "npm", "name": name},
            "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "2.0.0"}]}]}]}))
        .expect("record")
    };
    let matcher = Matcher::new(vec![AdvisorySet::from_records(vec![record("a"), record("b")], "1")]);
    let of = |name: &str| matcher.findings(&inventory(name)).swap_remove(0).0;
    let (first, _, again) = (of("a"), of("b"), of("a"));
    assert_eq!(first, again, "what is forgotten is found again");
    format!("remembered={};", Arc::ptr_eq(&first, &again))
}
