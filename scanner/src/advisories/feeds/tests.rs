use super::*;
use crate::{
    Severity,
    advisories::{advisory::Standing, threat::Cve},
};

fn cve(text: &str) -> Cve {
    Cve::parse(text).expect("a CVE")
}

#[test]
fn exploited_ones_are_listed_by_cve() {
    let heard = kev::read(
        &br#"{"title": "x", "dateReleased": "2025-08-25T17:04:19.9796Z", "vulnerabilities": [{"cveID": "CVE-2025-48384", "product": "Git"}]}"#[..],
    )
    .expect("reads");
    assert!(heard.threats[&cve("CVE-2025-48384")].known_exploited);
    assert_eq!(heard.newest.as_deref(), Some("2025-08-25T17:04:19.9796Z"));
    let error =
        kev::read(&br#"{"vulnerabilities": [{"cveID": "x"}]}"#[..]).map(|h| h.threats).expect_err("no CVE");
    assert_eq!(error, "entry 0: `x` is no CVE");
    assert!(kev::read(&b"{"[..]).map(|h| h.threats).expect_err("no JSON").contains("line 1"));
}

#[test]
fn probabilities_bear_their_day() {
    let heard = epss::read(
        &b"#model_version:v1,score_date:2026-08-22T00:00:00+0000\ncve,epss,percentile\nCVE-2025-62593,0.01015,0.60644\n"[..],
    )
    .expect("reads");
    assert_eq!(heard.threats[&cve("CVE-2025-62593")].epss, Some(0.01015));
    assert_eq!(heard.newest.as_deref(), Some("2026-08-22T00:00:00Z"));
    for (text, wanted) in [
        ("cve,epss\nCVE-2025-1000,1.5\n", "line 2: `1.5` is no probability"),
        ("cve,epss\nCVE-2025-1000\n", "line 2: `` is no probability"),
        ("cve,epss\nx,1\n", "line 2: `x` is no CVE"),
        ("cve,percentile\n", "line 1: the header names no column `epss`"),
    ] {
        assert_eq!(epss::read(text.as_bytes()).map(|h| h.threats).expect_err("wrong"), wanted);
    }
}

#[test]
fn of_several_judges_the_first_by_rank_is_heard() {
    let heard = severities::read(
        &b"cve,source,severity,score,vector\n\
        CVE-2024-0001,vulnrichment-cna,CRITICAL,9.9,\n\
        CVE-2024-0001,nvd,MEDIUM,5.0,CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H\n\
        CVE-2024-0002,some,LOW,,\n\
        CVE-2024-0002,other,HIGH,,\n\
        CVE-2024-0003,vulnrichment-cisa-adp,UNKNOWN,6.5,\n\
        CVE-2024-0004,x,UNKNOWN,,\n"[..],
    )
    .expect("reads");
    let of = |id: &str| heard.threats.get(&cve(id)).and_then(|t| t.severity.clone());
    assert_eq!(of("CVE-2024-0001"), Some((Severity::Critical, "nvd".into())), "its vector, not its word");
    assert_eq!(of("CVE-2024-0002"), Some((Severity::High, "other".into())));
    assert_eq!(of("CVE-2024-0003"), Some((Severity::Medium, "vulnrichment-cisa-adp".into())));
    assert_eq!(of("CVE-2024-0004"), None);
}

#[test]
fn the_tracker_says_where_what_is_fixed_and_what_is_left() {
    let heard = debian::read(
        &br#"{"openssl": {
        "CVE-2024-0001": {"scope": "local", "description": "A\nflaw", "releases": {
            "bookworm": {"status": "resolved", "fixed_version": "3.0.1-1", "urgency": "low", "repositories": {"bookworm": "3"}},
            "trixie": {"status": "resolved", "fixed_version": "0", "urgency": "unimportant"},
            "bullseye": {"status": "open", "urgency": "not yet assigned", "nodsa": "Minor issue", "nodsa_reason": ""},
            "buster": {"status": "undetermined"},
            "sid": {"status": "open"}}},
        "TEMP-0000000-ABCDEF": {"releases": {"bookworm": {"status": "open", "urgency": "end-of-life"}}}}}"#[..],
    )
    .expect("reads");
    let said: Vec<_> = heard
        .advisories
        .iter()
        .map(|a| {
            let verdict = a.affects("3.0.0").map(|v| v.fixed);
            (a.vulnerabilities().next().unwrap_or_default(), &*a.ecosystem, verdict, a.severity(), a.standing)
        })
        .collect();
    assert_eq!(
        said,
        [
            ("CVE-2024-0001", "Debian:12", Some(Some("3.0.1-1".into())), Severity::Low, None),
            ("CVE-2024-0001", "Debian:11", Some(None), Severity::Unknown, Some(Standing::NoBulletin)),
            ("CVE-2024-0001", "Debian:13", None, Severity::Negligible, None),
            ("TEMP-0000000-ABCDEF", "Debian:12", Some(None), Severity::Unknown, Some(Standing::EndOfLife)),
        ]
    );
    assert_eq!(heard.advisories[0].summary(), Some("A flaw"));
    let error =
        debian::read(&br#"{"a": {"CVE-2024-0001": []}"#[..]).map(|h| h.advisories).expect_err("a list");
    assert!(error.contains("line 1 column"), "{error}");
}

