//! `chaos faults`: a full disk, a file made read-only, a database that is away, a clock that jumps. Each time: a clear
//! state meanwhile, and afterwards no lost run, without a person and without a restart.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Duration,
};

use patchline_tests::{
    distribution::free_port,
    machine,
    postgres::{Options, Postgres, Stop},
    process,
};
use serde_json::{Value, json};

use crate::{
    Arguments,
    fleet::{self, Program, Site},
    lines::now,
    standin::StandIn,
};

const SHIP: &str = r#"
version: 1
chain: ship
scope: {repositories: ["shop/**"]}
on: {push: {}}
steps:
  ask: {uses: trigger, with: {target: slow}, retry: {attempts: 8, backoff: 1s, max_backoff: 8s}}
  deploy: {uses: trigger, needs: [ask], with: {target: slow}, retry: {attempts: 8, backoff: 1s, max_backoff: 8s}}
"#;

const CONFIG: &str = "targets:\n  slow: {url: {env: SLOW_URL}, allow-private: true}\nconcurrency: 8\n";

/// How long a fault lasts: longer than four leases.
const AWAY: Duration = Duration::from_secs(60);
/// How long a disk stays full, a file read-only, a clock wrong.
const FAULT: Duration = Duration::from_secs(25);
/// After a fault everything has ended within so long.
const QUIET: Duration = Duration::from_secs(90);

/// One installation with work under way.
struct House {
    site: Site,
    server: Program,
    standin: StandIn,
    client: reqwest::Client,
    ports: (u16, u16),
    accepted: Vec<String>,
    next: u64,
    findings: Vec<String>,
    name: String,
}

/// All of them, or those that `--only` names.
pub(crate) async fn run(arguments: &Arguments) -> (Value, bool) {
    let mut told = json!({});
    let mut well = true;
    let only = arguments.value("--only");
    let mut note = |name: &str, found: Option<Value>| {
        if let Some(found) = found {
            well &= found["findings"].as_array().is_none_or(Vec::is_empty);
            eprintln!("{name}: {found}");
            told[name] = found;
        }
    };
    for name in
        ["disk_full", "read_only", "postgres_frozen", "postgres_stopped", "clock_sqlite", "clock_postgres"]
    {
        if only.is_some_and(|only| only != name) {
            continue;
        }
        let found = match name {
            "disk_full" => disk_full().await,
            "read_only" => read_only().await,
            "postgres_frozen" => away(true).await,
            "postgres_stopped" => away(false).await,
            "clock_sqlite" => clock(false).await,
            _ => clock(true).await,
        };
        note(name, found);
    }
    (told, well)
}

impl House {
    async fn new(name: &str, folder: &Path, database: Option<&str>, preload: &[(&str, &str)]) -> Self {
        let standin = StandIn::start();
        let slow = format!("{}/slow", standin.url);
        let mut env = vec![("SLOW_URL", slow.as_str())];
        env.extend_from_slice(preload);
        let mut config = CONFIG.to_owned();
        if let Some(url) = database {
            config.push_str("database: {url: {env: DATABASE_URL}}\n");
            env.push(("DATABASE_URL", url));
        }
        let site = Site::new(folder, &config, &[("ship", SHIP)], &env);
        let ports = (free_port(), free_port());
        let server = Program::serve(&site, ports, &[]).unwrap_or_else(|why| panic!("{name}: {why}"));
        let client = fleet::client();
        let (accepted, findings) = (Vec::new(), Vec::new());
        Self { site, server, standin, client, ports, accepted, next: 0, findings, name: name.to_owned() }
    }

    fn must(&mut self, so: bool, what: impl Into<String>) {
        if !so {
            let what = what.into();
            eprintln!("found: {}: {what}", self.name);
            self.findings.push(what);
        }
    }

    /// Pushes; each push that is taken is a run.
    async fn push(&mut self, count: u64) {
        for _ in 0..count {
            let tag = format!("v{}", self.next);
            self.next += 1;
            let registry = format!("127.0.0.1:{}", self.ports.1);
            match fleet::push(&self.client, &registry, "shop/web", &tag).await {
                Ok(_) => self.accepted.push(tag),
                Err(error) => self.must(false, format!("a push is not taken: {error}")),
            }
        }
    }

    /// What somebody is told who asks for a run: the status and the code.
    async fn ask(&self, tag: &str) -> (u16, String) {
        let body = json!({"chain": "ship", "image": format!("embedded/shop/web:{tag}")});
        let post = self.client.post(format!("{}/api/v1/runs", self.server.url)).json(&body);
        match post.send().await {
            Ok(answer) => {
                let status = answer.status().as_u16();
                let body: Value = answer.json().await.unwrap_or_default();
                (status, body["error"]["code"].as_str().unwrap_or("none").to_owned())
            }
            Err(error) => {
                (0, if error.is_timeout() { "no answer within 10 s".into() } else { error.to_string() })
            }
        }
    }

    async fn health(&self) -> u16 {
        let asked = self.client.get(format!("{}/healthz", self.server.url)).send().await;
        asked.map_or(0, |answer| answer.status().as_u16())
    }

