//! Approvals: durable over a restart, decided once, refused by the clock.

use std::time::Duration;

use jiff::SignedDuration;
use patchline_engine::{Engine, Outcome, RunId, RunResult, RunStatus, StepStatus as S};
use serde_json::json;

use crate::kit::*;

on_both!(
    an_approval_outlives_the_process_and_is_given_once,
    time_refuses_also_while_nobody_runs,
    the_timer_refuses_by_itself_and_a_cancel_asks_no_more,
);

const HOURS: u64 = 72;

fn script() -> Script {
    Script::default().on("b", |_| async {
        let expires = Duration::from_secs(HOURS * 3600);
        Ok(Outcome::Approval { expires, output: json!({"message": "ship it?"}) })
    })
}

async fn waiting(house: &House) -> RunId {
    let run = house.engine.submit(vec![submission(&diamond(), "v1")]).await.unwrap()[0].run.clone();
    asked(&house.engine, &run).await;
    run
}

async fn asked(engine: &Engine, run: &RunId) {
    until(async || {
        let view = engine.run(run).await.unwrap();
        view.status == RunStatus::Waiting && view.steps[1].decide_by.is_some()
    })
    .await;
}

async fn code(engine: &Engine, run: &RunId, step: &str) -> &'static str {
    engine.decide(run, step, true, "bo", "too").await.unwrap_err().code()
}

async fn an_approval_outlives_the_process_and_is_given_once(place: Place) {
    let script = script();
    let house = House::new(&place, &script).await;
    let run = waiting(&house).await;
    house.engine.stop().await.unwrap();
    let engine = engine(&house.place, &script, &house.sink, &house.clock, true).await;
    asked(&engine, &run).await;
    assert_eq!(code(&engine, &run, "c").await, "nothing-to-decide");
    assert_eq!(code(&engine, &run, "nope").await, "step-not-found");
    assert_eq!(code(&engine, &RunId("nope".into()), "b").await, "run-not-found");
    // Many at once: one stands.
    let all = (0..8).map(|n| {
        let (engine, run) = (engine.clone(), run.clone());
        async move { engine.decide(&run, "b", n % 2 == 0, &format!("person {n}"), "seen").await }
    });
    let all = futures::future::join_all(all).await;
    assert_eq!(all.iter().filter(|a| a.is_ok()).count(), 1);
    assert!(all.iter().flat_map(|a| a.as_ref().err()).all(|e| e.code() == "already-decided"));
    let first = all.iter().position(Result::is_ok).unwrap();
    let view = tokio::time::timeout(Duration::from_secs(30), engine.finished(&run)).await.unwrap().unwrap();
    let decision = view.steps[1].decision.clone().unwrap();
    assert_eq!((decision.approved, decision.by), (first % 2 == 0, Some(format!("person {first}"))));
    assert_eq!(view.steps[1].output["approved"], json!(first % 2 == 0));
    assert_eq!((view.steps[1].decide_by, script.count("b")), (None, 1));
    let notes = engine.events(&run, 0).await.unwrap();
    let said = |text: &str| notes.iter().filter(|e| format!("{:?}", e.kind).contains(text)).count();
    assert_eq!(said("by person"), 1, "the history says who");
    engine.stop().await.unwrap();
}

async fn time_refuses_also_while_nobody_runs(place: Place) {
    let script = script();
    let house = House::new(&place, &script).await;
    let run = waiting(&house).await;
    let long = SignedDuration::from_hours(HOURS as i64) - SignedDuration::from_secs(60);
    house.clock.skip(long);
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert_eq!(house.engine.run(&run).await.unwrap().status, RunStatus::Waiting, "not yet");
    house.engine.stop().await.unwrap();
    house.clock.skip(SignedDuration::from_secs(61));
    let engine = engine(&house.place, &script, &house.sink, &house.clock, true).await;
    // Whoever comes too late finds it refused, also before the timer has looked.
    assert_eq!(code(&engine, &run, "b").await, "already-decided");
    let view = tokio::time::timeout(Duration::from_secs(30), engine.finished(&run)).await.unwrap().unwrap();
    assert_eq!(
        statuses(&view),
        [("a", S::Succeeded), ("b", S::Denied), ("c", S::Succeeded), ("d", S::Skipped)]
    );
    assert_eq!(view.result, Some(RunResult::Denied));
    engine.stop().await.unwrap();
}

async fn the_timer_refuses_by_itself_and_a_cancel_asks_no_more(place: Place) {
    let script = script();
    let house = House::new(&place, &script).await;
    let run = waiting(&house).await;
    house.clock.skip(SignedDuration::from_hours(HOURS as i64) + SignedDuration::from_secs(1));
    let view = house.finished(&run).await;
    assert_eq!((view.steps[1].status, view.steps[1].output.get("by")), (S::Denied, None));
    let second = house.engine.submit(vec![submission(&diamond(), "v2")]).await.unwrap()[0].run.clone();
    asked(&house.engine, &second).await;
    house.engine.cancel(&second, "ana", "it is not wanted").await.unwrap();
    let view = house.finished(&second).await;
    assert_eq!((view.result, view.steps[1].status), (Some(RunResult::Cancelled), S::Cancelled));
    assert_eq!(code(&house.engine, &second, "b").await, "nothing-to-decide");
}
