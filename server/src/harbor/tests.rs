//! The scanner as Harbor meets it, over real HTTP, asked by our own adapter among others; and after a restart.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use axum::body::Body;
use patchline_registry::{BlobContent, Descriptor, RawManifest, RegistryConfig, embedded::Embedded};
use patchline_scanner::{
    BoxError, Inventory, Report,
    adapters::{
        Adapter as _, Subject,
        harbor::{Harbor, Settings},
        times,
    },
};
use tower::ServiceExt as _;

use super::*;

/// Keeps reports, and makes one of one finding after a moment.
#[derive(Default)]
struct Stand {
    reports: Mutex<BTreeMap<String, Report>>,
    scans: AtomicUsize,
    fails: bool,
}

fn inventory(image: &Digest, layers: &[Digest]) -> Inventory {
    let layers: Vec<_> = layers.iter().map(|l| (l, l)).collect();
    let ssl = json!({"name": "libssl3", "version": "3.0.11-1", "architecture": "amd64", "source": "openssl",
        "source_version": "3.0.11-1", "held": false, "layer": null, "purl": "pkg:deb/debian/libssl3@3.0.11-1"});
    let distro =
        json!({"id": "debian", "version_id": "12", "codename": "bookworm", "pretty_name": "Debian 12"});
    serde_json::from_value(
        json!({"image": image, "platform": {"os": "linux", "architecture": "amd64"}, "distro": distro,
        "packages": [ssl], "database": "dpkg", "layers": layers}),
    )
    .unwrap()
}

#[async_trait]
impl Scans for Stand {
    async fn scan(&self, repository: Arc<dyn Repository>, image: &Digest) -> Result<String, Failed> {
        self.scans.fetch_add(1, Ordering::SeqCst);
        // Whoever may not pull may not scan.
        let pulled = repository.manifest(image.as_str()).await;
        pulled.map_err(|e| Failed { code: e.code().into(), message: e.to_string() })?;
        tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        if self.fails {
            return Err(Failed { code: "layer-unreadable".into(), message: "a layer is none".into() });
        }
        let report = serde_json::from_value(json!({
            "version": 1, "image": image, "distro": null, "packages": 1, "advisory_revision": "r",
            "completeness": {"state": "incomplete", "reasons": ["a file was too large"]},
            "findings": [{"id": "CVE-2024-1", "aliases": [], "ecosystem": "Debian:12", "packages": ["libssl3"],
                "source": "openssl", "installed": "3.0.11-1", "fixed": "3.0.14-1", "severity": "high",
                "severity_source": "debian", "mendable": null, "known_exploited": false, "epss": null,
                "layer": null, "summary": "words", "because": "it is older"}],
        }));
        Ok(self.put_report(&report.unwrap()).await.unwrap())
    }
    async fn updated(&self) -> Option<Timestamp> {
        "2026-05-01T00:00:00Z".parse().ok()
    }
}

#[async_trait]
impl Reports for Stand {
    async fn put_inventory(&self, _: &Inventory) -> Result<(), BoxError> {
        Ok(())
    }
    async fn inventory(&self, _: &Digest) -> Result<Option<Inventory>, BoxError> {
        Ok(None)
    }
    async fn put_report(&self, report: &Report) -> Result<String, BoxError> {
        let id = Digest::of(&report.canonical_json()).to_string();
        self.reports.lock().unwrap().insert(id.clone(), report.clone());
        Ok(id)
    }
    async fn report(&self, id: &str) -> Result<Option<Report>, BoxError> {
        Ok(self.reports.lock().unwrap().get(id).cloned())
    }
    async fn latest_report(&self, _: &Digest) -> Result<Option<(String, Report)>, BoxError> {
        Ok(None)
    }
}

/// Always the same moment.
struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> Timestamp {
        "2026-06-10T00:00:00Z".parse().unwrap()
    }
}

/// An embedded registry that wants a password, with one image.
struct Lab {
    registries: Registries,
    host: String,
    image: Digest,
    stand: Arc<Stand>,
    _dir: tempfile::TempDir,
}

