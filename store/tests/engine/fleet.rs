//! Many processes over one PostgreSQL: each an engine with connections of its own, all racing for the same runs.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use patchline_chains::{ConcurrencyRule, WhenBusy};
use patchline_engine::{
    Engine, EngineOptions, EventKind, Limits, Outcome, RunFilter, RunResult, Store, Subject, TriggerKind,
    limits::Limit,
    store::{Fetched, Hint, Lock},
};
use patchline_store::{Postgres, PostgresOptions};
use serde_json::json;

use crate::{
    cluster::{self, Stop},
    kit::*,
};

/// As a process has it: the server tells the time.
async fn process(place: &Place) -> Postgres {
    Postgres::open(&place.name(), PostgresOptions::default()).await.unwrap()
}

async fn worker(place: &Place, script: &Script, sink: &Sink, limits: Option<Arc<dyn Limits>>) -> Engine {
    let options = EngineOptions { limits, concurrency: 8, ..options() };
    let store = Arc::new(process(place).await);
    engine_with(store, script, sink, &Ahead::default(), options).await
}

/// Two steps at once, whoever runs them.
struct Two;

impl Limits for Two {
    fn of(&self, _: &str, _: &Subject, _: &str) -> Vec<Limit> {
        vec![Limit { key: "registry main".into(), most: 2 }]
    }
    fn most(&self, key: &str) -> Option<usize> {
        (key == "registry main").then_some(2)
    }
}

