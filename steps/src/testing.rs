//! What the tests of steps stand on: a real registry on loopback, persistence in memory, contexts.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use async_trait::async_trait;
use patchline_engine::{
    Clock, Context, RunId, StepStatus, Subject,
    step::{EffectLog, Effects, Intent, News},
    trace::SpanContext,
};
use patchline_registry::{
    BlobContent, Descriptor, Digest, RawManifest, Registries, RegistryConfig, Repository,
    embedded::Embedded,
    model::{OCI_CONFIG, OCI_INDEX, OCI_LAYER_GZIP, OCI_MANIFEST},
};
use patchline_remediation::{
    FixPlan, Remediator,
    apt::{Apt, AptConfig, Mirrors},
    attest::SigningKey,
    fix::Fixes,
};
use patchline_scanner::{BoxError, Inventory, NoFacts, Report, Reports};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::{World, notify::Channels, place::Place};

/// Everything that the store would keep.
#[derive(Default)]
pub(crate) struct Memory {
    inventories: Mutex<BTreeMap<Digest, Inventory>>,
    reports: Mutex<BTreeMap<String, Report>>,
    fixes: Mutex<Vec<(Digest, Digest, FixPlan)>>,
    intents: Mutex<Vec<Intent>>,
    withdrawn: Mutex<BTreeSet<(String, String)>>,
}

impl Memory {
    /// What a step that fails now would leave in doubt.
    pub(crate) async fn open(&self) -> Vec<Intent> {
        let all = self.of_step(&RunId(String::new()), "").await.expect("intents");
        all.into_iter().filter(|i| !i.done).collect()
    }
    /// All intents, as they are kept.
    pub(crate) fn all(&self) -> Vec<Intent> {
        self.intents.lock().expect("lock").clone()
    }
}

#[async_trait]
impl Reports for Memory {
    async fn put_inventory(&self, inventory: &Inventory) -> Result<(), BoxError> {
        self.inventories.lock().expect("lock").insert(inventory.image.clone(), inventory.clone());
        Ok(())
    }
    async fn inventory(&self, image: &Digest) -> Result<Option<Inventory>, BoxError> {
        Ok(self.inventories.lock().expect("lock").get(image).cloned())
    }
    async fn put_report(&self, report: &Report) -> Result<String, BoxError> {
        let id = Digest::of(&serde_json::to_vec(report)?).to_string();
        self.reports.lock().expect("lock").insert(id.clone(), report.clone());
        Ok(id)
    }
    async fn report(&self, id: &str) -> Result<Option<Report>, BoxError> {
        Ok(self.reports.lock().expect("lock").get(id).cloned())
    }
    async fn latest_report(&self, image: &Digest) -> Result<Option<(String, Report)>, BoxError> {
        let reports = self.reports.lock().expect("lock");
        Ok(reports.iter().find(|(_, r)| r.image == *image).map(|(id, r)| (id.clone(), r.clone())))
    }
}

#[async_trait]
impl Fixes for Memory {
    async fn put_fix(&self, origin: &Digest, fixed: &Digest, plan: &FixPlan) -> Result<(), BoxError> {
        self.fixes.lock().expect("lock").push((origin.clone(), fixed.clone(), plan.clone()));
        Ok(())
    }
    async fn fix_of(&self, fixed: &Digest) -> Result<Option<(Digest, FixPlan)>, BoxError> {
        let fixes = self.fixes.lock().expect("lock");
        Ok(fixes.iter().find(|(_, f, _)| f == fixed).map(|(o, _, p)| (o.clone(), p.clone())))
    }
    async fn fixes_from(&self, origin: &Digest) -> Result<Vec<(Digest, FixPlan)>, BoxError> {
        let fixes = self.fixes.lock().expect("lock");
        Ok(fixes.iter().filter(|(o, ..)| o == origin).map(|(_, f, p)| (f.clone(), p.clone())).collect())
    }
}

