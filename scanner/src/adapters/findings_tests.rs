//! Names, versions and sources as findings get them.

use crate::limits;

use patchline_registry::Digest;

use super::{super::testdata, *};

fn made(all: impl IntoIterator<Item = Said>) -> Report {
    let inventory = testdata::inventory(&Digest::of(b"image"));
    let origin =
        Origin { scanner: "peer", program: "Peer 1.2".into(), database: Some("2026-05-01T00:00:00Z".into()) };
    let mut findings = Findings::new(&inventory, origin);
    for said in all {
        findings.add(said).unwrap();
    }
    findings.report(Completeness::Complete)
}

fn of_ssl(package: &str) -> Said {
    Said {
        id: "CVE-2024-1".into(),
        kind: "deb".into(),
        package: package.into(),
        version: "3.0.11-1".into(),
        fixed: vec!["3.0.14-1".into()],
        severity: Severity::High,
        ..Said::default()
    }
}

#[test]
fn packages_of_one_source_are_one_finding_and_say_who_says_so() {
    let report = made([of_ssl("openssl"), of_ssl("libssl3"), of_ssl("libssl3")]);
    assert_eq!(report.findings.len(), 1);
    let found = &report.findings[0];
    assert_eq!((found.source.as_str(), found.ecosystem.as_str()), ("openssl", "Debian:12"));
    assert_eq!(found.packages, ["libssl3", "openssl"]);
    assert_eq!(
        found.because,
        "openssl 3.0.11-1 < 3.0.14-1, says Peer 1.2 with its database of 2026-05-01T00:00:00Z"
    );
    assert_eq!((found.severity_source.as_str(), found.mendable), ("peer", None));
    assert_eq!(report.advisory_revision, "Peer 1.2 with its database of 2026-05-01T00:00:00Z");
}

#[test]
fn a_word_that_is_no_severity_stays_unknown() {
    for word in ["", "Unknown", "urgent", "9.8", "none"] {
        assert_eq!(severity(word), Severity::Unknown, "{word}");
    }
    assert_eq!((severity("CRITICAL"), severity("Moderate")), (Severity::Critical, Severity::Medium));
    let report = made([Said { severity: Severity::Unknown, ..of_ssl("openssl") }]);
    assert_eq!(report.findings[0].severity_source, "none");
}

#[test]
fn the_cve_is_the_id_and_the_lowest_version_above_is_the_fix() {
    let report = made([Said {
        id: "GHSA-aaaa-bbbb-cccc".into(),
        aliases: vec!["CVE-2024-2".into(), " ".into()],
        kind: "pypi".into(),
        package: "requests".into(),
        version: "2.30.0".into(),
        fixed: vec!["2.10.0".into(), " 3.0".into(), "2.32.0 ".into()],
        ..Said::default()
    }]);
    let found = &report.findings[0];
    assert_eq!(
        (found.id.as_str(), found.aliases.as_slice()),
        ("CVE-2024-2", &["GHSA-aaaa-bbbb-cccc".to_owned()][..])
    );
    assert_eq!((found.ecosystem.as_str(), found.fixed.as_deref()), ("PyPI", Some("2.32.0")));
}

#[test]
fn what_is_not_installed_as_far_as_we_know_keeps_the_scanners_words() {
    let said = Said { source: Some(("curl".into(), "8.1".into())), ..of_ssl("libcurl4") };
    assert_eq!(made([said]).findings[0].source, "curl");
    let said = Said { kind: "generic".into(), ..of_ssl("thing") };
    let report = made([said]);
    assert_eq!(
        (report.findings[0].source.as_str(), report.findings[0].ecosystem.as_str()),
        ("thing", "generic")
    );
}

#[test]
fn more_findings_than_are_taken_and_findings_of_nothing_are_errors() {
    let inventory = testdata::inventory(&Digest::of(b"image"));
    let origin = || Origin { scanner: "peer", program: "Peer".into(), database: None };
    let mut findings = Findings::new(&inventory, origin());
    let code = (0..=limits::adapters().findings)
        .find_map(|_| findings.add(of_ssl("openssl")).err())
        .map(|e| e.code());
    assert_eq!(code, Some("scanner-too-much"));
    for nothing in [Said { id: " ".into(), ..of_ssl("a") }, of_ssl("")] {
        let error = Findings::new(&inventory, origin()).add(nothing).unwrap_err();
        assert_eq!(error.code(), "scanner-unreadable");
    }
}

#[test]
fn package_urls_name_packages_as_their_ecosystems_do() {
    for (purl, expected) in [
        ("pkg:deb/debian/libssl3@3.0.11-1?arch=amd64", Some(("deb", "libssl3"))),
        ("pkg:maven/org.slf4j/slf4j-api@1.7", Some(("maven", "org.slf4j:slf4j-api"))),
        ("pkg:npm/%40babel/core@7.0.0", Some(("npm", "@babel/core"))),
        ("pkg:npm/@babel/core@7.0.0", Some(("npm", "@babel/core"))),
        ("pkg:golang/github.com/a/b@v1#sub", Some(("golang", "github.com/a/b"))),
        ("pkg:pypi/requests", Some(("pypi", "requests"))),
        ("pkg:generic/a%ffb@1", Some(("generic", "a%ffb"))),
        ("pkg:generic/%zz%4@1", Some(("generic", "%zz%4"))),
        ("", None),
        ("pkg:npm", None),
        ("pkg:npm/", None),
    ] {
        let found = of_purl(purl);
        assert_eq!(found.as_ref().map(|(k, n)| (k.as_str(), n.as_str())), expected, "{purl}");
    }
}