    /// Asks now and then while the fault lasts: the codes that were told, and the health that was.
    async fn meanwhile(&mut self, span: Duration) -> (Vec<String>, Vec<u16>) {
        let end = now() + u64::try_from(span.as_nanos()).unwrap();
        let (mut codes, mut healths) = (Vec::new(), Vec::new());
        let mut n = 0;
        while now() < end {
            // Over an image whose run is under way the answer is that run: so over one that has none.
            n += 1;
            let (status, code) = self.ask(&format!("idle{}", n % 4)).await;
            codes.push(format!("{status} {code}"));
            healths.push(self.health().await);
            tokio::time::sleep(Duration::from_secs(2)).await;
        }
        codes.sort_unstable();
        codes.dedup();
        healths.sort_unstable();
        healths.dedup();
        (codes, healths)
    }

    /// Everything that was accepted ends well, and new work is taken: seconds until then.
    async fn recovered(&mut self) -> f64 {
        let from = now();
        let end = from + u64::try_from(QUIET.as_nanos()).unwrap();
        let mut taken = None;
        loop {
            if taken.is_none() {
                let (status, _) = self.ask("idle0").await;
                taken = matches!(status, 200 | 201).then(now);
            }
            let runs = fleet::runs(&self.client, &self.server.url).await.unwrap_or_default();
            let tag =
                |run: &Value| run["submission"]["subject"]["context"]["tag"].as_str().map(str::to_owned);
            let open: Vec<&String> = self
                .accepted
                .iter()
                .filter(|t| !runs.iter().any(|r| tag(r).as_ref() == Some(*t) && r["result"] == "passed"))
                .collect();
            if open.is_empty() && taken.is_some() {
                break;
            }
            if now() > end {
                let what =
                    format!("not recovered within {QUIET:?}: taken again {}, open {open:?}", taken.is_some());
                let states: Vec<Value> =
                    runs.iter().map(|r| json!([tag(r), r["status"], r["result"]])).collect();
                self.must(false, format!("{what}, of {states:?}"));
                break;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        let runs = self.server.runs();
        self.must(runs, "the process has ended");
        (now() - from) as f64 / 1e9
    }

    /// Images that are pushed while all is well and have a finished run.
    async fn idle_images(&mut self) {
        for n in 0..4 {
            let registry = format!("127.0.0.1:{}", self.ports.1);
            fleet::push(&self.client, &registry, "shop/web", &format!("idle{n}")).await.unwrap();
            self.accepted.push(format!("idle{n}"));
        }
        self.recovered().await;
    }

    fn told(self, codes: &(Vec<String>, Vec<u16>), seconds: f64) -> Value {
        let repeated: usize = self.standin.taken().values().map(|t| t.times - 1).sum();
        let twice = self.standin.taken().values().filter(|t| t.ids.len() != 1).count();
        let mut findings = self.findings.clone();
        if twice > 0 {
            findings.push(format!("{twice} calls came under more than one id"));
        }
        if !findings.is_empty() {
            let log = fs::read_to_string(self.site.folder.join("server.log")).unwrap_or_default();
            let end: Vec<&str> = log.lines().rev().take(15).collect();
            eprintln!("{}: the end of the server's log, backwards:\n{}", self.name, end.join("\n"));
        }
        json!({
            "told_meanwhile": codes.0,
            "healthz_meanwhile": codes.1,
            "runs": self.accepted.len(),
            "recovered_after_s": (seconds * 10.0).round() / 10.0,
            "repeated_calls": repeated,
            "findings": findings,
        })
    }
}

/// A small file system of its own, taken away again.
struct Mounted(PathBuf);

impl Mounted {
    fn tmpfs(at: &Path, size: &str) -> Self {
        fs::create_dir_all(at).unwrap();
        let size = format!("size={size}");
        machine::run(Command::new("mount").args(["-t", "tmpfs", "-o", &size, "patchline-chaos"]).arg(at));
        Self(at.to_owned())
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("-l").arg(&self.0).output());
    }
}

/// The disk of the data folder fills up while runs are under way.
async fn disk_full() -> Option<Value> {
    if !machine::root() {
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let disk = Mounted::tmpfs(&folder.path().join("server"), "48m");
    let mut house = House::new("disk_full", folder.path(), None, &[]).await;
    house.idle_images().await;
    house.push(12).await;
    let ballast = folder.path().join("server/ballast");
    fill(&ballast);
    let told = house.meanwhile(FAULT).await;
    house.must(told.0.iter().any(|t| t.starts_with("503 store-")), format!("no clear state: {told:?}"));
    house.must(told.1.contains(&503), format!("healthy without a disk to write: {told:?}"));
    fs::remove_file(&ballast).unwrap();
    let seconds = house.recovered().await;
    let told = house.told(&told, seconds);
    drop(disk);
    Some(told)
}

/// To the last byte.
fn fill(file: &Path) {
    use std::io::Write as _;
    let mut file = fs::File::create(file).unwrap();
    for size in [1 << 20, 1 << 12, 1] {
        let block = vec![0_u8; size];
        while file.write_all(&block).is_ok() {}
    }
}

/// Nobody may write to the database's files any more, not even root: they are immutable (`chattr +i`).
async fn read_only() -> Option<Value> {
    if !machine::root() || !machine::needs(&["chattr"]) {
        return None;
    }
    let folder = tempfile::tempdir().unwrap();
    let mut house = House::new("read_only", folder.path(), None, &[]).await;
    house.idle_images().await;
    house.push(12).await;
    let files = ["patchline.db", "patchline.db-wal"].map(|name| folder.path().join("server").join(name));
    let chattr = |flag: &str| machine::run(Command::new("chattr").arg(flag).args(&files));
    chattr("+i");
    let told = house.meanwhile(FAULT).await;
    chattr("-i");
    house.must(told.0.iter().any(|t| t.starts_with("503 store-")), format!("no clear state: {told:?}"));
    house.must(told.1.contains(&503), format!("healthy without a disk to write: {told:?}"));
    let seconds = house.recovered().await;
    Some(house.told(&told, seconds))
}

/// PostgreSQL answers nothing for a minute (frozen), or is not there (stopped).
async fn away(frozen: bool) -> Option<Value> {
    let name = if frozen { "postgres_frozen" } else { "postgres_stopped" };
    let cluster = cluster()?;
    let folder = tempfile::tempdir().unwrap();
    let url = cluster.fresh().unwrap();
    let mut house = House::new(name, folder.path(), Some(url.as_str()), &[]).await;
    let mut worker = Program::worker(&house.site, "worker", None).unwrap();
    house.idle_images().await;
    house.push(12).await;
    if frozen {
        cluster.freeze()
    } else {
        cluster.stop(Stop::Fast).unwrap()
    }
    let told = house.meanwhile(AWAY).await;
    if frozen {
        cluster.thaw()
    } else {
        cluster.resume().unwrap()
    }
    house.must(told.0.iter().any(|t| t.starts_with("503 store-")), format!("no clear state: {told:?}"));
    let seconds = house.recovered().await;
    house.must(worker.runs(), "the worker has ended");
    Some(house.told(&told, seconds))
}

fn cluster() -> Option<Postgres> {
    match Postgres::start(Options::default()) {
        Ok(cluster) => Some(cluster),
        Err(error @ patchline_tests::postgres::Error::NotInstalled(_)) => {
            machine::skip(&error.to_string());
            None
        }
        Err(error) => panic!("{error}"),
    }
}

/// The process's clock jumps an hour ahead, and then two back; the machine's stays, and so does monotonic time.
async fn clock(postgres: bool) -> Option<Value> {
    let name = if postgres { "clock_postgres" } else { "clock_sqlite" };
    let Some(library) = libfaketime() else {
        machine::skip("no libfaketime on this machine (package `faketime`)");
        return None;
    };
    let cluster = if postgres { Some(cluster()?) } else { None };
    let url = cluster.as_ref().map(|cluster| cluster.fresh().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let control = folder.path().join("time");
    let set = |offset: &str| {
        let aside = control.with_extension("new");
        fs::write(&aside, offset).unwrap();
        fs::rename(&aside, &control).unwrap();
    };
    set("+0\n");
    let (library, file) = (library.display().to_string(), control.display().to_string());
    let preload = [
        ("LD_PRELOAD", library.as_str()),
        ("FAKETIME_TIMESTAMP_FILE", file.as_str()),
        ("FAKETIME_NO_CACHE", "1"),
        ("DONT_FAKE_MONOTONIC", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ];
    let mut house = House::new(name, folder.path(), url.as_deref(), &preload).await;
    house.idle_images().await;
    let mut all = (Vec::new(), Vec::new());
    for offset in ["+3600\n", "-3600\n", "+0\n"] {
        house.push(6).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        let before: usize = house.standin.taken().values().map(|t| t.times - 1).sum();
        set(offset);
        let (codes, healths) = house.meanwhile(FAULT).await;
        all.0.extend(codes);
        all.1.extend(healths);
        house.recovered().await;
        let after: usize = house.standin.taken().values().map(|t| t.times - 1).sum();
        house.must(
            after == before,
            format!("by a jump to {}, {} calls were made again", offset.trim(), after - before),
        );
    }
    all.0.sort_unstable();
    all.0.dedup();
    all.1.sort_unstable();
    all.1.dedup();
    let refused = all.0.iter().any(|told| !told.starts_with("200") && !told.starts_with("201"));
    house.must(!refused, format!("work was refused: {all:?}"));
    let seconds = house.recovered().await;
    Some(house.told(&all, seconds))
}

/// Where distributions put it.
fn libfaketime() -> Option<PathBuf> {
    process::on_path("faketime")?;
    let of = |base: &str| {
        let folders = fs::read_dir(base).into_iter().flatten().flatten();
        folders.map(|entry| entry.path().join("faketime/libfaketimeMT.so.1")).find(|file| file.is_file())
    };
    of("/usr/lib").or_else(|| of("/usr"))
}
