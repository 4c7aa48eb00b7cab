//! What is old is forgotten; what is under way, and what it needs, is not.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use patchline_engine::{Engine, Outcome, RunFilter, RunResult, RunStatus, TriggerKind, clock::SystemClock};
use patchline_store::{Forgotten, Postgres, PostgresOptions, Sqlite};
use serde_json::json;

use crate::kit::*;

on_both!(what_is_old_goes_and_what_lives_keeps_all_that_it_has);

async fn housekeep(place: &Place, now: Timestamp) -> Forgotten {
    let retention = SignedDuration::from_hours(24 * 7);
    if place.is_postgres() {
        let store = Postgres::open(&place.name(), PostgresOptions::default()).await.unwrap();
        store.housekeep(now, retention).await.unwrap()
    } else {
        let store = Sqlite::open(place.name().as_ref()).await.unwrap();
        store.housekeep(now, retention).await.unwrap()
    }
}

async fn push(engine: &Engine, chain: &str, tag: &str) -> patchline_engine::Submitted {
    let mut push = submission(&plan(chain, diamond().steps), tag);
    push.trigger.kind = TriggerKind::Push;
    push.trigger.event_id = Some(format!("{chain} {tag}"));
    engine.submit(vec![push]).await.unwrap().remove(0)
}

async fn what_is_old_goes_and_what_lives_keeps_all_that_it_has(place: Place) {
    let script = Script::default().on("b", |c| async move {
        if c.chain != "waits" {
            return Ok(Outcome::succeeded(json!({})));
        }
        let intent = patchline_engine::step::Intent {
            kind: "push".into(),
            target: "t".into(),
            detail: json!({}),
            done: true,
        };
        c.effects.log.intend(&c.run, &c.step, &intent).await.unwrap();
        Ok(Outcome::Approval { expires: Duration::from_secs(90 * 86_400), output: json!({}) })
    });
    let house = House::new(&place, &script).await;
    let old = push(&house.engine, "ends", "v1").await.run;
    house.finished(&old).await;
    let live = push(&house.engine, "waits", "v1").await.run;
    until(async || house.engine.run(&live).await.unwrap().steps[1].decide_by.is_some()).await;
    let history = house.engine.events(&live, 0).await.unwrap();
    let now = patchline_engine::Clock::now(&SystemClock);
    // A day is nothing.
    let nothing = housekeep(&place, now + SignedDuration::from_hours(24)).await;
    assert_eq!(nothing, Forgotten::default());
    let later = now + SignedDuration::from_hours(24 * 30);
    let gone = housekeep(&place, later).await;
    assert_eq!((gone.runs, gone.deliveries, gone.plans), (1, 2, 1), "{gone:?}");
    assert_eq!(gone.days > 0, place.is_postgres());
    let left = house.engine.runs(&RunFilter::default()).await.unwrap();
    assert_eq!(left.iter().map(|r| &r.id).collect::<Vec<_>>(), [&live]);
    assert_eq!(house.engine.run(&old).await.unwrap_err().code(), "run-not-found");
    assert!(house.engine.events(&old, 0).await.unwrap().is_empty());
    assert_eq!(house.engine.events(&live, 0).await.unwrap(), history);
    assert!(house.engine.is_own_effect("push", "t").await.unwrap());
    // Its plan is forgotten, but not by this process: the next run brings it along again.
    let again = push(&house.engine, "ends", "v1").await;
    assert!(again.new);
    assert_eq!(house.finished(&again.run).await.result, Some(RunResult::Passed));
    house.engine.decide(&live, "b", true, "bo", "well").await.unwrap();
    assert_eq!(house.finished(&live).await.status, RunStatus::Finished);
    house.engine.stop().await.unwrap();
}
