//! A report in the few figures that a step's output carries, and the one line that says why a step ended so.

use std::collections::BTreeSet;

use patchline_scanner::{Completeness, Finding, Report};
use serde_json::{Map, Value, json};

use crate::severity;

/// Distinct vulnerabilities by severity, worst first, zero where there is none.
pub(crate) fn counts(report: &Report) -> Value {
    let counts = report.counts();
    let map: Map<String, Value> = severity::ORDER
        .into_iter()
        .rev()
        .map(|s| (severity::name(s).to_owned(), json!(counts.get(&s).copied().unwrap_or(0))))
        .collect();
    Value::Object(map)
}

/// Orders reports: the worse, the greater, from critical down.
pub(crate) fn weight(report: &Report) -> (u8, Vec<usize>) {
    let counts = report.counts();
    let unsure = match report.completeness {
        Completeness::Complete => 0,
        Completeness::Incomplete { .. } => 1,
        Completeness::Undetermined { .. } => 2,
    };
    (unsure, severity::ORDER.into_iter().rev().map(|s| counts.get(&s).copied().unwrap_or(0)).collect())
}

/// Distinct vulnerabilities for which `wanted` holds.
pub(crate) fn distinct(report: &Report, wanted: impl Fn(&Finding) -> bool) -> usize {
    report.findings.iter().filter(|f| wanted(f)).map(|f| &f.id).collect::<BTreeSet<_>>().len()
}

/// `complete`, `incomplete`, `undetermined`, and why.
pub(crate) fn completeness(report: &Report) -> (&'static str, Vec<String>) {
    match &report.completeness {
        Completeness::Complete => ("complete", Vec::new()),
        Completeness::Incomplete { reasons } => ("incomplete", reasons.clone()),
        Completeness::Undetermined { reason } => ("undetermined", vec![reason.clone()]),
    }
}

/// The worst severity's name; `none` without a finding.
pub(crate) fn worst(report: &Report) -> &'static str {
    report.worst().map_or("none", severity::name)
}

/// An output without the keys that have no value: what is not there is left out, never null.
pub(crate) fn present(mut output: Value) -> Value {
    if let Value::Object(map) = &mut output {
        map.retain(|_, value| !value.is_null());
    }
    output
}

/// Characters of a step's `summary`: one line of a terminal beside the step's name.
pub(crate) const LINE: usize = 90;
/// Severities that a line names.
const MOST_SEVERITIES: usize = 3;

/// `93 findings in 133 packages: 2 high, 91 unknown; 93 mendable`.
pub(crate) fn line(report: &Report) -> String {
    let total = distinct(report, |_| true);
    let packages = counted(report.packages, "package", "packages");
    let found = match total {
        0 => format!("no findings in {packages}"),
        _ => {
            let mendable = match distinct(report, |f| f.mendable == Some(true)) {
                0 => "none".to_owned(),
                some => some.to_string(),
            };
            let found = counted(total, "finding", "findings");
            format!("{found} in {packages}: {}; {mendable} mendable", severities(report))
        }
    };
    match completeness(report).0 {
        "complete" => cut(&found, LINE),
        state => cut(&format!("{state}: {found}"), LINE),
    }
}

/// The worst ones by name, the others together.
fn severities(report: &Report) -> String {
    let counts = report.counts();
    let all: Vec<(usize, &str)> = severity::ORDER
        .into_iter()
        .rev()
        .filter_map(|s| Some((*counts.get(&s).filter(|count| **count > 0)?, severity::name(s))))
        .collect();
    // One more by its name takes no more room than "1 other".
    let named = if all.len() == MOST_SEVERITIES + 1 { all.len() } else { MOST_SEVERITIES.min(all.len()) };
    let mut words: Vec<String> = all[..named].iter().map(|(count, name)| format!("{count} {name}")).collect();
    if named < all.len() {
        let rest: usize = all[named..].iter().map(|(count, _)| count).sum();
        words.push(format!("{rest} other"));
    }
    words.join(", ")
}

/// `1 finding`, `2 findings`.
pub(crate) fn counted(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// At most so many characters.
pub(crate) fn cut(text: &str, most: usize) -> String {
    if text.chars().count() <= most {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(most.saturating_sub(1)).collect();
    short.push('…');
    short
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(severities: &[(&str, bool)], completeness: Value) -> Report {
        let findings: Vec<Value> = severities
            .iter()
            .enumerate()
            .map(|(n, (severity, mendable))| {
                json!({"id": format!("CVE-{n}"), "aliases": [], "packages": ["a"], "source": "a", "installed": "1",
                    "fixed": "2", "severity": severity, "severity_source": "debian", "mendable": mendable,
                    "known_exploited": false, "epss": null, "layer": null, "summary": null, "because": "test"})
            })
            .collect();
        let mut report = json!({
            "version": 1, "image": patchline_registry::Digest::of(b"x"), "distro": null, "packages": 133,
            "advisory_revision": "r1", "completeness": "complete", "findings": findings,
        });
        report["completeness"] = completeness;
        serde_json::from_value(report).expect("a report")
    }

    #[test]
    fn a_line_says_how_many_how_bad_and_how_many_mendable() {
        let whole = || serde_json::to_value(Completeness::Complete).expect("json");
        let part = serde_json::to_value(Completeness::Incomplete { reasons: vec![] }).expect("json");
        assert_eq!(line(&report(&[], whole())), "no findings in 133 packages");
        assert_eq!(line(&report(&[], part)), "incomplete: no findings in 133 packages");
        assert_eq!(
            line(&report(&[("high", true), ("unknown", true), ("unknown", true)], whole())),
            "3 findings in 133 packages: 1 high, 2 unknown; 3 mendable"
        );
        let all = ["critical", "high", "medium", "low", "negligible", "unknown"].map(|s| (s, false));
        assert_eq!(
            line(&report(&all, whole())),
            "6 findings in 133 packages: 1 critical, 1 high, 1 medium, 3 other; none mendable"
        );
        assert_eq!(
            line(&report(&all[..4], whole())),
            "4 findings in 133 packages: 1 critical, 1 high, 1 medium, 1 low; none mendable"
        );
        assert_eq!(line(&report(&all[..1], whole())), "1 finding in 133 packages: 1 critical; none mendable");
    }
}
