//! Clair, as its OpenAPI document says that it answers, over a registry that wants tokens.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use axum::{
    Json, Router,
    body::Bytes,
    extract::{Path, State},
    http::{HeaderMap, StatusCode},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use patchline_registry::Digest;
use serde_json::{Value, json};

use super::{
    super::testdata::{self, Lab},
    times, *,
};
use crate::Severity;

const KEY: &str = "c2VjcmV0";

fn document(inventory: &Inventory) -> Value {
    json!({
        "manifest_hash": inventory.image,
        "packages": {
            "1": {"id": "1", "name": "libssl3", "version": "3.0.11-1", "kind": "BINARY", "source": {"name": "openssl", "version": "3.0.11-1"}},
            "2": {"id": "2", "name": "requests", "version": "2.30.0"}},
        "distributions": {},
        "environments": {
            "1": [{"package_db": "var/lib/dpkg/status", "introduced_in": inventory.layers[0].0, "distribution_id": "1"}],
            "2": [{"package_db": "python:usr/lib/python3", "introduced_in": inventory.layers[1].0}]},
        "vulnerabilities": {
            "a": {"id": "a", "updater": "debian/updater", "name": "CVE-2024-0001", "normalized_severity": "High",
                "links": "https://x/CVE-2024-0001", "issued": "0001-01-01T00:00:00Z", "fixed_in_version": "3.0.14-1"},
            "b": {"id": "b", "updater": "osv/pypi", "name": "GHSA-aaaa-bbbb-cccc: text", "normalized_severity": "Unknown",
                "links": "https://x/CVE-2024-0002 https://x/CVE-2024-0003", "fixed_in_version": "fixed=2.31.0&introduced=0"}},
        "package_vulnerabilities": {"1": ["a"], "2": ["b"], "3": null}
    })
}

#[test]
fn a_report_becomes_ours_an_erratum_as_each_of_its_vulnerabilities() {
    let inventory = testdata::inventory(&Digest::of(b"image"));
    let mut value = document(&inventory);
    let read = |value: &Value| report("clair", value.to_string().as_bytes(), &inventory, None);
    value["packages"]["3"] = json!({"name": "bash", "version": "5"});
    let report = read(&value).unwrap();
    let lines: Vec<_> =
        report.findings.iter().map(|f| (f.id.as_str(), f.source.as_str(), f.severity)).collect();
    assert_eq!(
        lines,
        [
            ("CVE-2024-0001", "openssl", Severity::High),
            ("CVE-2024-0002", "requests", Severity::Unknown),
            ("CVE-2024-0003", "requests", Severity::Unknown),
        ]
    );
    assert_eq!(report.findings[1].aliases, ["GHSA-aaaa-bbbb-cccc"]);
    assert_eq!((report.findings[1].fixed.as_deref(), report.findings[0].published), (Some("2.31.0"), None));
    assert_eq!(report.findings[0].layer.as_ref(), Some(&inventory.layers[0].0));
    value["package_vulnerabilities"]["1"] = json!(["gone"]);
    assert_eq!(read(&value).unwrap_err().code(), "scanner-unreadable");
    value["manifest_hash"] = json!(Digest::of(b"other"));
    assert_eq!(read(&value).unwrap_err().code(), "scanner-other-image");
}

/// Other names of a finding are bounded, findings are not left out.
#[test]
fn an_erratum_of_many_vulnerabilities_is_as_many_findings() {
    let inventory = testdata::inventory(&Digest::of(b"image"));
    let mut value = document(&inventory);
    let links: Vec<String> = (100..190).map(|n| format!("https://x/CVE-2024-1{n}")).collect();
    value["vulnerabilities"]["b"]["links"] = links.join(" ").into();
    let report = report("clair", value.to_string().as_bytes(), &inventory, None).unwrap();
    assert_eq!(report.findings.len(), 91);
}

