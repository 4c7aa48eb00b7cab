//! The server over a real engine, store and registry, with steps that follow a script instead of scanning:
//! what its API and pages show is then known to the last word.

mod scripts;

use std::{collections::BTreeMap, path::Path, sync::Arc, time::Duration};

use async_trait::async_trait;
use patchline_chains::{Plan, Source};
use patchline_engine::{
    Context, Deliver, DeliveryError, Engine, EngineOptions, Message, Outcome, Step, StepError, Subject,
    clock::SystemClock, step::Intent,
};
use patchline_registry::{
    BlobContent, Digest, Location, Platform, RawManifest, Reference, Registries, RegistryConfig, Secret,
    embedded::Embedded,
    model::{OCI_CONFIG, OCI_LAYER_TAR, OCI_MANIFEST},
};
use patchline_remediation::{Edited, FixPlan, Refusal, Upgrade, fix::Fixes as _};
use patchline_scanner::{Completeness, Distro, Finding, Inventory, Package, Report, Reports as _, Severity};
use patchline_server::{ServerContext, bench::Workbench};
use patchline_store::Sqlite;
use serde_json::{Value, json};
use tokio::{net::TcpListener, sync::mpsc, task::JoinHandle};

pub use scripts::Scripts;

/// A name that a page must never take for markup.
pub const HOSTILE: &str = "<img src=x onerror=\"window.hit=1\">&'\"";

const CHAIN: &str = "
version: 1
chain: web-release
description: Gate what the web team ships; mend what can be mended.
scope: {registry: main, repositories: ['shop/**']}
on: {push: {}}
params: {block_at: {type: string, default: high}}
steps:
  scan: {uses: scan, with: {scanner: builtin, checks: [os]}}
  gate: {uses: gate, needs: [scan], with: {deny: [{severity: '>= {{params.block_at}}'}]}}
  backup: {uses: backup, needs: [gate], when: steps.gate.denied, with: {to: 'vault/{{image.repository}}'}}
  fix: {uses: fix, needs: [gate], when: steps.gate.denied, with: {tag: '{{image.origin.tag}}_fixed'}}
  delete: {uses: delete, needs: [backup, fix], when: steps.backup.succeeded && steps.fix.succeeded}
  tell: {uses: notify, needs: [gate, fix], when: always, with: {channels: [ops-dingtalk, ci-webhook]}}
---
version: 1
chain: ask-first
scope: {registry: main, repositories: ['asked/**']}
on: {push: {}}
steps:
  ask: {uses: approve, with: {message: 'ship {{image.repository}}:{{image.tag}}?', expires: 3d}}
  copy: {uses: replicate, needs: [ask], with: {to: 'prod/{{image.repository}}'}}
";

/// A running server.
pub struct Showcase {
    /// `http://127.0.0.1:…`
    pub url: String,
    /// Its engine.
    pub engine: Engine,
    /// What it was given.
    pub context: ServerContext,
    registries: Registries,
    store: Arc<Sqlite>,
    served: Vec<JoinHandle<()>>,
}

impl Drop for Showcase {
    fn drop(&mut self) {
        self.served.iter().for_each(JoinHandle::abort);
    }
}

