//! Registries that stumble, lie, or lead astray.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use axum::{
    Router,
    body::Body,
    extract::Request,
    response::{IntoResponse, Response},
    routing::any,
};
use bytes::Bytes;
use http::{Method, StatusCode, header};
use patchline_registry::{BlobContent, Digest, Error, Kept, model::OCI_MANIFEST, tags_of};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::{
    images::{descriptor, image},
    servers::{anonymous, embedded, open, registries, serve},
};

/// A registry that answers whatever the closure says.
async fn saying(answer: impl Fn(&Request) -> Response + Clone + Send + Sync + 'static) -> String {
    let handler = move |request: Request| {
        let response = answer(&request);
        async move { response }
    };
    format!("127.0.0.1:{}", serve(Router::new().fallback(any(handler))).await)
}

async fn read_all(mut reader: patchline_registry::BlobReader) -> Result<Vec<u8>, Error> {
    let mut bytes = Vec::new();
    match reader.read_to_end(&mut bytes).await {
        Ok(_) => Ok(bytes),
        Err(e) => Err(e.downcast::<Error>().expect("readers report errors of ours")),
    }
}

#[tokio::test]
async fn a_redirected_blob_is_fetched_without_authorisation() {
    let layer = Bytes::from_static(b"layer on a CDN");
    let blob = descriptor("x", &layer);
    let seen = Arc::new(Mutex::new(Vec::new()));
    let cdn = saying({
        let (seen, layer) = (seen.clone(), layer.clone());
        move |request| {
            seen.lock().unwrap().push(request.headers().get(header::AUTHORIZATION).cloned());
            layer.clone().into_response()
        }
    })
    .await;
    let host = saying(move |request| match request.headers().get(header::AUTHORIZATION) {
        Some(_) => {
            (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, format!("http://{cdn}/layer?sig=x"))])
                .into_response()
        }
        None => (StatusCode::UNAUTHORIZED, [(header::WWW_AUTHENTICATE, "Basic")]).into_response(),
    })
    .await;
    let credentials = Some(("u".to_owned(), patchline_registry::Secret::new("p")));
    let config = patchline_registry::RegistryConfig { host, credentials, ..Default::default() };
    let repository = open(&registries(&[("main", config)]), "main", "a");
    assert_eq!(read_all(repository.blob(&blob).await.unwrap()).await.unwrap(), layer);
    assert_eq!(*seen.lock().unwrap(), [None], "the other host never sees it");
}

#[tokio::test]
async fn redirects_end_and_lead_nowhere_strange() {
    let host = saying(|request| {
        let to = if request.uri().path().contains("file") {
            "file:///etc/passwd"
        } else {
            "/v2/a/manifests/again"
        };
        (StatusCode::FOUND, [(header::LOCATION, to)]).into_response()
    })
    .await;
    let repository = anonymous(&host, "a");
    assert_eq!(repository.manifest("v1").await.unwrap_err().code(), "invalid-document");
    assert_eq!(repository.manifest("file").await.unwrap_err().code(), "invalid-document");
}

#[tokio::test]
async fn stumbling_is_survived_and_refusal_is_not_repeated() {
    let calls = Arc::new(AtomicU32::new(0));
    let image = image("stumble");
    let host = saying({
        let (calls, manifest) = (calls.clone(), image.manifest.clone());
        move |request| match (request.uri().path(), calls.fetch_add(1, Ordering::SeqCst)) {
            ("/v2/a/manifests/down", _) => StatusCode::BAD_GATEWAY.into_response(),
            ("/v2/a/manifests/bad", _) => {
                let body = r#"{"errors":[{"code":"ODD","message":"no\u001b[31m"}]}"#;
                (StatusCode::IM_A_TEAPOT, body).into_response()
            }
            (_, 0 | 1) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
            _ => ([(header::CONTENT_TYPE, OCI_MANIFEST)], manifest.bytes.clone()).into_response(),
        }
    })
    .await;
    let repository = anonymous(&host, "a");
    assert_eq!(repository.manifest("v1").await.unwrap(), image.manifest);
    assert_eq!(calls.swap(0, Ordering::SeqCst), 3);
    let down = repository.manifest("down").await.unwrap_err();
    assert!(down.is_transient());
    assert_eq!(calls.swap(0, Ordering::SeqCst), 4, "bounded");
    let bad = repository.manifest("bad").await.unwrap_err();
    assert!(!bad.is_transient() && bad.to_string().ends_with(": ODD: no[31m"), "{bad}");
    assert_eq!(calls.swap(0, Ordering::SeqCst), 1);
}

