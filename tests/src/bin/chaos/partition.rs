//! `chaos partition`: a worker that is cut off from PostgreSQL in the middle of a `delete`.

use std::{net::IpAddr, path::Path, time::Duration};

use patchline_tests::{
    distribution::{DockerRegistry, free_port},
    machine,
    postgres::{Options, Postgres},
};
use serde_json::{Value, json};

use crate::{
    fleet::{self, Program, Site},
    gate::{Asked, Gate, Hold},
    lines::now,
    namespaces::{BOTH, DATABASE, Namespaces, REGISTRY},
};

const CHAIN: &str = r#"
version: 1
chain: clear
scope: {registry: main, repositories: ["gone/**"]}
on: {push: {}}
steps:
  remove: {uses: delete, with: {mode: manifest, irreversible: true}}
"#;

/// How long a worker is cut off.
const CUT: Duration = Duration::from_secs(60);
/// How long a lease lasts, in seconds.
const LEASE: f64 = 15.0;
/// Another one takes over within so many seconds.
const OVER: f64 = 20.0;

/// Both moments at which it can be cut off: before the registry has deleted, and after.
pub(crate) async fn run() -> (Value, bool) {
    if !machine::root() || !machine::needs(&["ip", "docker-registry"]) {
        return (json!({"skipped": true}), true);
    }
    let folder = tempfile::tempdir().unwrap();
    let namespaces = Namespaces::make();
    let registry = DockerRegistry::start(folder.path(), free_port(), None);
    let gate = Gate::open(REGISTRY, registry.address.clone()).await;
    let options = Options { listen: vec![DATABASE.into()], ..Options::default() };
    let cluster = Postgres::start(options).unwrap();
    let database = cluster.database().unwrap();
    let url = cluster.tcp(DATABASE, &database);
    let config = format!(
        "database: {{url: {{env: DATABASE_URL}}}}\nregistries:\n  main: {{host: '{}', plain-http: true}}\n",
        gate.address
    );
    let site = Site::new(folder.path(), &config, &[("clear", CHAIN)], &[("DATABASE_URL", &url)]);
    let server = Program::serve(&site, (free_port(), free_port()), &["--no-work"]).unwrap();
    let workers: Vec<Program> =
        BOTH.iter().map(|name| Program::worker(&site, name, Some(&namespaces.name(name))).unwrap()).collect();
    let store = crate::place::Place::Postgres(cluster.url(&database)).open().await.unwrap();
    let mut house = House {
        namespaces,
        gate,
        registry,
        server,
        workers,
        client: fleet::client(),
        store,
        findings: Vec::new(),
    };
    let mut told = json!({});
    for (word, hold) in [("after_delete", Hold::Answers), ("before_delete", Hold::Questions)] {
        told[word] = house.cut_off(word, hold).await;
    }
    let well = house.findings.is_empty();
    told["findings"] = json!(house.findings);
    if !well {
        drop(house);
        eprintln!("what processes wrote is kept: {}", keep(folder.keep().as_path()));
    }
    (told, well)
}

fn keep(folder: &Path) -> String {
    folder.display().to_string()
}

struct House {
    namespaces: Namespaces,
    gate: Gate,
    registry: DockerRegistry,
    server: Program,
    workers: Vec<Program>,
    client: reqwest::Client,
    store: std::sync::Arc<dyn patchline_engine::Store>,
    findings: Vec<String>,
}

impl House {
    fn must(&mut self, so: bool, what: impl Into<String>) {
        if !so {
            let what = what.into();
            eprintln!("found: {what}");
            self.findings.push(what);
        }
    }

    async fn start(&self, tag: &str) -> String {
        let body = json!({"chain": "clear", "image": format!("main/gone/web:{tag}")});
        let post = self.client.post(format!("{}/api/v1/runs", self.server.url)).json(&body);
        let answer = post.send().await.unwrap();
        let status = answer.status();
        let answer: Value = answer.json().await.unwrap();
        assert!(status.is_success(), "{answer}");
        answer["run"].as_str().unwrap().to_owned()
    }

