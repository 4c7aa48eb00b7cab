//! A daemon's socket, and what may be said over it.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use axum::{
    Json, Router,
    body::Body,
    extract::Path as Named,
    http::{HeaderMap, StatusCode},
    response::IntoResponse as _,
};
use patchline_registry::{Digest, Error, Repository, Result, daemon::Daemon, model};
use serde_json::json;
use tempfile::TempDir;
use tokio::io::AsyncReadExt as _;

/// Docker Engine API 1.43 over a socket, as far as its reference goes: a version below the least is refused with 400,
/// what is not there with 404, and both as `{"message": …}`.
struct Engine {
    folder: TempDir,
}

const VERSION: &str = "1.43";
const LEAST: &str = "v1.24";

fn refuse(status: StatusCode, message: &str) -> axum::response::Response {
    (status, Json(json!({"message": message}))).into_response()
}

impl Engine {
    /// One that holds `shop/web:v1` as this archive, in pieces.
    async fn start(version: &'static str, archive: Vec<u8>, size: u64) -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let ping = move || async move {
            let mut headers = HeaderMap::new();
            headers.insert("api-version", version.parse().expect("a header"));
            (headers, "OK")
        };
        let images = move |Named((asked, rest)): Named<(String, String)>| async move {
            if asked != format!("v{version}") && asked != LEAST {
                return refuse(StatusCode::BAD_REQUEST, "client version is not supported");
            }
            match rest.as_str() {
                "shop/web:v1/json" => Json(json!({"Id": "sha256:1", "Size": size})).into_response(),
                "shop/web:v1/get" => {
                    let pieces: Vec<_> =
                        archive.chunks(1000).map(|c| Ok::<_, std::io::Error>(c.to_vec())).collect();
                    Body::from_stream(futures::stream::iter(pieces)).into_response()
                }
                "broken/json" => refuse(StatusCode::INTERNAL_SERVER_ERROR, "no \u{1b}[2Jdisk"),
                _ => refuse(StatusCode::NOT_FOUND, "No such image"),
            }
        };
        let router = Router::new()
            .route("/_ping", axum::routing::get(ping))
            .route("/{version}/images/{*rest}", axum::routing::get(images));
        let listener = tokio::net::UnixListener::bind(folder.path().join("socket")).expect("a socket");
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { folder }
    }

    fn daemon(&self) -> Daemon {
        Daemon::at(&self.folder.path().join("socket")).expect("a client")
    }

    async fn image(&self, name: &str) -> Result<(Arc<dyn Repository>, Digest)> {
        self.daemon().image(name, self.folder.path(), &|_, _| ()).await
    }
}

/// As `docker save` writes it.
fn saved() -> Vec<u8> {
    let layer = [0; 1024];
    let manifest =
        json!([{"Config": "c.json", "RepoTags": ["shop/web:v1"], "Layers": ["l.tar"]}]).to_string();
    let mut builder = tar::Builder::new(Vec::new());
    for (name, content) in [("c.json", &b"{}"[..]), ("l.tar", &layer), ("manifest.json", manifest.as_bytes())]
    {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        builder.append_data(&mut header, name, content).expect("appended");
    }
    builder.into_inner().expect("tar")
}

#[tokio::test]
async fn an_image_is_exported_into_a_file_without_a_name() {
    let engine = Engine::start(VERSION, saved(), 1024).await;
    let heard = AtomicU64::new(0);
    let told = |arrived: u64, all: u64| {
        assert!(arrived <= all);
        heard.store(arrived, Ordering::Relaxed);
    };
    let (repository, digest) =
        engine.daemon().image("shop/web:v1", engine.folder.path(), &told).await.expect("an image");
    assert_eq!(heard.load(Ordering::Relaxed), saved().len() as u64);
    assert_eq!(repository.name(), "docker-daemon:shop/web:v1");
    let manifest = repository.manifest(digest.as_str()).await.expect("a manifest").image().expect("an image");
    assert_eq!(manifest.layers[0].media_type, model::OCI_LAYER_TAR);
    // Two readers of one file do not disturb each other.
    let (mut one, mut two) = (Vec::new(), Vec::new());
    let mut first = repository.blob(&manifest.layers[0]).await.expect("a blob");
    let mut second = repository.blob(&manifest.layers[0]).await.expect("a blob");
    first.read_to_end(&mut one).await.expect("read");
    second.read_to_end(&mut two).await.expect("read");
    assert_eq!((one.len(), &one), (1024, &two));
    let names: Vec<_> = std::fs::read_dir(engine.folder.path())
        .expect("folder")
        .map(|e| e.expect("entry").file_name())
        .collect();
    assert_eq!(names, ["socket"], "nothing is left that would have to be removed");
}

#[tokio::test]
async fn what_the_daemon_says_is_said_and_its_words_move_no_cursor() {
    let engine = Engine::start(VERSION, saved(), 1024).await;
    let error = engine.image("gone:v1").await.err().expect("an error");
    assert_eq!(error.code(), "image-not-found");
    let error = engine.image("broken").await.err().expect("an error");
    assert!(matches!(&error, Error::Status { status: 500, .. }), "{error}");
    assert!(error.to_string().ends_with(": no [2Jdisk"), "{error}");
}

#[tokio::test]
async fn a_daemon_that_is_too_old_or_is_none_is_refused() {
    let engine = Engine::start("1.23", saved(), 1024).await;
    assert_eq!(engine.image("shop/web:v1").await.err().expect("too old").code(), "registry-unsupported");
    let engine = Engine::start("new", saved(), 1024).await;
    assert_eq!(engine.image("shop/web:v1").await.err().expect("no version").code(), "invalid-document");
    let none = Daemon::at(&engine.folder.path().join("none")).expect("a client");
    let error = none.image("shop/web:v1", engine.folder.path(), &|_, _| ()).await.err().expect("nobody");
    assert_eq!(error.code(), "registry-unreachable");
}

#[tokio::test]
async fn too_large_an_image_is_not_even_begun_and_a_cut_one_is_no_image() {
    let engine = Engine::start(VERSION, saved(), u64::MAX).await;
    let error = engine.image("shop/web:v1").await.err().expect("too large");
    assert!(error.to_string().contains("larger than"), "{error}");
    let mut cut = saved();
    cut.truncate(700);
    let engine = Engine::start(VERSION, cut, 1024).await;
    assert_eq!(engine.image("shop/web:v1").await.err().expect("cut").code(), "invalid-document");
}

#[tokio::test]
async fn a_name_is_no_way_to_another_address() {
    let engine = Engine::start(VERSION, saved(), 1024).await;
    for name in ["a", "shop/web:v2", "localhost:5000/a@sha256:0", "sha256:abc", "A_b.c"] {
        assert_eq!(engine.image(name).await.err().expect("not there").code(), "image-not-found", "{name}");
    }
    let long = "a".repeat(1000);
    for name in ["", "../../volumes", "a?all=1", "a/../b", "a//b", "a b", "a%2fb", "a#b", "/a", "ä", &long] {
        assert_eq!(engine.image(name).await.err().expect("no name").code(), "invalid-reference", "{name}");
    }
}