#[tokio::test]
async fn throttling_is_waited_out_or_told() {
    let calls = Arc::new(AtomicU32::new(0));
    let host = saying({
        let calls = calls.clone();
        move |request| {
            let wait = if request.uri().path().contains("long") { "3600" } else { "0" };
            match calls.fetch_add(1, Ordering::SeqCst) {
                0 => (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, wait)]).into_response(),
                _ => StatusCode::NOT_FOUND.into_response(),
            }
        }
    })
    .await;
    let repository = anonymous(&host, "a");
    assert_eq!(repository.resolve("short").await.unwrap(), None);
    calls.store(0, Ordering::SeqCst);
    let throttled = repository.resolve("long").await.unwrap_err();
    let Error::Throttled { retry_after: Some(wait), .. } = throttled else { panic!("{throttled:?}") };
    assert_eq!(wait, Duration::from_secs(3600));
    assert_eq!(calls.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn nobody_listening_is_unreachable() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let host = free.local_addr().unwrap().to_string();
    drop(free);
    let lost = anonymous(&host, "a").resolve("v1").await.unwrap_err();
    assert_eq!(lost.code(), "registry-unreachable");
    assert!(lost.is_transient());
}

#[tokio::test]
async fn lies_about_content_are_found() {
    let image = image("lies");
    let host = saying({
        let bytes = image.manifest.bytes.clone();
        move |request| {
            let path = request.uri().path();
            let kind = [(header::CONTENT_TYPE, OCI_MANIFEST)];
            if path.contains("endless") {
                let chunks =
                    futures::stream::repeat_with(|| Ok::<_, std::io::Error>(Bytes::from(vec![b' '; 65536])));
                return (kind, Body::from_stream(chunks)).into_response();
            }
            if path.contains("header") {
                let digest = Digest::of(b"other");
                let headers = [("docker-content-digest", digest.as_str()), ("content-type", OCI_MANIFEST)];
                return (headers, bytes.clone()).into_response();
            }
            if path.contains("/blobs/") {
                return b"LAYER".to_vec().into_response();
            }
            (kind, bytes.clone()).into_response()
        }
    })
    .await;
    let repository = anonymous(&host, "a");
    assert_eq!(repository.manifest("endless").await.unwrap_err().code(), "invalid-document");
    assert_eq!(repository.manifest("header").await.unwrap_err().code(), "digest-mismatch");
    let other = Digest::of(b"other");
    assert_eq!(repository.manifest(other.as_str()).await.unwrap_err().code(), "digest-mismatch");
    let wrong = repository.blob(&descriptor("x", b"layer")).await.unwrap();
    assert_eq!(read_all(wrong).await.unwrap_err().code(), "digest-mismatch");
    assert_eq!(repository.blob(&descriptor("x", b"longer")).await.err().unwrap().code(), "size-mismatch");
}

#[tokio::test]
async fn uploads_survive_no_bad_location() {
    let blob = descriptor("x", b"bytes");
    for location in [None, Some("https://[broken"), Some("gopher://x/"), Some("\u{1}")] {
        let host = saying(move |request| {
            if *request.method() != Method::POST {
                return StatusCode::NOT_FOUND.into_response();
            }
            let mut response = StatusCode::ACCEPTED.into_response();
            if let Some(value) = location.and_then(|l| http::HeaderValue::from_bytes(l.as_bytes()).ok()) {
                response.headers_mut().insert(header::LOCATION, value);
            }
            response
        })
        .await;
        let content = BlobContent::Bytes(Bytes::from_static(b"bytes"));
        let refused = anonymous(&host, "a").push_blob(&blob, content).await.unwrap_err();
        assert_eq!(refused.code(), "invalid-document", "{location:?}");
    }
}

