//! What is one, what is not, and that it does not matter who asks.

use patchline_registry::Digest;
use proptest::prelude::*;

use super::*;
use crate::Completeness;

fn finding(id: &str, aliases: &[&str], package: &str, severity: Severity, fixed: Option<&str>) -> Finding {
    Finding {
        id: id.into(),
        aliases: aliases.iter().map(|a| (*a).to_owned()).collect(),
        ecosystem: "Debian:12".into(),
        packages: vec![package.into()],
        paths: Vec::new(),
        source: package.into(),
        installed: "1".into(),
        fixed: fixed.map(str::to_owned),
        severity,
        severity_source: "x".into(),
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
        image: Digest::of(b""),
        distro: None,
        packages: 1,
        advisory_revision: String::new(),
        completeness: Completeness::Complete,
        findings,
    }
}

use Severity::{High, Low, Unknown};

#[test]
fn a_cve_and_its_ghsa_are_one_and_a_bulletin_makes_nothing_one() {
    let ours = report(vec![
        finding("CVE-1", &["GHSA-1", "DSA-1"], "a_b", High, Some("2")),
        finding("CVE-2", &["DSA-1"], "a_b", Low, None),
    ]);
    let theirs = report(vec![
        finding("GHSA-1", &[], "A.B", High, Some("0:2")),
        finding("CVE-3", &["DSA-1"], "a_b", Low, None),
    ]);
    let found = compare(&ours, &theirs);
    assert_eq!((found.both, found.severity.len(), found.fixed.len()), (1, 0, 0), "{found:#?}");
    let ids = |only: &[One]| only.iter().map(|o| o.id.clone()).collect::<Vec<_>>();
    assert_eq!(
        (ids(&found.only_ours), ids(&found.only_theirs)),
        (vec!["CVE-2".to_owned()], vec!["CVE-3".to_owned()])
    );
}

#[test]
fn one_vulnerability_in_two_packages_is_two() {
    let ours = report(vec![finding("CVE-1", &[], "a", High, None), finding("CVE-1", &[], "b", High, None)]);
    let theirs = report(vec![finding("CVE-1", &[], "a", High, None)]);
    let found = compare(&ours, &theirs);
    assert_eq!((found.both, found.only_ours.len()), (1, 1));
    // A binary package's name is enough.
    let mut of_source = finding("CVE-1", &[], "src", High, None);
    of_source.packages = vec!["a".into(), "b".into()];
    assert_eq!(compare(&report(vec![of_source]), &theirs).both, 1);
}

#[test]
fn another_judgement_and_another_fix_are_told() {
    let ours =
        report(vec![finding("CVE-1", &[], "a", Unknown, Some("2")), finding("CVE-2", &[], "a", Low, None)]);
    let theirs =
        report(vec![finding("CVE-1", &[], "a", High, None), finding("CVE-2", &[], "a", Low, Some("3"))]);
    let found = compare(&ours, &theirs);
    assert_eq!((found.both, found.severity.len(), found.fixed.len()), (2, 1, 2));
    assert_eq!((found.severity[0].ours.severity, found.severity[0].theirs.severity), (Unknown, High));
    assert!(!found.is_empty() && compare(&ours, &ours).is_empty());
    let only = compare(&report(Vec::new()), &theirs);
    assert_eq!(Disagreement::by_severity(&only.only_theirs)[&High], 1);
}

fn findings() -> impl Strategy<Value = Vec<Finding>> {
    let id = prop::sample::select(vec!["CVE-1", "CVE-2", "GHSA-1", "GHSA-2", "DSA-1"]);
    let alias = id.clone();
    let package = prop::sample::select(vec!["a", "b", "c"]);
    let severity = prop::sample::select(Severity::ALL.to_vec());
    let fixed = prop::sample::select(vec![None, Some("1"), Some("2")]);
    let one = (id, alias, package, severity, fixed)
        .prop_map(|(id, alias, package, severity, fixed)| finding(id, &[alias], package, severity, fixed));
    prop::collection::vec(one, 0..12)
}

proptest! {
    #[test]
    fn it_is_the_same_from_either_side(ours in findings(), theirs in findings()) {
        let (ours, theirs) = (report(ours), report(theirs));
        let (there, back) = (compare(&ours, &theirs), compare(&theirs, &ours));
        prop_assert_eq!(there.both, back.both);
        prop_assert_eq!(&there.only_ours, &back.only_theirs);
        prop_assert_eq!(&there.only_theirs, &back.only_ours);
        prop_assert_eq!(there.severity.len(), back.severity.len());
        prop_assert_eq!(there.fixed.len(), back.fixed.len());
        let same = compare(&ours, &ours);
        prop_assert!(same.only_ours.is_empty() && same.only_theirs.is_empty() && same.severity.is_empty() && same.fixed.is_empty());
    }
}
