//! Leases: expiry by the clock, stale completions, poison, what an orderly stop gives back.

use std::{sync::Arc, time::Duration};

use jiff::SignedDuration;
use patchline_engine::{Clock as _, Outcome, RunResult, StepStatus as S, clock::SystemClock};
use patchline_store::{Postgres, PostgresOptions};
use serde_json::json;
use sqlx::{Connection as _, PgConnection};

use crate::{cut::Cut, kit::*};

on_both!(
    an_expired_lease_is_taken_over_and_the_stale_end_is_discarded,
    a_clock_that_jumps_takes_no_lease_away,
    five_lost_leases_are_poison,
    a_lease_is_renewed_for_as_long_as_its_step_runs,
    a_stop_gives_leases_back_and_does_not_count,
);

async fn an_expired_lease_is_taken_over_and_the_stale_end_is_discarded(place: Place) {
    // Deaf to its stop sign for a moment: its end comes after the lease was lost.
    let script = Script::default().on("a", |c| async move {
        if c.effects.log.of_step(&c.run, &c.step).await.unwrap().is_empty() {
            let intent = patchline_engine::step::Intent {
                kind: "push".into(),
                target: "t".into(),
                detail: json!({}),
                done: false,
            };
            c.effects.log.intend(&c.run, &c.step, &intent).await.unwrap();
            c.cancelled.cancelled().await;
            tokio::time::sleep(Duration::from_millis(1300)).await;
            return Ok(Outcome::succeeded(json!({"who": "stale"})));
        }
        Ok(Outcome::succeeded(json!({"who": "second"})))
    });
    let (sink, clock) = (Sink::default(), Ahead::default());
    // The one that will not reach the store any more has the step.
    let cut = Cut::new(place.open().await);
    let first = engine_over(Arc::new(cut.clone()), &script, &sink, &clock).await;
    let run = first.submit(vec![submission(&diamond(), "v1")]).await.unwrap()[0].run.clone();
    // Not before its intent stands: the other one tells by it that it comes second.
    until(async || first.is_own_effect("push", "t").await.unwrap()).await;
    cut.cut();
    clock.skip(SignedDuration::from_secs(16));
    let second = engine(&place, &script, &sink, &clock, false).await;
    let ended = tokio::time::timeout(Duration::from_secs(30), second.finished(&run)).await;
    let view = ended.expect("the run ends").unwrap();
    assert_eq!(view.steps[0].output, json!({"who": "second"}));
    assert_eq!((view.steps[0].attempt, script.count("a")), (1, 2));
    // The first stops by itself before its lease ends by its own watch, and its end comes too late.
    cut.mend();
    tokio::time::sleep(Duration::from_secs(15)).await;
    assert_eq!(second.run(&run).await.unwrap(), view);
    assert_eq!(first.run(&run).await.unwrap(), view);
    assert!(second.is_own_effect("push", "t").await.unwrap());
}

async fn a_clock_that_jumps_takes_no_lease_away(place: Place) {
    let script = Script::default().on("a", |_| async {
        tokio::time::sleep(Duration::from_secs(3)).await;
        Ok(Outcome::succeeded(json!({})))
    });
    let house = House::new(&place, &script).await;
    let run = house.engine.submit(vec![submission(&diamond(), "v1")]).await.unwrap()[0].run.clone();
    until(async || script.count("a") == 1).await;
    house.clock.skip(SignedDuration::from_hours(1));
    tokio::time::sleep(Duration::from_millis(1500)).await;
    house.clock.skip(SignedDuration::from_hours(-2));
    let view = house.finished(&run).await;
    assert_eq!((view.result, script.count("a")), (Some(RunResult::Passed), 1));
}

async fn five_lost_leases_are_poison(place: Place) {
    // Each process in turn takes the step and is cut off; the last one finds it poisoned.
    let script = Script::default().on("a", |_| async { std::future::pending().await });
    let store = place.open().await;
    let (sink, clock) = (Sink::default(), Ahead::default());
    let mut run = None;
    for time in 1..=5 {
        let cut = Cut::new(store.clone());
        let engine = engine_over(Arc::new(cut.clone()), &script, &sink, &clock).await;
        if run.is_none() {
            run = Some(engine.submit(vec![submission(&diamond(), "v1")]).await.unwrap()[0].run.clone());
        }
        until(async || script.count("a") == time).await;
        cut.cut();
        clock.skip(SignedDuration::from_secs(16));
    }
    let last = engine_over(store, &script, &sink, &clock).await;
    let ended = tokio::time::timeout(Duration::from_secs(30), last.finished(&run.unwrap())).await;
    let view = ended.expect("the run ends").unwrap();
    assert_eq!(view.steps[0].problem.as_ref().unwrap().class, "poison");
    assert_eq!((view.result, script.count("a")), (Some(RunResult::Failed), 5));
}