impl Showcase {
    /// Starts it over a folder that the test owns. The hook's secret is `hush`.
    pub async fn start(folder: &Path) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let store = Arc::new(Sqlite::open(&folder.join("patchline.db")).await.unwrap());
        let (events, pushes) = mpsc::channel(64);
        let embedded = Embedded::open(&folder.join("registry"), events).unwrap();
        let (images, address) = listener().await;
        let mut served = vec![serve(images, embedded.router())];
        let config = RegistryConfig { host: address, plain_http: true, ..RegistryConfig::default() };
        let registries = Registries::new(BTreeMap::from([("main".to_owned(), config)])).unwrap();
        let script = ["scan", "gate", "backup", "fix", "delete", "notify", "approve", "replicate"];
        let steps = script.map(|kind| -> Arc<dyn Step> {
            Arc::new(Scripted { kind, store: store.clone(), registries: registries.clone() })
        });
        let options = EngineOptions {
            concurrency: 4,
            owns_data: true,
            drain: Duration::from_secs(5),
            public_url: None,
            ..Default::default()
        };
        let engine =
            Engine::start(store.clone(), steps.to_vec(), Arc::new(Channels), Arc::new(SystemClock), options)
                .await
                .unwrap();
        let context = ServerContext {
            engine: engine.clone(),
            chains: Arc::new(chains()),
            mender: patchline_steps::chosen::chain(),
            workbench: Workbench::new(Arc::new(Scripts)),
            registries: registries.clone(),
            embedded: "main".into(),
            reports: store.clone(),
            inventories: store.clone(),
            fixes: store.clone(),
            sightings: store.clone(),
            health: store.clone(),
            clock: Arc::new(SystemClock),
            distribution: Some((Secret::new("hush"), "main".into())),
            harbor: None,
            public_url: None,
        };
        served.push(tokio::spawn(patchline_server::follow_pushes(context.clone(), pushes)));
        let (pages, address) = listener().await;
        served.push(serve(pages, patchline_server::router(context.clone())));
        Self { url: format!("http://{address}"), engine, context, registries, store, served }
    }

    /// Pushes an image, whose event starts the chain; gives its digest.
    pub async fn push(&self, repository: &str, tag: &str) -> Digest {
        push(&self.registries, repository, tag, &[&format!("{repository}:{tag}")]).await
    }

    /// The newest run over a digest, once there is one.
    pub async fn run_of(&self, digest: &Digest) -> patchline_engine::RunView {
        let filter = patchline_engine::RunFilter { subject: Some(digest.to_string()), ..Default::default() };
        for _ in 0..200 {
            if let Some(run) = self.engine.runs(&filter).await.unwrap().pop() {
                return run;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("no run over {digest}");
    }

    /// Keeps a report as a scan would.
    pub async fn put_report(&self, report: &Report) {
        self.store.put_report(report).await.unwrap();
    }
}

async fn listener() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (listener, address)
}

fn serve(listener: TcpListener, router: axum::Router) -> JoinHandle<()> {
    tokio::spawn(async move { axum::serve(listener, router).await.unwrap() })
}

fn chains() -> Vec<Arc<Plan>> {
    let catalogue = patchline_steps::catalogue();
    let compiled =
        patchline_chains::compile(Source { name: "showcase.yaml", bytes: CHAIN.as_bytes() }, &catalogue);
    assert!(compiled.is_ok(), "{:?}", compiled.diagnostics);
    compiled.plans.into_iter().map(Arc::new).collect()
}

async fn push(registries: &Registries, repository: &str, tag: &str, layers: &[&str]) -> Digest {
    let location = Location::Registry(Reference {
        registry: "main".into(),
        repository: repository.into(),
        tag: Some(tag.into()),
        digest: None,
    });
    let repository = registries.open(&location).unwrap();
    let blob = |media: &str, bytes: &[u8]| {
        let mut descriptor = RawManifest::new(media, bytes.to_vec()).descriptor();
        descriptor.media_type = media.to_owned();
        descriptor
    };
    let config = json!({"architecture": "amd64", "os": "linux", "config": {},
        "rootfs": {"type": "layers", "diff_ids": layers.iter().map(|l| Digest::of(l.as_bytes())).collect::<Vec<_>>()}});
    let config = serde_json::to_vec(&config).unwrap();
    let config_blob = blob(OCI_CONFIG, &config);
    repository.push_blob(&config_blob, BlobContent::Bytes(config.into())).await.unwrap();
    let mut described = Vec::new();
    for layer in layers {
        let descriptor = blob(OCI_LAYER_TAR, layer.as_bytes());
        repository
            .push_blob(&descriptor, BlobContent::Bytes(layer.as_bytes().to_vec().into()))
            .await
            .unwrap();
        described.push(descriptor);
    }
    let manifest =
        json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": config_blob, "layers": described});
    let manifest = RawManifest::new(OCI_MANIFEST, serde_json::to_vec(&manifest).unwrap());
    repository.push_manifest(tag, &manifest).await.unwrap();
    manifest.digest
}

/// Takes every message but DingTalk's, which refuses as a robot with another secret does.
struct Channels;

#[async_trait]
impl Deliver for Channels {
    async fn deliver(&self, message: &Message) -> Result<(), DeliveryError> {
        if message.channel == "ops-dingtalk" {
            return Err(DeliveryError {
                code: "dingtalk-310000".into(),
                message: "the robot refuses: sign not match".into(),
                retry: false,
                after: None,
            });
        }
        Ok(())
    }
}