/// What Clair does with what it was told.
struct Stand {
    report: Value,
    /// How often the index is asked for before it is there.
    asked: AtomicUsize,
    fails: bool,
    client: reqwest::Client,
    now: i64,
}

/// Clair's PSK: HS256, the issuer, and a moment between `nbf` and `exp`.
fn authorized(headers: &HeaderMap, now: i64) -> bool {
    let check = || {
        let token = headers.get("authorization")?.to_str().ok()?.strip_prefix("Bearer ")?;
        let (signed, signature) = token.rsplit_once('.')?;
        let mut mac = Hmac::<Sha256>::new_from_slice(b"secret").ok()?;
        mac.update(signed.as_bytes());
        mac.verify_slice(&general_purpose::URL_SAFE_NO_PAD.decode(signature).ok()?).ok()?;
        let claims = general_purpose::URL_SAFE_NO_PAD.decode(signed.split_once('.')?.1).ok()?;
        let claims: Value = serde_json::from_slice(&claims).ok()?;
        let holds = claims["nbf"].as_i64()? <= now && now < claims["exp"].as_i64()?;
        Some(claims["iss"] == "patchline" && holds)
    };
    check() == Some(true)
}

fn index(stand: &Stand, state: &str) -> Value {
    let err = if state == "IndexError" { "layer is no tar" } else { "" };
    json!({"manifest_hash": stand.report["manifest_hash"], "state": state, "success": state == "IndexFinished", "err": err})
}

async fn submit(State(stand): State<Arc<Stand>>, headers: HeaderMap, body: Bytes) -> Response {
    if !authorized(&headers, stand.now) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    if headers["content-type"] != "application/vnd.clair.manifest.v1+json" {
        return StatusCode::UNSUPPORTED_MEDIA_TYPE.into_response();
    }
    let manifest: Value = serde_json::from_slice(&body).unwrap();
    for layer in manifest["layers"].as_array().unwrap() {
        let mut request = stand.client.get(layer["uri"].as_str().unwrap());
        for (name, values) in layer["headers"].as_object().into_iter().flatten() {
            request = request.header(name, values[0].as_str().unwrap());
        }
        let answer = request.send().await.unwrap();
        let status = answer.status();
        let fetched = answer.bytes().await.unwrap();
        if status != 200 || Digest::of(&fetched).as_str() != layer["hash"] {
            let said = json!({"code": "bad-request", "message": format!("fetching a layer: {status}")});
            return (StatusCode::BAD_REQUEST, Json(said)).into_response();
        }
    }
    (StatusCode::CREATED, Json(index(&stand, "CheckManifest"))).into_response()
}

async fn state(State(stand): State<Arc<Stand>>, Path(digest): Path<String>) -> Response {
    if digest != stand.report["manifest_hash"] {
        return StatusCode::NOT_FOUND.into_response();
    }
    let state = match stand.asked.fetch_add(1, Ordering::SeqCst) {
        0 => "FetchLayers",
        _ if stand.fails => "IndexError",
        _ => "IndexFinished",
    };
    Json(index(&stand, state)).into_response()
}

async fn found(State(stand): State<Arc<Stand>>, Path(digest): Path<String>) -> Response {
    match digest == stand.report["manifest_hash"] && stand.asked.load(Ordering::SeqCst) > 1 {
        true => Json(stand.report.clone()).into_response(),
        false => (StatusCode::NOT_FOUND, Json(json!({"message": "not indexed"}))).into_response(),
    }
}

/// A registry that answers nobody without its token, which it gives to whoever knows the password.
fn tokens(router: Router) -> Router {
    async fn check(request: axum::extract::Request, next: axum::middleware::Next) -> Response {
        let given = request.headers().get("authorization").and_then(|v| v.to_str().ok()).unwrap_or_default();
        let host = request.headers()["host"].to_str().unwrap().to_owned();
        if request.uri().path() == "/token" {
            let right = given == format!("Basic {}", general_purpose::STANDARD.encode("robot:hunter2"));
            return match right {
                true => Json(json!({"token": "short-lived", "expires_in": 300})).into_response(),
                false => StatusCode::UNAUTHORIZED.into_response(),
            };
        }
        if given == "Bearer short-lived" {
            return next.run(request).await;
        }
        let asks = format!("Bearer realm=\"http://{host}/token\",service=\"lab\"");
        (StatusCode::UNAUTHORIZED, [("www-authenticate", asks)]).into_response()
    }
    router.layer(axum::middleware::from_fn(check))
}

