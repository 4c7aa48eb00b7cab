//! A scanner that keeps to Harbor's specification to the letter, and some that do not.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use patchline_registry::Digest;
use serde_json::Value;

use super::{
    super::testdata::{self, Lab},
    times, *,
};
use crate::Severity;

fn document(inventory: &Inventory) -> Value {
    json!({
        "generated_at": "2026-06-01T00:00:00Z", "artifact": {"digest": inventory.image},
        "scanner": {"name": "Peer", "vendor": "P", "version": "2.1"}, "severity": "High",
        "vulnerabilities": [
            {"id": "CVE-2024-1", "package": "libssl3", "version": "3.0.11-1", "fix_version": "3.0.14-1", "severity": "High", "links": null},
            {"id": "CVE-2024-2", "package": "requests", "version": "2.30.0", "severity": "Unknown", "fix_version": ""}]
    })
}

#[test]
fn a_report_becomes_ours_and_our_inventory_says_of_which_ecosystem() {
    let inventory = testdata::inventory(&Digest::of(b"image"));
    let read = |value: Value| report("peer", value.to_string().as_bytes(), &inventory, None);
    let made = read(document(&inventory)).unwrap();
    let lines: Vec<_> = made
        .findings
        .iter()
        .map(|f| (f.id.as_str(), f.ecosystem.as_str(), f.source.as_str(), f.severity))
        .collect();
    assert_eq!(
        lines,
        [
            ("CVE-2024-1", "Debian:12", "openssl", Severity::High),
            ("CVE-2024-2", "PyPI", "requests", Severity::Unknown),
        ]
    );
    assert_eq!(made.findings[1].fixed, None);
    assert!(made.findings[0].because.contains("Peer 2.1"), "{}", made.findings[0].because);
    let mut other = document(&inventory);
    other["artifact"]["digest"] = json!(Digest::of(b"other"));
    assert_eq!(read(other).unwrap_err().code(), "scanner-other-image");
    assert_eq!(
        read(json!({"vulnerabilities": [{"package": "a"}]})).unwrap_err().code(),
        "scanner-unreadable"
    );
}

struct Stand {
    report: Value,
    asked: AtomicUsize,
    /// Where it sends whoever asks too early.
    location: Option<&'static str>,
}

fn typed(status: StatusCode, kind: &'static str, body: Value) -> Response {
    (status, [("content-type", kind)], body.to_string()).into_response()
}

fn error(status: StatusCode, message: &str) -> Response {
    typed(status, media::ERROR, json!({"error": {"message": message}}))
}

async fn metadata(headers: HeaderMap) -> Response {
    if headers["authorization"] != "Bearer peer" {
        return error(StatusCode::UNAUTHORIZED, "who are you");
    }
    let body = json!({
        "scanner": {"name": "Peer", "vendor": "P", "version": "2.1"},
        "capabilities": [
            {"type": "sbom", "consumes_mime_types": ["application/vnd.oci.image.manifest.v1+json"], "produces_mime_types": [media::SBOM]},
            {"type": "vulnerability", "consumes_mime_types": ["application/vnd.oci.image.manifest.v1+json"],
             "produces_mime_types": ["application/vnd.security.vulnerability.report;version=1.1"]}],
        "properties": {UPDATED: "2026-05-01T00:00:00Z"}
    });
    typed(StatusCode::OK, media::METADATA, body)
}

async fn scan(State(stand): State<Arc<Stand>>, headers: HeaderMap, body: Bytes) -> Response {
    if headers["content-type"] != media::REQUEST {
        return error(StatusCode::UNSUPPORTED_MEDIA_TYPE, "another type");
    }
    let Ok(request) = serde_json::from_slice::<Value>(&body) else {
        return error(StatusCode::BAD_REQUEST, "no JSON");
    };
    let artifact = &request["artifact"];
    let whole = request["registry"]["url"].as_str().is_some_and(|url| url.starts_with("http://127.0.0.1:"))
        && artifact["repository"] == "shop/web"
        && artifact["digest"] == stand.report["artifact"]["digest"]
        && artifact["mime_type"] == "application/vnd.oci.image.manifest.v1+json"
        && request["enabled_capabilities"][0]["type"] == "vulnerability";
    match whole {
        true => typed(StatusCode::ACCEPTED, media::RESPONSE, json!({"id": "a/b c"})),
        false => error(StatusCode::UNPROCESSABLE_ENTITY, "a field is wrong"),
    }
}

async fn told(State(stand): State<Arc<Stand>>, Path(id): Path<String>, headers: HeaderMap) -> Response {
    if id != "a/b c" {
        return StatusCode::NOT_FOUND.into_response();
    }
    if headers["accept"] != media::REPORT {
        return error(StatusCode::NOT_IMPLEMENTED, "another report");
    }
    if stand.asked.fetch_add(1, Ordering::SeqCst) > 0 {
        return typed(StatusCode::OK, media::REPORT, stand.report.clone());
    }
    match stand.location {
        Some(to) => (StatusCode::FOUND, [("refresh-after", "1"), ("location", to)]).into_response(),
        None => (StatusCode::FOUND, [("refresh-after", "1")]).into_response(),
    }
}

async fn start(lab: &Lab, location: Option<&'static str>, authorization: &str) -> (Harbor, Inventory) {
    let inventory = testdata::inventory(&lab.image);
    let stand = Stand { report: document(&inventory), asked: AtomicUsize::new(0), location };
    let router = Router::new()
        .route("/peer/api/v1/metadata", get(metadata))
        .route("/peer/api/v1/scan", post(scan))
        .route("/peer/api/v1/scan/{id}/report", get(told))
        .with_state(Arc::new(stand));
    let url = format!("http://{}/peer", testdata::serve(router).await).parse().unwrap();
    let settings = Settings { url, authorization: Some(Secret::new(authorization)), time: times::TIME };
    (Harbor::new("peer", settings).unwrap(), inventory)
}

#[tokio::test]
async fn a_scanner_is_asked_by_the_book() {
    let lab = Lab::start().await;
    let (harbor, inventory) = start(&lab, None, "Bearer peer").await;
    let subject = Subject { repository: lab.repository.as_ref(), inventory: &inventory };
    let report = harbor.scan(&subject).await.unwrap();
    assert_eq!((report.findings.len(), &report.image), (2, &lab.image));
    assert_eq!(report.advisory_revision, "Peer 2.1 with its database of 2026-05-01T00:00:00Z");
    let (same, _) = start(&lab, Some("/peer/api/v1/scan/x/report"), "Bearer peer").await;
    assert_eq!(same.scan(&subject).await.unwrap().findings.len(), 2);
}

#[tokio::test]
async fn who_sends_us_elsewhere_or_does_not_know_us_is_left() {
    let lab = Lab::start().await;
    let (harbor, inventory) = start(&lab, Some("http://169.254.169.254/latest"), "Bearer peer").await;
    let subject = Subject { repository: lab.repository.as_ref(), inventory: &inventory };
    let error = harbor.scan(&subject).await.unwrap_err();
    assert!(error.to_string().contains("another place"), "{error}");
    let (stranger, _) = start(&lab, None, "Bearer hunter2").await;
    let error = stranger.scan(&subject).await.unwrap_err();
    assert_eq!(error.to_string(), "peer answers 401 to metadata: who are you");
    let (mut slow, _) = start(&lab, None, "Bearer peer").await;
    slow.settings.time = Duration::from_secs(1);
    assert_eq!(slow.scan(&subject).await.unwrap_err().code(), "scanner-late");
}