/// A step kind that does what its script says. A repository `shop/slow` is scanned for ever, one named
/// `shop/broken` cannot be scanned, and of the backup of `shop/doubt` nobody knows whether it was made.
struct Scripted {
    kind: &'static str,
    store: Arc<Sqlite>,
    registries: Registries,
}

#[async_trait]
impl Step for Scripted {
    fn kind(&self) -> &'static str {
        self.kind
    }

    async fn run(&self, context: Context) -> Result<Outcome, StepError> {
        let image = &context.subject.context;
        let repository = image["repository"].as_str().unwrap_or_default().to_owned();
        let digest: Digest = image["digest"].as_str().unwrap().parse().unwrap();
        let fixed = image["tag"].as_str().is_some_and(|tag| tag.ends_with("_fixed"));
        match self.kind {
            "scan" if repository == "shop/slow" => {
                context.news.note("reading 4 layers".into()).await;
                for done in 1..u64::MAX {
                    context.news.progress("download", done % 100, 100);
                    tokio::select! {
                        () = context.cancelled.cancelled() => break,
                        () = tokio::time::sleep(Duration::from_millis(200)) => {}
                    }
                }
                Err(StepError::permanent("cancelled", "the run was cancelled"))
            }
            "scan" if repository == "shop/broken" => Err(StepError::permanent(
                "layer-unreadable",
                "layer sha256:5f… cannot be read: truncated after 812 bytes",
            )),
            "scan" => {
                let report = report(&digest, if fixed { AFTER } else { BEFORE });
                let inventory = inventory(&digest, fixed);
                self.store.put_inventory(&inventory).await.unwrap();
                let id = self.store.put_report(&report).await.unwrap();
                context.news.note("61 packages in 2 layers, dpkg".into()).await;
                context.news.note(format!("a package calls itself {HOSTILE}")).await;
                Ok(Outcome::succeeded(
                    json!({"report": id, "total": report.findings.len(), "worst": report.worst(),
                    "counts": report.counts(), "mendable_count": 7}),
                ))
            }
            "gate" if !fixed => {
                let said = "8 findings have severity high or above, 1 is allowed";
                context.news.note(said.into()).await;
                Ok(Outcome::denied(json!({"verdict": "denied", "mendable": true,
                    "denied_by": [{"rule": "severity >= high", "message": said}],
                    "message": "ask the security desk, channel #image-gate"})))
            }
            "gate" => Ok(Outcome::succeeded(json!({"verdict": "passed", "denied_by": []}))),
            "approve" => {
                let message = format!("{} {HOSTILE}", context.with["message"].as_str().unwrap());
                let output = json!({"message": message, "summary": "waits for a person"});
                Ok(Outcome::Approval { expires: Duration::from_secs(3 * 86_400), output })
            }
            "backup" if repository == "shop/doubt" => {
                let intent = Intent {
                    kind: "copy".into(),
                    target: format!("main/vault/{repository}@{digest}"),
                    detail: Value::Null,
                    done: false,
                };
                context.effects.log.intend(&context.run, &context.step, &intent).await.unwrap();
                Err(StepError::permanent("registry-timeout", format!("the vault did not answer {HOSTILE}")))
            }
            "fix" => self.fix(&context, &repository, &digest).await,
            "notify" => {
                let channels = ["ops-dingtalk", "ci-webhook"].map(|channel| Message {
                    id: format!("{}/{}/{channel}", context.run, context.step),
                    channel: channel.into(),
                    payload: json!({"text": "gate result"}),
                });
                Ok(Outcome::Succeeded {
                    output: json!({"channels": 2}),
                    messages: channels.to_vec(),
                    mends: false,
                })
            }
            kind => Ok(Outcome::succeeded(json!({"done": kind, "verified": true}))),
        }
    }
}

