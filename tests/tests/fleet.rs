//! A server and its workers over one PostgreSQL: an image goes through a chain that no process could go through
//! alone, its page is live all the same, an orderly stop loses nothing, and advisories reach who scans.

use std::{
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use patchline_tests::{
    image::{self, Layout},
    machine,
    postgres::{Error, Postgres},
    process,
    server::{Options, Server},
    worker::Worker,
};
use serde_json::{Value, json};

const CHAIN: &str = r#"
version: 1
chain: web
scope: {repositories: ["shop/**"]}
on: {push: {}}
steps:
  scan: {uses: scan}
  gate:
    uses: gate
    needs: [scan]
    with: {deny: [{packages: {forbidden: [telnetd]}}, {undetermined: allow}]}
  keep: {uses: backup, needs: [gate], with: {to: "vault/{{image.repository}}"}}
  deploy: {uses: trigger, needs: [keep], with: {target: deploy, expect: [202]}}
"#;

/// What the workers that do not scan take.
const REST: &str = "gate,backup,trigger,notify";
const PASSWORD: &str = "opensesame-of-the-fleet";

/// Takes calls, each as long as it is told to.
struct Receiver {
    url: String,
    /// Milliseconds of a call.
    slow: Arc<AtomicU64>,
    /// `webhook-id` or idempotency key of each call, as it came.
    calls: Arc<Mutex<Vec<String>>>,
}

impl Receiver {
    fn start() -> Self {
        let (slow, calls) = (Arc::new(AtomicU64::new(0)), Arc::<Mutex<Vec<String>>>::default());
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/deploy", listener.local_addr().unwrap());
        listener.set_nonblocking(true).unwrap();
        let (slowness, seen) = (slow.clone(), calls.clone());
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async move {
                let take = move |headers: axum::http::HeaderMap| {
                    let (slowness, seen) = (slowness.clone(), seen.clone());
                    async move {
                        let id = headers.get("idempotency-key").and_then(|v| v.to_str().ok());
                        seen.lock().unwrap().push(id.unwrap_or_default().to_owned());
                        tokio::time::sleep(Duration::from_millis(slowness.load(Ordering::SeqCst))).await;
                        axum::http::StatusCode::ACCEPTED
                    }
                };
                let router = axum::Router::new().route("/deploy", axum::routing::post(take));
                axum::serve(tokio::net::TcpListener::from_std(listener).unwrap(), router).await.unwrap();
            });
        });
        Self { url, slow, calls }
    }
    fn count(&self) -> usize {
        self.calls.lock().unwrap().len()
    }
}

struct Fleet {
    folder: tempfile::TempDir,
    options: Options,
    receiver: Receiver,
}

impl Fleet {
    /// None, after saying so, where this machine has no PostgreSQL.
    fn new(drain: &str) -> Option<Self> {
        let postgres = match Postgres::shared() {
            Ok(postgres) => postgres,
            Err(Error::NotInstalled(what)) => {
                machine::skip(&format!("{what} is not installed"));
                return None;
            }
            Err(error) => panic!("{error}"),
        };
        if !machine::needs(&["skopeo"]) {
            return None;
        }
        let receiver = Receiver::start();
        let folder = tempfile::tempdir().unwrap();
        let config = format!(
            "database: {{url: {{env: FLEET_DATABASE}}}}\ndrain: {drain}\nlimits:\n  - {{chain: web, steps: 2}}\n\
             targets:\n  deploy: {{url: {{env: DEPLOY_URL}}, allow-private: true}}\n"
        );
        let mut options = Options::new(folder.path(), CHAIN, &config);
        options.flags.push("--no-work".into());
        options.env.push(("FLEET_DATABASE".into(), postgres.fresh().unwrap()));
        options.env.push(("DEPLOY_URL".into(), receiver.url.clone()));
        Some(Self { folder, options, receiver })
    }
    fn worker(&self, name: &str, flags: &[&str]) -> Worker {
        Worker::start(&self.options, &self.folder.path().join(name), flags)
    }
    /// Pushes an image with a client that is not ours; the run that it starts.
    fn push(&self, server: &Server, tag: &str) -> String {
        let layout = Layout::create(&self.folder.path().join(tag));
        let release = format!("ID=other\nVERSION_ID={tag}\n");
        layout.image(tag, &[image::tar(&[("etc/os-release", Some(release.as_bytes()), 0o644)])]);
        machine::run(
            Command::new("skopeo")
                .args(["--insecure-policy", "copy", "--dest-tls-verify=false"])
                .arg(format!("oci:{}:{tag}", layout.dir.display()))
                .arg(format!("docker://{}/shop/web:{tag}", server.registry)),
        );
        let mut run = String::new();
        let found = process::until(Duration::from_secs(20), || {
            let named = |r: &Value| r["submission"]["subject"]["context"]["tag"] == json!(tag);
            let id =
                server.first_rounds().iter().find(|r| named(r)).map(|r| r["id"].as_str().unwrap().to_owned());
            run = id.unwrap_or_default();
            !run.is_empty()
        });
        assert!(found, "the push of {tag} started no run");
        run
    }
    fn cli(&self, arguments: &[&str]) -> Output {
        let mut command = Command::new(machine::patchline());
        command
            .args(arguments)
            .arg("--config")
            .arg(&self.options.config)
            .envs(self.options.env.iter().cloned());
        command.output().unwrap()
    }
}

