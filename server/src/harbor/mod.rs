//! Patchline as a scanner of Harbor's: its pluggable scanner API 1.2, `/api/v1/metadata`, `/scan`, `/scan/{id}/report`.
//!
//! A scan that was accepted survives us: its id says what was asked for, sealed with the scanner's secret, so that a
//! process which does not remember it starts it again. What Harbor lends for pulling is in the memory of the scan and
//! nowhere else; one that is started again pulls with the configured credentials of that registry.

mod request;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, FromRef, FromRequest as _, Path, Request, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use patchline_engine::Clock;
use patchline_registry::{Digest, Registries, Repository, model, remote::Secret};
use patchline_scanner::{
    Reports,
    adapters::harbor::{UPDATED, media},
    formats::harbor::{self as form, Artifact},
};
use serde_json::{Value, json};

use self::request::Asked;
use crate::{
    App, Error, Result,
    jobs::{Bounds, Jobs, Lost, State as Job},
    triggers::same,
};

/// A request names one artifact.
const LONGEST_BODY: usize = 64 << 10;
/// Scans of this process.
const BOUNDS: Bounds = Bounds { most: 1_000, at_once: 2, time: Duration::from_secs(1_800) };
/// Seconds after which Harbor may ask again.
const REFRESH: &str = "2";

/// What makes reports for Harbor, handed in by the cli's wiring.
#[async_trait]
pub trait Scans: Send + Sync {
    /// Scans one image manifest and keeps its inventory and its report; gives the report's id.
    async fn scan(&self, repository: Arc<dyn Repository>, image: &Digest) -> Result<String, Failed>;
    /// When advisories were last loaded; none: there are none.
    async fn updated(&self) -> Option<Timestamp>;
}

/// Why a scan failed, as Harbor may read it.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message} ({code})")]
pub struct Failed {
    /// Kebab-case.
    pub code: String,
    /// Without credentials.
    pub message: String,
}

impl From<Lost> for Failed {
    fn from(lost: Lost) -> Self {
        Self { code: "harbor-scan-failed".to_owned(), message: lost.to_string() }
    }
}

/// The scanner as Harbor sees it; cheap to clone.
#[derive(Clone)]
pub struct HarborScanner {
    secret: Secret,
    scans: Arc<dyn Scans>,
    jobs: Arc<Jobs<String, Failed>>,
}

impl HarborScanner {
    /// `secret`: what Harbor sends as a bearer token, or as the password of any user.
    pub fn new(secret: Secret, scans: Arc<dyn Scans>) -> Self {
        Self { secret, scans, jobs: Arc::new(Jobs::new(BOUNDS)) }
    }
}

/// What the handlers need.
#[derive(Clone)]
pub(crate) struct Desk {
    harbor: Option<HarborScanner>,
    registries: Registries,
    reports: Arc<dyn Reports>,
    clock: Arc<dyn Clock>,
}

impl FromRef<App> for Desk {
    fn from_ref(app: &App) -> Self {
        Self {
            harbor: app.harbor.clone(),
            registries: app.registries.clone(),
            reports: app.reports.clone(),
            clock: app.clock.clone(),
        }
    }
}

/// It authenticates by itself: Harbor asks from another machine, through whatever stands before us.
pub(crate) fn router<S: Clone + Send + Sync + 'static>() -> Router<S>
where
    Desk: FromRef<S>,
{
    Router::new()
        .route("/api/v1/metadata", get(metadata))
        .route("/api/v1/scan", post(scan))
        .route("/api/v1/scan/{id}/report", get(report))
}

/// An error in the words of the API.
struct Refusal(Error);

impl From<Error> for Refusal {
    fn from(error: Error) -> Self {
        Self(error)
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let mut response = self.0.into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(media::ERROR));
        response
    }
}

/// The scanner, for whoever may use it.
fn authorized<'a>(desk: &'a Desk, headers: &HeaderMap) -> Result<&'a HarborScanner> {
    let scanner = desk.harbor.as_ref().ok_or(Error::HookDisabled)?;
    let given = headers.get(header::AUTHORIZATION).and_then(|v| v.to_str().ok()).unwrap_or_default();
    let (scheme, value) = given.split_once(' ').unwrap_or_default();
    let password = match scheme.to_ascii_lowercase().as_str() {
        "bearer" => value.trim().as_bytes().to_vec(),
        "basic" => {
            let pair = STANDARD.decode(value.trim()).unwrap_or_default();
            let colon = pair.iter().position(|b| *b == b':').map_or(pair.len(), |at| at + 1);
            pair[colon..].to_vec()
        }
        _ => Vec::new(),
    };
    let secret = scanner.secret.expose();
    match same(&password, secret.as_bytes()) && !secret.is_empty() {
        true => Ok(scanner),
        false => Err(Error::Unauthorized),
    }
}

/// Media types of manifests that are scanned.
const CONSUMES: [&str; 2] = [model::OCI_MANIFEST, model::DOCKER_MANIFEST];
/// Media types of reports, the best first.
const PRODUCES: [&str; 3] = [media::REPORT, media::REPORT_1_0, media::RAW];

async fn metadata(State(desk): State<Desk>, headers: HeaderMap) -> Result<Response, Refusal> {
    let scanner = authorized(&desk, &headers)?;
    let mut properties = json!({"harbor.scanner-adapter/scanner-type": "os-package-vulnerability"});
    if let Some(at) = scanner.scans.updated().await {
        properties[UPDATED] = at.to_string().into();
    }
    let body = json!({
        "scanner": form::scanner(env!("CARGO_PKG_VERSION")),
        "capabilities": [{"type": "vulnerability", "consumes_mime_types": CONSUMES, "produces_mime_types": PRODUCES}],
        "properties": properties,
    });
    let kind = accepts(&headers, &[media::METADATA, media::METADATA_1_0])?;
    Ok(typed(StatusCode::OK, kind, &body))
}