impl Scripted {
    async fn fix(&self, context: &Context, repository: &str, origin: &Digest) -> Result<Outcome, StepError> {
        let original = context.subject.context["tag"].as_str().unwrap();
        let tag = context.with["tag"].as_str().map_or_else(|| format!("{original}_fixed"), str::to_owned);
        let mut plan = plan();
        if let Some(text) = context.with["plan"].as_str().filter(|text| !text.is_empty()) {
            let edited = Edited::read(text.as_bytes()).unwrap();
            let said = edited.said().unwrap();
            context.news.note(format!("held to a plan of {}: {}", said.by, said.reason)).await;
            let chosen = edited.clone().of(origin).unwrap();
            plan.upgrades.retain(|up| chosen.iter().any(|one| one.package == up.package));
            assert_eq!(plan.upgrades.len(), chosen.len());
        }
        context.news.note("openssl 3.0.11-1~deb12u2 → 3.0.17-1~deb12u2: byte-identical scripts".into()).await;
        let name = format!("{repository}:{}", context.subject.context["tag"].as_str().unwrap());
        let layers = [name.as_str(), "the patch layer"];
        // The intent stands before the push, so that the registry's event of it starts nothing.
        let digest = manifest_digest(&layers);
        let intent = Intent {
            kind: "push".into(),
            target: format!("main/{repository}:{tag}@{digest}"),
            detail: Value::Null,
            done: false,
        };
        context.effects.log.intend(&context.run, &context.step, &intent).await.unwrap();
        let digest = push(&self.registries, repository, &tag, &layers).await;
        self.store.put_fix(origin, &digest, &plan).await.unwrap();
        let identity = format!("main/{repository}:{tag}@{digest}");
        let subject = json!({"registry": "main", "repository": repository, "tag": tag, "digest": digest,
            "reference": identity, "origin": context.subject.context["origin"]});
        Ok(Outcome::Child {
            subject: Subject { identity, context: subject },
            output: json!({"tag": tag, "digest": digest, "upgrades": plan.upgrades.len()}),
            mends: true,
        })
    }
}

fn manifest_digest(layers: &[&str]) -> Digest {
    let config = json!({"architecture": "amd64", "os": "linux", "config": {},
        "rootfs": {"type": "layers", "diff_ids": layers.iter().map(|l| Digest::of(l.as_bytes())).collect::<Vec<_>>()}});
    let config = serde_json::to_vec(&config).unwrap();
    let describe = |media: &str, bytes: &[u8]| RawManifest::new(media, bytes.to_vec()).descriptor();
    let layers: Vec<_> = layers.iter().map(|l| describe(OCI_LAYER_TAR, l.as_bytes())).collect();
    let manifest = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST,
        "config": describe(OCI_CONFIG, &config), "layers": layers});
    Digest::of(&serde_json::to_vec(&manifest).unwrap())
}

/// (id, source, binaries, installed, fixed, severity).
type Row =
    (&'static str, &'static str, &'static [&'static str], &'static str, Option<&'static str>, Severity);

const LEFT: Row = ("CVE-2023-4641", "shadow", &["login", "passwd"], "1:4.13+dfsg1-1", None, Severity::Low);
const BEFORE: &[Row] = &[
    (
        "CVE-2024-5535",
        "openssl",
        &["libssl3", "openssl"],
        "3.0.11-1~deb12u2",
        Some("3.0.15-1~deb12u1"),
        Severity::Critical,
    ),
    (
        "CVE-2024-6119",
        "openssl",
        &["libssl3", "openssl"],
        "3.0.11-1~deb12u2",
        Some("3.0.14-1~deb12u2"),
        Severity::High,
    ),
    (
        "CVE-2025-9230",
        "openssl",
        &["libssl3", "openssl"],
        "3.0.11-1~deb12u2",
        Some("3.0.17-1~deb12u2"),
        Severity::High,
    ),
    (
        "CVE-2024-4741",
        "openssl",
        &["libssl3", "openssl"],
        "3.0.11-1~deb12u2",
        Some("3.0.14-1~deb12u1"),
        Severity::Medium,
    ),
    (
        "CVE-2024-2961",
        "glibc",
        &["libc-bin", "libc6"],
        "2.36-9+deb12u4",
        Some("2.36-9+deb12u6"),
        Severity::High,
    ),
    (
        "CVE-2024-33599",
        "glibc",
        &["libc-bin", "libc6"],
        "2.36-9+deb12u4",
        Some("2.36-9+deb12u7"),
        Severity::High,
    ),
    (
        "CVE-2024-2398",
        "curl",
        &["curl", "libcurl4"],
        "7.88.1-10+deb12u5",
        Some("7.88.1-10+deb12u6"),
        Severity::High,
    ),
    (
        "CVE-2024-7264",
        "curl",
        &["curl", "libcurl4"],
        "7.88.1-10+deb12u5",
        Some("7.88.1-10+deb12u7"),
        Severity::Medium,
    ),
    ("CVE-2023-45853", "zlib", &["zlib1g"], "1:1.2.13.dfsg-1", None, Severity::Negligible),
    (
        "UPLOAD-tzdata-2025b",
        "tzdata",
        &["tzdata"],
        "2024a-0+deb12u1",
        Some("2025b-0+deb12u1"),
        Severity::Unknown,
    ),
    ("CVE-2025-0001", HOSTILE, &[HOSTILE], "1.0", Some("1.1"), Severity::Low),
    LEFT,
];
const AFTER: &[Row] =
    &[("CVE-2023-45853", "zlib", &["zlib1g"], "1:1.2.13.dfsg-1", None, Severity::Negligible), LEFT];