const PAIR: &str = "Basic cm9ib3Q6aHVudGVyMg==";

async fn serve(router: Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { axum::serve(listener, router).await });
    host
}

impl Lab {
    /// `locked`: whoever pulls must know `robot`'s password, which the configuration does not have.
    async fn start(locked: bool, fails: bool) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (events, mut told) = tokio::sync::mpsc::channel(64);
        tokio::spawn(async move { while told.recv().await.is_some() {} });
        let embedded = Embedded::open(&dir.path().join("registry"), events).unwrap();
        let lock = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let shut = lock.clone();
        let check = axum::middleware::from_fn(move |request: Request, next: axum::middleware::Next| {
            let shut = shut.load(Ordering::SeqCst);
            async move {
                let known = request.headers().get("authorization").is_some_and(|v| v == PAIR);
                match known || !shut {
                    true => next.run(request).await,
                    false => (StatusCode::UNAUTHORIZED, [("www-authenticate", "Basic realm=\"lab\"")])
                        .into_response(),
                }
            }
        });
        let host = serve(embedded.router().layer(check)).await;
        let main = RegistryConfig { host: host.clone(), plain_http: true, ..RegistryConfig::default() };
        let registries = Registries::new([("main".to_owned(), main)].into()).unwrap();
        let repository = registries.open(&"main/shop/web:v1".parse().unwrap()).unwrap();
        let blob = async |media: &str, bytes: &[u8]| {
            let descriptor: Descriptor = serde_json::from_value(
                json!({"mediaType": media, "digest": Digest::of(bytes), "size": bytes.len()}),
            )
            .unwrap();
            let content = BlobContent::Bytes(bytes.to_vec().into());
            repository.push_blob(&descriptor, content).await.unwrap();
            descriptor
        };
        let config = blob(model::OCI_CONFIG, br#"{"os":"linux","architecture":"amd64"}"#).await;
        let layer = blob(model::OCI_LAYER_GZIP, b"layer").await;
        let manifest = json!({"schemaVersion": 2, "mediaType": model::OCI_MANIFEST, "config": config, "layers": [layer]});
        let raw = RawManifest::new(model::OCI_MANIFEST, manifest.to_string());
        repository.push_manifest("v1", &raw).await.unwrap();
        lock.store(locked, Ordering::SeqCst);
        let stand = Arc::new(Stand { fails, ..Stand::default() });
        Self { registries, host, image: raw.digest, stand, _dir: dir }
    }

    /// A server that remembers nothing: what a kill leaves.
    fn scanner(&self) -> Router {
        let harbor = Some(HarborScanner::new(Secret::new("s3cret"), self.stand.clone()));
        let (registries, reports) = (self.registries.clone(), self.stand.clone());
        router().with_state(Desk { harbor, registries, reports, clock: Arc::new(Fixed) })
    }

    fn request(&self, authorization: Option<&str>) -> Value {
        let mut body = json!({
            "registry": {"url": format!("http://{}", self.host)},
            "artifact": {"repository": "shop/web", "digest": self.image, "tag": "v1", "mime_type": model::OCI_MANIFEST},
        });
        if let Some(authorization) = authorization {
            body["registry"]["authorization"] = authorization.into();
        }
        body
    }
}

struct Answer {
    status: u16,
    kind: String,
    refresh: Option<String>,
    body: Value,
}

async fn ask(router: &Router, request: axum::http::request::Builder, body: String) -> Answer {
    let response = router.clone().oneshot(request.body(Body::from(body)).unwrap()).await.unwrap();
    let header = |name: &str| response.headers().get(name).map(|v| v.to_str().unwrap().to_owned());
    let (kind, refresh) = (header("content-type").unwrap_or_default(), header("refresh-after"));
    let status = response.status().as_u16();
    let bytes = axum::body::to_bytes(response.into_body(), 1 << 20).await.unwrap();
    Answer { status, kind, refresh, body: serde_json::from_slice(&bytes).unwrap_or_default() }
}

