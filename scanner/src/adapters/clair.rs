//! Clair v4 over HTTP: the manifest is submitted, the index waited for, the vulnerability report read.
//!
//! Clair fetches the layers itself. It is told where they are, with a token of the registry that is good for pulling this
//! one repository and runs out by itself; a registry that knows only standing passwords gives none, and then Clair is not
//! asked.

use std::{
    collections::{BTreeSet, HashMap},
    time::Duration,
};

use async_trait::async_trait;
use base64::{Engine as _, engine::general_purpose};
use hmac::{Hmac, KeyInit as _, Mac as _};
use patchline_registry::{PullAccess, Secret};
use reqwest::Method;
use serde::Deserialize;
use serde_json::json;
use sha2::Sha256;
use url::Url;

use super::{
    Adapter, Clock, Error, Result, Subject,
    findings::{self, Findings, Origin, Said},
    json::{decode, filled, lax, unreadable},
    limits, process, times,
    web::{self, Web},
};
use crate::{Completeness, Inventory, Report};

/// How Clair is reached.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What comes before `/indexer/api/v1` and `/matcher/api/v1`.
    pub url: Url,
    /// Its pre-shared key, base64 as in its configuration; none: it asks for nothing.
    pub key: Option<Secret>,
    /// The `iss` that it expects.
    pub issuer: String,
    /// For one scan.
    pub time: Duration,
}

/// See the module.
pub struct Clair {
    web: Web,
    settings: Settings,
    clock: Clock,
}

/// Media type of what is submitted.
const MANIFEST: &str = "application/vnd.clair.manifest.v1+json";
/// Media types that are taken.
const INDEX_REPORT: &str = "application/vnd.clair.index_report.v1+json, application/json";
const VULNERABILITY_REPORT: &str = "application/vnd.clair.vulnerability_report.v1+json, application/json";

impl Clair {
    /// # Errors
    /// An HTTP client that cannot be made.
    pub fn new(name: &str, settings: Settings, clock: Clock) -> Result<Self> {
        Ok(Self { web: Web::new(name, settings.url.clone())?, settings, clock })
    }