async fn lab_with_tokens() -> Lab {
    Lab::start_with(tokens, Some(("robot", "hunter2"))).await
}

async fn clair(lab: &Lab, fails: bool, now: i64) -> (Clair, Inventory) {
    let inventory = testdata::inventory(&lab.image);
    let stand = Arc::new(Stand {
        report: document(&inventory),
        asked: AtomicUsize::new(0),
        fails,
        client: reqwest::Client::new(),
        now,
    });
    let router = Router::new()
        .route("/indexer/api/v1/index_report", post(submit))
        .route("/indexer/api/v1/index_report/{digest}", get(state))
        .route("/matcher/api/v1/vulnerability_report/{digest}", get(found))
        .route(
            "/matcher/api/v1/internal/update_operation",
            get(async || {
                Json(
                    json!({"a": [{"date": "2026-05-01T00:00:00Z"}], "b": [{"date": "2026-04-01T00:00:00Z"}]}),
                )
            }),
        )
        .with_state(stand);
    let url = format!("http://{}", testdata::serve(router).await).parse().unwrap();
    let settings =
        Settings { url, key: Some(Secret::new(KEY)), issuer: "patchline".into(), time: times::TIME };
    let clock: Clock = Arc::new(|| "2026-06-01T00:00:00Z".parse().unwrap());
    (Clair::new("clair", settings, clock).unwrap(), inventory)
}

const NOW: i64 = 1_780_272_060;

#[tokio::test]
async fn clair_fetches_with_a_token_of_the_registry_and_is_asked_until_it_is_done() {
    let lab = lab_with_tokens().await;
    let (clair, inventory) = clair(&lab, false, NOW).await;
    let subject = Subject { repository: lab.repository.as_ref(), inventory: &inventory };
    let access = lab.repository.pull_access(&inventory.layers[0].0).await.unwrap().unwrap();
    assert_eq!(access.authorization.as_ref().map(Secret::expose), Some("Bearer short-lived"));
    let told = manifest("clair", &subject, &access).unwrap().to_string();
    assert!(!told.contains("hunter2") && !told.contains("robot"), "{told}");
    let report = clair.scan(&subject).await.unwrap();
    assert_eq!(report.findings.len(), 3);
    assert_eq!(report.advisory_revision, "Clair 4 with its database of 2026-05-01T00:00:00Z");
}

#[tokio::test]
async fn an_index_that_failed_a_token_that_is_over_and_an_image_in_no_registry_are_told() {
    let lab = Lab::start().await;
    let (failing, inventory) = clair(&lab, true, NOW).await;
    let subject = Subject { repository: lab.repository.as_ref(), inventory: &inventory };
    let error = failing.scan(&subject).await.unwrap_err();
    assert_eq!(error.to_string(), "clair failed (IndexError): layer is no tar");
    let (late, _) = clair(&lab, false, NOW + 3600).await;
    assert_eq!(late.scan(&subject).await.unwrap_err().code(), "scanner-refused");
    let folder = tempfile::tempdir().unwrap();
    let layout = patchline_registry::layout::open(folder.path(), true).unwrap();
    patchline_registry::copy(
        lab.repository.as_ref(),
        lab.image.as_str(),
        layout.as_ref(),
        "v1",
        &patchline_registry::CopyOptions::default(),
    )
    .await
    .unwrap();
    let error = late.scan(&Subject { repository: layout.as_ref(), ..subject }).await.unwrap_err();
    assert_eq!(error.code(), "scanner-needs-registry");
}
