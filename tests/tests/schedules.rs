//! Chains that start by themselves, over a real registry: windows, our own products, pages, new advisories, pulls.

use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use jiff::Timestamp;
use patchline_chains::{Plan, Source};
use patchline_engine::{
    Clock, Context, Deliver, DeliveryError, Engine, EngineOptions, Message, Outcome, RunId, ScheduleOptions,
    Step, StepError, TriggerKind,
    schedule::{Cause, Firing, FiringState, Launch, Page, Scheduled},
    step::{EffectLog, Intent},
};
use patchline_registry::{
    BlobContent, Digest, Location, Platform, RawManifest, Reference, Registries, RegistryConfig, Repository,
    Secret,
    embedded::Embedded,
    events::PushEvent,
    model::{OCI_CONFIG, OCI_LAYER_TAR, OCI_MANIFEST},
};
use patchline_scanner::{
    BoxError, Distro, Inventory, Package, Report, Reports,
    advisories::{AdvisorySet, update},
    rematch::Inventories as _,
};
use patchline_server::{Launcher, ServerContext, bench::Workbench};
use patchline_store::{
    Sightings, Sqlite,
    sightings::{Seen, Sight},
};
use patchline_tests::showcase::Scripts;
use serde_json::json;
use tokio::{net::TcpListener, sync::mpsc, task::JoinHandle};

#[derive(Clone)]
struct Hand(Arc<Mutex<Timestamp>>);

impl Hand {
    fn set(&self, text: &str) {
        *self.0.lock().unwrap() = text.parse().unwrap();
    }
}

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }
}

struct Scan;

#[async_trait]
impl Step for Scan {
    fn kind(&self) -> &'static str {
        "scan"
    }
    async fn run(&self, _: Context) -> Result<Outcome, StepError> {
        Ok(Outcome::succeeded(json!({})))
    }
}

struct Nobody;

#[async_trait]
impl Deliver for Nobody {
    async fn deliver(&self, _: &Message) -> Result<(), DeliveryError> {
        Ok(())
    }
}

/// A server without pages, over an embedded registry that is named `main`.
struct House {
    folder: tempfile::TempDir,
    store: Arc<Sqlite>,
    context: ServerContext,
    clock: Hand,
    pushes: mpsc::Receiver<PushEvent>,
    served: Vec<JoinHandle<()>>,
}

impl Drop for House {
    fn drop(&mut self) {
        self.served.iter().for_each(JoinHandle::abort);
    }
}

async fn serve(router: axum::Router) -> (String, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    (address, tokio::spawn(async move { axum::serve(listener, router).await.unwrap() }))
}

fn plans(chains: &str) -> Vec<Arc<Plan>> {
    let source = Source { name: "c.yaml", bytes: chains.as_bytes() };
    let compiled = patchline_chains::compile(source, &patchline_steps::catalogue());
    assert!(compiled.is_ok(), "{:?}", compiled.diagnostics);
    compiled.plans.into_iter().map(Arc::new).collect()
}

fn chain(on: &str, scope: &str) -> Arc<Plan> {
    let text = format!(
        "version: 1\nchain: c\nscope: {scope}\non: {on}\nsteps:\n  scan: {{uses: scan, with: {{scanner: builtin}}}}\n"
    );
    plans(&text).remove(0)
}