/// Steps `a` that take so long, and how many of them there were at the same moment, at most.
fn counted(long: Duration) -> (Script, Arc<AtomicUsize>) {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let seen = most.clone();
    let script = Script::default().on("a", move |_| {
        let (now, seen) = (now.clone(), seen.clone());
        async move {
            seen.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
            tokio::time::sleep(long).await;
            now.fetch_sub(1, Ordering::SeqCst);
            Ok(Outcome::succeeded(json!({})))
        }
    });
    (script, most)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_race_for_the_same_runs_and_each_step_ends_once() {
    let Some(place) = Place::postgres() else { return };
    let (script, sink) = (Script::default(), Sink::default());
    let mut engines = Vec::new();
    for _ in 0..3 {
        engines.push(worker(&place, &script, &sink, None).await);
    }
    let plan = diamond();
    let mut runs = Vec::new();
    for part in 0..6 {
        let batch = (0..25).map(|n| submission(&plan, &format!("v{part}-{n}"))).collect();
        let started = engines[part % 3].submit(batch).await.unwrap();
        runs.extend(started.into_iter().map(|s| s.run));
    }
    for run in &runs {
        let view = tokio::time::timeout(Duration::from_secs(60), engines[0].finished(run)).await;
        assert_eq!(view.expect("the run ends").unwrap().result, Some(RunResult::Passed));
    }
    let mut ran: HashMap<(String, String), usize> = HashMap::new();
    for (run, step, attempt) in script.ran.lock().unwrap().iter() {
        assert_eq!(*attempt, 1);
        *ran.entry((run.clone(), step.clone())).or_default() += 1;
    }
    assert_eq!(ran.len(), runs.len() * 4);
    assert!(ran.values().all(|n| *n == 1), "no step ran twice");
    for run in &runs {
        let events = engines[1].events(run, 0).await.unwrap();
        assert!(events.iter().enumerate().all(|(i, e)| e.seq == i as u64 + 1), "its history has no gap");
        let ended = events.iter().filter(|e| matches!(e.kind, EventKind::RunFinished { .. })).count();
        assert_eq!(ended, 1);
    }
    for engine in engines {
        engine.stop().await.unwrap();
    }
    let whole = process(&place).await.check(&mut |_| {}).await.unwrap();
    assert!(whole.is_whole(), "{whole:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_holds_over_all_of_them_and_nothing_is_left_parked() {
    let Some(place) = Place::postgres() else { return };
    let (script, most) = counted(Duration::from_millis(15));
    let sink = Sink::default();
    let (one, two) = (
        worker(&place, &script, &sink, Some(Arc::new(Two))).await,
        worker(&place, &script, &sink, Some(Arc::new(Two))).await,
    );
    let plan = plan("one", vec![step("a", &[])]);
    let batch = |from: usize| (from..from + 20).map(|n| submission(&plan, &format!("v{n}"))).collect();
    let (first, second) = tokio::join!(one.submit(batch(0)), two.submit(batch(20)));
    for submitted in first.unwrap().iter().chain(&second.unwrap()) {
        let view = tokio::time::timeout(Duration::from_secs(60), one.finished(&submitted.run)).await;
        assert_eq!(view.expect("the run ends").unwrap().result, Some(RunResult::Passed));
    }
    assert_eq!(most.load(Ordering::SeqCst), 2, "as many as there is room for, and no more");
    one.stop().await.unwrap();
    two.stop().await.unwrap();
    let whole = process(&place).await.check(&mut |_| {}).await.unwrap();
    assert!(whole.is_whole() && !whole.rows.contains_key("permits"), "{whole:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_delivery_counts_once_however_many_hear_of_it_at_the_same_moment() {
    let Some(place) = Place::postgres() else { return };
    let (script, sink) = (Script::default(), Sink::default());
    let mut engines = Vec::new();
    for _ in 0..3 {
        engines.push(worker(&place, &script, &sink, None).await);
    }
    let plan = diamond();
    let mut all = Vec::new();
    for event in 0..20 {
        for engine in &engines {
            let mut push = submission(&plan, &format!("v{event}"));
            push.trigger.kind = TriggerKind::Push;
            // Half of them are one event that two receivers got; half are two events of one push.
            push.trigger.source = if event % 2 == 0 { "main".into() } else { format!("{:p}", engine) };
            push.trigger.event_id = Some(format!("event {event}"));
            let engine = engine.clone();
            all.push(tokio::spawn(async move { (event, engine.submit(vec![push]).await.unwrap()) }));
        }
    }
    let mut runs: HashMap<usize, Vec<_>> = HashMap::new();
    for one in all {
        let (event, mut submitted) = one.await.unwrap();
        runs.entry(event).or_default().push(submitted.remove(0));
    }
    for (event, submitted) in &runs {
        assert!(submitted.iter().all(|s| s.run == submitted[0].run), "event {event}: {submitted:?}");
        assert_eq!(submitted.iter().filter(|s| s.new).count(), 1, "event {event}: {submitted:?}");
    }
    let records = Store::runs(&process(&place).await, &RunFilter::default()).await.unwrap();
    assert_eq!(records.len(), 20);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slot_has_one_holder_and_everybody_in_its_queue_gets_it() {
    let Some(place) = Place::postgres() else { return };
    let (script, most) = counted(Duration::from_millis(5));
    let sink = Sink::default();
    let engines = [worker(&place, &script, &sink, None).await, worker(&place, &script, &sink, None).await];
    let mut plan = plan("one", vec![step("a", &[])]);
    plan.concurrency =
        Some(ConcurrencyRule { key: "{{image.repository}}".into(), limit: 1, when_busy: WhenBusy::Queue });
    let all = (0..30).map(|n| {
        let (engine, one) = (engines[n % 2].clone(), submission(&plan, &format!("v{n}")));
        tokio::spawn(async move { engine.submit(vec![one]).await.unwrap().remove(0).run })
    });
    for run in futures::future::join_all(all).await {
        let view = tokio::time::timeout(Duration::from_secs(60), engines[0].finished(&run.unwrap())).await;
        assert_eq!(view.expect("the run ends").unwrap().result, Some(RunResult::Passed));
    }
    assert_eq!(most.load(Ordering::SeqCst), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hints_reach_the_others_and_not_oneself() {
    let Some(place) = Place::postgres() else { return };
    let (one, two) = (process(&place).await, process(&place).await);
    let (mut own, mut heard) = (one.hints().await.unwrap().unwrap(), two.hints().await.unwrap().unwrap());
    let next = async |of: &mut tokio::sync::mpsc::Receiver<Hint>| {
        tokio::time::timeout(Duration::from_secs(5), of.recv()).await.ok().flatten()
    };
    // Whoever begins to listen does not know what it has missed.
    for receiver in [&mut own, &mut heard] {
        assert_eq!(next(receiver).await, Some(Hint::Ready));
        assert_eq!(next(receiver).await, Some(Hint::Stop));
        assert_eq!(next(receiver).await, Some(Hint::Changed(Vec::new())));
    }
    let run = patchline_engine::RunId("01ARYZ6S41TSV4RRFFQ69G5FAV".into());
    one.hint(&Hint::Ready).await.unwrap();
    one.hint(&Hint::Changed(vec![run.clone()])).await.unwrap();
    assert_eq!(next(&mut heard).await, Some(Hint::Ready));
    assert_eq!(next(&mut heard).await, Some(Hint::Changed(vec![run])));
    assert!(own.try_recv().is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn text_that_postgresql_refuses_spoils_nothing() {
    let Some(place) = Place::postgres() else { return };
    let store = process(&place).await;
    let (script, sink) = (Script::default(), Sink::default());
    let engine = worker(&place, &script, &sink, None).await;
    let mut odd = submission(&diamond(), "v1");
    odd.subject.identity = format!("nul\0 and {}", "long ".repeat(2000));
    odd.trigger.kind = TriggerKind::Push;
    odd.trigger.source = "s\0".repeat(3000);
    odd.trigger.event_id = Some("e".repeat(9000));
    let first = engine.submit(vec![odd.clone()]).await.unwrap().remove(0);
    let again = engine.submit(vec![odd]).await.unwrap().remove(0);
    assert_eq!((first.new, again.new, &again.run), (true, false, &first.run));
    assert_eq!(engine.finished(&first.run).await.unwrap().result, Some(RunResult::Passed));
    let run = patchline_engine::RunId("no\0such".into());
    assert!(Store::run(&store, &run).await.unwrap().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_somebody_works_on_is_waited_for_and_read_anew() {
    let Some(place) = Place::postgres() else { return };
    let (script, sink) = (Script::default(), Sink::default());
    let engine = worker(&place, &script, &sink, None).await;
    let run = engine.submit(vec![submission(&diamond(), "v1")]).await.unwrap().remove(0).run;
    engine.finished(&run).await.unwrap();
    engine.stop().await.unwrap();
    let store = process(&place).await;
    let mut first = store.begin().await.unwrap();
    let Fetched::Read(mut record) = first.runs(&[(run.clone(), None)], Lock::Wait).await.unwrap().remove(0)
    else {
        panic!("nothing was known of it")
    };
    let (other, known, wanted) = (process(&place).await, record.version, run.clone());
    let second = tokio::spawn(async move {
        let mut second = other.begin().await.unwrap();
        second.runs(&[(wanted, Some(known))], Lock::Wait).await.unwrap().remove(0)
    });
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(!second.is_finished(), "it waits for the lock");
    let mut hasty = store.begin().await.unwrap();
    assert_eq!(hasty.runs(&[(run.clone(), None)], Lock::Skip).await.unwrap(), [], "it does not wait");
    drop(hasty);
    record.version += 1;
    first.save_runs(&[&record]).await.unwrap();
    first.commit().await.unwrap();
    let Fetched::Read(seen) = second.await.unwrap() else { panic!("its version is another") };
    assert_eq!(seen.version, known + 1);
    let mut third = store.begin().await.unwrap();
    assert_eq!(
        third.runs(&[(run.clone(), Some(known + 1))], Lock::Wait).await.unwrap(),
        [Fetched::Same(run)],
        "what is known is only locked"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_was_killed_or_froze_is_found_again() {
    let Some(cluster) = cluster::own() else { return };
    let url = cluster.fresh().unwrap();
    let quick = PostgresOptions { statement_timeout: Duration::from_secs(1), ..PostgresOptions::default() };
    let store = Arc::new(Postgres::open(&url, quick).await.unwrap());
    let (script, sink) = (Script::default(), Sink::default());
    let engine = engine_with(store.clone(), &script, &sink, &Ahead::default(), options()).await;
    let run = engine.submit(vec![submission(&diamond(), "v1")]).await.unwrap().remove(0).run;
    engine.finished(&run).await.unwrap();
    for how in [Stop::Fast, Stop::Kill] {
        cluster.restart(Some(how)).unwrap();
        // Each connection that was open is dead, and nobody is told so: not the reader, and not the writer.
        assert_eq!(Store::run(&*store, &run).await.unwrap().unwrap().result(), Some(RunResult::Passed));
        store.begin().await.unwrap().commit().await.unwrap();
    }
    let again = engine.submit(vec![submission(&diamond(), "v2")]).await.unwrap().remove(0).run;
    assert_eq!(engine.finished(&again).await.unwrap().result, Some(RunResult::Passed));
    // While nothing answers, whoever asks is told within a bounded time.
    cluster.freeze();
    let asked = tokio::time::timeout(Duration::from_secs(30), Store::run(&*store, &run)).await;
    let error = asked.expect("it gives up").unwrap_err();
    assert_eq!(error.code(), "store-failed");
    cluster.thaw();
    until(async || Store::run(&*store, &run).await.is_ok()).await;
    let last = tokio::time::timeout(Duration::from_secs(30), async {
        loop {
            if let Ok(mut started) = engine.submit(vec![submission(&diamond(), "v3")]).await {
                return engine.finished(&started.remove(0).run).await;
            }
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    });
    assert_eq!(last.await.expect("it goes on").unwrap().result, Some(RunResult::Passed));
    engine.stop().await.unwrap();
}