async fn a_lease_is_renewed_for_as_long_as_its_step_runs(place: Place) {
    let script = Script::default().on("a", |_| async {
        // Longer than a lease.
        tokio::time::sleep(Duration::from_secs(17)).await;
        Ok(Outcome::succeeded(json!({})))
    });
    let house = House::new(&place, &script).await;
    let run = house.engine.submit(vec![submission(&diamond(), "v1")]).await.unwrap()[0].run.clone();
    let view = house.finished(&run).await;
    assert_eq!((view.result, script.count("a")), (Some(RunResult::Passed), 1));
}

async fn a_stop_gives_leases_back_and_does_not_count(place: Place) {
    let script = Script::default().on("a", |_| async { std::future::pending().await });
    let house = House::new(&place, &script).await;
    let run = house.engine.submit(vec![submission(&diamond(), "v1")]).await.unwrap()[0].run.clone();
    until(async || script.count("a") == 1).await;
    house.engine.stop().await.unwrap();
    let record = place.open().await.run(&run).await.unwrap().unwrap();
    assert_eq!((record.steps[0].state.status(), record.steps[0].lost), (S::Ready, 0));
    for _ in 0..6 {
        restart_and_stop(&place, &house, &script).await;
    }
    let well = Script::default();
    let engine = engine(&place, &well, &house.sink, &house.clock, true).await;
    assert_eq!(engine.finished(&run).await.unwrap().result, Some(RunResult::Passed));
}

async fn restart_and_stop(place: &Place, house: &House, script: &Script) {
    let before = script.count("a");
    let options = patchline_engine::EngineOptions {
        concurrency: 1,
        owns_data: true,
        drain: Duration::ZERO,
        public_url: None,
        ..Default::default()
    };
    let store = place.open().await;
    let steps: Vec<Arc<dyn patchline_engine::Step>> = vec![Arc::new(script.clone())];
    let engine = patchline_engine::Engine::start(
        store,
        steps,
        Arc::new(house.sink.clone()),
        Arc::new(house.clock.clone()),
        options,
    )
    .await
    .unwrap();
    until(async || script.count("a") > before).await;
    engine.stop().await.unwrap();
}

/// A lease that another version has written, or a restored table, is one that nobody watches.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_watches_is_found_and_watched() {
    let Some(place) = Place::postgres() else { return };
    let script = Script::default().on("a", |_| async { std::future::pending().await });
    let (sink, clock) = (Sink::default(), Ahead::default());
    let cut = Cut::new(place.open().await);
    let first = engine_over(Arc::new(cut.clone()), &script, &sink, &clock).await;
    let run = first.submit(vec![submission(&diamond(), "v1")]).await.unwrap()[0].run.clone();
    until(async || script.count("a") == 1).await;
    cut.cut();
    let store = Postgres::open(&place.name(), PostgresOptions::default()).await.unwrap();
    assert!(store.check(&mut |_| {}).await.unwrap().is_whole());
    let mut db = PgConnection::connect(&place.name()).await.unwrap();
    sqlx::raw_sql("DELETE FROM lease_watch").execute(&mut db).await.unwrap();
    let found = store.check(&mut |_| {}).await.unwrap();
    assert_eq!(found.findings.len(), 1, "{found:?}");
    assert_eq!(
        (found.findings[0].what.as_str(), found.findings[0].table),
        ("nobody watches its lease", "steps")
    );
    store.housekeep(SystemClock.now(), SignedDuration::from_hours(24)).await.unwrap();
    assert!(store.check(&mut |_| {}).await.unwrap().is_whole());
    // It runs out as any other.
    let well = Script::default();
    let second = engine_over(Arc::new(store), &well, &sink, &clock).await;
    let ended = tokio::time::timeout(Duration::from_secs(40), second.finished(&run)).await;
    assert_eq!(ended.expect("the run ends").unwrap().result, Some(RunResult::Passed));
    until(async || watched(&mut db).await == 0).await;
}

async fn watched(db: &mut PgConnection) -> i64 {
    sqlx::query_scalar("SELECT count(*) FROM lease_watch").fetch_one(db).await.unwrap()
}

/// What makes PostgreSQL fast enough: a step is leased and ended without touching an index, and so is its run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn steps_and_runs_move_on_in_place() {
    let Some(place) = Place::postgres() else { return };
    let house = House::new(&place, &Script::default()).await;
    let many = (0..200).map(|n| submission(&diamond(), &format!("v{n}"))).collect();
    for submitted in house.engine.submit(many).await.unwrap() {
        house.finished(&submitted.run).await;
    }
    let mut db = PgConnection::connect(&place.name()).await.unwrap();
    assert_eq!(watched(&mut db).await, 0, "what has ended is watched no more");
    for table in ["steps", "runs"] {
        // The server tells what happened about a second later.
        let mut share = 0.0;
        until(async || {
            let (hot, all): (i64, i64) =
                sqlx::query_as("SELECT n_tup_hot_upd, n_tup_upd FROM pg_stat_user_tables WHERE relname = $1")
                    .bind(table)
                    .fetch_one(&mut db)
                    .await
                    .unwrap();
            share = hot as f64 / all.max(1) as f64;
            all >= 200
        })
        .await;
        assert!(share > 0.5, "{table}: {share}");
    }
}
