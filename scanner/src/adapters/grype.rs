//! Grype: its program, and its JSON report.

use std::{ffi::OsString, path::PathBuf};

use async_trait::async_trait;
use serde::Deserialize;
use tokio::sync::Mutex;

use super::{
    Adapter, Error, Program, Result, Subject,
    findings::{self, Findings, Origin, Said},
    json::{decode, filled, lax, unreadable},
    place::Place,
    process::{self, Start},
};
use crate::{Completeness, Inventory, Report};

/// How Grype is run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The `grype` program.
    pub program: Program,
    /// Where its database is; nothing is downloaded into it.
    pub cache: PathBuf,
}

/// See the module.
pub struct Grype {
    name: String,
    settings: Settings,
    scratch: PathBuf,
    /// It takes as much memory as all the rest of us.
    alone: Mutex<()>,
}

impl Grype {
    /// `scratch`: a folder for images on their way.
    pub fn new(name: impl Into<String>, mut settings: Settings, scratch: PathBuf) -> Self {
        settings.program.time = process::bounded(settings.program.time);
        Self { name: name.into(), settings, scratch, alone: Mutex::default() }
    }
}

#[async_trait]
impl Adapter for Grype {
    fn name(&self) -> &str {
        &self.name
    }
    async fn scan(&self, subject: &Subject<'_>) -> Result<Report> {
        let _alone = self.alone.lock().await;
        let place = Place::filled(&self.name, subject, &self.scratch).await?;
        let mut image = OsString::from("oci-dir:");
        image.push(place.image());
        let off = || OsString::from("false");
        let start = Start {
            scanner: &self.name,
            program: &self.settings.program,
            arguments: vec![image, "-o".into(), "json".into(), "-q".into()],
            environment: vec![
                ("GRYPE_DB_CACHE_DIR", self.settings.cache.clone().into()),
                ("GRYPE_DB_AUTO_UPDATE", off()),
                ("GRYPE_CHECK_FOR_APP_UPDATE", off()),
            ],
            home: &place.home(),
            secrets: Vec::new(),
        };
        let bytes = process::output(start).await?;
        report(&self.name, &bytes, subject.inventory)
    }
}

#[derive(Deserialize)]
struct Document {
    #[serde(default, deserialize_with = "lax")]
    matches: Vec<Match>,
    #[serde(default, deserialize_with = "lax")]
    source: Source,
    descriptor: Descriptor,
}

#[derive(Deserialize)]
struct Match {
    vulnerability: Vulnerability,
    #[serde(default, rename = "relatedVulnerabilities", deserialize_with = "lax")]
    related: Vec<Related>,
    #[serde(default, rename = "matchDetails", deserialize_with = "lax")]
    details: Vec<Detail>,
    artifact: Artifact,
}