#[tokio::test]
async fn lists_that_never_end_do() {
    let pages = Arc::new(AtomicU32::new(0));
    let host = saying({
        let pages = pages.clone();
        move |request| {
            let page = pages.fetch_add(1, Ordering::SeqCst);
            let link = match request.uri().path() {
                "/v2/away/tags/list" => "<http://127.0.0.2:1/v2/away/tags/list?page=1>; rel=next".to_owned(),
                path => format!("<{path}?page={page}>; rel=next"),
            };
            ([(header::LINK, link)], r#"{"tags":["v1","../x"]}"#).into_response()
        }
    })
    .await;
    let endless = anonymous(&host, "endless").tags().await.unwrap_err();
    assert_eq!(endless.code(), "invalid-document");
    assert_eq!(pages.load(Ordering::SeqCst), 1000);
    assert_eq!(anonymous(&host, "away").tags().await.unwrap(), ["v1"], "another host is not asked");
}

#[tokio::test]
async fn an_error_is_not_an_empty_list_of_referrers() {
    let digest = Digest::of(b"");
    for (status, code) in [(403, "registry-denied"), (418, "registry-status"), (500, "registry-status")] {
        let host = saying(move |_| StatusCode::from_u16(status).unwrap().into_response()).await;
        assert_eq!(anonymous(&host, "a").referrers(&digest).await.unwrap_err().code(), code);
    }
    let no_api = saying(|request| match request.uri().path().contains("/referrers/") {
        true => StatusCode::NOT_FOUND.into_response(),
        false => StatusCode::FORBIDDEN.into_response(),
    })
    .await;
    assert_eq!(anonymous(&no_api, "a").referrers(&digest).await.unwrap_err().code(), "registry-denied");
}

#[tokio::test]
async fn deletion_that_is_off_is_unsupported() {
    for status in [400, 405] {
        let host = saying(move |_| StatusCode::from_u16(status).unwrap().into_response()).await;
        let refused = anonymous(&host, "a").delete_manifest(&Digest::of(b"")).await.unwrap_err();
        assert_eq!(refused.code(), "registry-unsupported");
    }
}

/// A connection that breaks after `sent` bytes, the first time.
async fn breaking(content: Bytes, ranges: bool) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        for turn in 0.. {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; 4096];
            let read = stream.read(&mut request).await.unwrap();
            let request = String::from_utf8_lossy(&request[..read]).to_lowercase();
            let from = request.split("range: bytes=").nth(1).and_then(|r| r.split('-').next()?.parse().ok());
            let total = content.len();
            let (head, from) = match from.filter(|_| ranges) {
                Some(from) => {
                    (format!("206 Partial\r\nContent-Range: bytes {from}-{}/{total}", total - 1), from)
                }
                None => ("200 OK".to_owned(), 0_usize),
            };
            let length = total - from;
            let head = format!("HTTP/1.1 {head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n");
            stream.write_all(head.as_bytes()).await.unwrap();
            let end = if turn < 2 { from + length / 2 } else { total };
            stream.write_all(&content[from..end]).await.unwrap();
            stream.shutdown().await.unwrap();
        }
    });
    host
}

#[tokio::test]
async fn a_broken_download_is_taken_up_where_it_broke() {
    let content = Bytes::from(b"0123456789".repeat(50_000));
    let blob = descriptor("x", &content);
    let good = anonymous(&breaking(content.clone(), true).await, "a");
    assert_eq!(read_all(good.blob(&blob).await.unwrap()).await.unwrap(), content);
    let bad = anonymous(&breaking(content, false).await, "a");
    let broken = read_all(bad.blob(&blob).await.unwrap()).await.unwrap_err();
    assert_eq!(broken.code(), "registry-unreachable", "never a short blob in silence");
}

