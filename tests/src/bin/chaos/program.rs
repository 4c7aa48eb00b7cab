//! Kills of the program itself: pushes to its registry start chains of calls, copies, deletes and messages.

use std::{collections::BTreeMap, time::Duration};

use patchline_tests::{distribution::free_port, postgres::Postgres};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use serde_json::Value;

use crate::{
    fleet::{self, Program, Site},
    lines::now,
    place::Place,
    standin::StandIn,
    tally::Tally,
};

const SHIP: &str = r#"
version: 1
chain: ship
scope: {repositories: ["shop/**"]}
on: {push: {}}
steps:
  ask: {uses: trigger, with: {target: sink}}
  copy: {uses: replicate, needs: [ask], with: {to: "copies/{{image.repository}}"}}
  deploy: {uses: trigger, needs: [ask], with: {target: sink}}
  tell: {uses: notify, needs: [copy, deploy], when: always, with: {channels: [hook]}}
"#;

const CLEAR: &str = r#"
version: 1
chain: clear
scope: {repositories: ["gone/**"]}
on: {push: {}}
steps:
  remove: {uses: delete, with: {irreversible: true}}
  told: {uses: trigger, needs: [remove], with: {target: sink}}
"#;

const CONFIG: &str = "targets:\n  sink: {url: {env: SINK_URL}, allow-private: true}\n\
     channels:\n  hook: {type: webhook, url: {env: HOOK_URL}, allow-private: true}\n\
     limits:\n  - {registry: embedded, steps: 3}\n";

const KEY: &str = "registry embedded";
/// All is quiet within so long.
const QUIET: Duration = Duration::from_secs(240);

/// So many kills of server and workers.
pub(crate) async fn round(cluster: Option<&Postgres>, seed: u64, kills: u64) -> Tally {
    let folder = tempfile::tempdir().unwrap();
    let standin = StandIn::start();
    let (sink, hook) = (format!("{}/sink", standin.url), format!("{}/hook", standin.url));
    let mut env = vec![("SINK_URL", sink.as_str()), ("HOOK_URL", hook.as_str())];
    let url = cluster.map(|cluster| cluster.fresh().unwrap());
    let mut config = CONFIG.to_owned();
    if let Some(url) = &url {
        config.push_str("database: {url: {env: DATABASE_URL}}\n");
        env.push(("DATABASE_URL", url.as_str()));
    }
    let site = Site::new(folder.path(), &config, &[("ship", SHIP), ("clear", CLEAR)], &env);
    let place = url.map_or_else(|| Place::Sqlite(folder.path().join("server/patchline.db")), Place::Postgres);
    let mut round = Round {
        ports: (free_port(), free_port()),
        workers: if cluster.is_some() { 2 } else { 0 },
        site,
        chance: StdRng::seed_from_u64(seed),
        client: fleet::client(),
        programs: Vec::new(),
        pushed: BTreeMap::new(),
        next: 0,
        tally: Tally::default(),
    };
    for at in 0..=round.workers {
        let program = round.start(at).await;
        round.programs.push(program);
    }
    for _ in 0..kills {
        round.load().await;
        let pause = Duration::from_millis(round.chance.random_range(300..2000));
        tokio::time::sleep(pause).await;
        let at = round.chance.random_range(0..round.programs.len());
        round.programs[at].kill();
        round.tally.kills += 1;
        round.programs[at] = round.start(at).await;
    }
    round.settle(&standin, &place).await;
    if !round.tally.is_well() {
        drop(round.programs);
        eprintln!("what processes wrote is kept: {}", folder.keep().display());
    }
    round.tally
}

