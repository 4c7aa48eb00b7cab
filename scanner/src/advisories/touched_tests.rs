use serde_json::{Value, json};

use super::*;
use crate::advisories::{
    set,
    threat::{Threat, Threats},
};

fn record(id: &str, ecosystem: &str, package: &str, fixed: &str, more: &Value) -> super::super::osv::Record {
    let mut record = json!({"id": id, "aliases": [format!("CVE-2026-{}", id.len() + 1000)], "affected": [{
        "package": {"ecosystem": ecosystem, "name": package},
        "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": fixed}]}]}]});
    record.as_object_mut().expect("object").extend(more.as_object().expect("object").clone());
    serde_json::from_value(record).expect("record")
}

fn base() -> Vec<super::super::osv::Record> {
    let plain = json!({});
    vec![
        record("GHSA-a", "PyPI", "Flask_Login", "2", &plain),
        record("GHSA-bb", "npm", "left-pad", "2", &plain),
        record("DEBIAN-CVE-2026-1", "Debian:12", "zlib", "2", &plain),
        record("DEBIAN-CVE-2026-22", "Debian:12", "openssl", "3", &plain),
    ]
}

fn touched(change: impl FnOnce(&mut Vec<super::super::osv::Record>)) -> Vec<(String, String)> {
    let mut records = base();
    change(&mut records);
    let (old, new) = (AdvisorySet::from_records(base(), "1"), AdvisorySet::from_records(records, "2"));
    let touched = new.touched_since(&old).expect("whole");
    let back = old.touched_since(&new).expect("whole");
    assert_eq!(touched, back, "a change back touches the same");
    let list: Vec<_> = touched.iter().map(|(e, n)| (e.to_owned(), n.to_owned())).collect();
    assert_eq!(list.len(), touched.len());
    assert_eq!(touched, list.iter().cloned().collect());
    list
}

fn names(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter().map(|(e, n)| ((*e).to_owned(), (*n).to_owned())).collect()
}

#[test]
fn what_changes_a_finding_touches_its_package_and_no_other() {
    assert_eq!(touched(|_| {}), []);
    assert_eq!(touched(|r| r.reverse()), [], "their order says nothing");
    let plain = json!({});
    assert_eq!(
        touched(|r| r[0] = record("GHSA-a", "PyPI", "flask-login", "3", &plain)),
        names(&[("PyPI", "flask-login")])
    );
    assert_eq!(touched(|r| drop(r.remove(1))), names(&[("npm", "left-pad")]));
    assert_eq!(
        touched(|r| r.push(record("GHSA-new", "crates.io", "time", "1", &plain))),
        names(&[("crates.io", "time")])
    );
    let score =
        json!({"severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H"}]});
    assert_eq!(
        touched(|r| r[2] = record("DEBIAN-CVE-2026-1", "Debian:12", "zlib", "2", &score)),
        names(&[("Debian:12", "zlib")])
    );
    assert_eq!(
        touched(|r| r[3] = record(
            "DEBIAN-CVE-2026-22",
            "Debian:12",
            "openssl",
            "3",
            &json!({"aliases": ["CVE-2026-7777"]})
        )),
        names(&[("Debian:12", "openssl")])
    );
}

#[test]
fn words_and_dates_touch_nothing() {
    let words = json!({"summary": "another word", "published": "2026-01-01T00:00:00Z", "modified": "2026-02-02T00:00:00Z"});
    assert_eq!(touched(|r| r[1] = record("GHSA-bb", "npm", "left-pad", "2", &words)), []);
}

fn with(threats: &Threats) -> AdvisorySet {
    let advisories = base().iter().flat_map(|r| super::super::compile::compile(r, &"".into())).collect();
    let image = set::write(advisories, threats, &BTreeSet::new());
    AdvisorySet::over(Reader::memory(image), format!("{threats:?}"))
}

#[test]
fn an_exploited_vulnerability_touches_what_has_it_and_a_probability_does_not() {
    let cve = Cve::parse("CVE-2026-1006").expect("an id");
    let of = |threat| with(&[(cve, threat)].into());
    let quiet = of(Threat { epss: Some(0.1), ..Threat::default() });
    let likelier = of(Threat { epss: Some(0.9), ..Threat::default() });
    assert!(likelier.touched_since(&quiet).expect("whole").is_empty());
    let exploited = of(Threat { epss: Some(0.9), known_exploited: true, ..Threat::default() });
    let list = exploited.touched_since(&quiet).expect("whole");
    assert_eq!(list.iter().collect::<Vec<_>>(), [("PyPI", "flask-login")]);
    assert_eq!(quiet.touched_since(&exploited).expect("whole"), list, "or is no longer");
    let severe = of(Threat { severity: Some((Severity::High, "nvd".into())), ..Threat::default() });
    assert_eq!(severe.touched_since(&quiet).expect("whole"), list);
    assert!(with(&Threats::new()).touched_since(&quiet).expect("whole").is_empty());
}

#[test]
fn a_package_is_touched_in_its_ecosystem_alone() {
    let touched: Touched = names(&[("Debian:12", "openssl"), ("PyPI", "Flask_Login")]).into_iter().collect();
    let system = |name: &str| Package {
        name: "libssl3".into(),
        version: "1".into(),
        source: name.into(),
        source_version: "1".into(),
        purl: "pkg:deb/debian/libssl3@1".into(),
        ..Package::default()
    };
    let python = Package {
        name: "flask.login".into(),
        version: "1".into(),
        purl: "pkg:pypi/flask-login@1".into(),
        path: Some("usr/lib/METADATA".into()),
        ..Package::default()
    };
    assert!(touched.has(&system("openssl"), Some("Debian:12")) && touched.may_have(&system("openssl")));
    assert!(!touched.has(&system("openssl"), Some("Debian:13")) && !touched.has(&system("openssl"), None));
    assert!(!touched.may_have(&system("zlib")));
    assert!(touched.has(&python, None) && touched.may_have(&python));
    let owned = Package { owner: Some("python3-flask-login".into()), ..python };
    assert!(!touched.has(&owned, None), "the system's package speaks for it");
}
