//! The engine's figures: runs per second, step to step, gaps, idle processor time; and a person's run behind a backlog.
//!
//! `cargo xtask bench engine` and `cargo xtask chaos backlog` start it. It starts itself again as worker processes
//! and as processes that keep the cores busy.

#![expect(clippy::unwrap_used, reason = "a bench that cannot go on fails")]
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "figures are what is asked for")]

mod backlog;
mod history;
mod kit;
mod machine;
mod marks;
mod measure;
mod place;
#[path = "../../../tests/src/postgres.rs"]
#[expect(dead_code, unreachable_pub, reason = "the testkit's, whole")]
mod postgres;
#[path = "../../../tests/src/process.rs"]
#[expect(unreachable_pub, reason = "the testkit's, whole")]
mod process;
mod workers;

use std::time::Duration;

use serde_json::{Value, json};

/// What the command line says. Cargo adds `--bench`, which says nothing.
struct Arguments(Vec<String>);

impl Arguments {
    fn has(&self, flag: &str) -> bool {
        self.0.iter().any(|a| a == flag)
    }
    fn value(&self, flag: &str) -> Option<&str> {
        let at = self.0.iter().position(|a| a == flag)?;
        self.0.get(at + 1).map(String::as_str)
    }
    fn number(&self, flag: &str, default: u64) -> u64 {
        self.value(flag).map_or(default, |v| v.parse().unwrap())
    }
}

/// How much is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    /// Runs of one batch.
    batch: usize,
    /// How long one at a time, and at a steady pace.
    span: Duration,
    /// How long nothing is done.
    idle: Duration,
}

fn main() {
    let arguments = Arguments(std::env::args().skip(1).collect());
    match arguments.0.first().map(String::as_str) {
        Some("spin") => machine::spin(),
        Some("worker") => runtime().block_on(workers::work(arguments.value("--url").unwrap())),
        Some("backlog") => tell(&arguments, &runtime().block_on(backlogs(&arguments))),
        _ => tell(&arguments, &runtime().block_on(figures(&arguments))),
    }
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap()
}

fn tell(arguments: &Arguments, figures: &Value) {
    if arguments.has("--json") {
        println!("{figures}");
    } else {
        for (name, value) in figures.as_object().into_iter().flatten() {
            println!("{name:28} {value}");
        }
    }
}

/// Where it is measured: both stores, unless one is named.
fn wanted(arguments: &Arguments, store: &str) -> bool {
    arguments.value("--store").is_none_or(|only| only == store || only == "both")
}

fn cluster() -> Option<postgres::Postgres> {
    match postgres::Postgres::start(postgres::Options::default()) {
        Ok(cluster) => Some(cluster),
        Err(error @ postgres::Error::NotInstalled(_)) => {
            eprintln!("PostgreSQL is left out: {error}");
            assert!(std::env::var("CI").as_deref() != Ok("true"), "under CI=true nothing is left out");
            None
        }
        Err(error) => panic!("{error}"),
    }
}

async fn figures(arguments: &Arguments) -> Value {
    let size = Size {
        batch: usize::try_from(arguments.number("--runs", 5_000)).unwrap(),
        span: Duration::from_secs(arguments.number("--seconds", 20)),
        idle: Duration::from_secs(arguments.number("--idle", 20)),
    };
    let rows = if arguments.has("--history") { arguments.number("--rows", 1_000_000) } else { 0 };
    let mut all = json!({});
    if wanted(arguments, "sqlite") {
        let folder = tempfile::tempdir().unwrap();
        let [empty, full] =
            ["empty.db", "full.db"].map(|file| place::Place::Sqlite(folder.path().join(file)));
        measure::both(&empty, &full, rows, size, &mut all).await;
    }
    if wanted(arguments, "postgres")
        && let Some(cluster) = cluster()
    {
        let [empty, full] = [(); 2].map(|()| place::Place::Postgres(cluster.fresh().unwrap()));
        measure::both(&empty, &full, rows, size, &mut all).await;
    }
    let worst = |name: &str| {
        let of = ["sqlite", "postgres"].map(|store| all[format!("{store}_{name}")].as_f64());
        of.into_iter().flatten().reduce(f64::max)
    };
    let (gap, idle) = (worst("max_gap_ms"), worst("idle_cpu_percent"));
    all["max_gap_ms"] = json!(gap);
    all["idle_cpu_percent"] = json!(idle);
    all
}

async fn backlogs(arguments: &Arguments) -> Value {
    let steps = arguments.number("--steps", 1_000_000);
    let mut all = json!({});
    if wanted(arguments, "sqlite") {
        let folder = tempfile::tempdir().unwrap();
        let place = place::Place::Sqlite(folder.path().join("bench.db"));
        backlog::measure(&place, steps, &mut all).await;
    }
    if wanted(arguments, "postgres")
        && let Some(cluster) = cluster()
    {
        let place = place::Place::Postgres(cluster.fresh().unwrap());
        backlog::measure(&place, steps, &mut all).await;
    }
    all
}