struct Round {
    ports: (u16, u16),
    workers: usize,
    site: Site,
    chance: StdRng,
    client: reqwest::Client,
    /// The server, then the workers.
    programs: Vec<Program>,
    /// Repository and digest by tag: what the registry has taken.
    pushed: BTreeMap<String, (&'static str, String)>,
    next: u64,
    tally: Tally,
}

impl Round {
    async fn start(&self, at: usize) -> Program {
        for attempt in 0.. {
            let started = match at {
                0 => Program::serve(&self.site, self.ports, &[]),
                _ => Program::worker(&self.site, &format!("worker{at}"), None),
            };
            match started {
                Ok(program) => return program,
                Err(why) if attempt == 10 => panic!("it does not start again: {why}"),
                Err(why) => eprintln!("not started yet: {why}"),
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        unreachable!("it panics at the tenth attempt")
    }

    /// Pushes; what fails is pushed again under another tag.
    async fn load(&mut self) {
        for _ in 0..3 {
            let repository = if self.next.is_multiple_of(4) { "gone/web" } else { "shop/web" };
            let tag = format!("v{}", self.next);
            self.next += 1;
            let registry = format!("127.0.0.1:{}", self.ports.1);
            if let Ok(digest) = fleet::push(&self.client, &registry, repository, &tag).await {
                self.pushed.insert(tag, (repository, digest));
            }
        }
    }

    /// The runs by tag, as the server shows them.
    async fn runs(&self) -> BTreeMap<String, Vec<Value>> {
        let mut by_tag: BTreeMap<String, Vec<Value>> = BTreeMap::new();
        let url = format!("http://127.0.0.1:{}", self.ports.0);
        for run in fleet::runs(&self.client, &url).await.unwrap_or_default() {
            let tag = run["submission"]["subject"]["context"]["tag"].as_str().unwrap_or_default();
            by_tag.entry(tag.to_owned()).or_default().push(run);
        }
        by_tag
    }

    async fn settle(&mut self, standin: &StandIn, place: &Place) {
        let end = now() + u64::try_from(QUIET.as_nanos()).unwrap();
        let mut runs = self.runs().await;
        while now() < end {
            let over = |run: &Value| run["status"] == "finished";
            let all = self.pushed.keys().all(|tag| runs.get(tag).is_some_and(|runs| runs.iter().all(over)));
            let ended = runs.values().flatten().all(over);
            if all && ended && hooks(standin) >= shipped(&runs) {
                break;
            }
            tokio::time::sleep(Duration::from_secs(1)).await;
            runs = self.runs().await;
        }
        // What was sent last is recorded.
        tokio::time::sleep(Duration::from_secs(2)).await;
        self.tally.runs += self.pushed.len() as u64;
        // A push whose answer a kill took has its run too.
        let shipped = shipped(&runs);
        let url = format!("http://127.0.0.1:{}", self.ports.0);
        let mut ids = Vec::new();
        for (tag, (repository, digest)) in self.pushed.clone() {
            let of_tag = runs.remove(&tag).unwrap_or_default();
            if of_tag.len() > 1 {
                self.tally.duplicated_successors += of_tag.len() as u64 - 1;
                self.tally.find(format!("{} runs over {tag}", of_tag.len()));
            }
            match of_tag.first() {
                Some(run) if run["result"] == "passed" => {
                    ids.push((run["id"].as_str().unwrap_or_default().to_owned(), repository));
                }
                other => {
                    self.tally.lost_runs += 1;
                    let whole = match other.and_then(|run| run["id"].as_str()) {
                        Some(id) => fleet::run(&self.client, &url, id).await.ok(),
                        None => None,
                    };
                    self.tally.find(format!("{repository}:{tag} ended as {whole:?}"));
                }
            }
            let registry = format!("http://127.0.0.1:{}/v2", self.ports.1);
            let there = async |repository: &str| {
                let manifest = self.client.head(format!("{registry}/{repository}/manifests/{tag}"));
                let manifest = manifest.header("accept", "application/vnd.oci.image.manifest.v1+json");
                manifest.send().await.is_ok_and(|answer| answer.status().is_success())
            };
            let (stands, copied) = (there(repository).await, there(&format!("copies/{repository}")).await);
            let expected = if repository == "gone/web" { (false, false) } else { (true, true) };
            if (stands, copied) != expected {
                self.tally.duplicate_effects += 1;
                self.tally.find(format!("{repository}:{tag} ({digest}) stands {stands}, its copy {copied}"));
            }
        }
        self.judge_effects(standin, &ids, shipped);
        self.judge_permits(place).await;
    }

    /// Each call of each run came under one id, each message once.
    fn judge_effects(&mut self, standin: &StandIn, ids: &[(String, &'static str)], shipped: usize) {
        let taken = standin.taken();
        for (id, repository) in ids {
            let steps: &[&str] = if *repository == "gone/web" { &["told"] } else { &["ask", "deploy"] };
            for step in steps {
                let found = taken.get(&format!("/sink {id} {step}")).map_or(0, |taken| taken.ids.len());
                if found != 1 {
                    self.tally.duplicate_effects += 1;
                    self.tally.find(format!("the call of {step} of run {id} came under {found} ids"));
                }
            }
        }
        let hooks = hooks(standin);
        if hooks != shipped {
            self.tally.duplicate_effects += hooks.abs_diff(shipped) as u64;
            self.tally.find(format!("{hooks} messages came, of {shipped} runs that send one"));
        }
        self.tally.repeated_effects += taken.values().map(|t| t.times as u64 - 1).sum::<u64>();
    }

    async fn judge_permits(&mut self, place: &Place) {
        for program in &mut self.programs {
            if !program.terminate() {
                self.tally.find("a process did not stop within 30 s of SIGTERM".into());
            }
        }
        let store = place.open().await.unwrap();
        let mut tx = store.begin().await.unwrap();
        let permits: usize = tx.count_permits(&[KEY.to_owned()]).await.unwrap().iter().sum();
        let left = permits + tx.leases().await.unwrap().len();
        if left > 0 {
            self.tally.leaked_limits += left as u64;
            self.tally
                .find(format!("when all is quiet, {permits} permits stand, and {left} with the leases"));
        }
    }
}

/// Runs that send a message.
fn shipped(runs: &BTreeMap<String, Vec<Value>>) -> usize {
    runs.values().flatten().filter(|run| run["chain"] == "ship").count()
}

/// Messages that came, by id.
fn hooks(standin: &StandIn) -> usize {
    standin.taken().keys().filter(|effect| effect.starts_with("hook ")).count()
}