/// A report over one image.
fn report(image: &Digest, rows: &[Row]) -> Report {
    let finding = |row: &Row| Finding {
        id: row.0.into(),
        aliases: vec![],
        ecosystem: "Debian:12".into(),
        paths: Vec::new(),
        packages: row.2.iter().map(|p| (*p).to_owned()).collect(),
        source: row.1.into(),
        installed: row.3.into(),
        fixed: row.4.map(str::to_owned),
        severity: row.5,
        severity_source: "debian".into(),
        mendable: Some(row.4.is_some()),
        known_exploited: row.0 == "CVE-2024-2961",
        epss: None,
        layer: None,
        summary: Some(format!("What {} is about, in one line of its advisory", row.0)),
        published: None,
        because: format!("{} < {} in Debian:12", row.3, row.4.unwrap_or("no version")),
    };
    Report {
        version: 1,
        image: image.clone(),
        distro: Some(debian()),
        packages: 61,
        advisory_revision: "debian-12 2026-11-20".into(),
        completeness: Completeness::Complete,
        findings: rows.iter().map(finding).collect(),
    }
}

fn debian() -> Distro {
    Distro {
        id: "debian".into(),
        version_id: Some("12".into()),
        codename: Some("bookworm".into()),
        pretty_name: Some("Debian GNU/Linux 12 (bookworm)".into()),
    }
}

fn inventory(image: &Digest, fixed: bool) -> Inventory {
    let layer = |name: &str| (Digest::of(name.as_bytes()), Digest::of(name.as_bytes()));
    let package = |number: usize| Package {
        name: format!("package-{number:02}"),
        version: "1.0-1".into(),
        architecture: "amd64".into(),
        source: format!("package-{number:02}"),
        source_version: "1.0-1".into(),
        held: false,
        layer: None,
        purl: format!("pkg:deb/debian/package-{number:02}@1.0-1?arch=amd64&distro=debian-12"),
        licenses: Vec::new(),
        ..Package::default()
    };
    Inventory {
        image: image.clone(),
        platform: Platform { architecture: "amd64".into(), os: "linux".into(), variant: None },
        distro: Some(debian()),
        packages: (0..61).map(package).collect(),
        database: Some("dpkg".into()),
        unread: vec![],
        incomplete: Vec::new(),
        unreadable: Vec::new(),
        layers: if fixed { vec![layer("base"), layer("patch")] } else { vec![layer("base")] },
    }
}

fn plan() -> FixPlan {
    let mut upgrades: Vec<Upgrade> = Vec::new();
    for (id, source, binaries, from, fixed, _) in BEFORE {
        let Some(to) = fixed else { continue };
        for binary in *binaries {
            match upgrades.iter_mut().find(|u| u.package == *binary) {
                Some(known) => {
                    known.mends.push((*id).into());
                    known.to = known.to.clone().max((*to).into());
                }
                None => upgrades.push(Upgrade {
                    package: (*binary).into(),
                    architecture: "amd64".into(),
                    source: (*source).into(),
                    from: (*from).into(),
                    to: (*to).into(),
                    mends: vec![(*id).into()],
                    because: "byte-identical scripts".into(),
                    repository: "bookworm-security".into(),
                    ..Upgrade::default()
                }),
            }
        }
    }
    let refused = Refusal {
        package: "login".into(),
        from: "1:4.13+dfsg1-1".into(),
        to: None,
        code: "not-in-repository".into(),
        reason: "no repository that was read has a newer version".into(),
        leaves: vec!["CVE-2023-4641".into()],
    };
    FixPlan {
        version: 1,
        upgrades,
        refused: vec![refused],
        repositories: vec![("bookworm-security".into(), "0f1e…".into())],
        advisory_revision: "debian-12 2026-11-20".into(),
        smoked: Vec::new(),
    }
}
