//! Findings as SARIF 2.1.0 (OASIS), for code hosts: a rule for each vulnerability, a result for each finding.

pub mod model;

use std::{borrow::Cow, collections::BTreeMap};

use model::{
    ArtifactLocation, Base, Found, Invocation, Location, Log, LogicalLocation, Notification,
    PhysicalLocation, Region, Rule, RuleProperties, Run, Text,
};

use super::{Layers, Scanned, advice, clean, limits, listed, page, schemas, text, word};
use crate::{Completeness, Finding, Severity};

/// What paths are relative to: the root of the image's file system.
const ROOT: &str = "IMAGE_ROOT";

pub use super::text::uri_path;

/// One run over one image.
pub fn log<'a>(scanned: &Scanned<'a>) -> Log<'a> {
    let report = scanned.report;
    // One rule for one id, whatever it was found in: the worst word about it counts.
    let mut by_id: BTreeMap<String, &Finding> = BTreeMap::new();
    for finding in &report.findings {
        by_id
            .entry(id(finding))
            .and_modify(|f| {
                if finding.severity > f.severity {
                    *f = finding
                }
            })
            .or_insert(finding);
    }
    let index: BTreeMap<&str, usize> = by_id.keys().enumerate().map(|(at, id)| (id.as_str(), at)).collect();
    let layers = scanned.layers();
    let results =
        report.findings.iter().map(|f| result(scanned, &layers, f, index[id(f).as_str()])).collect();
    let level = match report.completeness {
        Completeness::Undetermined { .. } => "error",
        _ => "warning",
    };
    let note = |reason| Notification { level, message: Text { text: Cow::Owned(reason) } };
    let invocation = Invocation {
        execution_successful: !matches!(report.completeness, Completeness::Undetermined { .. }),
        end_time_utc: Some(format!("{}Z", scanned.seconds())),
        tool_execution_notifications: scanned.reasons().into_iter().map(note).collect(),
    };
    let mut run = Run::new(scanned.version, by_id.values().map(|f| rule(f)).collect(), invocation, results);
    run.original_uri_base_ids.insert(ROOT, Base { uri: "file:///" });
    run.properties.insert("image", clean(scanned.name, limits::documents().name));
    run.properties.insert("imageDigest", report.image.to_string());
    run.properties.insert("advisoryRevision", clean(&report.advisory_revision, limits::documents().text));
    Log::new(run)
}

fn id(finding: &Finding) -> String {
    clean(&finding.id, limits::documents().name)
}

fn rule(finding: &Finding) -> Rule<'static> {
    let summary = finding.summary.as_deref().filter(|s| !s.trim().is_empty());
    let short = match summary {
        Some(summary) => clean(summary, limits::documents().text),
        None => format!(
            "{} in {}",
            clean(&finding.id, limits::documents().name),
            clean(&finding.source, limits::documents().name)
        ),
    };
    let others: Vec<String> =
        finding.aliases.iter().take(schemas::ALIASES).map(|a| clean(a, limits::documents().name)).collect();
    let mut help = format!("{short}\n{}", advice(finding));
    if !others.is_empty() {
        help.push_str(&format!("\nAlso known as {}.", others.join(", ")));
    }
    Rule {
        help_uri: page(&finding.id),
        properties: Some(RuleProperties {
            security_severity: score(finding.severity),
            tags: vec!["security", "vulnerability", word(finding.severity)],
        }),
        ..Rule::new(id(finding), short, help)
    }
}

/// The middle of each word's range in CVSS 3.1, table 14: code hosts turn it back into the word.
fn score(severity: Severity) -> Option<&'static str> {
    match severity {
        Severity::Critical => Some("9.5"),
        Severity::High => Some("8.0"),
        Severity::Medium => Some("5.5"),
        Severity::Low => Some("2.0"),
        Severity::Negligible => Some("0.1"),
        Severity::Unknown => None,
    }
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        // What nobody has judged is not harmless.
        Severity::Medium | Severity::Unknown => "warning",
        Severity::Low | Severity::Negligible => "note",
    }
}

fn result(
    scanned: &Scanned<'_>,
    layers: &Layers<'_>,
    finding: &Finding,
    rule_index: usize,
) -> Found<'static> {
    let message = format!(
        "{} {} ({}): {} [{}]. {}",
        clean(&finding.source, limits::documents().name),
        clean(&finding.installed, schemas::VERSION),
        listed(&finding.packages),
        clean(&finding.id, limits::documents().name),
        word(finding.severity),
        advice(finding),
    );
    let logical =
        |layer| LogicalLocation { name: layers.said(layer), fully_qualified_name: layer.to_string() };
    let place = |path: &str| Location {
        id: None,
        physical_location: PhysicalLocation {
            artifact_location: ArtifactLocation { uri: uri_path(path), uri_base_id: Some(ROOT), index: None },
            // Code hosts show no result without a line, and a package has none.
            region: Region { start_line: 1, ..Region::default() },
        },
        logical_locations: finding.layer.iter().map(logical).collect(),
        message: None,
    };
    let locations = match finding.paths.as_slice() {
        [] => vec![place(database(scanned.inventory.database.as_deref()))],
        paths => paths.iter().take(limits::documents().places).map(|p| place(p)).collect(),
    };
    let mut properties = BTreeMap::from([
        ("because", clean(&finding.because, limits::documents().text)),
        ("severitySource", clean(&finding.severity_source, limits::documents().name)),
        ("ecosystem", clean(&finding.ecosystem, limits::documents().name)),
    ]);
    properties.extend(finding.fixed.as_ref().map(|fixed| ("fixedIn", clean(fixed, schemas::VERSION))));
    properties.extend(finding.layer.as_ref().map(|layer| ("layer", layer.to_string())));
    // Versions and layers change with every build, and it is still the same finding.
    let first = finding.paths.first().map_or("", String::as_str);
    let same = text::key(&[&finding.id, &finding.ecosystem, &finding.source, first]);
    Found {
        rule_id: Cow::Owned(id(finding)),
        rule_index,
        level: level(finding.severity),
        message: Text { text: Cow::Owned(message) },
        locations,
        related_locations: Vec::new(),
        partial_fingerprints: BTreeMap::from([("patchlineFinding/v1", same)]),
        properties,
    }
}

/// The file or folder that a system's packages are listed in.
fn database(kind: Option<&str>) -> &'static str {
    match kind {
        Some("apk") => "lib/apk/db/installed",
        Some("rpm") => "var/lib/rpm",
        Some("dpkg-status.d") => "var/lib/dpkg/status.d",
        _ => "var/lib/dpkg/status",
    }
}