#[derive(Deserialize)]
struct Vulnerability {
    id: String,
    #[serde(default, deserialize_with = "lax")]
    namespace: String,
    #[serde(default, deserialize_with = "lax")]
    severity: String,
    #[serde(default, deserialize_with = "lax")]
    description: String,
    #[serde(default, deserialize_with = "lax")]
    fix: Fix,
    #[serde(default, deserialize_with = "lax")]
    epss: Vec<Epss>,
    #[serde(default, rename = "knownExploited", deserialize_with = "lax")]
    known_exploited: Vec<serde::de::IgnoredAny>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Fix {
    #[serde(deserialize_with = "lax")]
    versions: Vec<String>,
}

#[derive(Deserialize)]
struct Epss {
    #[serde(default)]
    epss: f64,
}

#[derive(Deserialize)]
struct Related {
    #[serde(default, deserialize_with = "lax")]
    id: String,
}

#[derive(Deserialize)]
struct Detail {
    #[serde(default, deserialize_with = "lax")]
    fix: Suggested,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Suggested {
    #[serde(rename = "suggestedVersion", deserialize_with = "lax")]
    version: String,
}

#[derive(Deserialize)]
struct Artifact {
    name: String,
    #[serde(default, deserialize_with = "lax")]
    version: String,
    #[serde(default, deserialize_with = "lax")]
    r#type: String,
    #[serde(default, deserialize_with = "lax")]
    purl: String,
    #[serde(default, deserialize_with = "lax")]
    locations: Vec<Location>,
    #[serde(default, deserialize_with = "lax")]
    upstreams: Vec<Upstream>,
}

#[derive(Deserialize)]
struct Location {
    #[serde(default, deserialize_with = "lax")]
    path: String,
    #[serde(default, rename = "layerID", deserialize_with = "lax")]
    layer: String,
}

#[derive(Deserialize)]
struct Upstream {
    #[serde(default, deserialize_with = "lax")]
    name: String,
    #[serde(default, deserialize_with = "lax")]
    version: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Source {
    #[serde(deserialize_with = "lax")]
    r#type: String,
    #[serde(deserialize_with = "lax")]
    target: serde_json::Value,
}

#[derive(Deserialize)]
struct Descriptor {
    #[serde(default, deserialize_with = "lax")]
    name: String,
    #[serde(default, deserialize_with = "lax")]
    version: String,
    #[serde(default, deserialize_with = "lax")]
    db: serde_json::Value,
}

/// Reads a report about the image of an inventory.
///
/// # Errors
/// [`Error::Unreadable`] for what is no report of Grype's, [`Error::OtherImage`] for one about another manifest.
pub fn report(scanner: &str, bytes: &[u8], inventory: &Inventory) -> Result<Report> {
    let document: Document = decode(scanner, bytes)?;
    if document.descriptor.name != "grype" {
        return Err(unreadable(scanner, "it was not written by grype"));
    }
    if filled(&document.source.r#type).is_some_and(|kind| kind != "image") {
        return Err(unreadable(scanner, format!("it is about a {}", document.source.r#type)));
    }
    let manifest = document.source.target["manifestDigest"].as_str().unwrap_or_default();
    if !manifest.is_empty() && manifest != inventory.image.as_str() {
        return Err(Error::OtherImage {
            scanner: scanner.to_owned(),
            expected: inventory.image.to_string(),
            actual: crate::formats::clean(manifest, 100),
        });
    }
    let about = &document.descriptor;
    // The older place first: the newer has its words below `status`.
    let built = [&about.db["built"], &about.db["status"]["built"]].into_iter().find_map(|at| at.as_str());
    let version = filled(&about.version).filter(|v| !v.starts_with('['));
    let origin = Origin {
        scanner,
        program: version.map_or_else(|| "Grype".to_owned(), |version| format!("Grype {version}")),
        database: built.map(str::to_owned),
    };
    let mut findings = Findings::new(inventory, origin);
    for one in document.matches {
        findings.add(said(one))?;
    }
    Ok(findings.report(Completeness::Complete))
}

fn said(one: Match) -> Said {
    let Match { vulnerability, related, details, artifact } = one;
    let (kind, name) = match findings::of_purl(&artifact.purl) {
        // Its own name leaves the group of a Maven package out.
        Some((kind, name)) if kind == "maven" => (kind, name),
        Some((kind, _)) => (kind, artifact.name),
        None => (kind(&artifact.r#type).to_owned(), artifact.name),
    };
    let of_system = matches!(&*kind, "" | "deb" | "apk" | "rpm");
    let suggested: Vec<String> =
        details.into_iter().map(|d| d.fix.version).filter(|v| !v.trim().is_empty()).collect();
    let layer = artifact.locations.iter().find_map(|at| filled(&at.layer)).map(str::to_owned);
    let judged =
        vulnerability.namespace.split(':').next().and_then(filled).map(|namespace| match namespace {
            "github" => "ghsa".to_owned(),
            other => other.to_owned(),
        });
    Said {
        id: vulnerability.id,
        aliases: related.into_iter().map(|r| r.id).collect(),
        source: artifact.upstreams.into_iter().next().map(|u| (u.name, u.version)),
        kind,
        package: name,
        version: artifact.version,
        paths: artifact.locations.into_iter().filter(|_| !of_system).map(|at| at.path).collect(),
        fixed: if suggested.is_empty() { vulnerability.fix.versions } else { suggested },
        severity: findings::severity(&vulnerability.severity),
        severity_source: judged,
        layer,
        summary: filled(&vulnerability.description).map(str::to_owned),
        published: None,
        epss: vulnerability.epss.iter().map(|e| e.epss).reduce(f64::max),
        known_exploited: !vulnerability.known_exploited.is_empty(),
    }
}

/// The type of a PURL for what Syft calls the type of a package.
fn kind(r#type: &str) -> &'static str {
    match r#type {
        "deb" => "deb",
        "apk" => "apk",
        "rpm" => "rpm",
        "python" => "pypi",
        "npm" => "npm",
        "java-archive" | "jenkins-plugin" => "maven",
        "go-module" => "golang",
        "gem" => "gem",
        "rust-crate" => "cargo",
        "php-composer" => "composer",
        "dotnet" => "nuget",
        "hex" => "hex",
        "dart-pub" => "pub",
        "conan" => "conan",
        _ => "generic",
    }
}

#[cfg(test)]
#[path = "grype_tests.rs"]
mod tests;