/// (status of each step by name).
fn step(server: &Server, run: &str, name: &str) -> String {
    let view = server.get(&format!("/api/v1/runs/{run}"));
    let steps = view["steps"].as_array().unwrap();
    steps.iter().find(|s| s["name"] == name).unwrap()["status"].as_str().unwrap().to_owned()
}

fn wait_for(server: &Server, run: &str, name: &str, status: &str) {
    let so = process::until(Duration::from_secs(40), || step(server, run, name) == status);
    assert!(so, "{name} never was {status}: {:#}", server.get(&format!("/api/v1/runs/{run}")));
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Reads a run's stream until its end, as its page does.
fn listen(server: &Server, run: &str) -> std::thread::JoinHandle<Vec<Value>> {
    let url = format!("{}/api/v1/runs/{run}/events", server.url);
    std::thread::spawn(move || {
        let client = reqwest::blocking::Client::builder().timeout(Duration::from_secs(90)).build().unwrap();
        let lines = BufReader::new(client.get(url).send().unwrap()).lines();
        let events =
            lines.map_while(Result::ok).filter_map(|line| line.strip_prefix("data:").map(str::to_owned));
        events.map(|json| serde_json::from_str(json.trim()).unwrap()).collect()
    })
}

#[test]
fn what_one_scans_another_ships_and_the_page_tells_it_live() {
    let Some(fleet) = Fleet::new("20s") else { return };
    let server = Server::start(&fleet.options);
    let run = fleet.push(&server, "v1");
    let live = listen(&server, &run);
    // Nobody takes scans: the rest waits for them.
    let rest = fleet.worker("rest", &["--kinds", REST, "--concurrency", "2"]);
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(step(&server, &run, "scan"), "ready");
    let scans = fleet.worker("scans", &["--kinds", "scan"]);
    let ended = server.finished(1, Duration::from_secs(60)).remove(0);
    assert_eq!(ended["result"], "passed", "{ended:#}");
    assert_eq!(fleet.receiver.count(), 1);
    // The server itself worked on nothing, and its stream had it all.
    let events = live.join().unwrap();
    let told = |step: &str, status: &str| {
        events.iter().any(|e| e["kind"]["step"] == step && e["kind"]["status"] == status)
    };
    for name in ["scan", "gate", "keep", "deploy"] {
        assert!(told(name, "leased") && told(name, "succeeded"), "{name}: {events:#?}");
    }
    let positions: Vec<u64> = events.iter().map(|e| e["seq"].as_u64().unwrap()).filter(|s| *s > 0).collect();
    assert!(positions.is_sorted_by(|a, b| a < b), "each once and in order: {positions:?}");
    assert_eq!(events.last().unwrap()["kind"]["type"], "run_finished");
    assert_eq!(scans.terminate(Duration::from_secs(15)), Some(0));
    assert_eq!(rest.terminate(Duration::from_secs(15)), Some(0));
}

#[test]
fn an_orderly_stop_lets_steps_end_and_gives_back_what_does_not() {
    let Some(fleet) = Fleet::new("3s") else { return };
    let server = Server::start(&fleet.options);
    let worker = fleet.worker("one", &[]);
    fleet.receiver.slow.store(1_500, Ordering::SeqCst);
    let run = fleet.push(&server, "v1");
    wait_for(&server, &run, "deploy", "leased");
    assert_eq!(worker.terminate(Duration::from_secs(15)), Some(0), "all ended in time");
    assert_eq!(step(&server, &run, "deploy"), "succeeded");
    assert_eq!(fleet.receiver.count(), 1);

    // Slower than the drain: given back at once, not after the lease.
    let worker = fleet.worker("two", &[]);
    fleet.receiver.slow.store(60_000, Ordering::SeqCst);
    let run = fleet.push(&server, "v2");
    wait_for(&server, &run, "deploy", "leased");
    assert!(process::until(Duration::from_secs(10), || fleet.receiver.count() == 2));
    assert_eq!(worker.terminate(Duration::from_secs(15)), Some(5), "one was given back");
    fleet.receiver.slow.store(0, Ordering::SeqCst);
    let _next = fleet.worker("two", &[]);
    let ended = process::until(Duration::from_secs(12), || step(&server, &run, "deploy") == "succeeded");
    assert!(ended, "it was not given back: {:#}", server.get(&format!("/api/v1/runs/{run}")));
    let calls = fleet.receiver.calls.lock().unwrap().clone();
    assert_eq!(calls.len(), 3);
    assert_eq!(calls[1], calls[2], "the same work has the same key");
}

#[test]
fn who_scans_gets_the_advisories_that_the_server_loaded() {
    let Some(fleet) = Fleet::new("20s") else { return };
    let server = Server::start(&fleet.options);
    let records = fleet.folder.path().join("records");
    fs::create_dir(&records).unwrap();
    let record = json!({"id": "DSA-1-1", "modified": "2025-01-02T00:00:00Z", "upstream": ["CVE-2025-0001"],
        "affected": [{"package": {"ecosystem": "Debian:12", "name": "openssl"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2"}]}]}]});
    fs::write(records.join("DSA-1-1.json"), record.to_string()).unwrap();
    let data = fleet.options.data.display().to_string();
    machine::run(
        Command::new(machine::patchline())
            .args(["advisories", "update", "--data", &data, "--from"])
            .arg(&records),
    );
    let sets = |folder: &Path| -> Vec<String> {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let names = entries.map(|e| e.file_name().to_string_lossy().into_owned());
        names.filter(|name| name.ends_with(".advisories")).collect()
    };
    let loaded = sets(&fleet.options.data.join("advisories"));
    assert_eq!(loaded.len(), 1);
    // The server looks at its folder every five seconds.
    std::thread::sleep(Duration::from_secs(7));
    let _worker = fleet.worker("far", &[]);
    fleet.push(&server, "v1");
    server.finished(1, Duration::from_secs(60));
    let fetched: PathBuf = fleet.folder.path().join("far/workers/1/advisories");
    assert_eq!(sets(&fetched), loaded, "by its hash");
}

#[test]
fn a_worker_without_what_it_needs_says_so_and_no_secret() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").display().to_string();
    let plain = folder.path().join("plain.yaml");
    fs::write(&plain, "drain: 5s\n").unwrap();
    let ask = |arguments: &[&str], config: &Path, url: &str| {
        let mut command = Command::new(machine::patchline());
        command.args(arguments).args(["--data", &data, "--config"]).arg(config).env("FLEET_DATABASE", url);
        let output = command.output().unwrap();
        (output.status.code(), stderr(&output))
    };
    for arguments in [&["worker"][..], &["serve", "--no-work", "--listen", "127.0.0.1:0"]] {
        let (code, said) = ask(arguments, &plain, "");
        assert_eq!(code, Some(2), "{said}");
        assert!(said.contains("error[database-not-shared]") && said.contains("database: {url:"), "{said}");
    }
    let shared = folder.path().join("shared.yaml");
    fs::write(&shared, "database: {url: {env: FLEET_DATABASE}}\n").unwrap();
    // A port that was free a moment ago.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    for url in [
        format!("postgres://patchline:{PASSWORD}@127.0.0.1:{port}/patchline"),
        format!("postgres://patchline:{PASSWORD}@127.0.0.1:no-port/patchline"),
        PASSWORD.to_owned(),
    ] {
        let (code, said) = ask(&["worker"], &shared, &url);
        assert!(code.is_some_and(|code| code == 1 || code == 2) && said.contains("error["), "{url}: {said}");
        assert!(!said.contains(PASSWORD), "{said}");
    }
}

#[test]
fn a_kind_that_is_none_starts_nothing() {
    let Some(fleet) = Fleet::new("20s") else { return };
    let data = fleet.folder.path().join("wrong").display().to_string();
    let output = fleet.cli(&["worker", "--kinds", "scna", "--data", &data]);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("error[kind-unknown]"), "{}", stderr(&output));
}

#[test]
fn a_data_folder_with_history_moves_into_postgresql_and_goes_on_there() {
    let Some(mut fleet) = Fleet::new("20s") else { return };
    let shared = fleet.options.config.clone();
    let alone = fleet.folder.path().join("alone.yaml");
    let text = fs::read_to_string(&shared).unwrap();
    let rest: Vec<&str> = text.lines().filter(|line| !line.starts_with("database:")).collect();
    fs::write(&alone, rest.join("\n")).unwrap();
    fleet.options.config = alone.clone();
    fleet.options.flags.clear();
    let server = Server::start(&fleet.options);
    let run = fleet.push(&server, "v1");
    let before = server.finished(1, Duration::from_secs(60)).remove(0);
    let data = fleet.options.data.display().to_string();

    // While the server works: a copy, once, and a look at every row.
    let copy = fleet.folder.path().join("copy.db").display().to_string();
    let made = fleet.cli(&["admin", "backup", &copy, "--data", &data, "--output", "json"]);
    assert!(made.status.success(), "{}", stderr(&made));
    let again = fleet.cli(&["admin", "backup", &copy, "--data", &data]);
    assert!(stderr(&again).contains("error[backup-exists]"), "{}", stderr(&again));
    let looked = fleet.cli(&["admin", "check", "--data", &data]);
    assert!(looked.status.success(), "{}{}", machine::text(&looked), stderr(&looked));
    let refused = fleet.cli(&["admin", "restore", &copy, "--data", &data]);
    assert!(stderr(&refused).contains("error[data-in-use]"), "{}", stderr(&refused));
    server.kill();
    let restored = fleet.cli(&["admin", "restore", &copy, "--data", &data]);
    assert!(restored.status.success(), "{}", stderr(&restored));

    let unconfigured = fleet.cli(&["admin", "migrate-store", "--data", &data]);
    assert!(stderr(&unconfigured).contains("error[database-not-shared]"), "{}", stderr(&unconfigured));
    fleet.options.config = shared;
    let moved = fleet.cli(&["admin", "migrate-store", "--data", &data, "--output", "json"]);
    assert!(moved.status.success(), "{}", stderr(&moved));
    let moved: Value = serde_json::from_slice(&moved.stdout).unwrap();
    let rows = |name: &str| {
        let tables = moved["tables"].as_array().unwrap();
        tables.iter().find(|t| t["name"] == name).unwrap()["rows"].as_u64().unwrap()
    };
    assert_eq!((rows("runs"), rows("steps")), (1, 4), "{moved:#}");
    let twice = fleet.cli(&["admin", "migrate-store", "--data", &data]);
    assert!(stderr(&twice).contains("error[target-not-empty]"), "{}", stderr(&twice));
    let whole = fleet.cli(&["admin", "check", "--data", &data]);
    assert!(whole.status.success(), "{}{}", machine::text(&whole), stderr(&whole));

    fleet.options.flags.push("--no-work".into());
    let server = Server::start(&fleet.options);
    assert_eq!(server.get(&format!("/api/v1/runs/{run}")), before, "the same to the last word");
    let _worker = fleet.worker("one", &[]);
    fleet.push(&server, "v2");
    server.finished(2, Duration::from_secs(60));
}