fn from_harbor(method: &str, path: &str) -> axum::http::request::Builder {
    Request::builder().method(method).uri(format!("/api/v1/{path}")).header("authorization", "Bearer s3cret")
}

async fn post(router: &Router, body: &Value) -> Answer {
    ask(router, from_harbor("POST", "scan").header("content-type", media::REQUEST), body.to_string()).await
}

/// As Harbor does: until it is no 302.
async fn poll(router: &Router, id: &str, accept: &str) -> Answer {
    for _ in 0..100 {
        let request = from_harbor("GET", &format!("scan/{id}/report")).header("accept", accept);
        let answer = ask(router, request, String::new()).await;
        if answer.status != 302 {
            return answer;
        }
        assert_eq!(answer.refresh.as_deref(), Some(REFRESH));
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("it is never done");
}

#[tokio::test]
async fn a_scan_is_accepted_awaited_and_told_in_each_form() {
    let lab = Lab::start(false, false).await;
    let router = lab.scanner();
    let metadata = ask(&router, from_harbor("GET", "metadata"), String::new()).await;
    assert_eq!((metadata.status, metadata.kind.as_str()), (200, media::METADATA));
    assert_eq!(metadata.body["properties"][UPDATED], "2026-05-01T00:00:00Z");
    let accepted = post(&router, &lab.request(None)).await;
    assert_eq!((accepted.status, accepted.kind.as_str()), (202, media::RESPONSE));
    let id = accepted.body["id"].as_str().unwrap().to_owned();
    let early = ask(&router, from_harbor("GET", &format!("scan/{id}/report")), String::new()).await;
    assert_eq!((early.status, early.refresh.as_deref()), (302, Some(REFRESH)));
    let done = poll(&router, &id, "application/vnd.security.vulnerability.report;version=1.1").await;
    assert_eq!((done.status, done.kind.as_str()), (200, media::REPORT));
    assert_eq!(done.body["artifact"]["digest"], json!(lab.image));
    assert_eq!(
        (&done.body["severity"], &done.body["scanner"]["name"]),
        (&json!("High"), &json!("Patchline"))
    );
    let lines = done.body["vulnerabilities"].as_array().unwrap();
    assert_eq!(lines[0]["id"], form::INCOMPLETE, "what was not seen is not silent");
    let line = &lines[1];
    assert_eq!(
        (&line["package"], &line["fix_version"], &line["severity"]),
        (&json!("libssl3"), &json!("3.0.14-1"), &json!("High"))
    );
    assert_eq!(poll(&router, &id, media::REPORT_1_0).await.kind, media::REPORT_1_0);
    assert_eq!(poll(&router, &id, media::RAW).await.body["findings"][0]["id"], "CVE-2024-1");
    assert_eq!(poll(&router, &id, media::SBOM).await.status, 501);
    assert_eq!(poll(&router, &id, "text/html").await.status, 406);
    assert_eq!(lab.stand.scans.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn strangers_other_types_and_other_hosts_are_refused() {
    let lab = Lab::start(false, false).await;
    let router = lab.scanner();
    let anyone = |value: &str| Request::builder().uri("/api/v1/metadata").header("authorization", value);
    for (value, status) in [
        ("Bearer s3cret", 200),
        ("Basic eDpzM2NyZXQ=", 200),
        ("s3cret", 401),
        ("Bearer ", 401),
        ("Basic czNjcmV0Og==", 401),
        ("Basic !", 401),
        ("Bearer other", 401),
    ] {
        let answer = ask(&router, anyone(value), String::new()).await;
        assert_eq!(answer.status, status, "{value}");
        assert!(status == 200 || answer.kind == media::ERROR && answer.body["error"]["message"].is_string());
    }
    let none = Request::builder().uri("/api/v1/metadata");
    assert_eq!(ask(&router, none, String::new()).await.status, 401);
    let typed = from_harbor("POST", "scan").header("content-type", "text/plain");
    assert_eq!(ask(&router, typed, lab.request(None).to_string()).await.status, 415);
    assert_eq!(post(&router, &json!([])).await.status, 400);
    let mut elsewhere = lab.request(None);
    elsewhere["registry"]["url"] = "http://169.254.169.254".into();
    let refused = post(&router, &elsewhere).await;
    assert_eq!((refused.status, refused.kind.as_str()), (422, media::ERROR));
    for id in ["x", "a.b", "%2e%2e"] {
        let unknown = ask(&router, from_harbor("GET", &format!("scan/{id}/report")), String::new()).await;
        assert_eq!(unknown.status, 404, "{id}");
    }
    assert_eq!(lab.stand.scans.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_scan_outlives_the_process_that_accepted_it() {
    let lab = Lab::start(false, false).await;
    let id = post(&lab.scanner(), &lab.request(None)).await.body["id"].as_str().unwrap().to_owned();
    // Another process with the same configuration, which remembers nothing.
    let after = lab.scanner();
    assert_eq!(poll(&after, &id, media::REPORT).await.status, 200);
    assert_eq!(lab.stand.scans.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn what_is_lent_pulls_and_is_gone_with_the_process() {
    let lab = Lab::start(true, false).await;
    let router = lab.scanner();
    let id = post(&router, &lab.request(Some(PAIR))).await.body["id"].as_str().unwrap().to_owned();
    assert_eq!(poll(&router, &id, media::REPORT).await.status, 200);
    let after = lab.scanner();
    let failed = poll(&after, &id, media::REPORT).await;
    assert_eq!((failed.status, failed.kind.as_str()), (500, media::ERROR));
    assert_eq!(failed.body["error"]["code"], "harbor-scan-failed");
    assert!(!failed.body.to_string().contains("hunter2"), "{}", failed.body);
    assert_eq!(post(&router, &lab.request(Some("Digest hunter2"))).await.status, 422);
}

#[tokio::test]
async fn a_scan_that_failed_says_why() {
    let lab = Lab::start(false, true).await;
    let router = lab.scanner();
    let id = post(&router, &lab.request(None)).await.body["id"].as_str().unwrap().to_owned();
    let failed = poll(&router, &id, media::REPORT).await;
    assert_eq!(failed.status, 500);
    assert_eq!(failed.body["error"]["message"], "the scan failed: a layer is none (layer-unreadable)");
}

#[tokio::test]
async fn our_own_adapter_reads_what_our_scanner_writes() {
    let lab = Lab::start(false, false).await;
    let url = format!("http://{}", serve(lab.scanner()).await).parse().unwrap();
    let authorization = Some(Secret::new("Bearer s3cret"));
    let adapter = Harbor::new("peer", Settings { url, authorization, time: times::TIME }).unwrap();
    let repository = lab.registries.open(&"main/shop/web:v1".parse().unwrap()).unwrap();
    let inventory = inventory(&lab.image, &[Digest::of(b"layer")]);
    let report =
        adapter.scan(&Subject { repository: repository.as_ref(), inventory: &inventory }).await.unwrap();
    let found: Vec<_> =
        report.findings.iter().map(|f| (f.id.as_str(), f.source.as_str(), f.fixed.as_deref())).collect();
    assert_eq!(found, [("CVE-2024-1", "openssl", Some("3.0.14-1")), (form::INCOMPLETE, "image", None)]);
    assert!(report.advisory_revision.starts_with("Patchline "), "{}", report.advisory_revision);
}

#[tokio::test]
async fn its_addresses_stand_beside_those_of_our_own_api() {
    let lab = Lab::start(false, false).await;
    let ours = Router::new().route("/runs", get(async || "runs")).fallback(async || StatusCode::IM_A_TEAPOT);
    let router = lab.scanner().merge(Router::new().nest("/api/v1", ours));
    let metadata = ask(&router, from_harbor("GET", "metadata"), String::new()).await;
    let other = ask(&router, from_harbor("GET", "nothing"), String::new()).await;
    assert_eq!((metadata.status, other.status), (200, 418));
    assert_eq!(ask(&router, from_harbor("GET", "runs"), String::new()).await.status, 200);
}