    /// Waits for the end of a run; its view, and when it was seen.
    async fn finished(&self, id: &str, limit: Duration) -> Option<(Value, u64)> {
        let end = now() + u64::try_from(limit.as_nanos()).unwrap();
        while now() < end {
            let run = fleet::run(&self.client, &self.server.url, id).await;
            if let Ok(run) = run.as_ref()
                && run["status"] == "finished"
            {
                return Some((run.clone(), now()));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        None
    }

    async fn cut_off(&mut self, word: &str, hold: Hold) -> Value {
        let digest = fleet::push(&self.client, &self.registry.address, "gone/web", word).await.unwrap();
        self.gate.forget();
        self.gate.hold(hold);
        let id = self.start(word).await;
        let from = now();
        while self.gate.held().is_none() && now() - from < 30_000_000_000 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let Some(first) = self.gate.held() else {
            self.must(false, format!("{word}: no worker came to the registry within 30 s"));
            return json!(null);
        };
        let name = BOTH[usize::from(!first.to_string().ends_with(".2"))];
        let cut = now();
        self.namespaces.cut(name, true);
        eprintln!("{word}: worker {name} is cut off from the database in the middle of its delete");
        let over = self.finished(&id, Duration::from_secs(45)).await;
        let seconds = |at: u64| at.saturating_sub(cut) as f64 / 1e9;
        self.must(over.is_some(), format!("{word}: nobody took over"));
        tokio::time::sleep(CUT.saturating_sub(Duration::from_secs_f64(seconds(now())))).await;
        self.gate.hold(Hold::Nothing);
        self.namespaces.cut(name, false);
        // The late result comes, and is discarded; the worker works again.
        tokio::time::sleep(Duration::from_secs(15)).await;
        let run = fleet::run(&self.client, &self.server.url, &id).await.unwrap();
        let all = self.gate.asked();
        // What the steps wrote into the run's history.
        let events = self.store.events(&patchline_engine::RunId(id.clone()), 0).await.unwrap();
        let noted: String = events
            .into_iter()
            .filter_map(|event| match event.kind {
                patchline_engine::EventKind::Note { text, .. } => Some(text + "\n"),
                _ => None,
            })
            .collect();
        let told = self.judge(word, &run, &noted, &all, first, cut, over.as_ref().map(|(_, at)| *at));
        let alive = self.workers.iter_mut().all(Program::runs);
        self.must(alive, format!("{word}: a worker process has ended"));
        let again = self.works_again(word).await;
        self.must(again, format!("{word}: after it was healed, both do not work"));
        let gone =
            self.client.head(format!("http://{}/v2/gone/web/manifests/{digest}", self.registry.address));
        let gone = gone.send().await.unwrap().status();
        self.must(gone == reqwest::StatusCode::NOT_FOUND, format!("{word}: the manifest answers {gone}"));
        told
    }

    #[expect(clippy::too_many_arguments, reason = "all that is known of one cut")]
    fn judge(
        &mut self,
        word: &str,
        run: &Value,
        noted: &str,
        all: &[Asked],
        first: IpAddr,
        cut: u64,
        over: Option<u64>,
    ) -> Value {
        let seconds = |at: u64| at.saturating_sub(cut) as f64 / 1e9;
        let machine: IpAddr = REGISTRY.parse().unwrap();
        let accepted = all.iter().filter(|a| a.status == Some(202)).count();
        self.must(accepted == 1, format!("{word}: the registry answered 202 {accepted} times"));
        let last = all.iter().filter(|a| a.by == first).map(|a| seconds(a.at)).fold(0.0, f64::max);
        self.must(last < LEASE, format!("{word}: who was cut off asked the registry {last:.1} s later"));
        let second: Vec<&Asked> =
            all.iter().filter(|a| a.by != first && a.by != machine && a.at > cut).collect();
        let begun = second.first().map_or(f64::MAX, |a| seconds(a.at));
        self.must(begun <= OVER, format!("{word}: the other one came after {begun:.1} s"));
        let missing = second.iter().filter(|a| a.status == Some(404)).count();
        let step = &run["steps"][0];
        let well = run["result"] == "passed" && step["status"] == "succeeded";
        self.must(well, format!("{word}: the run ended as {run}"));
        let reconciled = noted.contains("reconciled:");
        // Deleted by the first, it is not there for the second: that is recorded, and no delete is sent again.
        let expected = word == "after_delete";
        if expected {
            self.must(missing > 0, format!("{word}: the second attempt got no 404"));
            self.must(reconciled, format!("{word}: it is not recorded as reconciled: {noted}"));
        }
        json!({
            "answered_202": accepted,
            "last_request_of_the_cut_off_s": (last * 10.0).round() / 10.0,
            "taken_over_after_s": (begun * 10.0).round() / 10.0,
            "ended_after_s": over.map(|at| (seconds(at) * 10.0).round() / 10.0),
            "answered_404_to_the_second": missing,
            "reconciled": reconciled,
        })
    }

    /// Both workers take steps again.
    async fn works_again(&mut self, word: &str) -> bool {
        self.gate.forget();
        let machine: IpAddr = REGISTRY.parse().unwrap();
        for n in 0..40 {
            let tag = format!("{word}-{n}");
            fleet::push(&self.client, &self.registry.address, "gone/web", &tag).await.unwrap();
            let id = self.start(&tag).await;
            let ended = self.finished(&id, Duration::from_secs(30)).await;
            if ended.is_none_or(|(run, _)| run["result"] != "passed") {
                return false;
            }
            let mut by: Vec<IpAddr> =
                self.gate.asked().iter().map(|a| a.by).filter(|by| *by != machine).collect();
            by.sort_unstable();
            by.dedup();
            if by.len() == 2 {
                return true;
            }
        }
        false
    }
}