#[async_trait]
impl EffectLog for Memory {
    async fn intend(&self, _: &RunId, _: &str, intent: &Intent) -> patchline_engine::Result<()> {
        self.withdrawn.lock().expect("lock").remove(&(intent.kind.clone(), intent.target.clone()));
        let mut all = self.intents.lock().expect("lock");
        if !all.iter().any(|i| i.kind == intent.kind && i.target == intent.target) {
            all.push(intent.clone());
        }
        Ok(())
    }
    async fn done(&self, _: &RunId, _: &str, kind: &str, target: &str) -> patchline_engine::Result<()> {
        for intent in self.intents.lock().expect("lock").iter_mut() {
            intent.done |= intent.kind == kind && intent.target == target;
        }
        Ok(())
    }
    async fn withdraw(&self, _: &RunId, _: &str, kind: &str, target: &str) -> patchline_engine::Result<()> {
        let all = self.intents.lock().expect("lock");
        let open = all.iter().any(|i| i.kind == kind && i.target == target && !i.done);
        if open {
            self.withdrawn.lock().expect("lock").insert((kind.into(), target.into()));
        }
        Ok(())
    }
    async fn of_step(&self, _: &RunId, _: &str) -> patchline_engine::Result<Vec<Intent>> {
        let withdrawn = self.withdrawn.lock().expect("lock");
        let all = self.intents.lock().expect("lock").clone();
        Ok(all.into_iter().filter(|i| !withdrawn.contains(&(i.kind.clone(), i.target.clone()))).collect())
    }
    async fn intended(&self, kind: &str, target: &str) -> patchline_engine::Result<bool> {
        Ok(self.intents.lock().expect("lock").iter().any(|i| i.kind == kind && i.target == target))
    }
    async fn of_target(&self, kind: &str, target: &str) -> patchline_engine::Result<Vec<Intent>> {
        let intents = self.intents.lock().expect("lock");
        Ok(intents.iter().filter(|i| i.kind == kind && i.target == target).cloned().collect())
    }
}

/// Always the same moment.
struct Fixed;

impl Clock for Fixed {
    fn now(&self) -> jiff::Timestamp {
        "2026-06-10T00:00:00Z".parse().expect("a moment")
    }
}

struct Quiet;

#[async_trait]
impl News for Quiet {
    fn progress(&self, _: &str, _: u64, _: u64) {}
    async fn note(&self, _: String) {}
}

/// A registry, a world over it, and what the store would keep.
pub(crate) struct Bench {
    pub(crate) world: World,
    pub(crate) memory: Arc<Memory>,
    _dir: tempfile::TempDir,
}

impl Bench {
    /// Starts the embedded registry as `main` on a free loopback port.
    pub(crate) async fn start() -> Self {
        Self::start_behind(|router| router).await
    }
    /// The same, with something between it and whoever asks.
    pub(crate) async fn start_behind(layer: impl FnOnce(axum::Router) -> axum::Router) -> Self {
        let dir = tempfile::tempdir().expect("a folder");
        let (events, mut told) = tokio::sync::mpsc::channel(64);
        tokio::spawn(async move { while told.recv().await.is_some() {} });
        let embedded = Embedded::open(&dir.path().join("registry"), events).expect("a registry");
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let host = listener.local_addr().expect("an address").to_string();
        let router = layer(embedded.router());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let main = RegistryConfig { host, plain_http: true, ..RegistryConfig::default() };
        let registries = Registries::new([("main".to_owned(), main)].into()).expect("registries");
        let memory = Arc::new(Memory::default());
        let apt = Apt::new(AptConfig {
            mirrors: Mirrors::default(),
            cache: dir.path().join("apt"),
            keyrings: Vec::new(),
            allow_expired: false,
        })
        .expect("an apt client");
        let world = World {
            registries,
            remediator: Remediator::new(apt, Arc::new(NoFacts)),
            facts: Arc::new(NoFacts),
            reports: memory.clone(),
            fixes: memory.clone(),
            advisories: patchline_scanner::advisories::Advisories::alone(dir.path().join("advisories")),
            scratch: dir.path().join("scratch"),
            channels: Arc::new(Channels::default()),
            exceptions: Arc::default(),
            clock: Arc::new(Fixed),
            targets: Arc::default(),
            scanners: patchline_scanner::adapters::Scanners::default(),
            signers: Arc::default(),
        };
        Self { world, memory, _dir: dir }
    }
    /// A repository of `main`.
    pub(crate) fn repository(&self, name: &str) -> Arc<dyn Repository> {
        let place = Place { registry: "main".into(), repository: name.into() };
        place.open(&self.world.registries).expect("a repository")
    }
    /// Pushes a small image; equal content is an equal digest.
    pub(crate) async fn push(&self, repository: &str, tag: &str, content: &str) -> Digest {
        let config = json!({"os": "linux", "architecture": "amd64", "config": {"User": content}});
        let config = self.blob(repository, OCI_CONFIG, config.to_string().into_bytes()).await;
        let layer = self.blob(repository, OCI_LAYER_GZIP, content.as_bytes().to_vec()).await;
        let manifest =
            json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": [layer]});
        let raw = RawManifest::new(OCI_MANIFEST, manifest.to_string());
        self.repository(repository).push_manifest(tag, &raw).await.expect("a manifest");
        raw.digest
    }
    /// Pushes an image of these layers (compressed, unpacked) with annotations; the digests of both sides.
    pub(crate) async fn push_layers(
        &self,
        (repository, tag): (&str, &str),
        layers: &[(&str, &str)],
        annotations: Value,
    ) -> (Digest, Vec<(Digest, Digest)>) {
        let mut pushed = Vec::new();
        for (packed, _) in layers {
            pushed.push(self.blob(repository, OCI_LAYER_GZIP, packed.as_bytes().to_vec()).await);
        }
        let diff_ids: Vec<Digest> = layers.iter().map(|(_, plain)| Digest::of(plain.as_bytes())).collect();
        let config = json!({"os": "linux", "architecture": "amd64", "rootfs": {"type": "layers", "diff_ids": diff_ids}});
        let config = self.blob(repository, OCI_CONFIG, config.to_string().into_bytes()).await;
        let both = pushed.iter().map(|l| l.digest.clone()).zip(diff_ids).collect();
        let manifest = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config, "layers": pushed,
            "annotations": annotations});
        let raw = RawManifest::new(OCI_MANIFEST, manifest.to_string());
        self.repository(repository).push_manifest(tag, &raw).await.expect("a manifest");
        (raw.digest, both)
    }
    /// Pushes a blob.
    pub(crate) async fn blob(&self, repository: &str, media: &str, bytes: Vec<u8>) -> Descriptor {
        let descriptor: Descriptor = serde_json::from_value(
            json!({"mediaType": media, "digest": Digest::of(&bytes), "size": bytes.len()}),
        )
        .expect("a descriptor");
        let repository = self.repository(repository);
        repository.push_blob(&descriptor, BlobContent::Bytes(bytes.into())).await.expect("a blob");
        descriptor
    }
    /// Pushes an index over one image that is there.
    pub(crate) async fn push_index(&self, repository: &str, tag: &str, child: &Digest) -> Digest {
        let repository = self.repository(repository);
        let child = repository.manifest(child.as_str()).await.expect("the child").descriptor();
        let index = json!({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [child]});
        let raw = RawManifest::new(OCI_INDEX, index.to_string());
        repository.push_manifest(tag, &raw).await.expect("an index");
        raw.digest
    }
    /// A context over an image of `main`; `steps`: (name, kind, status, output).
    pub(crate) fn context(
        &self,
        (repository, tag, digest): (&str, Option<&str>, &Digest),
        with: Value,
        steps: &[(&str, &str, StepStatus, Value)],
    ) -> Context {
        context(self.memory.clone(), (repository, tag, digest), with, steps)
    }
}