    /// Clair's authentication, "PSK": a JWT (RFC 7519) under HS256 that is good for a few minutes.
    fn token(&self) -> Result<Option<Secret>> {
        let Some(key) = &self.settings.key else { return Ok(None) };
        let key = general_purpose::STANDARD
            .decode(key.expose().trim())
            .map_err(|_| unreadable(&self.web.scanner, "its key is no base64"))?;
        let encode = |value: &serde_json::Value| general_purpose::URL_SAFE_NO_PAD.encode(value.to_string());
        let now = (self.clock)().as_second();
        let until = now.saturating_add_unsigned(times::TOKEN.as_secs());
        let claims = json!({"iss": self.settings.issuer, "iat": now, "nbf": now - 10, "exp": until});
        let signed = format!("{}.{}", encode(&json!({"alg": "HS256", "typ": "JWT"})), encode(&claims));
        let mut mac = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes a key of any length");
        mac.update(signed.as_bytes());
        let signature = general_purpose::URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes());
        Ok(Some(Secret::new(format!("Bearer {signed}.{signature}"))))
    }

    async fn ask(
        &self,
        method: Method,
        path: &[&str],
        accept: &str,
        body: Option<Vec<u8>>,
    ) -> Result<reqwest::Response> {
        let mut request = Web::authorized(self.web.request(method, path)?, self.token()?.as_ref());
        request = request.header("accept", accept);
        if let Some(body) = body {
            request = request.header("content-type", MANIFEST).body(body);
        }
        self.web.send(request).await
    }

    /// Submits the manifest and waits until its content is known. Only a state that is an end ends the waiting.
    async fn index(&self, subject: &Subject<'_>, access: &PullAccess) -> Result<()> {
        let image = subject.inventory.image.as_str();
        let manifest = manifest(&self.web.scanner, subject, access)?;
        let body = manifest.to_string().into_bytes();
        let path = ["indexer", "api", "v1", "index_report"];
        let answer = self.ask(Method::POST, &path, INDEX_REPORT, Some(body)).await?;
        let mut bytes = match answer.status().as_u16() {
            // Newer ones say so when the work goes on behind the answer.
            202 => self.web.body(answer, 202, "the manifest", limits::adapters().report).await?,
            _ => self.web.body(answer, 201, "the manifest", limits::adapters().report).await?,
        };
        let mut wait = times::POLLS[0];
        loop {
            let index: IndexReport = decode(&self.web.scanner, &bytes)?;
            if index.manifest_hash != image {
                return Err(self.other(subject.inventory, &index.manifest_hash));
            }
            match index.state.as_str() {
                "IndexFinished" if index.success => return Ok(()),
                "IndexFinished" | "IndexError" => {
                    let said = match filled(&index.err) {
                        Some(err) => crate::formats::clean(err, limits::adapters().shown),
                        None => "it says nothing".to_owned(),
                    };
                    let how = index.state;
                    return Err(Error::Failed { scanner: self.web.scanner.clone(), how, said });
                }
                _ => {}
            }
            tokio::time::sleep(wait).await;
            wait = web::longer(wait);
            let path = ["indexer", "api", "v1", "index_report", image];
            let answer = self.ask(Method::GET, &path, INDEX_REPORT, None).await?;
            bytes = self.web.body(answer, 200, "the index report", limits::adapters().report).await?;
        }
    }

    /// When an updater last brought something. The address is one of Clair's internal ones, so that it does not answer
    /// as expected is no failure of a scan.
    async fn database(&self) -> Option<String> {
        #[derive(Deserialize)]
        struct Operation {
            date: String,
        }
        let path = ["matcher", "api", "v1", "internal", "update_operation"];
        let request =
            Web::authorized(self.web.request(Method::GET, &path).ok()?, self.token().ok()?.as_ref());
        let answer = self.web.send(request.query(&[("latest", "true")])).await.ok()?;
        let bytes =
            self.web.body(answer, 200, "the update operations", limits::adapters().answer).await.ok()?;
        let all: HashMap<String, Option<Vec<Operation>>> = serde_json::from_slice(&bytes).ok()?;
        let dates =
            all.into_values().flatten().flatten().filter_map(|o| o.date.parse::<jiff::Timestamp>().ok());
        dates.max().map(|at| at.to_string())
    }

    fn other(&self, inventory: &Inventory, actual: &str) -> Error {
        Error::OtherImage {
            scanner: self.web.scanner.clone(),
            expected: inventory.image.to_string(),
            actual: crate::formats::clean(actual, 100),
        }
    }
}

/// What Clair is told: each layer once, lowest first, and how to fetch it.
fn manifest(scanner: &str, subject: &Subject<'_>, access: &PullAccess) -> Result<serde_json::Value> {
    let mut layers = Vec::new();
    for (blob, _) in &subject.inventory.layers {
        let path = format!("v2/{}/blobs/{blob}", access.repository);
        let uri = access.base.join(&path).map_err(|_| unreadable(scanner, "a layer has no address"))?;
        let mut layer = json!({"hash": blob, "uri": uri});
        if let Some(authorization) = &access.authorization {
            layer["headers"] = json!({"Authorization": [authorization.expose()]});
        }
        layers.push(layer);
    }
    Ok(json!({"hash": subject.inventory.image, "layers": layers}))
}

#[async_trait]
impl Adapter for Clair {
    fn name(&self) -> &str {
        &self.web.scanner
    }
    async fn scan(&self, subject: &Subject<'_>) -> Result<Report> {
        let time = process::bounded(self.settings.time);
        web::within(&self.web.scanner, time, async {
            let access = super::harbor::access(&self.web.scanner, subject).await?;
            self.index(subject, &access).await?;
            let path = ["matcher", "api", "v1", "vulnerability_report", subject.inventory.image.as_str()];
            let answer = self.ask(Method::GET, &path, VULNERABILITY_REPORT, None).await?;
            let bytes =
                self.web.body(answer, 200, "the vulnerability report", limits::adapters().report).await?;
            let database = self.database().await;
            report(&self.web.scanner, &bytes, subject.inventory, database)
        })
        .await
    }
}

