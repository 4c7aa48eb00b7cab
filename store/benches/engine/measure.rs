//! One store, measured: many at once, one at a time, at a steady pace on a quiet and on a busy machine, and idle.

use std::{sync::Arc, time::Duration};

use patchline_chains::Plan;
use patchline_engine::{Engine, Submission, Submitted, TriggerKind};
use serde_json::{Value, json};

use crate::{
    Size, history,
    kit::{self, Role},
    machine::{Busy, Syncs, processor_seconds},
    marks::{self, Mark, Marks},
    place::Place,
    workers::Workers,
};

/// Runs a second of the steady pace.
const PACE: u64 = 100;
/// Runs in one submission of a batch.
const CHUNK: usize = 250;
/// Nothing may take longer.
const LIMIT: Duration = Duration::from_secs(600);

/// Who runs the steps.
enum Hands {
    /// This process.
    Own(Arc<Marks>),
    /// Four others.
    Others(Workers),
}

impl Hands {
    fn ended(&mut self) -> usize {
        match self {
            Self::Own(marks) => marks.ended(),
            Self::Others(workers) => workers.ended(),
        }
    }
    fn take(&mut self) -> Vec<Mark> {
        match self {
            Self::Own(marks) => marks.take(),
            Self::Others(workers) => workers.take(),
        }
    }
    fn pids(&self) -> Vec<u32> {
        match self {
            Self::Own(_) => vec![std::process::id()],
            Self::Others(workers) => workers.pids(),
        }
    }
}

struct House<'a> {
    place: &'a Place,
    engine: Engine,
    hands: Hands,
    plan: Arc<Plan>,
    /// So that no two runs are over the same image.
    tag: u64,
}

/// Times that each of two stores is measured, in turn: what the machine does meanwhile meets both.
const ROUNDS: usize = 3;

/// One empty store; with `rows`, beside another one with so many finished runs of history, in turn.
pub(crate) async fn both(empty: &Place, full: &Place, rows: u64, size: Size, all: &mut Value) {
    let name = empty.name();
    let mut house = House::new(empty).await;
    if rows == 0 {
        put(all, name, "", house.measure(size).await);
        return house.stop().await;
    }
    house.one().await;
    house.stop().await;
    house = House::new(full).await;
    let template = house.one().await;
    house.stop().await;
    let started = marks::now();
    history::copy(full, &template, rows).await;
    let took = (marks::now() - started) as f64 / 1e9;
    eprintln!("{name}: {rows} finished runs filled in within {took:.0} s");
    let (mut without, mut with) = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        for (place, rounds, word) in [(empty, &mut without, "without"), (full, &mut with, "with")] {
            eprintln!("{name}: round {round}, {word} history");
            let mut house = House::new(place).await;
            rounds.push(house.measure(size).await);
            house.stop().await;
        }
    }
    let (without, with) = (medians(&without), medians(&with));
    all[format!("{name}_slower_percent")] = json!(rounded(slower(&without, &with)));
    put(all, name, "_without_history", without);
    put(all, name, "", with);
}

fn put(all: &mut Value, name: &str, suffix: &str, figures: Value) {
    for (key, value) in figures.as_object().into_iter().flatten() {
        all[format!("{name}_{key}{suffix}")] = value.clone();
    }
}

/// Of each figure.
fn medians(rounds: &[Value]) -> Value {
    let mut all = json!({});
    for key in rounds.iter().flat_map(|round| round.as_object().into_iter().flatten()).map(|(key, _)| key) {
        let mut values: Vec<f64> = rounds.iter().filter_map(|round| round[key].as_f64()).collect();
        values.sort_by(f64::total_cmp);
        all[key] = json!(values.get(values.len() / 2));
    }
    all
}