/// PKCS#8 of an Ed25519 key whose bytes count up: of nobody, and used nowhere else.
pub(crate) const KEY: &str = "MC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f";

/// It, as a key.
pub(crate) fn key() -> SigningKey {
    let label = "PRIVATE KEY";
    let pem = format!("-----BEGIN {label}-----\n{KEY}\n-----END {label}-----\n");
    SigningKey::from_pem(&pem, None).expect("a key")
}

/// A context without a registry behind it.
pub(crate) fn context(
    memory: Arc<Memory>,
    (repository, tag, digest): (&str, Option<&str>, &Digest),
    with: Value,
    steps: &[(&str, &str, StepStatus, Value)],
) -> Context {
    let run = RunId("01TEST".into());
    let image = json!({
        "registry": "main", "repository": repository, "tag": tag, "digest": digest,
        "origin": {"tag": tag, "digest": digest},
    });
    let outputs: serde_json::Map<String, Value> =
        steps.iter().map(|(name, .., output)| ((*name).to_owned(), json!({"output": output}))).collect();
    Context {
        run: run.clone(),
        step: "it".into(),
        chain: "web".into(),
        plan_hash: "sha256:0".into(),
        attempt: 1,
        idempotency_key: "01TEST/it".into(),
        with,
        subject: Subject { identity: "main/x".into(), context: image.clone() },
        names: json!({
            "image": image, "run": {"id": "01TEST", "round": 1, "trigger": "push", "url": "http://127.0.0.1/runs/01TEST"},
            "params": {}, "trigger": {"kind": "push", "source": "test"}, "steps": outputs,
        })
        .into(),
        round: 1,
        span: SpanContext::of_step(&run, &run, "it", 1),
        steps: steps.iter().map(|(n, k, s, _)| ((*n).to_owned(), (*k).to_owned(), *s)).collect(),
        cancelled: CancellationToken::new(),
        effects: Effects { log: memory, run, step: "it".into() },
        news: Arc::new(Quiet),
    }
}
