//! A report in the few figures that a step's output carries.

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
