//! The bearer flow against a registry that holds every call to its scopes.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use axum::{
    Json, Router,
    extract::{Request, State},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::get,
};
use base64::Engine as _;
use http::{Method, StatusCode, header};
use patchline_registry::{CopyOptions, Registries, RegistryConfig, Secret, copy};

use crate::{
    images::{image, push},
    servers::{Running, embedded, open, registries, serve},
};

/// What the stand-in does, and what it has seen.
#[derive(Default)]
struct Guard {
    realm: Mutex<String>,
    tokens: Mutex<HashMap<String, Vec<String>>>,
    issued: AtomicU64,
    /// A token is good for this many calls; 0: for ever.
    uses: AtomicU64,
    used: AtomicU64,
    expires_in: Option<u64>,
    scopes_asked: Mutex<Vec<String>>,
    /// Actions that the token service does not grant.
    withheld: Mutex<Vec<&'static str>>,
}

/// What a call needs, from its method and path as Distribution derives it.
fn needed(request: &Request) -> Vec<String> {
    let path = request.uri().path().trim_start_matches("/v2/");
    let name = ["/manifests/", "/blobs/", "/tags/", "/referrers/"].iter().find_map(|k| path.split_once(k));
    let Some((name, _)) = name else { return Vec::new() };
    let is_manifest = path.contains("/manifests/");
    let actions: &[&str] = match *request.method() {
        Method::GET | Method::HEAD => &["pull"],
        Method::DELETE if is_manifest => &["delete"],
        _ => &["pull", "push"],
    };
    let mut needed: Vec<String> = actions.iter().map(|a| format!("{name}:{a}")).collect();
    let query = request.uri().query().unwrap_or_default();
    if let Some(from) = query.split('&').find_map(|p| p.strip_prefix("from=")) {
        needed.push(format!("{}:pull", from.replace("%2F", "/")));
    }
    needed
}

fn bearer(request: &Request) -> Option<&str> {
    request.headers().get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ")
}

async fn guard(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let granted = bearer(&request).and_then(|t| guard.tokens.lock().unwrap().get(t).cloned());
    let limit = guard.uses.load(Ordering::SeqCst);
    let worn = limit > 0 && guard.used.fetch_add(1, Ordering::SeqCst) >= limit;
    match granted {
        Some(granted) if !worn && needed(&request).iter().all(|n| granted.contains(n)) => {
            next.run(request).await
        }
        _ => {
            guard.used.store(0, Ordering::SeqCst);
            let realm = guard.realm.lock().unwrap().clone();
            let challenge = format!(r#"Bearer realm="{realm}",service="stand-in",scope="whatever""#);
            (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, challenge)]).into_response()
        }
    }
}

async fn token(State(guard): State<Arc<Guard>>, request: Request) -> Response {
    let expected = base64::engine::general_purpose::STANDARD.encode("robot:s3cret");
    let sent = request.headers().get(header::AUTHORIZATION).and_then(|v| v.to_str().ok());
    if sent != Some(&format!("Basic {expected}")) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    let withheld = guard.withheld.lock().unwrap().clone();
    let mut granted = Vec::new();
    let query = request.uri().query().unwrap_or_default();
    for (key, scope) in url::form_urlencoded::parse(query.as_bytes()).filter(|(k, _)| k == "scope") {
        assert_eq!(key, "scope");
        guard.scopes_asked.lock().unwrap().push(scope.to_string());
        let (name, actions) = scope.strip_prefix("repository:").unwrap().rsplit_once(':').unwrap();
        granted.extend(actions.split(',').filter(|a| !withheld.contains(a)).map(|a| format!("{name}:{a}")));
    }
    let text = format!("token-{}", guard.issued.fetch_add(1, Ordering::SeqCst));
    guard.tokens.lock().unwrap().insert(text.clone(), granted);
    // Docker's name for it and OAuth's: both are seen.
    Json(serde_json::json!({ "access_token": text, "expires_in": guard.expires_in })).into_response()
}

struct Guarded {
    guard: Arc<Guard>,
    host: String,
    _running: Running,
}

async fn guarded(guard: Guard) -> Guarded {
    let running = embedded().await;
    let shared = Arc::new(guard);
    let router = (running.embedded.router())
        .layer(middleware::from_fn_with_state(shared.clone(), self::guard))
        .merge(Router::new().route("/token", get(token)).with_state(shared.clone()));
    let port = serve(router).await;
    *shared.realm.lock().unwrap() = format!("http://127.0.0.1:{port}/token");
    Guarded { guard: shared, host: format!("127.0.0.1:{port}"), _running: running }
}

fn robot(host: &str) -> RegistryConfig {
    let credentials = Some(("robot".to_owned(), Secret::new("s3cret")));
    RegistryConfig { host: host.to_owned(), credentials, ..RegistryConfig::default() }
}

fn named(host: &str) -> Registries {
    registries(&[("main", robot(host))])
}

