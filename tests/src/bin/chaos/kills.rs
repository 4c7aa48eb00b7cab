//! `chaos engine`: `kill -9` at random moments, of processes under load and of the database's server.

use std::{
    collections::{BTreeMap, VecDeque},
    path::Path,
    time::Duration,
};

use patchline_tests::postgres::{self, Postgres, Stop};
use rand::{Rng as _, SeedableRng as _, rngs::StdRng};
use serde_json::Value;

use crate::{
    Arguments,
    judge::{self, Known},
    lines::{self, now},
    place::Place,
    program,
    standin::StandIn,
    tally::{self, Tally},
    victim::Victim,
    wants,
};

/// Kills over one database, before all is judged and begun anew.
const ROUND: u64 = 50;
/// All is quiet within so long.
const QUIET: Duration = Duration::from_secs(180);

/// As many kills as asked for, in rounds; what a resumed file has already counts.
pub(crate) async fn run(arguments: &Arguments) -> (Value, bool) {
    let wanted = arguments.number("--kills", 20);
    let seed = arguments.number("--seed", rand::random::<u32>().into());
    let file = arguments.value("--resume").map(Path::new);
    let mut all = tally::load(file);
    for store in ["sqlite", "postgres"].into_iter().filter(|store| wants(arguments, store)) {
        let cluster = match store {
            "postgres" => match Postgres::start(postgres::Options::default()) {
                Ok(cluster) => Some(cluster),
                Err(error @ postgres::Error::NotInstalled(_)) => {
                    patchline_tests::machine::skip(&error.to_string());
                    continue;
                }
                Err(error) => panic!("{error}"),
            },
            _ => None,
        };
        loop {
            let kills = all.get(store).map_or(0, |tally| tally.kills);
            if kills >= wanted {
                break;
            }
            let (many, seed) = ((wanted - kills).min(ROUND), seed.wrapping_add(kills));
            // A part of them is of the program itself, whose start takes longer; the rest of scripted steps.
            let of_program = (many / 4).max(1);
            let round = Round::new(cluster.as_ref(), seed).run(many - of_program).await;
            let tally = all.entry(store.to_owned()).or_default();
            tally.add(round);
            tally.add(program::round(cluster.as_ref(), seed, of_program).await);
            tally::save(file, &all);
            eprintln!("{store}: {}", tally::told(&all)[store]);
        }
    }
    let well = all.values().all(Tally::is_well);
    (tally::told(&all), well)
}

/// One database, its victims, and what is known of them.
struct Round<'a> {
    folder: tempfile::TempDir,
    cluster: Option<&'a Postgres>,
    place: Place,
    standin: StandIn,
    chance: StdRng,
    victims: Vec<Victim>,
    /// Numbers of runs that were asked for and not accepted yet, since when.
    asked: VecDeque<(u64, u64)>,
    next: u64,
    accepted: BTreeMap<u64, String>,
    ended: BTreeMap<u32, u64>,
    away: Vec<(u64, u64)>,
    /// Processes that were started after an orderly stop, and when.
    clean: Vec<(u32, u64)>,
    tally: Tally,
}

