//! Registries started for a test and stopped with it.

use std::{collections::BTreeMap, path::Path, process::Stdio, sync::Arc, time::Duration};

use axum::Router;
use patchline_registry::{
    Location, Reference, Registries, RegistryConfig, Repository, embedded::Embedded, events::PushEvent,
    layout,
};
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::mpsc};

/// Serves until the test ends; gives the port.
pub(crate) async fn serve(router: Router) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
    port
}

pub(crate) struct Running {
    pub(crate) embedded: Embedded,
    pub(crate) events: mpsc::Receiver<PushEvent>,
    pub(crate) host: String,
    pub(crate) dir: TempDir,
}

pub(crate) async fn embedded() -> Running {
    let dir = tempfile::tempdir().unwrap();
    let (sender, events) = mpsc::channel(100);
    let embedded = Embedded::open(dir.path(), sender).unwrap();
    let host = format!("127.0.0.1:{}", serve(embedded.router()).await);
    Running { embedded, events, host, dir }
}

pub(crate) fn registries(configs: &[(&str, RegistryConfig)]) -> Registries {
    let by_name: BTreeMap<_, _> = configs.iter().map(|(n, c)| ((*n).to_owned(), c.clone())).collect();
    Registries::new(by_name).unwrap()
}

pub(crate) fn open(registries: &Registries, registry: &str, repository: &str) -> Arc<dyn Repository> {
    let reference: Reference = format!("{registry}/{repository}").parse().unwrap();
    registries.open(&Location::Registry(reference)).unwrap()
}

pub(crate) fn anonymous(host: &str, repository: &str) -> Arc<dyn Repository> {
    open(&registries(&[]), host, repository)
}

/// A place where the suite runs.
pub(crate) enum Backend {
    Layout(TempDir),
    Embedded(Box<Running>, Registries),
    Distribution { host: String, registries: Registries, _child: Box<tokio::process::Child>, _dir: TempDir },
}

impl Backend {
    pub(crate) fn open(&self, name: &str) -> Arc<dyn Repository> {
        match self {
            Self::Layout(dir) => layout::open(&dir.path().join(name), true).unwrap(),
            Self::Embedded(running, registries) => open(registries, &running.host, name),
            Self::Distribution { host, registries, .. } => open(registries, host, name),
        }
    }

    /// What asks the registry as a whole; none: it is no registry.
    pub(crate) fn registry(&self) -> Option<(&Registries, &str)> {
        match self {
            Self::Layout(_) => None,
            Self::Embedded(running, registries) => Some((registries, &running.host)),
            Self::Distribution { host, registries, .. } => Some((registries, host)),
        }
    }

    pub(crate) fn is_registry(&self) -> bool {
        !matches!(self, Self::Layout(_))
    }

    /// Distribution before 3.0 knows no tag without its manifest.
    pub(crate) fn may_refuse_to_untag(&self) -> bool {
        matches!(self, Self::Distribution { .. })
    }
}

pub(crate) fn layout_backend() -> Backend {
    Backend::Layout(tempfile::tempdir().unwrap())
}

pub(crate) async fn embedded_backend() -> Backend {
    Backend::Embedded(Box::new(embedded().await), registries(&[]))
}

/// Debian's `docker-registry` over plain HTTP; none where it is not installed.
pub(crate) async fn distribution_backend() -> Option<Backend> {
    let (host, child, dir) = distribution("127.0.0.1", "").await?;
    Some(Backend::Distribution { host, registries: registries(&[]), _child: Box::new(child), _dir: dir })
}

/// Starts it under a name that leads to this machine.
pub(crate) async fn distribution(name: &str, tls: &str) -> Option<(String, tokio::process::Child, TempDir)> {
    let binary = Path::new("/usr/bin/docker-registry");
    if !binary.exists() {
        println!("SKIPPED: docker-registry is not installed");
        return None;
    }
    let dir = tempfile::tempdir().unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let config = format!(
        "version: 0.1\nlog: {{level: error, accesslog: {{disabled: true}}}}\n\
         storage: {{filesystem: {{rootdirectory: {}}}, delete: {{enabled: true}}}}\n\
         http: {{addr: \"127.0.0.1:{port}\"{tls}}}\n",
        dir.path().join("data").display()
    );
    let path = dir.path().join("config.yml");
    std::fs::write(&path, config).unwrap();
    let child = tokio::process::Command::new(binary)
        .arg("serve")
        .arg(&path)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    for _ in 0..100 {
        if tokio::net::TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
            return Some((format!("{name}:{port}"), child, dir));
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("docker-registry does not listen");
}