/// Submits as a client would: whoever is told that the store is away asks again. A run over an image counts once.
async fn submit(engine: &Engine, submissions: Vec<Submission>) -> Vec<Submitted> {
    let end = marks::now() + u64::try_from(LIMIT.as_nanos()).unwrap();
    loop {
        match engine.submit(submissions.clone()).await {
            Ok(submitted) => return submitted,
            Err(error) => {
                eprintln!("a submission is tried again: {error}");
                assert!(marks::now() < end, "{error}");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
        }
    }
}

/// By how much the worst of what is promised is slower, in percent.
fn slower(before: &Value, after: &Value) -> f64 {
    let ratio = |key: &str, more_is_better: bool| {
        let (a, b) = (before[key].as_f64().unwrap_or(0.0), after[key].as_f64().unwrap_or(0.0));
        let (slow, fast) = if more_is_better { (a, b) } else { (b, a) };
        if fast > 0.0 { (slow / fast - 1.0) * 100.0 } else { 0.0 }
    };
    let speeds = [ratio("runs_per_s", true), ratio("single_runs_per_s", true)];
    let times = [ratio("step_p99_ms", false), ratio("busy_p99_ms", false)];
    speeds.into_iter().chain(times).fold(f64::MIN, f64::max)
}

fn rounded(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

impl<'a> House<'a> {
    async fn new(place: &'a Place) -> Self {
        let marks = Arc::new(Marks::default());
        let (role, hands) = match place {
            Place::Sqlite(_) => (Role::Owner, Hands::Own(marks.clone())),
            Place::Postgres(url) => {
                // Migrated before four processes come at once.
                drop(place.open().await);
                (Role::Server, Hands::Others(Workers::start(url)))
            }
        };
        let engine = kit::engine(place.open().await, &marks, role).await;
        Self { place, engine, hands, plan: Arc::new(kit::diamond("bench")), tag: marks::now() }
    }

    async fn stop(self) {
        self.engine.stop().await.unwrap();
        if let Hands::Others(workers) = self.hands {
            workers.stop();
        }
    }

    fn next(&mut self, count: usize) -> Vec<Submission> {
        let tags = self.tag..self.tag + count as u64;
        self.tag = tags.end;
        tags.map(|tag| kit::submission(&self.plan, &format!("{tag:x}"), TriggerKind::Push)).collect()
    }

    /// One run, from its submission to its end: its id.
    async fn one(&mut self) -> String {
        let submissions = self.next(1);
        let submitted = submit(&self.engine, submissions).await;
        let view =
            tokio::time::timeout(LIMIT, self.engine.finished(&submitted[0].run)).await.unwrap().unwrap();
        view.id.0
    }

    async fn measure(&mut self, size: Size) -> Value {
        let name = self.place.name();
        for _ in 0..20 {
            self.one().await;
        }
        let (batch, gap) = self.batch(size.batch).await;
        let mut all = json!({"runs_per_s": rounded(batch)});
        eprintln!("{name}: {batch:.0} runs/s, {} runs at once, longest gap {gap:.0} ms", size.batch);
        let single = self.single(size.span).await;
        all["single_runs_per_s"] = json!(rounded(single));
        eprintln!("{name}: {single:.0} runs/s, one at a time");
        let mut worst = gap;
        for (word, busy) in [("step", false), ("busy", true)] {
            let cores = busy.then(Busy::start);
            let counting = self.syncs().await;
            let marks = self.paced(size.span).await;
            let syncs = self.counted(counting).await.map(|n| n as f64 / size.span.as_secs_f64());
            drop(cores);
            let (times, gap) = (marks::step_to_step(&marks), marks::longest_gap(&marks));
            let [p50, p99, max] = [50.0, 99.0, 100.0].map(|p| rounded(marks::percentile(&times, p)));
            eprintln!(
                "{name}: {PACE} runs/s, {}: step to step p50 {p50} ms, p99 {p99} ms, worst {max} ms over {} pairs, \
                 longest gap {gap:.0} ms, {} fsyncs/s",
                if busy { "all cores kept busy" } else { "otherwise quiet" },
                times.len(),
                syncs.map_or("not counted:".into(), |s| format!("{s:.0}")),
            );
            all[format!("{word}_p50_ms")] = json!(p50);
            all[format!("{word}_p99_ms")] = json!(p99);
            all[format!("{word}_worst_ms")] = json!(max);
            if !busy {
                all["fsyncs_per_s"] = json!(syncs.map(rounded));
            }
            worst = worst.max(gap);
        }
        let idle = self.idle(size.idle).await;
        eprintln!("{name}: idle, {idle:.2} % of one core");
        all["max_gap_ms"] = json!(rounded(worst));
        all["idle_cpu_percent"] = json!(rounded(idle));
        all
    }

    /// Runs per second from the first submission to the last end, and the longest gap.
    async fn batch(&mut self, count: usize) -> (f64, f64) {
        self.hands.take();
        let chunks: Vec<_> =
            (0..count.div_ceil(CHUNK)).map(|i| self.next(CHUNK.min(count - i * CHUNK))).collect();
        let started = marks::now();
        let engine = self.engine.clone();
        let submitting = tokio::spawn(async move {
            for chunk in chunks {
                submit(&engine, chunk).await;
            }
        });
        self.wait(count).await;
        let seconds = (marks::now() - started) as f64 / 1e9;
        submitting.await.unwrap();
        (count as f64 / seconds, marks::longest_gap(&self.hands.take()))
    }

    /// Waits until so many last steps have run, and then until all runs have ended.
    async fn wait(&mut self, count: usize) {
        let end = marks::now() + u64::try_from(LIMIT.as_nanos()).unwrap();
        while self.hands.ended() < count {
            assert!(marks::now() < end, "{} of {count} runs after {LIMIT:?}", self.hands.ended());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        while self.place.unfinished().await > 0 {
            assert!(marks::now() < end, "runs that do not end");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    async fn single(&mut self, span: Duration) -> f64 {
        let (started, mut count) = (marks::now(), 0);
        let end = started + u64::try_from(span.as_nanos()).unwrap();
        while marks::now() < end {
            self.one().await;
            count += 1;
        }
        f64::from(count) / ((marks::now() - started) as f64 / 1e9)
    }

    /// A run every 10 ms, whether or not those before have ended.
    async fn paced(&mut self, span: Duration) -> Vec<Mark> {
        self.hands.take();
        let count = usize::try_from(span.as_secs() * PACE).unwrap();
        let mut tick = tokio::time::interval(Duration::from_secs(1) / u32::try_from(PACE).unwrap());
        for _ in 0..count {
            tick.tick().await;
            let (engine, submissions) = (self.engine.clone(), self.next(1));
            tokio::spawn(async move { submit(&engine, submissions).await });
        }
        self.wait(count).await;
        self.hands.take()
    }

    /// The most that one process used, in percent of one core.
    async fn idle(&mut self, span: Duration) -> f64 {
        tokio::time::sleep(Duration::from_secs(3)).await;
        let pids = self.hands.pids();
        let before: Vec<f64> = pids.iter().map(|pid| processor_seconds(*pid)).collect();
        tokio::time::sleep(span).await;
        let used = pids.iter().zip(before).map(|(pid, before)| processor_seconds(*pid) - before);
        used.fold(0.0, f64::max) / span.as_secs_f64() * 100.0
    }

    /// Begins to count syncs: our own by the kernel, the server's by the server.
    async fn syncs(&self) -> Counting {
        match self.place {
            Place::Sqlite(_) => Counting::Kernel(Syncs::of(std::process::id())),
            Place::Postgres(_) => Counting::Server(self.place.number(WAL_SYNCS).await),
        }
    }

    async fn counted(&self, counting: Counting) -> Option<u64> {
        match counting {
            Counting::Kernel(syncs) => syncs.count(),
            Counting::Server(before) => u64::try_from(self.place.number(WAL_SYNCS).await - before).ok(),
        }
    }
}

/// Syncs of PostgreSQL's log so far.
const WAL_SYNCS: &str = "SELECT wal_sync FROM pg_stat_wal";

enum Counting {
    Kernel(Syncs),
    Server(i64),
}