#[tokio::test]
async fn a_registry_without_the_referrers_api_gets_the_tag() {
    let running = embedded().await;
    let inner = running.embedded.router();
    let strip = |request: Request, next: axum::middleware::Next| async move {
        if request.uri().path().contains("/referrers/") {
            return StatusCode::NOT_FOUND.into_response();
        }
        let mut response = next.run(request).await;
        response.headers_mut().remove("oci-subject");
        response
    };
    let host = format!("127.0.0.1:{}", serve(inner.layer(axum::middleware::from_fn(strip))).await);
    let repository = anonymous(&host, "a");
    let subject = image("old registry");
    crate::images::push(&*repository, "v1", &subject).await;
    for seed in ["first", "second", "first"] {
        let referrer = crate::images::referring(seed, Some(subject.manifest.descriptor()));
        crate::images::push(&*repository, referrer.manifest.digest.as_str(), &referrer).await;
    }
    assert_eq!(repository.referrers(&subject.manifest.digest).await.unwrap().len(), 2);
    let tag = format!("sha256-{}", subject.manifest.digest.hex());
    assert!(repository.tags().await.unwrap().contains(&tag));
}

/// A registry that, asked for a tag, removes the manifest with every tag on it.
async fn taking_the_manifest_along() -> (String, crate::servers::Running) {
    let running = embedded().await;
    let rewrite = |mut request: Request, next: axum::middleware::Next| async move {
        let path = request.uri().path().to_owned();
        if request.method() == Method::DELETE
            && let Some((before, tag)) = path.rsplit_once("/manifests/")
            && !tag.contains(':')
        {
            let head = Request::builder().method(Method::HEAD).uri(&path).body(Body::empty()).unwrap();
            let found = next.clone().run(head).await;
            let Some(digest) = found.headers().get("docker-content-digest") else { return found };
            let digest = digest.to_str().unwrap();
            *request.uri_mut() = format!("{before}/manifests/{digest}").parse().unwrap();
        }
        next.run(request).await
    };
    // Before the routes are matched: what is rewritten is routed anew.
    let routes = axum::Router::new().fallback_service(running.embedded.router());
    let router = routes.layer(axum::middleware::from_fn(rewrite));
    (format!("127.0.0.1:{}", serve(router).await), running)
}

#[tokio::test]
async fn a_manifest_that_goes_with_its_tag_is_put_back_with_its_other_tags() {
    let (host, _running) = taking_the_manifest_along().await;
    let repository = anonymous(&host, "a");
    let (one, other) = (image("one"), image("other"));
    for tag in ["v1", "stable", "latest"] {
        crate::images::push(&*repository, tag, &one).await;
    }
    crate::images::push(&*repository, "v2", &other).await;
    let digest = &one.manifest.digest;
    repository.untag("v1", digest).await.unwrap();
    assert_eq!(repository.resolve("v1").await.unwrap(), None);
    assert_eq!(repository.manifest(digest.as_str()).await.unwrap(), one.manifest);
    for tag in ["stable", "latest"] {
        assert_eq!(repository.manifest(tag).await.unwrap(), one.manifest, "{tag}");
    }
    assert_eq!(repository.manifest("v2").await.unwrap(), other.manifest);
    let mut tags = tags_of(&*repository, digest).await.unwrap();
    tags.sort();
    assert_eq!(tags, ["latest", "stable"]);
}

#[tokio::test]
async fn what_is_put_back_moves_no_tag() {
    let (host, _running) = taking_the_manifest_along().await;
    let repository = anonymous(&host, "a");
    let (one, other) = (image("one"), image("other"));
    for tag in ["v1", "stable", "latest"] {
        crate::images::push(&*repository, tag, &one).await;
    }
    let kept = Kept::beside(&*repository, "v1", &one.manifest.digest).await.unwrap();
    repository.delete_manifest(&one.manifest.digest).await.unwrap();
    crate::images::push(&*repository, "stable", &other).await;
    assert!(kept.is_gone(&*repository).await.unwrap());
    kept.put_back(&*repository).await.unwrap();
    assert_eq!(repository.manifest("stable").await.unwrap(), other.manifest, "pushed meanwhile");
    assert_eq!(repository.manifest("latest").await.unwrap(), one.manifest);
    assert_eq!(repository.resolve("v1").await.unwrap(), None);
}
