//! Packages and what is wrong with them as CycloneDX 1.6 JSON (ECMA-424).

use std::collections::HashSet;

use patchline_registry::Digest;
use serde::{Serialize, Serializer, ser::SerializeSeq as _};

use super::{Layers, Scanned, advice, clean, limits, members::Members, page, schemas, text, word};
use crate::{Completeness, Finding, Package, Severity, licenses};

/// The document: "bom".
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Document<'a> {
    #[serde(rename = "$schema")]
    schema: &'static str,
    bom_format: &'static str,
    spec_version: &'static str,
    serial_number: String,
    version: u32,
    metadata: Metadata,
    components: Components<'a>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    compositions: Vec<Composition>,
    vulnerabilities: Vec<Vulnerability>,
}

/// The system and every package, each made when it is written: all at once are the most of a document.
#[derive(Debug)]
struct Components<'a> {
    system: Option<Component>,
    packages: &'a [Package],
    /// One for each package.
    references: Vec<String>,
    layers: Layers<'a>,
}

impl Serialize for Components<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut all =
            serializer.serialize_seq(Some(self.packages.len() + usize::from(self.system.is_some())))?;
        if let Some(system) = &self.system {
            all.serialize_element(system)?;
        }
        for (package, reference) in self.packages.iter().zip(&self.references) {
            all.serialize_element(&component(package, reference, &self.layers))?;
        }
        all.end()
    }
}

#[derive(Debug, Serialize)]
struct Metadata {
    timestamp: String,
    tools: Tools,
    component: Component,
    properties: Vec<Property>,
}

#[derive(Debug, Serialize)]
struct Tools {
    components: [Component; 1],
}

#[derive(Debug, Default, Serialize)]
struct Component {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(rename = "bom-ref", skip_serializing_if = "Option::is_none")]
    reference: Option<String>,
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    version: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    licenses: Option<[License; 1]>,
    #[serde(skip_serializing_if = "String::is_empty")]
    purl: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    evidence: Option<Evidence>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    properties: Vec<Property>,
}

/// "licenseChoice": an expression, for what an inventory has may be one.
#[derive(Debug, Serialize)]
struct License {
    expression: String,
}

#[derive(Debug, Serialize)]
struct Evidence {
    occurrences: [Occurrence; 1],
}

#[derive(Debug, Serialize)]
struct Occurrence {
    location: String,
}

/// Names are a vocabulary of our own: `patchline:…`.
#[derive(Debug, Serialize)]
struct Property {
    name: &'static str,
    value: String,
}

#[derive(Debug, Serialize)]
struct Composition {
    aggregate: &'static str,
    assemblies: [String; 1],
}