#[derive(Deserialize)]
struct IndexReport {
    manifest_hash: String,
    state: String,
    #[serde(default)]
    success: bool,
    #[serde(default, deserialize_with = "lax")]
    err: String,
}

#[derive(Deserialize)]
struct Document {
    manifest_hash: String,
    #[serde(deserialize_with = "lax")]
    packages: HashMap<String, Package>,
    #[serde(default, deserialize_with = "lax")]
    environments: HashMap<String, Option<Vec<Environment>>>,
    #[serde(deserialize_with = "lax")]
    vulnerabilities: HashMap<String, Vulnerability>,
    #[serde(deserialize_with = "lax")]
    package_vulnerabilities: HashMap<String, Option<Vec<String>>>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    #[serde(default, deserialize_with = "lax")]
    version: String,
    #[serde(default)]
    source: Option<Source>,
}

#[derive(Deserialize)]
struct Source {
    #[serde(default, deserialize_with = "lax")]
    name: String,
    #[serde(default, deserialize_with = "lax")]
    version: String,
}

#[derive(Deserialize)]
struct Environment {
    #[serde(default, deserialize_with = "lax")]
    package_db: String,
    #[serde(default, deserialize_with = "lax")]
    introduced_in: String,
}

#[derive(Deserialize)]
struct Vulnerability {
    name: String,
    #[serde(default, deserialize_with = "lax")]
    updater: String,
    #[serde(default, deserialize_with = "lax")]
    description: String,
    #[serde(default, deserialize_with = "lax")]
    issued: String,
    #[serde(default, deserialize_with = "lax")]
    links: String,
    #[serde(default, deserialize_with = "lax")]
    normalized_severity: String,
    #[serde(default, deserialize_with = "lax")]
    fixed_in_version: String,
}

/// Reads a vulnerability report about the image of an inventory. `database`: when an updater last brought something.
///
/// # Errors
/// [`Error::Unreadable`], [`Error::OtherImage`].
pub fn report(
    scanner: &str,
    bytes: &[u8],
    inventory: &Inventory,
    database: Option<String>,
) -> Result<Report> {
    let document: Document = decode(scanner, bytes)?;
    if document.manifest_hash != inventory.image.as_str() {
        return Err(Error::OtherImage {
            scanner: scanner.to_owned(),
            expected: inventory.image.to_string(),
            actual: crate::formats::clean(&document.manifest_hash, 100),
        });
    }
    let mut findings = Findings::new(inventory, Origin { scanner, program: "Clair 4".to_owned(), database });
    for (id, vulnerabilities) in &document.package_vulnerabilities {
        let vulnerabilities = vulnerabilities.as_deref().unwrap_or_default();
        if vulnerabilities.is_empty() {
            continue;
        }
        let missing = |what| unreadable(scanner, format!("it names a {what} that it does not describe"));
        let package = document.packages.get(id).ok_or_else(|| missing("package"))?;
        let environments = document.environments.get(id).and_then(Option::as_deref).unwrap_or_default();
        for id in vulnerabilities {
            let vulnerability = document.vulnerabilities.get(id).ok_or_else(|| missing("vulnerability"))?;
            for said in said(package, environments, vulnerability) {
                findings.add(said)?;
            }
        }
    }
    let complete = match document.packages.is_empty() {
        true => Completeness::Undetermined { reason: "Clair found no packages in the image".to_owned() },
        false => Completeness::Complete,
    };
    Ok(findings.report(complete))
}

