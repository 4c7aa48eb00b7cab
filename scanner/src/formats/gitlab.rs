//! Findings as GitLab's container scanning report, version 15 of its security report schemas.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{Layers, Scanned, advice, clean, limits, listed, page, schemas, text};
use crate::{Completeness, Finding, Severity};

/// The version of the schema that is written.
const SCHEMA: &str = "15.2.1";

/// The report.
#[derive(Debug, Serialize)]
pub struct Document {
    version: &'static str,
    scan: Scan,
    vulnerabilities: Vec<Vulnerability>,
}

#[derive(Debug, Serialize)]
struct Scan {
    analyzer: Tool,
    scanner: Tool,
    #[serde(rename = "type")]
    kind: &'static str,
    start_time: String,
    end_time: String,
    status: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    messages: Vec<Message>,
}

#[derive(Debug, Serialize)]
struct Tool {
    id: &'static str,
    name: &'static str,
    version: String,
    vendor: Vendor,
}

#[derive(Debug, Serialize)]
struct Vendor {
    name: &'static str,
}

#[derive(Debug, Serialize)]
struct Message {
    level: &'static str,
    value: String,
}

#[derive(Debug, Serialize)]
struct Vulnerability {
    id: String,
    name: String,
    description: String,
    severity: &'static str,
    solution: String,
    identifiers: Vec<Identifier>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    links: Vec<Link>,
    details: BTreeMap<&'static str, Detail>,
    location: Location,
}

#[derive(Debug, Serialize)]
struct Identifier {
    #[serde(rename = "type")]
    kind: &'static str,
    name: String,
    value: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
}

#[derive(Debug, Serialize)]
struct Link {
    url: String,
}

#[derive(Debug, Serialize)]
struct Detail {
    name: &'static str,
    #[serde(rename = "type")]
    kind: &'static str,
    value: String,
}

#[derive(Debug, Serialize)]
struct Location {
    dependency: Dependency,
    operating_system: String,
    image: String,
}

#[derive(Debug, Serialize)]
struct Dependency {
    package: Named,
    version: String,
}

#[derive(Debug, Serialize)]
struct Named {
    name: String,
}

/// One report over one image.
pub fn document(scanned: &Scanned<'_>) -> Document {
    let tool = || Tool {
        id: "patchline",
        name: "Patchline",
        version: scanned.version.to_owned(),
        vendor: Vendor { name: "Patchline" },
    };
    let undetermined = matches!(scanned.report.completeness, Completeness::Undetermined { .. });
    let level = if undetermined { "fatal" } else { "warn" };
    let system = scanned.report.distro.as_ref().map(|distro| match &distro.version_id {
        Some(version) => clean(&format!("{} {version}", distro.id), schemas::TITLE),
        None => clean(&distro.id, schemas::TITLE),
    });
    let system = system.filter(|s| !s.is_empty()).unwrap_or_else(|| "unknown".to_owned());
    let layers = scanned.layers();
    Document {
        version: SCHEMA,
        scan: Scan {
            analyzer: tool(),
            scanner: tool(),
            kind: "container_scanning",
            start_time: scanned.seconds(),
            end_time: scanned.seconds(),
            status: if undetermined { "failure" } else { "success" },
            messages: scanned
                .reasons()
                .into_iter()
                .filter(|r| !r.is_empty())
                .map(|value| Message { level, value })
                .collect(),
        },
        vulnerabilities: scanned
            .report
            .findings
            .iter()
            .map(|finding| vulnerability(scanned, &layers, &system, finding))
            .collect(),
    }
}

fn vulnerability(
    scanned: &Scanned<'_>,
    layers: &Layers<'_>,
    system: &str,
    finding: &Finding,
) -> Vulnerability {
    let first = finding.paths.first().map_or("", String::as_str);
    let title = match finding.summary.as_deref().filter(|s| !s.trim().is_empty()) {
        Some(summary) => format!("{}: {summary}", finding.id),
        None => format!("{} in {}", finding.id, finding.source),
    };
    let detail = |name, value: String| Detail { name, kind: "text", value };
    let mut details = BTreeMap::from([
        ("because", detail("Why it matches", clean(&finding.because, limits::documents().text))),
        ("packages", detail("Packages", listed(&finding.packages))),
    ]);
    if let Some(layer) = &finding.layer {
        details.insert("layer", detail("Layer", format!("{}, {layer}", layers.said(layer))));
    }
    if !finding.paths.is_empty() {
        details.insert("files", detail("Files", listed(&finding.paths)));
    }
    let ids = std::iter::once(&finding.id).chain(finding.aliases.iter().take(schemas::ALIASES));
    Vulnerability {
        id: text::uuid(&[
            "gitlab",
            &finding.id,
            &finding.ecosystem,
            &finding.source,
            &finding.installed,
            first,
        ]),
        name: clean(&title, schemas::TITLE),
        description: clean(finding.summary.as_deref().unwrap_or(&title), limits::documents().text),
        severity: match finding.severity {
            Severity::Unknown => "Unknown",
            Severity::Negligible => "Info",
            Severity::Low => "Low",
            Severity::Medium => "Medium",
            Severity::High => "High",
            Severity::Critical => "Critical",
        },
        solution: advice(finding),
        identifiers: ids.map(|id| identifier(id)).collect(),
        links: page(&finding.id).into_iter().map(|url| Link { url }).collect(),
        details,
        location: Location {
            dependency: Dependency {
                package: Named { name: clean(&finding.source, limits::documents().name) },
                version: clean(&finding.installed, schemas::VERSION),
            },
            operating_system: system.to_owned(),
            image: clean(scanned.name, limits::documents().name),
        },
    }
}

fn identifier(id: &str) -> Identifier {
    let kind = match id.split('-').next().unwrap_or_default() {
        "CVE" => "cve",
        "GHSA" => "ghsa",
        "DSA" | "DLA" => "dsa",
        "USN" => "usn",
        _ => "osv",
    };
    let id_text = if id.is_empty() { "unknown".to_owned() } else { clean(id, limits::documents().name) };
    Identifier { kind, name: id_text.clone(), value: id_text, url: page(id) }
}