/// "vulnerability"; its analysis is left open: that is for people to say.
#[derive(Debug, Serialize)]
struct Vulnerability {
    #[serde(rename = "bom-ref")]
    reference: String,
    id: String,
    source: Source,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    references: Vec<Reference>,
    ratings: [Rating; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<String>,
    recommendation: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    published: Option<String>,
    affects: Vec<Affected>,
    properties: Vec<Property>,
}

#[derive(Debug, Serialize)]
struct Source {
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    url: Option<String>,
}

#[derive(Debug, Serialize)]
struct Reference {
    id: String,
    source: Source,
}

#[derive(Debug, Serialize)]
struct Rating {
    source: Source,
    severity: &'static str,
}

#[derive(Debug, Serialize)]
struct Affected {
    #[serde(rename = "ref")]
    reference: String,
    versions: [Version; 1],
}

#[derive(Debug, Serialize)]
struct Version {
    version: String,
    status: &'static str,
}

/// One document over one image.
pub fn document<'a>(scanned: &Scanned<'a>) -> Document<'a> {
    let (inventory, report) = (scanned.inventory, scanned.report);
    let members = Members::of(inventory);
    let image = inventory.image.to_string();
    let mut seen = HashSet::new();
    let references: Vec<String> = inventory
        .packages
        .iter()
        .enumerate()
        .map(|(at, package)| {
            // A purl is what people look for; one that stands at several places names none of them.
            let first = !package.purl.is_empty() && seen.insert(package.purl.as_str());
            if first { package.purl.clone() } else { format!("{}#{}", package.purl, members.key(at)) }
        })
        .collect();
    let system = inventory.distro.as_ref().map(|distro| Component {
        kind: "operating-system",
        reference: Some("operating-system".to_owned()),
        name: clean(&distro.id, limits::documents().name),
        version: clean(distro.version_id.as_deref().unwrap_or_default(), schemas::VERSION),
        description: distro.pretty_name.as_deref().map(|name| clean(name, limits::documents().name)),
        ..Component::default()
    });
    let aggregate = match report.completeness {
        Completeness::Complete => None,
        Completeness::Incomplete { .. } => Some("incomplete"),
        Completeness::Undetermined { .. } => Some("unknown"),
    };
    let composition = |aggregate| Composition { aggregate, assemblies: [image.clone()] };
    let affected = |finding| members.about(finding).into_iter().map(|at| &references[at]);
    let findings = report.findings.iter().enumerate();
    let vulnerabilities =
        findings.map(|(at, finding)| vulnerability(at, finding, affected(finding))).collect();
    let report_id = Digest::of(&report.canonical_json());
    Document {
        schema: "http://cyclonedx.org/schema/bom-1.6.schema.json",
        bom_format: "CycloneDX",
        spec_version: "1.6",
        serial_number: format!(
            "urn:uuid:{}",
            text::uuid(&[
                "cyclonedx",
                &image,
                scanned.name,
                report_id.as_str(),
                scanned.version,
                &scanned.seconds()
            ])
        ),
        version: 1,
        metadata: metadata(scanned, &image),
        components: Components {
            system,
            packages: &inventory.packages,
            references,
            layers: Layers::of(inventory),
        },
        compositions: aggregate.map(composition).into_iter().collect(),
        vulnerabilities,
    }
}

fn metadata(scanned: &Scanned<'_>, image: &str) -> Metadata {
    let platform = &scanned.inventory.platform;
    let variant = platform.variant.iter().map(|v| format!("/{v}"));
    let platform: String =
        std::iter::once(format!("{}/{}", platform.os, platform.architecture)).chain(variant).collect();
    let reasons = scanned.reasons().into_iter().map(|value| Property { name: "patchline:incomplete", value });
    let revision = clean(&scanned.report.advisory_revision, limits::documents().text);
    Metadata {
        timestamp: format!("{}Z", scanned.seconds()),
        tools: Tools {
            components: [Component {
                kind: "application",
                name: "patchline".to_owned(),
                version: scanned.version.to_owned(),
                ..Component::default()
            }],
        },
        component: Component {
            kind: "container",
            reference: Some(image.to_owned()),
            name: clean(scanned.name, limits::documents().name),
            version: image.to_owned(),
            ..Component::default()
        },
        properties: [
            Property { name: "patchline:platform", value: clean(&platform, limits::documents().name) },
            Property { name: "patchline:advisory-revision", value: revision },
        ]
        .into_iter()
        .chain(reasons)
        .collect(),
    }
}

