//! Trivy: its program, alone or as the client of a Trivy server, and its JSON report (schema version 2).

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
};

use async_trait::async_trait;
use patchline_registry::Secret;
use serde::Deserialize;
use tokio::sync::Mutex;
use url::Url;

use super::{
    Adapter, Error, Program, Result, Subject,
    findings::{self, Findings, Origin, Said},
    json::{decode, filled, lax, unreadable},
    limits,
    place::Place,
    process::{self, Start},
};
use crate::{Completeness, Inventory, Report};

/// How Trivy is run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The `trivy` program.
    pub program: Program,
    /// Where its databases are; nothing is downloaded into it. Not needed with a server.
    pub cache: Option<PathBuf>,
    /// A Trivy server, which then has the databases.
    pub server: Option<Url>,
    /// What the server wants to see in `Trivy-Token`.
    pub token: Option<Secret>,
}

/// See the module.
pub struct Trivy {
    name: String,
    settings: Settings,
    scratch: PathBuf,
    /// Older ones lock their database, and each takes as much memory as all the rest of us.
    alone: Mutex<()>,
}

impl Trivy {
    /// `scratch`: a folder for images on their way.
    pub fn new(name: impl Into<String>, mut settings: Settings, scratch: PathBuf) -> Self {
        settings.program.time = process::bounded(settings.program.time);
        Self { name: name.into(), settings, scratch, alone: Mutex::default() }
    }

    fn start<'a>(&'a self, place: &'a Place, home: &'a Path) -> Start<'a> {
        let mut arguments: Vec<OsString> = ["image", "--input"].map(OsString::from).into();
        arguments.push(place.image().into());
        let words = "--format json --scanners vuln --list-all-pkgs --exit-code 0 --skip-db-update \
                     --skip-java-db-update --offline-scan --no-progress --cache-dir";
        arguments.extend(words.split_ascii_whitespace().map(OsString::from));
        arguments.push(home.join("cache").into());
        arguments.push("--timeout".into());
        arguments.push(format!("{}s", self.settings.program.time.as_secs()).into());
        // By name in the environment: older ones do not know these flags.
        let mut environment: Vec<(&str, OsString)> =
            vec![("TRIVY_SKIP_VERSION_CHECK", "true".into()), ("TRIVY_DISABLE_TELEMETRY", "true".into())];
        if let Some(server) = &self.settings.server {
            // Behind a slash of ours it finds nothing, and does not say so.
            arguments.extend(["--server".into(), server.as_str().trim_end_matches('/').into()]);
        }
        // An argument can be read by everybody on this machine.
        let token = self.settings.token.as_ref().map(Secret::expose);
        environment.extend(token.map(|token| ("TRIVY_TOKEN", token.into())));
        Start {
            scanner: &self.name,
            program: &self.settings.program,
            arguments,
            environment,
            home,
            secrets: token.into_iter().collect(),
        }
    }
}

#[async_trait]
impl Adapter for Trivy {
    fn name(&self) -> &str {
        &self.name
    }
    async fn scan(&self, subject: &Subject<'_>) -> Result<Report> {
        let _alone = self.alone.lock().await;
        let place = Place::filled(&self.name, subject, &self.scratch).await?;
        let home = place.home();
        let database = match (&self.settings.server, &self.settings.cache) {
            (None, Some(cache)) => {
                lend(cache, &home.join("cache")).await?;
                date(&cache.join("db/metadata.json")).await
            }
            _ => None,
        };
        let bytes = process::output(self.start(&place, &home)).await?;
        report(&self.name, &bytes, subject.inventory, database)
    }
}

/// A cache of its own over the databases that are there: what it keeps of images goes with the scan, and two processes
/// do not lock each other out.
async fn lend(cache: &Path, own: &Path) -> Result<()> {
    let io = |e| Error::io(format!("lend {} to a scan", cache.display()))(e);
    tokio::fs::create_dir(own).await.map_err(io)?;
    for database in ["db", "java-db"] {
        let from = cache.join(database);
        if tokio::fs::try_exists(&from).await.map_err(io)? {
            tokio::fs::symlink(&from, own.join(database)).await.map_err(io)?;
        }
    }
    Ok(())
}

