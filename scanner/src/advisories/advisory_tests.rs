use serde_json::json;

use super::*;

fn with(ecosystem: &str, ranges: serde_json::Value, versions: serde_json::Value) -> Advisory {
    let record = json!({"id": "CVE-2024-0001", "affected": [{
        "package": {"ecosystem": ecosystem, "name": "a"}, "ranges": ranges, "versions": versions}]});
    let record: osv::Record = serde_json::from_value(record).expect("a record");
    super::super::compile::compile(&record, &"osv/x".into()).remove(0)
}

fn with_events(ecosystem: &str, events: serde_json::Value) -> Advisory {
    with(ecosystem, json!([{"type": "ECOSYSTEM", "events": events}]), json!(null))
}

fn fixed(advisory: &Advisory, installed: &str) -> Option<Option<String>> {
    advisory.affects(installed).map(|v| v.fixed)
}

#[test]
fn ranges_follow_the_schemas_evaluation() {
    let debian = |events| with_events("Debian:12", events);
    let simple = debian(json!([{"introduced": "0"}, {"fixed": "2-1"}]));
    assert_eq!(fixed(&simple, "1"), Some(Some("2-1".into())));
    assert_eq!(fixed(&simple, "0~a"), Some(Some("2-1".into())));
    assert_eq!(fixed(&simple, "2-1"), None);
    assert_eq!(fixed(&simple, "2-1~deb12u1"), Some(Some("2-1".into())));
    let twice = debian(json!([{"fixed": "4"}, {"introduced": "3"}, {"fixed": "2"}, {"introduced": "1"}]));
    assert_eq!(fixed(&twice, "0.5"), None);
    assert_eq!(fixed(&twice, "1"), Some(Some("2".into())));
    assert_eq!(fixed(&twice, "2.5"), None);
    assert_eq!(fixed(&twice, "3.1"), Some(Some("4".into())));
    let last = debian(json!([{"introduced": "0"}, {"last_affected": "2"}]));
    assert_eq!(fixed(&last, "2"), Some(None));
    assert_eq!(fixed(&last, "2.0.1"), None);
    assert_eq!(fixed(&debian(json!([{"introduced": "0"}])), "9"), Some(None));
}

#[test]
fn a_limit_ends_a_range_without_being_a_fix() {
    let limited = with_events("npm", json!([{"introduced": "1.0.0"}, {"limit": "2.0.0"}]));
    assert_eq!(fixed(&limited, "1.9.0"), Some(None));
    assert_eq!(fixed(&limited, "2.0.0"), None);
    let none = with_events("npm", json!([{"introduced": "1.0.0"}, {"limit": "*"}]));
    assert_eq!(fixed(&none, "9.0.0"), Some(None));
}

#[test]
fn several_ranges_name_the_lowest_fix_above() {
    let range = |introduced: &str, fixed: &str| json!({"type": "SEMVER", "events": [{"introduced": introduced}, {"fixed": fixed}]});
    let both = with("npm", json!([range("2.0.0-rc.1", "2.1.0"), range("0", "1.5.0")]), json!([]));
    assert_eq!(fixed(&both, "1.4.9"), Some(Some("1.5.0".into())));
    assert_eq!(fixed(&both, "2.0.0-rc.2"), Some(Some("2.1.0".into())));
    assert_eq!(fixed(&both, "2.0.0-beta"), None);
    let over = with("npm", json!([range("0", "3.0.0"), range("0", "2.0.0")]), json!([]));
    assert_eq!(fixed(&over, "1.0.0"), Some(Some("2.0.0".into())));
}

#[test]
fn versions_by_name_count_where_no_range_stands() {
    let named = with("Debian:12", json!([]), json!(["1-1"]));
    assert_eq!(fixed(&named, "1-1"), Some(None));
    assert_eq!(fixed(&named, "1-2"), None);
    assert_eq!(named.vulnerabilities().collect::<Vec<_>>(), ["CVE-2024-0001"]);
}