impl<'a> Round<'a> {
    fn new(cluster: Option<&'a Postgres>, seed: u64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let place = match cluster {
            None => Place::Sqlite(folder.path().join("chaos.db")),
            Some(cluster) => Place::Postgres(cluster.fresh().unwrap()),
        };
        let standin = StandIn::start();
        // One process owns a file; over PostgreSQL there are three.
        let count = if cluster.is_some() { 3 } else { 1 };
        let victims = (0..count).map(|_| Victim::start(&place, folder.path(), &standin.url)).collect();
        Self {
            folder,
            cluster,
            place,
            standin,
            chance: StdRng::seed_from_u64(seed),
            victims,
            asked: VecDeque::new(),
            next: 0,
            accepted: BTreeMap::new(),
            ended: BTreeMap::new(),
            away: Vec::new(),
            clean: Vec::new(),
            tally: Tally::default(),
        }
    }

    async fn run(mut self, kills: u64) -> Tally {
        for kill in 1..=kills {
            self.load();
            self.pause(100..400).await;
            self.listen();
            if kill % 8 == 4 {
                self.restart_one();
            }
            if kill % 10 == 5 && self.cluster.is_some() {
                self.restart_database(if kill % 20 == 5 { Stop::Kill } else { Stop::Fast }).await;
            }
            let at = self.chance.random_range(0..self.victims.len());
            self.working(at).await;
            let moment = self.victims[at].kill();
            self.ended.insert(self.victims[at].pid(), moment);
            self.tally.kills += 1;
            self.pause(0..400).await;
            // What it said before its end counts.
            self.listen();
            self.victims[at] = self.start();
        }
        self.settle().await
    }

    /// Waits until a process has its hands full: a kill before that would show nothing.
    async fn working(&mut self, at: usize) {
        let patience = now() + 60_000_000_000;
        while now() < patience {
            self.listen();
            if self.victims[at].ready {
                break;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        self.load();
        self.pause(100..900).await;
        self.listen();
    }

    fn start(&self) -> Victim {
        Victim::start(&self.place, self.folder.path(), &self.standin.url)
    }

    async fn pause(&mut self, range: std::ops::Range<u64>) {
        let pause = Duration::from_millis(self.chance.random_range(range));
        tokio::time::sleep(pause).await;
    }

    /// New runs, and again those that nobody has accepted.
    fn load(&mut self) {
        let again = now() - 4_000_000_000;
        let mut orders = Vec::new();
        for (n, since) in &mut self.asked {
            if *since < again {
                *since = now();
                orders.push((*n, 1));
            }
        }
        let count = if self.cluster.is_some() { 8 } else { 4 };
        orders.push((self.next, count));
        self.asked.extend((self.next..self.next + count).map(|n| (n, now())));
        self.next += count;
        for (from, count) in orders {
            let at = self.chance.random_range(0..self.victims.len());
            self.victims[at].submit(from, count);
        }
    }

    fn listen(&mut self) {
        let said: Vec<String> = self.victims.iter_mut().flat_map(Victim::heard).collect();
        for line in said {
            let words: Vec<&str> = line.split(' ').collect();
            if let ["submitted", n, run, _] = words.as_slice() {
                let n = n.parse().unwrap();
                self.asked.retain(|(asked, _)| *asked != n);
                let known = self.accepted.entry(n).or_insert_with(|| (*run).to_owned());
                if known.as_str() != *run {
                    self.tally.duplicated_successors += 1;
                    let what = format!("event {n} was taken as {known} and as {run}");
                    self.tally.find(what);
                }
            }
        }
    }

    /// An orderly stop, and a new process.
    fn restart_one(&mut self) {
        let at = self.chance.random_range(0..self.victims.len());
        if !self.victims[at].terminate() {
            self.tally.find("a process did not stop within 20 s of SIGTERM".into());
        }
        self.listen();
        self.ended.insert(self.victims[at].pid(), now());
        self.victims[at] = self.start();
        self.clean.push((self.victims[at].pid(), self.victims[at].started));
        self.tally.restarts += 1;
    }

    async fn restart_database(&mut self, how: Stop) {
        let Some(cluster) = self.cluster else { return };
        let from = now();
        cluster.stop(how).unwrap();
        self.pause(0..1500).await;
        cluster.resume().unwrap();
        self.away.push((from, now()));
        self.tally.database_restarts += 1;
        // What was under way comes to its end, unharmed by the next kill.
        self.load();
        self.pause(2000..3000).await;
    }

    /// Waits until every run has ended, and judges.
    async fn settle(mut self) -> Tally {
        let store = self.place.open().await.unwrap();
        let end = now() + u64::try_from(QUIET.as_nanos()).unwrap();
        while now() < end {
            self.listen();
            let again = now() - 4_000_000_000;
            for (n, since) in self.asked.iter_mut().filter(|(_, since)| *since < again) {
                *since = now();
                self.victims[0].submit(*n, 1);
            }
            let runs = judge::runs(&*store).await.unwrap();
            let active = runs.iter().filter(|run| run.finished_at.is_none()).count();
            let mut sent = true;
            for run in runs.iter().filter(|_| active == 0) {
                let deliveries = store.deliveries(&run.id).await.unwrap();
                sent &= deliveries.iter().all(|d| d.state == patchline_engine::DeliveryState::Delivered);
            }
            if active == 0 && self.asked.is_empty() && sent {
                break;
            }
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
        // Completions of what was done last are committed.
        tokio::time::sleep(Duration::from_secs(1)).await;
        for victim in &mut self.victims {
            victim.terminate();
        }
        if !self.asked.is_empty() {
            self.tally.lost_runs += self.asked.len() as u64;
            self.tally.find(format!("never accepted: {:?}", self.asked));
        }
        let attempts = lines::read(self.folder.path());
        let known = Known {
            accepted: &self.accepted,
            ended: &self.ended,
            away: &self.away,
            attempts: &attempts,
            taken: &self.standin.taken(),
        };
        judge::judge(&*store, &known, &mut self.tally).await;
        let first_after = |pid: Option<u32>, from: u64| {
            let of = |a: &&lines::Attempt| a.begin > from && pid.is_none_or(|pid| pid == a.pid);
            attempts.iter().find(of).map(|a| (a.begin - from) as f64 / 1e9)
        };
        self.tally.clean.extend(self.clean.iter().filter_map(|(pid, from)| first_after(Some(*pid), *from)));
        self.tally.database.extend(self.away.iter().filter_map(|(_, to)| first_after(None, *to)));
        if !self.tally.is_well() {
            let kept = self.folder.keep();
            eprintln!("what processes wrote is kept: {}", kept.display());
        }
        self.tally
    }
}
