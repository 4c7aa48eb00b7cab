//! Limits over all processes, paused chains, labels of workers, urgency.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use patchline_engine::{
    Engine, EngineOptions, Limit, Limits, Outcome, RunId, RunResult, RunStatus, Subject, Submission,
    TriggerKind,
};
use serde_json::json;
use tokio::sync::Semaphore;

use crate::kit::*;

on_both!(
    no_more_run_at_once_than_a_limit_allows,
    a_limit_that_is_full_holds_up_nobody_else,
    a_limit_holds_over_several_processes,
    a_lost_lease_gives_its_permit_back,
    a_paused_chain_claims_nothing_and_goes_on,
    a_worker_takes_the_kinds_it_names,
    a_person_is_not_kept_waiting_by_bulk_work,
);

/// So many at once of each repository whose name says so: `two/…`.
struct ByRepository;

fn limit(repository: &str) -> Option<Limit> {
    let most = match repository.split('/').next()? {
        "one" => 1,
        "two" => 2,
        _ => return None,
    };
    Some(Limit { key: format!("repository {repository}"), most })
}

impl Limits for ByRepository {
    fn of(&self, _: &str, subject: &Subject, _: &str) -> Vec<Limit> {
        subject.context["repository"].as_str().and_then(limit).into_iter().collect()
    }
    fn most(&self, key: &str) -> Option<usize> {
        limit(key.strip_prefix("repository ")?).map(|limit| limit.most)
    }
}

fn with_limits(concurrency: usize) -> EngineOptions {
    EngineOptions { concurrency, limits: Some(Arc::new(ByRepository)), ..options() }
}

fn over(repository: &str, n: usize, kind: TriggerKind) -> Submission {
    let mut submission = submission(&plan("limited", vec![step("work", &[])]), &format!("v{n}"));
    submission.subject.identity = format!("main/{repository}:v{n}@sha256:0");
    submission.subject.context = json!({"repository": repository, "tag": format!("v{n}")});
    submission.trigger.kind = kind;
    submission
}