impl House {
    async fn new() -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(Sqlite::open(&folder.path().join("p.db")).await.unwrap());
        let (events, pushes) = mpsc::channel(4096);
        let embedded = Embedded::open(&folder.path().join("registry"), events).unwrap();
        let (address, registry) = serve(embedded.router()).await;
        let config = RegistryConfig { host: address, plain_http: true, ..RegistryConfig::default() };
        let registries = Registries::new(BTreeMap::from([("main".to_owned(), config)])).unwrap();
        let clock = Hand(Arc::new(Mutex::new("2026-06-01T00:00:00Z".parse().unwrap())));
        let engine = Engine::start(
            store.clone(),
            vec![Arc::new(Scan) as Arc<dyn Step>],
            Arc::new(Nobody),
            Arc::new(clock.clone()),
            EngineOptions { drain: Duration::from_secs(1), ..EngineOptions::default() },
        )
        .await
        .unwrap();
        let context = ServerContext {
            engine,
            chains: Arc::new(Vec::new()),
            mender: patchline_steps::chosen::chain(),
            workbench: Workbench::new(Arc::new(Scripts)),
            registries,
            embedded: "main".into(),
            reports: store.clone(),
            inventories: store.clone(),
            fixes: store.clone(),
            sightings: store.clone(),
            health: store.clone(),
            clock: Arc::new(clock.clone()),
            distribution: Some((Secret::new("hush"), "main".into())),
            harbor: None,
            public_url: None,
        };
        Self { folder, store, context, clock, pushes, served: vec![registry] }
    }

    fn advisories(&self) -> PathBuf {
        self.folder.path().join("advisories")
    }
    fn launcher(&self) -> Launcher {
        Launcher::new(self.context.clone(), self.advisories())
    }

    fn repository(&self, repository: &str) -> Arc<dyn Repository> {
        let reference =
            Reference { registry: "main".into(), repository: repository.into(), tag: None, digest: None };
        self.context.registries.open(&Location::Registry(reference)).unwrap()
    }

    /// An image that says when it was made.
    async fn push(&self, repository: &str, tag: &str, created: Option<&str>) -> Digest {
        let to = self.repository(repository);
        let layer = format!("{repository}:{tag}").into_bytes();
        let mut config = json!({"architecture": "amd64", "os": "linux", "config": {},
            "rootfs": {"type": "layers", "diff_ids": [Digest::of(&layer)]}});
        if let Some(created) = created {
            config["created"] = json!(created);
        }
        let config = serde_json::to_vec(&config).unwrap();
        let mut described = Vec::new();
        for (media, bytes) in [(OCI_CONFIG, config), (OCI_LAYER_TAR, layer)] {
            let blob = RawManifest::new(media, bytes.clone()).descriptor();
            to.push_blob(&blob, BlobContent::Bytes(bytes.into())).await.unwrap();
            described.push(blob);
        }
        let manifest = json!({"schemaVersion": 2, "mediaType": OCI_MANIFEST, "config": described[0],
            "layers": [described[1]]});
        let manifest = RawManifest::new(OCI_MANIFEST, serde_json::to_vec(&manifest).unwrap());
        to.push_manifest(tag, &manifest).await.unwrap();
        manifest.digest
    }

    async fn saw(&self, repository: &str, tag: &str, digest: &Digest, sight: Sight, at: &str) {
        let (registry, repository) = ("main".to_owned(), repository.to_owned());
        let seen = Seen { registry, repository, tag: Some(tag.into()), digest: digest.clone() };
        self.store.saw(&[(seen, sight)], at.parse().unwrap()).await.unwrap();
    }

    /// What a firing of a chain starts, in all of its pages.
    async fn starts(&self, launcher: &Launcher, plan: &Plan, firing: &Firing) -> (Vec<String>, Vec<Page>) {
        let mut pages = Vec::new();
        let mut cursor: Option<String> = None;
        loop {
            let page = launcher.page(plan, firing, cursor.as_deref()).await.unwrap();
            cursor.clone_from(&page.next);
            pages.push(page);
            if cursor.is_none() {
                break;
            }
        }
        let name = |identity: &str| identity.split('@').next().unwrap().to_owned();
        let subjects = pages.iter().flat_map(|p| &p.subjects);
        (subjects.map(|s| name(&s.identity)).collect(), pages)
    }

    async fn window(&self, images: &str) -> Vec<String> {
        let on = format!("{{schedule: {{cron: '0 3 * * *', images: {images}}}}}");
        let plan = chain(&on, "{registry: main, repositories: ['shop/**']}");
        self.starts(&self.launcher(), &plan, &firing(Cause::Schedule, "now")).await.0
    }
}