#[tokio::test]
async fn every_call_asks_the_scopes_it_needs() {
    let guarded = guarded(Guard::default()).await;
    let registries = named(&guarded.host);
    let (source, target) =
        (open(&registries, "main", "shop/web"), open(&registries, &guarded.host, "backup/web"));
    let image = image("scopes");
    push(&*source, "v1", &image).await;
    let report = copy(&*source, "v1", &*target, "v1", &CopyOptions { referrers: true }).await.unwrap();
    assert_eq!(report.mounted, 3, "the source's scope is asked too");
    source.untag("v1", &image.manifest.digest).await.unwrap();
    source.delete_manifest(&image.manifest.digest).await.unwrap();
    assert_eq!(source.tags().await.unwrap(), [""; 0]);
    assert_eq!(source.resolve(image.manifest.digest.as_str()).await.unwrap(), None);
    let asked = guarded.guard.scopes_asked.lock().unwrap().clone();
    for scope in
        ["repository:shop/web:pull", "repository:backup/web:pull,push", "repository:shop/web:delete,pull"]
    {
        assert!(asked.iter().any(|a| a == scope), "{scope} in {asked:?}");
    }
    // Tokens are kept, one a set of scopes, though two names led here.
    assert!(guarded.guard.issued.load(Ordering::SeqCst) <= 10);
    assert_eq!(registries.name_of(&guarded.host), "main");
}

#[tokio::test]
async fn a_token_is_renewed_once_and_then_it_is_denied() {
    let renewing = guarded(Guard { uses: AtomicU64::new(4), ..Guard::default() }).await;
    let repository = open(&named(&renewing.host), "main", "a");
    push(&*repository, "v1", &image("renew")).await;
    assert!(renewing.guard.issued.load(Ordering::SeqCst) > 2, "it was renewed");

    renewing.guard.withheld.lock().unwrap().extend(["pull", "push"]);
    let before = renewing.guard.issued.load(Ordering::SeqCst);
    let fresh = open(&named(&renewing.host), "main", "a");
    assert_eq!(fresh.manifest("v1").await.unwrap_err().code(), "registry-denied");
    assert_eq!(fresh.referrers(&image("renew").manifest.digest).await.unwrap_err().code(), "registry-denied");
    assert!(renewing.guard.issued.load(Ordering::SeqCst) - before <= 4, "no endless asking");
}

#[tokio::test]
async fn a_token_that_has_expired_is_not_sent() {
    let short = guarded(Guard { expires_in: Some(1), ..Guard::default() }).await;
    let repository = open(&named(&short.host), "main", "a");
    repository.resolve("v1").await.unwrap();
    repository.resolve("v1").await.unwrap();
    assert_eq!(short.guard.issued.load(Ordering::SeqCst), 2, "each one is over before the next call");
    let long = guarded(Guard { expires_in: Some(3600), ..Guard::default() }).await;
    let repository = open(&named(&long.host), "main", "a");
    repository.resolve("v1").await.unwrap();
    repository.resolve("v1").await.unwrap();
    assert_eq!(long.guard.issued.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_mount_that_is_not_granted_is_an_upload() {
    let guarded = guarded(Guard::default()).await;
    let registries = named(&guarded.host);
    let source = open(&registries, "main", "a");
    let image = image("not granted");
    push(&*source, "v1", &image).await;
    let layer = &image.blobs[0].0.digest;
    let target = open(&registries, "main", "b");
    assert!(!target.mount_blob(layer, "absent").await.unwrap());
    assert!(target.mount_blob(layer, "a").await.unwrap());
}

#[tokio::test]
async fn credentials_go_to_no_other_host() {
    let guarded = guarded(Guard::default()).await;
    let thief = Arc::new(Mutex::new(Vec::new()));
    let seen = thief.clone();
    let router = Router::new().route(
        "/token",
        get(move |request: Request| async move {
            seen.lock().unwrap().push(request.headers().clone());
            Json(serde_json::json!({ "token": "x" }))
        }),
    );
    let port = serve(router).await;
    *guarded.guard.realm.lock().unwrap() = format!("http://localhost:{port}/token");
    let denied = open(&named(&guarded.host), "main", "a").resolve("v1").await.unwrap_err();
    assert_eq!(denied.code(), "registry-untrusted-realm");
    assert!(thief.lock().unwrap().is_empty(), "not even asked");
    assert!(!format!("{denied:?} {denied}").contains("s3cret"));

    let token_hosts = vec!["localhost".to_owned()];
    let trusting = registries(&[("main", RegistryConfig { token_hosts, ..robot(&guarded.host) })]);
    let denied = open(&trusting, "main", "a").resolve("v1").await.unwrap_err();
    assert_eq!(denied.code(), "registry-denied", "the realm is trusted now, its token is worth nothing");
    assert!(thief.lock().unwrap()[0].contains_key(header::AUTHORIZATION));
}

#[tokio::test]
async fn basic_credentials_are_sent_when_asked_for() {
    let running = embedded().await;
    let check = |request: Request, next: Next| async move {
        let expected = base64::engine::general_purpose::STANDARD.encode("robot:s3cret");
        let sent =
            request.headers().get(header::AUTHORIZATION).and_then(|v| v.to_str().ok().map(str::to_owned));
        if sent == Some(format!("Basic {expected}")) {
            return next.run(request).await;
        }
        (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Basic realm=\"x\"")]).into_response()
    };
    let host =
        format!("127.0.0.1:{}", serve(running.embedded.router().layer(middleware::from_fn(check))).await);
    push(&*open(&named(&host), "main", "a"), "v1", &image("basic")).await;
    let mut wrong = robot(&host);
    wrong.credentials = Some(("robot".to_owned(), Secret::new("wrong")));
    let denied = open(&registries(&[("main", wrong)]), "main", "a").resolve("v1").await.unwrap_err();
    assert_eq!(denied.code(), "registry-denied");
    let nobody = open(&registries(&[]), &host, "a").resolve("v1").await.unwrap_err();
    assert_eq!(nobody.code(), "registry-denied");
    let unknown = registries(&[]).open(&"nowhere/a:v1".parse().unwrap()).err().unwrap();
    assert_eq!(unknown.code(), "unknown-registry");
}