/// One for each CVE: an erratum speaks of many.
fn said<'a>(
    package: &'a Package,
    environments: &'a [Environment],
    vulnerability: &'a Vulnerability,
) -> impl Iterator<Item = Said> + use<'a> {
    let (name, cves) = ids(vulnerability);
    let (kind, path) = environments.first().map_or(("", None), |e| database(&e.package_db));
    let one = move |id: String, aliases: Vec<String>| Said {
        id,
        aliases,
        kind: kind.to_owned(),
        package: package.name.clone(),
        version: package.version.clone(),
        source: package
            .source
            .as_ref()
            .filter(|s| !s.name.is_empty())
            .map(|s| (s.name.clone(), s.version.clone())),
        paths: path.map(str::to_owned).into_iter().collect(),
        fixed: fixed(&vulnerability.fixed_in_version),
        severity: findings::severity(&vulnerability.normalized_severity),
        severity_source: filled(&vulnerability.updater).map(str::to_owned),
        layer: environments.first().and_then(|e| filled(&e.introduced_in)).map(str::to_owned),
        // Cut before it is copied for each of them.
        summary: filled(&vulnerability.description)
            .map(|text| crate::formats::clean(text, limits::adapters().summary)),
        // Go's zero time is none.
        published: filled(&vulnerability.issued).filter(|at| !at.starts_with("0001-")).map(str::to_owned),
        epss: None,
        known_exploited: false,
    };
    let alone = cves.is_empty() || cves.contains(&name);
    let ids = if alone { BTreeSet::from([name.clone()]) } else { cves };
    // One by one: how many there may be is bounded where findings are counted.
    ids.into_iter().map(move |id| {
        let others = if alone { Vec::new() } else { vec![name.clone()] };
        one(id, others)
    })
}

/// The name that opens `RHSA-2021:1: openssl security update`, and the CVEs that name and links hold.
fn ids(vulnerability: &Vulnerability) -> (String, BTreeSet<String>) {
    let name = vulnerability.name.split_whitespace().next().unwrap_or_default().trim_end_matches([':', ',']);
    let texts = [vulnerability.name.as_str(), vulnerability.links.as_str()];
    let words = texts.iter().flat_map(|text| text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-')));
    let cve = |word: &&str| {
        let mut parts = word.split('-');
        let number = |part: Option<&str>| {
            part.is_some_and(|p| p.len() >= 4 && p.len() <= 19 && p.bytes().all(|b| b.is_ascii_digit()))
        };
        parts.next() == Some("CVE") && number(parts.next()) && number(parts.next()) && parts.next().is_none()
    };
    (name.to_owned(), words.filter(cve).map(str::to_owned).collect())
}

/// The type of a PURL for the database that held the package, and the file where it is a language's.
fn database(text: &str) -> (&'static str, Option<&str>) {
    if text.contains("lib/dpkg") {
        return ("deb", None);
    }
    if text.contains("lib/apk/") {
        return ("apk", None);
    }
    let (before, path) = text.split_once(':').unwrap_or((text, ""));
    let kind = match before {
        "sqlite" | "bdb" | "ndb" => return ("rpm", None),
        _ if text.contains("lib/rpm") || text.contains("sysimage/rpm") => return ("rpm", None),
        "python" => "pypi",
        "nodejs" => "npm",
        "ruby" => "gem",
        "go" => "golang",
        "maven" | "jar" | "file" => "maven",
        _ => "",
    };
    (kind, Some(path).filter(|p| !p.is_empty() && !kind.is_empty()))
}

/// A version, or OSV's events as the updaters of languages write them (`fixed=1.2&introduced=0`).
fn fixed(text: &str) -> Vec<String> {
    let text = text.trim();
    if text.is_empty() || text == "0" {
        return Vec::new();
    }
    if !text.contains('=') {
        return vec![text.to_owned()];
    }
    url::form_urlencoded::parse(text.as_bytes())
        .filter(|(key, _)| key == "fixed")
        .map(|(_, version)| version.into_owned())
        .collect()
}

#[cfg(test)]
#[path = "clair_tests.rs"]
mod tests;