fn component(package: &Package, reference: &str, layers: &Layers<'_>) -> Component {
    let mut properties = Vec::new();
    let mut property = |name, value: &str| {
        if !value.is_empty() {
            properties.push(Property { name, value: clean(value, limits::documents().name) });
        }
    };
    if let Some(layer) = &package.layer {
        property("patchline:layer", layer.as_str());
        property("patchline:layer-number", &layers.number(layer).map(|n| n.to_string()).unwrap_or_default());
    }
    property("patchline:path", package.path.as_deref().unwrap_or_default());
    property("patchline:owner", package.owner.as_deref().unwrap_or_default());
    if package.is_of_system() {
        property("patchline:source", &package.source);
        property("patchline:source-version", &package.source_version);
    }
    let evidence = package.evidence.and_then(|e| serde_json::to_value(e).ok());
    property("patchline:evidence", evidence.as_ref().and_then(|e| e.as_str()).unwrap_or_default());
    let (expression, whole) = expression(&package.licenses);
    if !whole {
        property("patchline:licenses", "there are more that are not known");
    }
    Component {
        kind: "library",
        reference: Some(reference.to_owned()),
        name: clean(&package.name, limits::documents().name),
        version: clean(&package.version, schemas::VERSION),
        description: None,
        licenses: expression.map(|expression| [License { expression }]),
        purl: package.purl.clone(),
        evidence: package.path.as_deref().map(|path| Evidence {
            occurrences: [Occurrence { location: clean(path, limits::documents().name) }],
        }),
        properties,
    }
}

/// All licences as one SPDX expression, and whether they are all that there are. None: none is known.
pub(super) fn expression(all: &[String]) -> (Option<String>, bool) {
    let whole = !all.iter().any(|license| license == licenses::NO_ASSERTION);
    let known: Vec<&str> = all.iter().map(String::as_str).filter(|l| *l != licenses::NO_ASSERTION).collect();
    // OR binds less than the AND that joins them.
    let part = |l: &&str| if known.len() > 1 && l.contains(' ') { format!("({l})") } else { (*l).to_owned() };
    let parts: Vec<String> = known.iter().map(part).collect();
    let joined = parts.join(" AND ");
    // One that is cut is none.
    let fits = joined.len() <= limits::documents().text;
    ((fits && !parts.is_empty()).then_some(joined), whole && fits)
}

fn vulnerability<'a>(
    at: usize,
    finding: &Finding,
    affected: impl Iterator<Item = &'a String>,
) -> Vulnerability {
    let source = |id: &str| Source { name: published_by(id).to_owned(), url: page(id) };
    let severity = match finding.severity {
        Severity::Negligible => "info",
        other => word(other),
    };
    let mut properties = vec![
        Property { name: "patchline:because", value: clean(&finding.because, limits::documents().text) },
        Property { name: "patchline:ecosystem", value: clean(&finding.ecosystem, limits::documents().name) },
        Property { name: "patchline:source", value: clean(&finding.source, limits::documents().name) },
    ];
    if let Some(fixed) = &finding.fixed {
        properties.push(Property { name: "patchline:fixed", value: clean(fixed, schemas::VERSION) });
    }
    if finding.known_exploited {
        properties.push(Property { name: "patchline:known-exploited", value: "true".to_owned() });
    }
    let affects = |reference: &String| Affected {
        reference: reference.clone(),
        versions: [Version { version: clean(&finding.installed, schemas::VERSION), status: "affected" }],
    };
    Vulnerability {
        // Within this document alone.
        reference: format!("finding-{}", at + 1),
        id: clean(&finding.id, limits::documents().name),
        source: source(&finding.id),
        references: finding
            .aliases
            .iter()
            .take(schemas::ALIASES)
            .map(|alias| Reference { id: clean(alias, limits::documents().name), source: source(alias) })
            .collect(),
        ratings: [Rating {
            source: Source { name: clean(&finding.severity_source, limits::documents().name), url: None },
            severity,
        }],
        description: finding.summary.as_deref().map(|s| clean(s, limits::documents().text)),
        recommendation: advice(finding),
        published: finding.published.map(|at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()),
        affects: affected.map(affects).collect(),
        properties,
    }
}

/// Whose numbering an id is of.
fn published_by(id: &str) -> &'static str {
    match id.split('-').next().unwrap_or_default() {
        "CVE" => "CVE",
        "GHSA" => "GitHub",
        "DSA" | "DLA" | "DTSA" | "TEMP" | "UPLOAD" => "Debian",
        _ => "OSV",
    }
}
