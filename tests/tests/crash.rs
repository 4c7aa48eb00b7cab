//! Anything may be killed at any line and carries on: ten runs with one `kill -9` each at a random
//! moment, and one run killed three times.

use std::{
    collections::BTreeMap,
    path::Path,
    process::Command,
    sync::{Arc, Mutex},
    time::Duration,
};

use patchline_tests::{
    machine,
    server::{Options, Server, cache},
};
use serde_json::Value;

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
    with: {deny: [{fixable: true, count: 1}]}
  refused:
    uses: notify
    needs: [gate]
    when: steps.gate.denied
    with: {channels: [hook]}
  backup:
    uses: backup
    needs: [gate]
    when: steps.gate.denied
    with: {to: "vault/{{image.repository}}"}
  fix:
    uses: fix
    needs: [gate, backup]
    when: steps.gate.denied && steps.gate.output.mendable
  tell:
    uses: notify
    needs: [gate, fix]
    when: always
    with: {channels: [hook]}
"#;

/// How often each `webhook-id` arrived.
type Arrivals = Arc<Mutex<BTreeMap<String, usize>>>;

/// A receiver that counts.
fn receiver() -> (String, Arrivals) {
    let arrivals: Arrivals = Arc::default();
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    listener.set_nonblocking(true).unwrap();
    let seen = arrivals.clone();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move {
            let take = move |headers: axum::http::HeaderMap| async move {
                let id = headers["webhook-id"].to_str().unwrap().to_owned();
                *seen.lock().unwrap().entry(id).or_default() += 1;
            };
            let router = axum::Router::new().route("/", axum::routing::post(take));
            axum::serve(tokio::net::TcpListener::from_std(listener).unwrap(), router).await.unwrap();
        });
    });
    (url, arrivals)
}

/// A small outdated image, assembled once by our own bootstrap.
fn outdated() -> Option<String> {
    machine::mirrors()?;
    let folder = cache();
    let lock = std::fs::File::create(folder.join("small.lock")).unwrap();
    lock.lock().unwrap();
    let layout = folder.join("small");
    let image = format!("oci:{}:v1", layout.display());
    let listed = Command::new(machine::patchline())
        .args(["image", "list"])
        .arg(format!("oci:{}", layout.display()))
        .output();
    if !listed.is_ok_and(|o| machine::text(&o).contains("v1")) {
        machine::run(
            Command::new(machine::patchline())
                .args(["image", "bootstrap", &image, "--include", "openssl,ca-certificates", "--data"])
                .arg(folder.join("bootstrap-data")),
        );
    }
    Some(image)
}

struct Case<'a> {
    folder: &'a Path,
    options: Options,
    arrivals: Arrivals,
}

impl<'a> Case<'a> {
    fn new(folder: &'a Path) -> Self {
        let (url, arrivals) = receiver();
        let config = "channels:\n  hook: {type: webhook, url: {env: HOOK_URL}, allow-private: true}\n";
        let mut options = Options::new(folder, CHAIN, config);
        options.env.push(("HOOK_URL".into(), url));
        Self { folder, options, arrivals }
    }
    fn push(&self, server: &Server, image: &str, tag: &str) {
        machine::run(
            Command::new(machine::patchline())
                .args(["image", "copy", image, &format!("{}/shop/web:{tag}", server.registry), "--data"])
                .arg(self.folder.join("copy-data")),
        );
    }
    /// Kills the server after `moment` and starts it again on the same addresses and data.
    fn kill_and_restart(&mut self, server: Server, moment: Duration) -> Server {
        std::thread::sleep(moment);
        self.options.listen = server.url.strip_prefix("http://").unwrap().to_owned();
        self.options.registry = server.registry.clone();
        server.kill();
        Server::start(&self.options)
    }
    /// As if nothing had happened.
    fn judge(&self, server: &Server, tag: &str, kills: usize) {
        let runs = server.finished(1, Duration::from_secs(240));
        assert_eq!(runs.len(), 1, "one run: {runs:#?}");
        assert_eq!(runs[0]["result"], "remediated", "{:#}", runs[0]);
        let listed = machine::run(
            Command::new(machine::patchline())
                .args([
                    "image",
                    "list",
                    &format!("{}/shop/web", server.registry),
                    "--output",
                    "json",
                    "--data",
                ])
                .arg(self.folder.join("copy-data")),
        );
        let tags: Vec<Value> = serde_json::from_slice(&listed.stdout).unwrap();
        let mut names: Vec<&str> = tags.iter().map(|t| t["tag"].as_str().unwrap()).collect();
        names.sort_unstable();
        assert_eq!(names, [tag, &format!("{tag}_fixed")], "the original and one fixed tag");
        // Every message of parent and child arrived, repeated at most once a kill, under one id.
        let child = runs[0]["steps"].as_array().unwrap().iter().find_map(|s| s["child"].as_str()).unwrap();
        let child = server.get(&format!("/api/v1/runs/{child}"));
        let sent: Vec<String> = runs
            .iter()
            .chain([&child])
            .flat_map(|r| r["deliveries"].as_array().unwrap())
            .map(|d| {
                assert_eq!(d["state"], "delivered", "{d:#}");
                d["message"]["id"].as_str().unwrap().to_owned()
            })
            .collect();
        let arrived = self.arrivals.lock().unwrap();
        assert!(!sent.is_empty());
        for id in &sent {
            let times = arrived.get(id).copied().unwrap_or(0);
            assert!(
                (1..=1 + kills).contains(&times),
                "message {id} arrived {times} times with {kills} kills"
            );
        }
        assert_eq!(arrived.len(), sent.len(), "no message under another id");
    }
}

#[test]
fn ten_runs_with_one_kill_each_end_as_if_nothing_had_happened() {
    let Some(image) = outdated() else { return };
    // How long one run takes here, so that the kills fall all over it.
    let folder = tempfile::tempdir().unwrap();
    let case = Case::new(folder.path());
    let server = Server::start(&case.options);
    case.push(&server, &image, "v1");
    #[expect(clippy::disallowed_methods, reason = "a real duration, to spread real kills over")]
    let start = std::time::Instant::now();
    case.judge(&server, "v1", 0);
    let whole = start.elapsed();
    drop(server);
    for round in 0..10u32 {
        let folder = tempfile::tempdir().unwrap();
        let mut case = Case::new(folder.path());
        // The packages are in the first run's cache: later runs do not load the mirror.
        share_cache(&case);
        let server = Server::start(&case.options);
        case.push(&server, &image, "v1");
        let moment = whole.mul_f64((f64::from(round) + rand::random::<f64>()) / 10.0);
        println!("round {round}: killed after {moment:?} of about {whole:?}");
        let server = case.kill_and_restart(server, moment);
        case.judge(&server, "v1", 1);
    }
}

#[test]
fn one_run_survives_three_kills() {
    let Some(image) = outdated() else { return };
    let folder = tempfile::tempdir().unwrap();
    let mut case = Case::new(folder.path());
    share_cache(&case);
    let mut server = Server::start(&case.options);
    case.push(&server, &image, "v1");
    for moment in [700, 900, 1200] {
        server = case.kill_and_restart(server, Duration::from_millis(moment));
    }
    case.judge(&server, "v1", 3);
}

/// Every case gets the verified packages that the bootstrap has fetched already.
fn share_cache(case: &Case<'_>) {
    let from = cache().join("bootstrap-data/cache");
    if from.is_dir() {
        std::fs::create_dir_all(&case.options.data).unwrap();
        machine::run(Command::new("cp").arg("-r").arg(from).arg(&case.options.data));
    }
}