fn firing(cause: Cause, occasion: &str) -> Firing {
    let row =
        Scheduled { chain: "c".into(), cause, plan_hash: String::new(), cron: None, zone: None, next: None };
    Firing::new(&row, occasion.into(), Timestamp::UNIX_EPOCH, Timestamp::UNIX_EPOCH)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn windows_choose_among_the_images_of_the_scope() {
    let house = House::new().await;
    let old = house.push("shop/web", "v1", Some("2025-01-01T00:00:00Z")).await;
    house.push("shop/web", "v2", Some("2026-05-20T00:00:00Z")).await;
    let told = house.push("shop/web", "v3", Some("2020-01-01T00:00:00Z")).await;
    house.push("shop/api", "v9", None).await;
    house.push("other/x", "v1", Some("2026-05-30T00:00:00Z")).await;
    // A signature's tag, and a backup of ours.
    house.push("shop/web", &format!("sha256-{}.sig", "0".repeat(64)), None).await;
    let backup = house.push("shop/web", "v1_backup", Some("2026-05-30T00:00:00Z")).await;
    let target = format!("main/shop/web:v1_backup@{backup}");
    let intent = Intent { kind: "push".into(), target, detail: json!({}), done: true };
    house.store.intend(&RunId("r".into()), "backup", &intent).await.unwrap();
    house.saw("shop/web", "v3", &told, Sight::Pushed, "2026-05-31T00:00:00Z").await;
    house.saw("shop/web", "v1", &old, Sight::Pulled, "2026-05-31T12:00:00Z").await;
    house.saw("shop/web", "v2", &Digest::of(b"former"), Sight::Pulled, "2026-05-31T12:00:00Z").await;

    let all = ["main/shop/api:v9", "main/shop/web:v1", "main/shop/web:v2", "main/shop/web:v3"];
    assert_eq!(house.window("{}").await, all);
    assert_eq!(house.window("{pushed_within: 30d}").await, ["main/shop/web:v2", "main/shop/web:v3"]);
    assert_eq!(house.window("{pushed_within: 2d}").await, ["main/shop/web:v3"], "its push, not its making");
    assert_eq!(house.window("{pulled_within: 1d}").await, ["main/shop/web:v1"], "what v2 was is not v2");
    assert_eq!(house.window("{running: true}").await, [] as [&str; 0]);
    // Of each repository; v1_backup is the newest but one and starts nothing.
    assert_eq!(house.window("{latest: 1}").await, ["main/shop/api:v9", "main/shop/web:v3"]);
    let both = house.window("{latest: 1, pulled_within: 1d}").await;
    assert_eq!(both, ["main/shop/api:v9", "main/shop/web:v1", "main/shop/web:v3"]);

    // When images were made is asked for once.
    let seen = house.store.of_repository("main", "shop/web").await.unwrap();
    assert!(seen.iter().any(|s| s.created == Some("2026-05-20T00:00:00Z".parse().unwrap())), "{seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_hold_every_image_once_also_after_a_restart() {
    let house = House::new().await;
    for repository in ["shop/a", "shop/b", "shop/c"] {
        for tag in 0..40 {
            house.push(repository, &format!("v{tag:02}"), None).await;
        }
    }
    let plan = chain("{schedule: {cron: '0 3 * * *'}}", "{repositories: ['shop/*', '!shop/b']}");
    let now = firing(Cause::Schedule, "now");
    let (images, pages) = house.starts(&house.launcher(), &plan, &now).await;
    let mut expected: Vec<String> = Vec::new();
    for repository in ["a", "c"] {
        expected.extend((0..40).map(|tag| format!("main/shop/{repository}:v{tag:02}")));
    }
    assert_eq!(images, expected);
    assert!(pages.len() > 1 && pages.iter().all(|p| p.subjects.len() <= 50 && p.failed.is_empty()));
    // Another process goes on where this one was; what is new before that place waits for the next firing.
    let first = house.launcher().page(&plan, &now, None).await.unwrap();
    house.push("shop/a", "v00b", None).await;
    let rest = house.launcher().page(&plan, &now, first.next.as_deref()).await.unwrap();
    assert_eq!(first.subjects.len() + rest.subjects.len(), 80);

    // Named without wildcards, nothing is listed; what is not there is no failure.
    let plan =
        chain("{schedule: {cron: '0 3 * * *'}}", "{repositories: [shop/b, shop/nothing], tags: ['v0*']}");
    let (images, pages) = house.starts(&house.launcher(), &plan, &now).await;
    assert_eq!((images.len(), pages.len()), (10, 1));
    assert!(pages[0].failed.is_empty(), "{:?}", pages[0].failed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_registry_that_is_away_is_tried_again() {
    let mut house = House::new().await;
    house.push("shop/web", "v1", None).await;
    let plan = chain("{schedule: {cron: '0 3 * * *'}}", "{repositories: [shop/web]}");
    let launcher = house.launcher();
    for served in house.served.drain(..) {
        served.abort();
        let _ = served.await;
    }
    let error = launcher.page(&plan, &firing(Cause::Schedule, "now"), None).await.unwrap_err();
    assert!(error.retry, "{error:?}");
    assert!(!error.message.is_empty() && !error.code.is_empty());
}

fn inventory(image: &Digest, packages: &[(&str, &str)]) -> Inventory {
    let package = |(name, version): &(&str, &str)| Package {
        name: (*name).into(),
        version: (*version).into(),
        architecture: "amd64".into(),
        source: (*name).into(),
        source_version: (*version).into(),
        held: false,
        layer: None,
        purl: format!("pkg:deb/debian/{name}@{version}"),
        licenses: Vec::new(),
        ..Package::default()
    };
    Inventory {
        image: image.clone(),
        platform: Platform { architecture: "amd64".into(), os: "linux".into(), variant: None },
        distro: Some(Distro {
            id: "debian".into(),
            version_id: Some("12".into()),
            codename: Some("bookworm".into()),
            pretty_name: None,
        }),
        packages: packages.iter().map(package).collect(),
        database: Some("dpkg".into()),
        unread: Vec::new(),
        incomplete: Vec::new(),
        unreadable: Vec::new(),
        layers: Vec::new(),
    }
}

/// Loads records into the folder: (id, package, urgency as Debian says it); the revision.
async fn load(house: &House, records: &[(&str, &str, &str)]) -> String {
    let from = tempfile::tempdir().unwrap();
    for (id, package, urgency) in records {
        let record = json!({"id": format!("DEBIAN-{id}"), "modified": "2026-01-02T00:00:00Z", "upstream": [id],
        "affected": [{"package": {"ecosystem": "Debian:12", "name": package},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2"}]}],
            "ecosystem_specific": {"urgency": urgency}}],
        "severity": [{"type": "CVSS_V3", "score": match *urgency {
            "critical" => "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H",
            _ => "CVSS:3.1/AV:L/AC:H/PR:H/UI:R/S:U/C:L/I:N/A:N",
        }}]});
        std::fs::write(from.path().join(format!("{id}.json")), record.to_string()).unwrap();
    }
    let origin = update::Origin::Folder(from.path().to_owned());
    std::fs::create_dir_all(house.advisories()).unwrap();
    update::update(&house.advisories(), &origin, "2026-01-01T00:00:00Z").await.unwrap();
    AdvisorySet::newest(&house.advisories()).unwrap().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn new_advisories_start_what_they_speak_of_and_nothing_else() {
    let house = House::new().await;
    let launcher = house.launcher();
    assert_eq!(launcher.revision().await.unwrap(), None);
    let hit = house.push("shop/hit", "v1", None).await;
    let light = house.push("shop/light", "v1", None).await;
    house.push("shop/unseen", "v1", None).await;
    house.store.put_inventory(&inventory(&hit, &[("libx", "1"), ("liby", "1")])).await.unwrap();
    house.store.put_inventory(&inventory(&light, &[("libz", "1")])).await.unwrap();
    let plan = chain("{advisories: {severity: high}}", "{repositories: ['shop/*']}");

    let first = load(&house, &[("CVE-2026-1", "libz", "low")]).await;
    assert_eq!(launcher.revision().await.unwrap(), Some(first.clone()));
    let of = |revision: &str| firing(Cause::Advisories, revision);
    let (images, pages) = house.starts(&launcher, &plan, &of(&first)).await;
    assert_eq!(images, [] as [&str; 0]);
    assert_eq!(pages[0].left_out, 3);

    let records = [("CVE-2026-1", "libz", "low"), ("CVE-2026-2", "libx", "critical")];
    let second = load(&house, &records).await;
    let (images, _) = house.starts(&launcher, &plan, &of(&second)).await;
    assert_eq!(images, ["main/shop/hit:v1"]);
    assert_eq!(house.starts(&launcher, &plan, &of(&first)).await.0, [] as [&str; 0], "it is not the newest");
    // The run has scanned: its report knows it.
    let set = AdvisorySet::open_revision(&house.advisories(), &second).unwrap();
    let report = patchline_scanner::report(&inventory(&hit, &[("libx", "1"), ("liby", "1")]), &[&set]);
    assert_eq!(report.worst(), Some(patchline_scanner::Severity::Critical));
    house.store.put_report(&report).await.unwrap();
    assert_eq!(house.starts(&launcher, &plan, &of(&second)).await.0, [] as [&str; 0]);

    // One more, and one that has become worse.
    let records = [
        ("CVE-2026-1", "libz", "critical"),
        ("CVE-2026-2", "libx", "critical"),
        ("CVE-2026-3", "liby", "critical"),
    ];
    let third = load(&house, &records).await;
    let (images, _) = house.starts(&launcher, &plan, &of(&third)).await;
    assert_eq!(images, ["main/shop/hit:v1", "main/shop/light:v1"]);
}

/// The store, and of which images somebody has asked for the inventory.
struct Asked(Arc<Sqlite>, Mutex<Vec<Digest>>);

impl Asked {
    fn take(&self) -> Vec<Digest> {
        let mut asked = std::mem::take(&mut *self.1.lock().unwrap());
        asked.sort();
        asked
    }
}

#[async_trait]
impl Reports for Asked {
    async fn put_inventory(&self, inventory: &Inventory) -> Result<(), BoxError> {
        self.0.put_inventory(inventory).await
    }
    async fn inventory(&self, image: &Digest) -> Result<Option<Inventory>, BoxError> {
        self.1.lock().unwrap().push(image.clone());
        self.0.inventory(image).await
    }
    async fn put_report(&self, report: &Report) -> Result<String, BoxError> {
        self.0.put_report(report).await
    }
    async fn report(&self, id: &str) -> Result<Option<Report>, BoxError> {
        self.0.report(id).await
    }
    async fn latest_report(&self, image: &Digest) -> Result<Option<(String, Report)>, BoxError> {
        self.0.latest_report(image).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_images_that_new_advisories_touch_are_looked_at_and_none_is_lost() {
    let mut house = House::new().await;
    let asked = Arc::new(Asked(house.store.clone(), Mutex::default()));
    house.context.reports = asked.clone();
    let launcher = house.launcher();
    let plan = chain("{advisories: {severity: high}}", "{repositories: ['shop/*']}");
    let of = |revision: &str| firing(Cause::Advisories, revision);
    let records = [
        ("CVE-2026-1", "libz", "low"),
        ("CVE-2026-2", "libx", "critical"),
        ("CVE-2026-3", "liby", "critical"),
    ];
    let set = |revision: &str| AdvisorySet::open_revision(&house.advisories(), revision).unwrap();
    let scan = async |image: &Digest, packages: &[(&str, &str)], revision: &str| {
        let inventory = inventory(image, packages);
        house.store.put_inventory(&inventory).await.unwrap();
        let report = patchline_scanner::report(&inventory, &[&set(revision)]);
        house.store.put_report(&report).await.unwrap();
    };
    let first = load(&house, &records[..1]).await;
    let hit = house.push("shop/hit", "v1", None).await;
    let other = house.push("shop/other", "v1", None).await;
    let both = |digests: [&Digest; 2]| {
        let mut digests = digests.map(Clone::clone);
        digests.sort();
        digests.to_vec()
    };
    scan(&hit, &[("libx", "1"), ("libz", "1")], &first).await;
    scan(&other, &[("liby", "1"), ("libz", "1")], &first).await;
    assert_eq!(house.starts(&launcher, &plan, &of(&first)).await.0, [] as [&str; 0]);
    assert_eq!(asked.take(), both([&hit, &other]), "nobody has matched them before");
    // Again, and after a restart, nothing is left to do.
    assert_eq!(house.starts(&house.launcher(), &plan, &of(&first)).await.0, [] as [&str; 0]);
    assert_eq!(asked.take(), []);

    let second = load(&house, &records[..2]).await;
    let (images, pages) = house.starts(&launcher, &plan, &of(&second)).await;
    assert_eq!((images, pages[0].left_out), (vec!["main/shop/hit:v1".to_owned()], 1));
    assert_eq!(asked.take(), std::slice::from_ref(&hit));
    let noted = house.store.matched(&[hit.clone(), other.clone()]).await.unwrap();
    let up_to = |image: &Digest| noted.iter().find(|m| m.image == *image).unwrap().up_to();
    assert_eq!((up_to(&hit), up_to(&other)), (Some(first.as_str()), Some(second.as_str())));

    // Its run came to nothing: it is started again with what comes next, though that does not touch it any more. And an
    // image with an inventory since then, whose report is older than what the advisories know of it, is found.
    let late = house.push("shop/late", "v1", None).await;
    scan(&late, &[("libx", "1")], &first).await;
    let third = load(&house, &records).await;
    let (images, _) = house.starts(&launcher, &plan, &of(&third)).await;
    assert_eq!(images, ["main/shop/hit:v1", "main/shop/late:v1", "main/shop/other:v1"]);
    asked.take();

    // Everything is scanned; then the revision that was matched is no more.
    scan(&hit, &[("libx", "1"), ("libz", "1")], &third).await;
    scan(&other, &[("liby", "1"), ("libz", "1")], &third).await;
    scan(&late, &[("libx", "1")], &third).await;
    assert_eq!(house.starts(&launcher, &plan, &of(&third)).await.0, [] as [&str; 0]);
    assert_eq!(asked.take().len(), 3);
    let words = [records[0], records[1], records[2], ("CVE-2026-4", "libq", "critical")];
    let fourth = load(&house, &words).await;
    for entry in std::fs::read_dir(house.advisories()).unwrap() {
        let path = entry.unwrap().path();
        let hex = third.strip_prefix("sha256:").unwrap();
        if path.file_name().unwrap().to_str().unwrap().starts_with(hex) {
            std::fs::remove_file(path).unwrap();
        }
    }
    assert_eq!(house.starts(&launcher, &plan, &of(&fourth)).await.0, [] as [&str; 0]);
    assert_eq!(asked.take().len(), 3, "all of them are matched");
    let fifth = load(&house, &[&words[..], &[("CVE-2026-5", "libr", "critical")]].concat()).await;
    assert_eq!(house.starts(&launcher, &plan, &of(&fifth)).await.0, [] as [&str; 0]);
    assert_eq!(asked.take(), [], "and from then on what is touched alone");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schedule_starts_runs_and_what_is_under_way_stays_one() {
    let house = House::new().await;
    house.push("shop/web", "v1", None).await;
    house.push("shop/web", "v2", None).await;
    let plan =
        chain("{schedule: {cron: '0 3 * * *', timezone: Asia/Shanghai}}", "{repositories: ['shop/*']}");
    let options = ScheduleOptions {
        clock: Arc::new(house.clock.clone()),
        owns_data: true,
        ..ScheduleOptions::new(vec![plan])
    };
    let engine = &house.context.engine;
    engine.start_schedules(house.store.clone(), Arc::new(house.launcher()), options).await.unwrap();
    house.clock.set("2026-06-01T19:00:00Z");
    let mut view = None;
    for _ in 0..400 {
        view = engine.schedules().await.unwrap().pop();
        if view.as_ref().and_then(|v| v.last.as_ref()).is_some_and(|f| f.state == FiringState::Done) {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    let view = view.unwrap();
    let last = view.last.unwrap();
    assert_eq!((last.state, last.counts.started, last.problem), (FiringState::Done, 2, None));
    assert_eq!(view.next.unwrap().to_string(), "2026-06-02T19:00:00Z");
    let runs = engine.runs(&Default::default()).await.unwrap();
    let tags: Vec<_> = runs.iter().map(|r| r.submission.subject.context["tag"].as_str().unwrap()).collect();
    assert_eq!(tags.len(), 2, "{tags:?}");
    assert!(runs.iter().all(|r| r.submission.trigger.kind == TriggerKind::Schedule));
    engine.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pushes_and_pulls_are_seen_by_the_hook() {
    let mut house = House::new().await;
    let digest = house.push("shop/web", "v1", None).await;
    let event = |action: &str, agent: &str, tag: Option<&str>| {
        json!({"id": format!("{action}-{agent}"), "action": action, "request": {"useragent": agent},
            "target": {"mediaType": OCI_MANIFEST, "digest": digest, "repository": "shop/web", "tag": tag}})
    };
    let envelope = json!({"events": [
        event("push", "docker/27", Some("v1")),
        event("pull", "containerd/2", None),
        event("pull", "patchline/0.1.0", Some("v1")),
    ]});
    let (address, served) = serve(patchline_server::router(house.context.clone())).await;
    house.served.push(served);
    let answer = reqwest::Client::new()
        .post(format!("http://{address}/hooks/distribution"))
        .header("authorization", "Bearer hush")
        .body(envelope.to_string())
        .send()
        .await
        .unwrap();
    assert_eq!(answer.status(), 202);
    let mut seen = house.store.of_repository("main", "shop/web").await.unwrap();
    seen.sort_by_key(|s| s.tag.clone());
    let now = Some(house.clock.now());
    let lines: Vec<_> = seen.iter().map(|s| (s.tag.as_deref(), s.pushed, s.pulled)).collect();
    assert_eq!(lines, [(None, None, now), (Some("v1"), now, None)], "our own pull is none");
    // By digest, the tag that points there was pulled.
    assert_eq!(house.window("{pulled_within: 1d}").await, ["main/shop/web:v1"]);
    assert!(house.pushes.try_recv().is_ok(), "the embedded registry tells of it too");
}
