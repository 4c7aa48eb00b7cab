//! A small image, a registry over it, and stand-ins that are started.

use std::sync::Arc;

use patchline_registry::{
    BlobContent, Descriptor, Digest, Platform, RawManifest, Registries, RegistryConfig, Repository, Secret,
    embedded::Embedded, model,
};
use serde_json::json;

use crate::{Distro, Inventory, Package};

pub(crate) fn package(name: &str, version: &str, source: &str, kind: &str) -> Package {
    Package {
        name: name.into(),
        version: version.into(),
        source: source.into(),
        source_version: version.into(),
        purl: format!("pkg:{kind}/{name}@{version}"),
        path: (!kind.starts_with("deb")).then(|| format!("app/{name}")),
        ..Package::default()
    }
}

/// Debian 12 with a library of openssl and a package of Python's, in two layers.
pub(crate) fn inventory(image: &Digest) -> Inventory {
    let layers = [("one", "One"), ("two", "Two")];
    Inventory {
        image: image.clone(),
        platform: Platform { architecture: "amd64".into(), os: "linux".into(), variant: None },
        distro: Some(Distro {
            id: "debian".into(),
            version_id: Some("12".into()),
            codename: Some("bookworm".into()),
            pretty_name: Some("Debian GNU/Linux 12 (bookworm)".into()),
        }),
        packages: vec![
            package("libssl3", "3.0.11-1", "openssl", "deb/debian"),
            package("openssl", "3.0.11-1", "openssl", "deb/debian"),
            package("requests", "2.30.0", "requests", "pypi"),
        ],
        database: Some("dpkg".into()),
        unread: Vec::new(),
        incomplete: Vec::new(),
        unreadable: Vec::new(),
        layers: layers.map(|(a, b)| (Digest::of(a.as_bytes()), Digest::of(b.as_bytes()))).into(),
    }
}

/// The embedded registry on a free port, with that image in it.
pub(crate) struct Lab {
    pub(crate) repository: Arc<dyn Repository>,
    pub(crate) image: Digest,
    _dir: tempfile::TempDir,
}

impl Lab {
    pub(crate) async fn start() -> Self {
        Self::start_with(|router| router, None).await
    }
    /// The same, with something between it and whoever asks, and credentials of ours.
    pub(crate) async fn start_with(
        layer: impl FnOnce(axum::Router) -> axum::Router,
        credentials: Option<(&str, &str)>,
    ) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let (events, mut told) = tokio::sync::mpsc::channel(64);
        tokio::spawn(async move { while told.recv().await.is_some() {} });
        let embedded = Embedded::open(&dir.path().join("registry"), events).unwrap();
        let host = serve(layer(embedded.router())).await;
        let credentials = credentials.map(|(user, password)| (user.to_owned(), Secret::new(password)));
        let main = RegistryConfig { host, plain_http: true, credentials, ..RegistryConfig::default() };
        let registries = Registries::new([("main".to_owned(), main)].into()).unwrap();
        let repository = registries.open(&"main/shop/web:v1".parse().unwrap()).unwrap();
        let image = push(repository.as_ref()).await;
        Self { repository, image, _dir: dir }
    }
}

async fn push(repository: &dyn Repository) -> Digest {
    let blob = async |media: &str, bytes: &[u8]| {
        let descriptor: Descriptor = serde_json::from_value(
            json!({"mediaType": media, "digest": Digest::of(bytes), "size": bytes.len()}),
        )
        .unwrap();
        repository.push_blob(&descriptor, BlobContent::Bytes(bytes.to_vec().into())).await.unwrap();
        descriptor
    };
    let config = json!({"os": "linux", "architecture": "amd64"}).to_string();
    let config = blob(model::OCI_CONFIG, config.as_bytes()).await;
    let layers = [blob(model::OCI_LAYER_GZIP, b"one").await, blob(model::OCI_LAYER_GZIP, b"two").await];
    let manifest =
        json!({"schemaVersion": 2, "mediaType": model::OCI_MANIFEST, "config": config, "layers": layers});
    let raw = RawManifest::new(model::OCI_MANIFEST, manifest.to_string());
    repository.push_manifest("v1", &raw).await.unwrap();
    raw.digest
}

/// Serves on a free loopback port; `host:port`.
pub(crate) async fn serve(router: axum::Router) -> String {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move { axum::serve(listener, router).await });
    host
}

/// What lies in the shared data folder, where it is at hand.
pub(crate) fn shared(archive: &str) -> Option<std::collections::BTreeMap<String, Vec<u8>>> {
    use std::io::Read as _;
    let found = ["../shared/data", "../../shared/data", "../../../shared/data"]
        .map(|folder| std::path::Path::new(folder).join(format!("{archive}.tar.zst")));
    let bytes = std::fs::read(found.into_iter().find(|p| p.is_file())?).ok()?;
    let mut tar = tar::Archive::new(zstd::Decoder::new(bytes.as_slice()).unwrap());
    let mut files = std::collections::BTreeMap::new();
    for entry in tar.entries().unwrap() {
        let mut entry = entry.unwrap();
        let path = entry.path().unwrap().to_string_lossy().trim_start_matches("./").to_owned();
        let mut content = Vec::new();
        entry.read_to_end(&mut content).unwrap();
        files.insert(path, content);
    }
    Some(files)
}