/// Counts how many work at once, and works as long as there is no permit.
#[derive(Clone)]
struct Gate {
    permits: Arc<Semaphore>,
    now: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

impl Gate {
    fn new() -> (Self, Script) {
        let gate = Self { permits: Arc::new(Semaphore::new(0)), now: Arc::default(), most: Arc::default() };
        let inner = gate.clone();
        let script = Script::default().on("work", move |_| {
            let gate = inner.clone();
            async move {
                let now = gate.now.fetch_add(1, Ordering::SeqCst) + 1;
                gate.most.fetch_max(now, Ordering::SeqCst);
                gate.permits.acquire().await.unwrap().forget();
                gate.now.fetch_sub(1, Ordering::SeqCst);
                Ok(Outcome::succeeded(json!({})))
            }
        });
        (gate, script)
    }
}

async fn all_passed(engine: &Engine, runs: &[RunId]) {
    for run in runs {
        let ended = tokio::time::timeout(Duration::from_secs(30), engine.finished(run)).await;
        assert_eq!(ended.expect("the run ends").unwrap().result, Some(RunResult::Passed));
    }
}

async fn start(engine: &Engine, submissions: Vec<Submission>) -> Vec<RunId> {
    engine.submit(submissions).await.unwrap().into_iter().map(|s| s.run).collect()
}

async fn no_more_run_at_once_than_a_limit_allows(place: Place) {
    let (gate, script) = Gate::new();
    let (sink, clock) = (Sink::default(), Ahead::default());
    let engine = engine_with(place.open().await, &script, &sink, &clock, with_limits(8)).await;
    let runs = start(&engine, (0..10).map(|n| over("two/web", n, TriggerKind::Push)).collect()).await;
    until(async || gate.now.load(Ordering::SeqCst) == 2).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(gate.now.load(Ordering::SeqCst), 2);
    gate.permits.add_permits(10);
    all_passed(&engine, &runs).await;
    assert_eq!(gate.most.load(Ordering::SeqCst), 2);
}

async fn a_limit_that_is_full_holds_up_nobody_else(place: Place) {
    let (gate, script) = Gate::new();
    let (sink, clock) = (Sink::default(), Ahead::default());
    let engine = engine_with(place.open().await, &script, &sink, &clock, with_limits(3)).await;
    // Far more than are looked at at once, and all of them older.
    let limited = start(&engine, (0..600).map(|n| over("one/web", n, TriggerKind::Push)).collect()).await;
    let free = start(&engine, vec![over("free/web", 0, TriggerKind::Push)]).await;
    until(async || gate.now.load(Ordering::SeqCst) == 2).await;
    assert_eq!(engine.run(&limited[1]).await.unwrap().status, RunStatus::Running);
    gate.permits.add_permits(601);
    all_passed(&engine, &free).await;
    let before = tokio::time::Instant::now();
    all_passed(&engine, &limited).await;
    // Each end lets the next one in; nobody waits for a timer.
    assert!(before.elapsed() < Duration::from_secs(25), "{:?}", before.elapsed());
}

async fn a_limit_holds_over_several_processes(place: Place) {
    let (gate, script) = Gate::new();
    let (sink, clock) = (Sink::default(), Ahead::default());
    let mut engines = Vec::new();
    for _ in 0..3 {
        engines.push(engine_with(place.open().await, &script, &sink, &clock, with_limits(4)).await);
    }
    let runs = start(&engines[0], (0..12).map(|n| over("two/web", n, TriggerKind::Push)).collect()).await;
    until(async || gate.now.load(Ordering::SeqCst) == 2).await;
    gate.permits.add_permits(12);
    all_passed(&engines[1], &runs).await;
    assert_eq!(gate.most.load(Ordering::SeqCst), 2);
}

async fn a_lost_lease_gives_its_permit_back(place: Place) {
    let (gate, script) = Gate::new();
    let (sink, clock) = (Sink::default(), Ahead::default());
    let cut = crate::cut::Cut::new(place.open().await);
    let first = engine_with(Arc::new(cut.clone()), &script, &sink, &clock, with_limits(4)).await;
    let runs = start(&first, (0..3).map(|n| over("one/web", n, TriggerKind::Push)).collect()).await;
    until(async || gate.now.load(Ordering::SeqCst) == 1).await;
    cut.cut();
    clock.skip(jiff::SignedDuration::from_secs(16));
    // The one that was cut off does not know yet, and ends its step too.
    gate.permits.add_permits(4);
    let second = engine_with(place.open().await, &script, &sink, &clock, with_limits(4)).await;
    all_passed(&second, &runs).await;
}

async fn a_paused_chain_claims_nothing_and_goes_on(place: Place) {
    let (gate, script) = Gate::new();
    gate.permits.add_permits(100);
    let (sink, clock) = (Sink::default(), Ahead::default());
    let engine = engine_with(place.open().await, &script, &sink, &clock, options()).await;
    engine.pause("limited", "ana", "the registry is being moved").await.unwrap();
    engine.pause("limited", "bo", "again").await.unwrap();
    let pauses = engine.pauses().await.unwrap();
    assert_eq!((pauses.len(), pauses[0].by.as_str()), (1, "ana"));
    let runs = start(&engine, (0..3).map(|n| over("free/web", n, TriggerKind::Manual)).collect()).await;
    let mut other = submission(&diamond(), "v1");
    other.subject.identity = "main/other:v1@sha256:0".into();
    let other = start(&engine, vec![other]).await;
    all_passed(&engine, &other).await;
    assert_eq!(script.count("work"), 0);
    // A restart does not let it go on.
    engine.stop().await.unwrap();
    let engine = engine_with(place.open().await, &script, &sink, &clock, options()).await;
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert_eq!(script.count("work"), 0);
    engine.resume("limited").await.unwrap();
    all_passed(&engine, &runs).await;
    assert_eq!(engine.resume("limited").await.unwrap_err().code(), "chain-not-paused");
}

async fn a_worker_takes_the_kinds_it_names(place: Place) {
    let script = Script::default();
    let (sink, clock) = (Sink::default(), Ahead::default());
    let only = |kinds: &[&str]| EngineOptions {
        kinds: Some(kinds.iter().map(|k| (*k).to_owned()).collect()),
        ..options()
    };
    let wrong = engine_with(place.open().await, &script, &sink, &clock, only(&["scan"])).await;
    let run = start(&wrong, vec![submission(&diamond(), "v1")]).await;
    tokio::time::sleep(Duration::from_millis(1300)).await;
    assert_eq!(wrong.run(&run[0]).await.unwrap().steps[0].attempt, 0);
    let right = engine_with(place.open().await, &script, &sink, &clock, only(&["do", "fix"])).await;
    all_passed(&right, &run).await;
}

async fn a_person_is_not_kept_waiting_by_bulk_work(place: Place) {
    let (gate, script) = Gate::new();
    let (sink, clock) = (Sink::default(), Ahead::default());
    let engine = engine_with(place.open().await, &script, &sink, &clock, options()).await;
    let bulk = start(&engine, (0..50).map(|n| over("free/bulk", n, TriggerKind::Schedule)).collect()).await;
    // Three of four workers: the last one is kept free.
    until(async || gate.now.load(Ordering::SeqCst) == 3).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(gate.now.load(Ordering::SeqCst), 3);
    let mine = start(&engine, vec![over("free/mine", 0, TriggerKind::Manual)]).await;
    until(async || engine.run(&mine[0]).await.unwrap().steps[0].attempt == 1).await;
    gate.permits.add_permits(51);
    all_passed(&engine, &mine).await;
    all_passed(&engine, &bulk).await;
}
