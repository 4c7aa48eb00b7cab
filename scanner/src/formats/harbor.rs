//! Reports as Harbor reads them: the vulnerability report of its pluggable scanner API 1.2.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};

use super::{clean, limits, page, reasons, schemas};
use crate::{Report, Severity};

/// `HarborVulnerabilityReport`.
#[derive(Debug, Serialize)]
pub struct Document {
    generated_at: String,
    artifact: Artifact,
    scanner: Scanner,
    severity: &'static str,
    vulnerabilities: Vec<Item>,
}

/// The image as Harbor named it.
#[derive(Debug, Clone, Serialize)]
pub struct Artifact {
    /// `library/web`
    pub repository: String,
    /// Of the manifest.
    pub digest: String,
    /// Where Harbor named one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tag: Option<String>,
    /// Of the manifest.
    pub mime_type: String,
}

/// Who made the report.
#[derive(Debug, Clone, Serialize)]
pub struct Scanner {
    name: &'static str,
    vendor: &'static str,
    version: String,
}

#[derive(Debug, Serialize)]
struct Item {
    id: String,
    package: String,
    version: String,
    fix_version: String,
    severity: &'static str,
    description: String,
    links: Vec<String>,
    vendor_attributes: Value,
}

/// Ourselves.
pub fn scanner(version: &str) -> Scanner {
    Scanner { name: "Patchline", vendor: "Patchline", version: version.to_owned() }
}

/// A line for each package that carries a finding. What the report could not see stands in the attributes of a line of
/// its own, of unknown severity: the format has no other place for it, and silence would read as clean.
pub fn document(report: &Report, artifact: Artifact, version: &str, at: Timestamp) -> Document {
    let mut vulnerabilities: Vec<Item> =
        reasons(&report.completeness).take(1).map(|_| doubt(report)).collect();
    for finding in &report.findings {
        let packages: &[String] = match finding.packages.as_slice() {
            [] => std::slice::from_ref(&finding.source),
            packages => packages,
        };
        for package in packages {
            vulnerabilities.push(Item {
                id: clean(&finding.id, limits::documents().name),
                package: clean(package, limits::documents().name),
                version: clean(&finding.installed, schemas::VERSION),
                fix_version: finding.fixed.as_deref().map(|f| clean(f, schemas::VERSION)).unwrap_or_default(),
                severity: word(finding.severity),
                description: finding.summary.as_deref().map(|s| clean(s, limits::documents().text)).unwrap_or_default(),
                links: page(&finding.id).into_iter().collect(),
                vendor_attributes: json!({
                    "aliases": finding.aliases.iter().map(|a| clean(a, limits::documents().name)).collect::<Vec<_>>(),
                    "because": clean(&finding.because, limits::documents().text),
                    "ecosystem": finding.ecosystem,
                    "known_exploited": finding.known_exploited,
                    "epss": finding.epss,
                    "severity_source": clean(&finding.severity_source, limits::documents().name),
                    "source": clean(&finding.source, limits::documents().name),
                }),
            });
        }
    }
    let severity = report.worst().map_or("Unknown", word);
    Document {
        generated_at: at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
        artifact,
        scanner: scanner(version),
        severity,
        vulnerabilities,
    }
}

/// The id of the line that says what was not seen.
pub const INCOMPLETE: &str = "PATCHLINE-INCOMPLETE";

fn doubt(report: &Report) -> Item {
    let all: Vec<String> = reasons(&report.completeness)
        .take(limits::documents().reasons)
        .map(|r| clean(r, limits::documents().text))
        .collect();
    Item {
        id: INCOMPLETE.to_owned(),
        package: "image".to_owned(),
        version: String::new(),
        fix_version: String::new(),
        severity: word(Severity::Unknown),
        description: format!("Not everything in this image could be looked at: {}", all.join("; ")),
        links: Vec::new(),
        vendor_attributes: json!({ "reasons": all }),
    }
}

/// `Severity` of the API.
fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Unknown => "Unknown",
        Severity::Negligible => "Negligible",
        Severity::Low => "Low",
        Severity::Medium => "Medium",
        Severity::High => "High",
        Severity::Critical => "Critical",
    }
}
