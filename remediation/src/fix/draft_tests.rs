use patchline_scanner::Completeness;
use serde_json::json;

use super::*;
use crate::{Refusal, Upgrade};

fn finding(id: &str, source: &str, packages: &[&str], fixed: Option<&str>, paths: &[&str]) -> Finding {
    let ecosystem = if paths.is_empty() { "Debian:12" } else { "PyPI" };
    let value = json!({
        "id": id, "aliases": [], "ecosystem": ecosystem, "packages": packages, "paths": paths, "source": source,
        "installed": "1", "fixed": fixed, "severity": "high", "severity_source": "x", "mendable": null,
        "known_exploited": false, "epss": null, "layer": null, "summary": null, "because": "",
    });
    serde_json::from_value(value).unwrap()
}

fn report(findings: Vec<Finding>) -> Report {
    Report {
        version: 1,
        image: Digest::of(b""),
        distro: None,
        packages: 1,
        advisory_revision: String::new(),
        completeness: Completeness::Complete,
        findings,
    }
}

#[test]
fn every_finding_goes_or_stays_with_a_reason() {
    let up = |package: &str, mends: &[&str]| Upgrade {
        package: package.into(),
        mends: mends.iter().map(|id| (*id).to_owned()).collect(),
        ..Upgrade::default()
    };
    let refused = Refusal {
        package: "libb".into(),
        from: "1".into(),
        to: None,
        code: "held".into(),
        reason: "dpkg's selection is `hold`".into(),
        leaves: vec!["CVE-2".into()],
    };
    let mut plan = FixPlan::nothing();
    plan.upgrades = vec![up("liba", &["CVE-1"]), up("b", &["CVE-2"])];
    plan.refused = vec![refused];
    let report = report(vec![
        finding("CVE-1", "a", &["liba"], Some("2"), &[]),
        finding("CVE-2", "b", &["b", "libb"], Some("2"), &[]),
        finding("CVE-3", "a", &["liba"], None, &[]),
        finding("CVE-4", "jinja2", &["jinja2"], Some("3"), &["usr/lib/jinja2/METADATA"]),
        finding("CVE-5", "c", &["c"], Some("2"), &[]),
        finding("CVE-6", "d", &["d"], Some("2"), &[]),
    ]);
    let codes = |edited| -> Vec<(String, String)> {
        let stays = stays(&report, &plan, edited, &|finding| finding.id != "CVE-5");
        stays.into_iter().map(|stay| (stay.id, stay.code)).collect()
    };
    let named = |all: &[(&str, &str)]| -> Vec<(String, String)> {
        all.iter().map(|(id, code)| ((*id).to_owned(), (*code).to_owned())).collect()
    };
    let always = [("CVE-2", "held"), ("CVE-3", "no-fix"), ("CVE-4", "language-package")];
    let planned = [("CVE-5", "not-selected"), ("CVE-6", "not-in-repository")];
    let handed = [("CVE-5", "not-chosen"), ("CVE-6", "not-chosen")];
    assert_eq!(codes(false), named(&[&always[..], &planned].concat()));
    assert_eq!(codes(true), named(&[&always[..], &handed].concat()));
}

fn handed(version: u32, upgrades: &serde_json::Value) -> Vec<u8> {
    let image = Digest::of(b"an image");
    let plan =
        json!({"version": version, "image": image, "more": 1, "plan": {"upgrades": upgrades, "refused": []}});
    serde_json::to_vec(&plan).unwrap()
}

#[test]
fn a_plan_comes_back_as_it_was_written() {
    let one = json!({"package": "curl", "architecture": "amd64", "from": "1", "to": "2", "mends": ["CVE-1"]});
    let edited = Edited::read(&handed(1, &json!([one]))).unwrap();
    assert_eq!(edited.clone().of(&Digest::of(b"another")).unwrap_err().code(), "fix-plan-of-another");
    let chosen = edited.of(&Digest::of(b"an image")).unwrap();
    assert_eq!((chosen[0].package.as_str(), chosen[0].to.as_str()), ("curl", "2"));

    let without = json!({"package": "curl", "architecture": "amd64", "from": "1"});
    let many: Vec<_> = (0..=MOST_UPGRADES)
        .map(|n| json!({"package": format!("p{n}"), "architecture": "a", "from": "1", "to": "2"}))
        .collect();
    for (bytes, said) in [
        (b"{}".to_vec(), "version"),
        (b"upgrade all".to_vec(), "line 1"),
        (handed(2, &json!([one])), "its version is 2"),
        (handed(1, &json!([])), "no upgrades"),
        (handed(1, &json!([without])), "to"),
        (handed(1, &json!([one, one])), "curl stands in it twice"),
        (handed(1, &json!(many)), "more than"),
        (vec![b' '; LONGEST_PLAN as usize + 1], "longer than 8 MiB"),
    ] {
        let error = Edited::read(&bytes).unwrap_err();
        assert_eq!(error.code(), "fix-plan-unreadable");
        assert!(error.to_string().contains(said), "{error}");
    }
}

#[test]
fn what_is_kept_of_a_plan_is_what_is_believed_of_it() {
    let one = json!({"package": "curl", "architecture": "amd64", "from": "1", "to": "2", "mends": ["CVE-1"]});
    let edited = Edited::read(&handed(1, &json!([one]))).unwrap();
    assert_eq!((edited.said(), edited.image()), (None, &Digest::of(b"an image")));
    let said = Said { by: "ana".into(), reason: "curl alone".into() };
    let kept = edited.kept(said.clone()).unwrap();
    assert!(!kept.contains("CVE-1") && !kept.contains("more"), "{kept}");
    let again = Edited::read(kept.as_bytes()).unwrap();
    assert_eq!(again.said(), Some(&said));
    // Who hands it on says who has chosen, not the plan.
    let other = Said { by: "bo".into(), reason: "the same".into() };
    let handed_on = Edited::read(again.kept(other.clone()).unwrap().as_bytes()).unwrap();
    assert_eq!(handed_on.said(), Some(&other));
    assert_eq!(handed_on.of(&Digest::of(b"an image")).unwrap(), edited.of(&Digest::of(b"an image")).unwrap());
}
