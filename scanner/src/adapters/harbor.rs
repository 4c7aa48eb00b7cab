//! Any scanner that speaks Harbor's pluggable scanner API 1.2 (or 1.0, 1.1), whose client we are: metadata, scan, report.

use std::time::Duration;

use async_trait::async_trait;
use patchline_registry::{PullAccess, Secret};
use reqwest::{Method, header};
use serde::Deserialize;
use serde_json::json;
use url::Url;

use super::{
    Adapter, Error, Result, Subject,
    findings::{self, Findings, Origin, Said},
    json::{decode, filled, lax, unreadable},
    limits, process, times,
    web::{self, Web},
};
use crate::{Completeness, Inventory, Report};

/// Media types of the API, as its specification 1.2 has them.
pub mod media {
    /// Of `GET /metadata`.
    pub const METADATA: &str = "application/vnd.scanner.adapter.metadata+json; version=1.1";
    /// The same, before SBOMs.
    pub const METADATA_1_0: &str = "application/vnd.scanner.adapter.metadata+json; version=1.0";
    /// Of what `POST /scan` takes.
    pub const REQUEST: &str = "application/vnd.scanner.adapter.scan.request+json; version=1.1";
    /// The same, before capabilities.
    pub const REQUEST_1_0: &str = "application/vnd.scanner.adapter.scan.request+json; version=1.0";
    /// Of what `POST /scan` answers.
    pub const RESPONSE: &str = "application/vnd.scanner.adapter.scan.response+json; version=1.0";
    /// Of every error.
    pub const ERROR: &str = "application/vnd.scanner.adapter.error+json; version=1.0";
    /// Of a report.
    pub const REPORT: &str = "application/vnd.security.vulnerability.report; version=1.1";
    /// Of a report without CVSS.
    pub const REPORT_1_0: &str = "application/vnd.scanner.adapter.vuln.report.harbor+json; version=1.0";
    /// Of a report in the scanner's own form.
    pub const RAW: &str = "application/vnd.scanner.adapter.vuln.report.raw";
    /// Of an SBOM.
    pub const SBOM: &str = "application/vnd.security.sbom.report+json; version=1.0";
}

/// How the scanner is reached.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What comes before `/api/v1`, as it is registered in Harbor.
    pub url: Url,
    /// The whole `Authorization` header that it expects, `Basic …` or `Bearer …`.
    pub authorization: Option<Secret>,
    /// For one scan.
    pub time: Duration,
}

/// See the module.
pub struct Harbor {
    web: Web,
    settings: Settings,
}

impl Harbor {
    /// # Errors
    /// An HTTP client that cannot be made.
    pub fn new(name: &str, settings: Settings) -> Result<Self> {
        Ok(Self { web: Web::new(name, settings.url.clone())?, settings })
    }

    fn request(&self, method: Method, path: &[&str]) -> Result<reqwest::RequestBuilder> {
        let all: Vec<&str> = ["api", "v1"].into_iter().chain(path.iter().copied()).collect();
        Ok(Web::authorized(self.web.request(method, &all)?, self.settings.authorization.as_ref()))
    }