async fn scan(State(desk): State<Desk>, mut request: Request) -> Result<Response, Refusal> {
    let scanner = authorized(&desk, request.headers())?;
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|v| v.to_str().ok()).unwrap_or_default();
    if ![media::REQUEST, media::REQUEST_1_0].iter().any(|known| same_type(known, kind)) {
        let reason = format!("its content type is not `{}`", media::REQUEST);
        return Err(Error::InvalidBody { status: StatusCode::UNSUPPORTED_MEDIA_TYPE, reason }.into());
    }
    DefaultBodyLimit::max(LONGEST_BODY).apply(&mut request);
    let body = Bytes::from_request(request, &desk).await.map_err(|rejection| Error::InvalidBody {
        status: rejection.status(),
        reason: rejection.body_text(),
    })?;
    let (asked, lent) = request::read(&body, &desk.registries)?;
    let id = asked.sealed(&scanner.secret);
    start(&desk, scanner, &id, &asked, lent.as_ref())?;
    Ok(typed(StatusCode::ACCEPTED, media::RESPONSE, &json!({ "id": id })))
}

/// Starts a scan, unless the same one is under way.
fn start(desk: &Desk, scanner: &HarborScanner, id: &str, asked: &Asked, lent: Option<&Secret>) -> Result<()> {
    let registries = match lent {
        Some(lent) => desk.registries.lent(&asked.registry, lent).map_err(|error| request::field(&error))?,
        None => desk.registries.clone(),
    };
    let repository = registries.open(&asked.location()?)?;
    let (scans, image) = (scanner.scans.clone(), asked.digest.clone());
    let scan = async move {
        let scanned = scans.scan(repository, &image).await;
        if let Err(failed) = &scanned {
            tracing::warn!(error.code = failed.code, "a scan that Harbor asked for failed: {failed}");
        }
        scanned
    };
    scanner.jobs.start(id, scan).map_err(|_| Error::HarborBusy)
}

async fn report(
    State(desk): State<Desk>,
    Path(id): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Refusal> {
    let scanner = authorized(&desk, &headers)?;
    let kind = accepts(&headers, &PRODUCES)?;
    let asked = Asked::opened(&id, &scanner.secret).ok_or(Error::HarborScanUnknown)?;
    let done = match scanner.jobs.state(&id) {
        Some(Job::Done(report)) => report,
        Some(Job::Running) => return Ok(not_yet()),
        Some(Job::Failed(failed)) => return Err(Error::HarborScanFailed(failed).into()),
        None if !desk.registries.is_configured(&asked.registry) => {
            return Err(Error::HarborScanUnknown.into());
        }
        // Accepted by a process that is no more.
        None => {
            start(&desk, scanner, &id, &asked, None)?;
            return Ok(not_yet());
        }
    };
    let stored = |source| Error::Stored { what: "report", source };
    let report = desk.reports.report(&done).await.map_err(stored)?.ok_or(Error::HarborScanUnknown)?;
    if kind == media::RAW {
        return Ok(typed(StatusCode::OK, kind, &report));
    }
    let artifact = Artifact {
        repository: asked.repository,
        digest: asked.digest.to_string(),
        tag: asked.tag,
        mime_type: asked.mime_type,
    };
    let document = form::document(&report, artifact, env!("CARGO_PKG_VERSION"), desk.clock.now());
    Ok(typed(StatusCode::OK, kind, &document))
}

fn not_yet() -> Response {
    (StatusCode::FOUND, [("refresh-after", REFRESH)]).into_response()
}

/// The first of what is asked for that we can write; nothing asked for is anything.
fn accepts(headers: &HeaderMap, able: &[&'static str]) -> Result<&'static str> {
    let wanted = headers.get(header::ACCEPT).map(|v| v.to_str().unwrap_or_default().to_owned());
    let Some(wanted) = wanted.filter(|wanted| !wanted.trim().is_empty()) else { return Ok(able[0]) };
    let mut known = false;
    for one in wanted.split(',') {
        let one = one.split(";q=").next().unwrap_or_default();
        if let Some(kind) = able.iter().find(|kind| same_type(kind, one)) {
            return Ok(*kind);
        }
        if matches!(one.trim(), "*/*" | "application/*") {
            return Ok(able[0]);
        }
        known |= same_type(media::SBOM, one);
    }
    // What the API knows and this scanner is not able to is told apart from what it does not know.
    let status = if known { StatusCode::NOT_IMPLEMENTED } else { StatusCode::NOT_ACCEPTABLE };
    Err(Error::HarborNotAble { status, what: wanted.chars().take(200).collect() })
}

/// RFC 9110, section 8.3.1: blanks around `;` say nothing, and neither does case.
fn same_type(a: &str, b: &str) -> bool {
    let plain =
        |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_ascii_lowercase();
    plain(a) == plain(b)
}

fn typed(status: StatusCode, kind: &'static str, body: &impl serde::Serialize) -> Response {
    let body = serde_json::to_value(body).unwrap_or(Value::Null).to_string();
    (status, [(header::CONTENT_TYPE, kind)], body).into_response()
}

#[cfg(test)]
mod tests;