#[test]
fn secdb_names_the_version_that_fixed() {
    let (of, heard) = alpine::read(
        &br#"{"distroversion": "v3.20", "reponame": "main", "urlprefix": "x", "packages": [
        {"pkg": {"name": "a", "secfixes": {
            "1.2-r0": ["CVE-2020-0001 XSA-1", "CVE-2020-0002 (+ more)"],
            "1.10-r0": ["CVE-2020-0001"],
            "0": ["CVE-2020-0003", "CVE-2020-0002"],
            "1.3-r0": null}}}]}"#[..],
    )
    .expect("reads");
    assert_eq!(of, "v3.20/main");
    let said: Vec<_> = heard
        .advisories
        .iter()
        .map(|a| (a.id(), &*a.ecosystem, a.affects("1.1-r0").map(|v| v.fixed.unwrap_or_default())))
        .collect();
    assert_eq!(
        said,
        [
            ("ALPINE-CVE-2020-0001", "Alpine:v3.20", Some("1.10-r0".into())),
            ("ALPINE-CVE-2020-0002", "Alpine:v3.20", Some("1.2-r0".into())),
            ("ALPINE-CVE-2020-0003", "Alpine:v3.20", None),
        ]
    );
    let odd = br#"{"distroversion": "../x", "reponame": "main"}"#;
    assert!(alpine::read(&odd[..]).map(|_| ()).expect_err("a path").contains("no branch"));
}

#[test]
fn files_are_unpacked_by_what_they_are_and_a_folder_is_read_file_by_file() {
    let folder = tempfile::tempdir().expect("folder");
    for branch in ["v3.19", "v3.20"] {
        let text = format!(
            r#"{{"distroversion": "{branch}", "reponame": "main", "packages": [{{"pkg": {{"name": "a", "secfixes": {{"1-r0": ["CVE-2020-0001"]}}}}}}]}}"#
        );
        std::fs::create_dir(folder.path().join(branch)).expect("folder");
        std::fs::write(folder.path().join(branch).join("main.json"), text).expect("file");
    }
    let sources = read(Feed::AlpineSecdb, folder.path()).expect("reads");
    assert_eq!(sources.keys().collect::<Vec<_>>(), ["alpine-secdb/v3.19/main", "alpine-secdb/v3.20/main"]);
    let packed = folder.path().join("epss.csv.zst");
    std::fs::write(&packed, zstd::encode_all(&b"cve,epss\nCVE-2020-0001,0.25\n"[..], 1).expect("zstd"))
        .expect("file");
    assert_eq!(read(Feed::Epss, &packed).expect("reads")["epss"].threats.len(), 1);
    std::fs::write(&packed, b"cve,epss\n").expect("file");
    assert!(
        read(Feed::Epss, &packed).map(|_| ()).expect_err("empty").to_string().contains("it says nothing")
    );
}