    /// What it is, and which of the reports that we read it writes about such a manifest, the newest first.
    async fn metadata(&self, manifest: &str) -> Result<(Metadata, &'static str)> {
        let accept = format!("{}, {}", media::METADATA, media::METADATA_1_0);
        let request = self.request(Method::GET, &["metadata"])?.header(header::ACCEPT, accept);
        let answer = self.web.send(request).await?;
        let bytes = self.web.body(answer, 200, "metadata", limits::adapters().answer).await?;
        let metadata: Metadata = decode(&self.web.scanner, &bytes)?;
        let able = |report: &&str| {
            metadata.capabilities.iter().any(|c| {
                // One that does not say is of the time when there were no others.
                filled(&c.r#type).is_none_or(|kind| kind == "vulnerability")
                    && c.consumes_mime_types.iter().any(|mime| mime == manifest)
                    && c.produces_mime_types.iter().any(|mime| same_type(mime, report))
            })
        };
        let report = [media::REPORT, media::REPORT_1_0].into_iter().find(able);
        let unable = || unreadable(&self.web.scanner, format!("it makes no report about a {manifest}"));
        let report = report.ok_or_else(unable)?;
        Ok((metadata, report))
    }

    async fn accepted(&self, subject: &Subject<'_>, media_type: &str, report: &str) -> Result<String> {
        let access = access(&self.web.scanner, subject).await?;
        let mut registry = json!({"url": access.base.as_str().trim_end_matches('/')});
        if let Some(authorization) = &access.authorization {
            registry["authorization"] = authorization.expose().into();
        }
        let image = &subject.inventory.image;
        let body = json!({
            "registry": registry,
            "artifact": {"repository": access.repository, "digest": image, "mime_type": media_type},
            "enabled_capabilities": [{"type": "vulnerability", "produces_mime_types": [report]}],
        });
        let request = self.request(Method::POST, &["scan"])?;
        let request = request.header(header::CONTENT_TYPE, media::REQUEST).body(body.to_string());
        let answer = self.web.send(request.header(header::ACCEPT, media::RESPONSE)).await?;
        let bytes = self.web.body(answer, 202, "the scan", limits::adapters().answer).await?;
        let accepted: Accepted = decode(&self.web.scanner, &bytes)?;
        match accepted.id.is_empty() || accepted.id.len() > limits::adapters().name {
            true => Err(unreadable(&self.web.scanner, "it gives the scan no id")),
            false => Ok(accepted.id),
        }
    }

    /// Asks until it is done: a 302 says that it is not, and when to ask again.
    async fn report(&self, id: &str, media_type: &str) -> Result<Vec<u8>> {
        let mut wait = times::POLLS[0];
        loop {
            let request =
                self.request(Method::GET, &["scan", id, "report"])?.header(header::ACCEPT, media_type);
            let answer = self.web.send(request).await?;
            if answer.status().as_u16() != 302 {
                return self.web.body(answer, 200, "the report", limits::adapters().report).await;
            }
            self.web.stays(&answer)?;
            let asked =
                answer.headers().get("refresh-after").and_then(|v| v.to_str().ok()?.trim().parse().ok());
            let pause = asked.map_or(wait, Duration::from_secs).clamp(times::POLLS[0], times::POLLS[1]);
            tokio::time::sleep(pause).await;
            wait = web::longer(wait);
        }
    }
}

/// What a scanner that fetches images itself needs to fetch this one.
pub(super) async fn access(scanner: &str, subject: &Subject<'_>) -> Result<PullAccess> {
    let image = subject.repository.manifest(subject.inventory.image.as_str()).await?.image()?;
    let access = subject.repository.pull_access(&image.config.digest).await?;
    access
        .ok_or_else(|| Error::NeedsRegistry { scanner: scanner.to_owned(), image: subject.repository.name() })
}

/// RFC 9110, section 8.3.1: blanks around `;` say nothing, and neither does case.
fn same_type(a: &str, b: &str) -> bool {
    let plain =
        |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_lowercase();
    plain(a) == plain(b)
}

#[async_trait]
impl Adapter for Harbor {
    fn name(&self) -> &str {
        &self.web.scanner
    }
    async fn scan(&self, subject: &Subject<'_>) -> Result<Report> {
        let time = process::bounded(self.settings.time);
        web::within(&self.web.scanner, time, async {
            let manifest = subject.repository.manifest(subject.inventory.image.as_str()).await?;
            let (metadata, media_type) = self.metadata(&manifest.media_type).await?;
            let id = self.accepted(subject, &manifest.media_type, media_type).await?;
            let bytes = self.report(&id, media_type).await?;
            let database = metadata.properties.get(UPDATED).and_then(|v| v.as_str()).map(str::to_owned);
            report(&self.web.scanner, &bytes, subject.inventory, database)
        })
        .await
    }
}

/// The property of `metadata` that says when the database was made.
pub const UPDATED: &str = "harbor.scanner-adapter/vulnerability-database-updated-at";

#[derive(Deserialize)]
struct Metadata {
    #[serde(default, deserialize_with = "lax")]
    capabilities: Vec<Capability>,
    #[serde(default, deserialize_with = "lax")]
    properties: serde_json::Map<String, serde_json::Value>,
}

#[derive(Deserialize)]
struct Capability {
    #[serde(default, deserialize_with = "lax")]
    r#type: String,
    #[serde(default, deserialize_with = "lax")]
    consumes_mime_types: Vec<String>,
    #[serde(default, deserialize_with = "lax")]
    produces_mime_types: Vec<String>,
}

#[derive(Deserialize)]
struct Accepted {
    id: String,
}

#[derive(Deserialize)]
struct Document {
    #[serde(default, deserialize_with = "lax")]
    artifact: Artifact,
    #[serde(default, deserialize_with = "lax")]
    scanner: Scanner,
    #[serde(default, deserialize_with = "lax")]
    vulnerabilities: Vec<Item>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Artifact {
    #[serde(deserialize_with = "lax")]
    digest: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Scanner {
    #[serde(deserialize_with = "lax")]
    name: String,
    #[serde(deserialize_with = "lax")]
    version: String,
}

#[derive(Deserialize)]
struct Item {
    id: String,
    #[serde(default, deserialize_with = "lax")]
    package: String,
    #[serde(default, deserialize_with = "lax")]
    version: String,
    #[serde(default, deserialize_with = "lax")]
    fix_version: String,
    #[serde(default, deserialize_with = "lax")]
    severity: String,
    #[serde(default, deserialize_with = "lax")]
    description: String,
}

/// Reads a vulnerability report about the image of an inventory. `database`: when what it knows was made.
///
/// The format does not say of which ecosystem a package is; our inventory does, where it has it.
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
    let digest = &document.artifact.digest;
    if filled(digest).is_some_and(|digest| digest != inventory.image.as_str()) {
        return Err(Error::OtherImage {
            scanner: scanner.to_owned(),
            expected: inventory.image.to_string(),
            actual: crate::formats::clean(digest, 100),
        });
    }
    let program = match (filled(&document.scanner.name), filled(&document.scanner.version)) {
        (Some(name), Some(version)) => format!("{name} {version}"),
        (Some(name), None) => name.to_owned(),
        (None, _) => scanner.to_owned(),
    };
    let kinds: std::collections::HashMap<(&str, &str), &str> =
        inventory.packages.iter().map(|p| ((p.name.as_str(), p.version.as_str()), p.kind())).collect();
    let mut findings = Findings::new(inventory, Origin { scanner, program, database });
    for item in document.vulnerabilities {
        let kind = kinds.get(&(item.package.as_str(), item.version.as_str())).copied().unwrap_or_default();
        findings.add(Said {
            id: item.id,
            kind: kind.to_owned(),
            package: item.package,
            version: item.version,
            fixed: item.fix_version.split(',').map(str::to_owned).collect(),
            severity: findings::severity(&item.severity),
            summary: filled(&item.description).map(str::to_owned),
            ..Said::default()
        })?;
    }
    Ok(findings.report(Completeness::Complete))
}

#[cfg(test)]
#[path = "harbor_tests.rs"]
mod tests;