/// When the database was made, as its `metadata.json` has it; none: it does not tell.
async fn date(path: &Path) -> Option<String> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Metadata {
        updated_at: String,
    }
    let size = tokio::fs::metadata(path).await.ok()?.len();
    let bytes = tokio::fs::read(path).await.ok().filter(|_| size <= limits::adapters().answer as u64)?;
    let metadata: Metadata = serde_json::from_slice(&bytes).ok()?;
    // Go's zero time is none.
    Some(metadata.updated_at).filter(|at| !at.starts_with("0001-"))
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Document {
    #[serde(default)]
    schema_version: u32,
    #[serde(default, deserialize_with = "lax")]
    trivy: About,
    #[serde(default, deserialize_with = "lax")]
    artifact_type: String,
    #[serde(default, deserialize_with = "lax")]
    metadata: Metadata,
    #[serde(default, deserialize_with = "lax")]
    results: Vec<Part>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct About {
    #[serde(deserialize_with = "lax")]
    version: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata {
    #[serde(rename = "OS", deserialize_with = "lax")]
    os: Os,
    #[serde(rename = "DiffIDs", deserialize_with = "lax")]
    diff_ids: Vec<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Os {
    #[serde(rename = "Family", deserialize_with = "lax")]
    family: String,
    #[serde(rename = "Name", deserialize_with = "lax")]
    name: String,
    #[serde(rename = "EOSL", deserialize_with = "lax")]
    past_its_end: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Part {
    #[serde(default, deserialize_with = "lax")]
    target: String,
    #[serde(default, deserialize_with = "lax")]
    class: String,
    #[serde(default, deserialize_with = "lax")]
    r#type: String,
    #[serde(default, deserialize_with = "lax")]
    packages: Vec<Installed>,
    #[serde(default, deserialize_with = "lax")]
    vulnerabilities: Vec<Vulnerability>,
}

/// Of `--list-all-pkgs`, as far as it tells of sources.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Installed {
    #[serde(default, deserialize_with = "lax")]
    name: String,
    #[serde(default, deserialize_with = "lax")]
    src_name: String,
    #[serde(default, deserialize_with = "lax")]
    src_version: String,
    #[serde(default, deserialize_with = "lax")]
    src_release: String,
    #[serde(default, deserialize_with = "lax")]
    src_epoch: u64,
}

#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Vulnerability {
    #[serde(rename = "VulnerabilityID", deserialize_with = "lax")]
    id: String,
    #[serde(rename = "VendorIDs", deserialize_with = "lax")]
    vendor_ids: Vec<String>,
    #[serde(rename = "PkgName", deserialize_with = "lax")]
    name: String,
    #[serde(rename = "PkgPath", deserialize_with = "lax")]
    path: String,
    #[serde(rename = "PkgIdentifier", deserialize_with = "lax")]
    identifier: Identifier,
    #[serde(rename = "InstalledVersion", deserialize_with = "lax")]
    installed: String,
    #[serde(rename = "FixedVersion", deserialize_with = "lax")]
    fixed: String,
    #[serde(rename = "Status", deserialize_with = "lax")]
    status: String,
    #[serde(rename = "Layer", deserialize_with = "lax")]
    layer: Layer,
    #[serde(rename = "SeveritySource", deserialize_with = "lax")]
    severity_source: String,
    #[serde(rename = "Severity", deserialize_with = "lax")]
    severity: String,
    #[serde(rename = "Title", deserialize_with = "lax")]
    title: String,
    #[serde(rename = "PublishedDate", deserialize_with = "lax")]
    published: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Identifier {
    #[serde(rename = "PURL", deserialize_with = "lax")]
    purl: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Layer {
    #[serde(rename = "Digest", deserialize_with = "lax")]
    digest: String,
    #[serde(rename = "DiffID", deserialize_with = "lax")]
    diff_id: String,
}

/// Reads a report about the image of an inventory. `database`: when the database was made that it was written with.
///
/// # Errors
/// [`Error::Unreadable`] for what is no report of schema version 2, [`Error::OtherImage`] for one of other layers.
pub fn report(
    scanner: &str,
    bytes: &[u8],
    inventory: &Inventory,
    database: Option<String>,
) -> Result<Report> {
    let document: Document = decode(scanner, bytes)?;
    if document.schema_version != 2 {
        let reason = format!("its schema version is {}, and 2 is read", document.schema_version);
        return Err(unreadable(scanner, reason));
    }
    if filled(&document.artifact_type).is_some_and(|kind| kind != "container_image") {
        return Err(unreadable(scanner, format!("it is about a {}", document.artifact_type)));
    }
    same_layers(scanner, &document.metadata.diff_ids, inventory)?;
    let program = match filled(&document.trivy.version) {
        Some(version) => format!("Trivy {version}"),
        None => "Trivy".to_owned(),
    };
    let completeness = completeness(&document);
    let mut findings = Findings::new(inventory, Origin { scanner, program, database });
    for part in document.results {
        let sources: std::collections::HashMap<&str, &Installed> =
            part.packages.iter().map(|p| (p.name.as_str(), p)).collect();
        for one in &part.vulnerabilities {
            if one.status == "not_affected" {
                continue;
            }
            findings.add(said(&part, one, sources.get(one.name.as_str()).copied()))?;
        }
    }
    Ok(findings.report(completeness))
}

fn said(part: &Part, one: &Vulnerability, package: Option<&Installed>) -> Said {
    let purl = findings::of_purl(&one.identifier.purl);
    let of_system = part.class == "os-pkgs";
    let (kind, name) = match purl {
        // Of a language's, the name in the PURL is without case where its type has none.
        Some((kind, _)) => (kind, one.name.clone()),
        None => (kind(&part.r#type).to_owned(), one.name.clone()),
    };
    let path = filled(&one.path).or(Some(&part.target)).filter(|_| !of_system);
    Said {
        id: one.id.clone(),
        aliases: one.vendor_ids.clone(),
        kind,
        package: name,
        version: one.installed.clone(),
        source: package.and_then(source),
        // Trivy gathers packages of a kind under a name that is no path.
        paths: path.filter(|p| p.contains(['/', '.'])).map(str::to_owned).into_iter().collect(),
        fixed: one.fixed.split(',').map(str::to_owned).collect(),
        severity: findings::severity(&one.severity),
        severity_source: filled(&one.severity_source).map(str::to_owned),
        layer: filled(&one.layer.digest).or(filled(&one.layer.diff_id)).map(str::to_owned),
        summary: filled(&one.title).map(str::to_owned),
        published: filled(&one.published).map(str::to_owned),
        epss: None,
        known_exploited: false,
    }
}

/// `[epoch:]version[-release]`
fn source(package: &Installed) -> Option<(String, String)> {
    let name = filled(&package.src_name)?;
    let mut version = match package.src_epoch {
        0 => package.src_version.clone(),
        epoch => format!("{epoch}:{}", package.src_version),
    };
    if let (Some(release), false) = (filled(&package.src_release), version.is_empty()) {
        version.push('-');
        version.push_str(release);
    }
    Some((name.to_owned(), version))
}

/// The type of a PURL for what Trivy calls the type of a result.
fn kind(r#type: &str) -> &'static str {
    match r#type {
        "debian" | "ubuntu" | "echo" => "deb",
        "alpine" | "wolfi" | "chainguard" | "minimos" => "apk",
        "redhat"
        | "centos"
        | "rocky"
        | "alma"
        | "fedora"
        | "amazon"
        | "oracle"
        | "photon"
        | "azurelinux"
        | "cbl-mariner"
        | "openEuler"
        | "opensuse"
        | "opensuse-leap"
        | "opensuse-tumbleweed"
        | "suse"
        | "suse linux enterprise server" => "rpm",
        "gobinary" | "gomod" => "golang",
        "jar" | "pom" | "gradle" | "sbt" => "maven",
        "node-pkg" | "npm" | "yarn" | "pnpm" | "bun" => "npm",
        "python-pkg" | "pip" | "pipenv" | "poetry" | "uv" | "pylock" => "pypi",
        "gemspec" | "bundler" => "gem",
        "rustbinary" | "cargo" => "cargo",
        "composer" | "composer-vendor" => "composer",
        "nuget" | "dotnet-core" | "packages-props" => "nuget",
        "hex" => "hex",
        "pub" => "pub",
        "conan" => "conan",
        _ => "",
    }
}

/// A report of the image's own layers, where it names any.
fn same_layers(scanner: &str, theirs: &[String], inventory: &Inventory) -> Result<()> {
    let ours = inventory.layers.iter().map(|(_, diff_id)| diff_id.as_str());
    if theirs.is_empty() || theirs.iter().map(String::as_str).eq(ours) {
        return Ok(());
    }
    let expected = inventory.image.to_string();
    let actual = format!("an image of {} other layers", theirs.len());
    Err(Error::OtherImage { scanner: scanner.to_owned(), expected, actual })
}

fn completeness(document: &Document) -> Completeness {
    let Os { family, name, past_its_end } = &document.metadata.os;
    let system = crate::formats::clean(&format!("{family} {name}"), limits::adapters().name);
    if *past_its_end {
        let reason = format!("Trivy says that {} is past its end of life", system.trim());
        return Completeness::Incomplete { reasons: vec![reason] };
    }
    match (filled(family), document.results.is_empty()) {
        (None, true) => Completeness::Undetermined {
            reason: "Trivy found no system and no packages in the image".to_owned(),
        },
        _ => Completeness::Complete,
    }
}

#[cfg(test)]
#[path = "trivy_tests.rs"]
mod tests;
