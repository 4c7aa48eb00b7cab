//! When chains fire, and what they start.

use std::sync::Arc;

use jiff::SignedDuration;
use patchline_engine::{
    Submission, Trigger, TriggerKind,
    schedule::{Cause, FiringState},
};
use serde_json::Value;

use crate::kit::*;

crate::over_every_store! {
    a_schedule_fires_at_its_time_over_every_page,
    many_schedulers_fire_once,
    only_the_last_missed_firing_is_made_up_for,
    what_is_too_old_is_recorded_and_left,
    a_changed_chain_is_worked_out_anew_and_a_chain_that_is_gone_is_removed,
    advisories_fire_once_a_revision,
    one_run_whatever_the_source,
    a_clock_that_is_set_leaves_nothing_out_and_fires_nothing_twice,
}

async fn a_schedule_fires_at_its_time_over_every_page(base: Base) {
    let clock = Hand::at("2026-03-28T23:00:00Z");
    let images = Images::of(5);
    // 02:30 does not come in Berlin on that night.
    let engine = base.scheduling(&clock, &images, &[plan("nightly", Some("30 2 * * *"), false)]).await;
    let views = engine.schedules().await.unwrap();
    assert_eq!(views.len(), 1);
    assert_eq!((views[0].chain.as_str(), views[0].cron.as_deref()), ("nightly", Some("30 2 * * *")));
    assert_eq!(views[0].zone.as_deref(), Some("Europe/Berlin"));
    assert_eq!(base.next("nightly").await.as_deref(), Some("2026-03-29T01:00:00Z"));
    assert_eq!(views[0].last, None);

    clock.set("2026-03-29T00:59:59Z");
    tokio::time::sleep(std::time::Duration::from_millis(1200)).await;
    assert!(runs(&engine).await.is_empty(), "it is too early");
    clock.set("2026-03-29T01:00:00Z");
    until(async || base.last("nightly", Cause::Schedule).await.is_some_and(|f| f.state == FiringState::Done))
        .await;
    let all = runs(&engine).await;
    assert_eq!(all.len(), 5);
    for run in &all {
        let trigger = &run.submission.trigger;
        assert_eq!((trigger.kind, trigger.source.as_str()), (TriggerKind::Schedule, "schedule"));
        let event = trigger.event_id.as_deref().unwrap();
        assert!(event.starts_with("2026-03-29T01:00:00Z main/shop/web:v"), "{event}");
    }
    let view = engine.schedules().await.unwrap().remove(0);
    assert_eq!(view.next.unwrap().to_string(), "2026-03-30T00:30:00Z");
    let last = view.last.unwrap();
    assert_eq!((last.counts.started, last.counts.left_out, last.skipped), (5, 3, 0));
    assert_eq!((last.due.to_string().as_str(), last.problem), ("2026-03-29T01:00:00Z", None));
    assert_eq!(images.asked(), 3);
    // The views are what an API shows.
    let json = serde_json::to_value(engine.schedules().await.unwrap()).unwrap();
    assert_eq!(json[0]["last"]["state"], "done");
    engine.stop().await.unwrap();
}

async fn many_schedulers_fire_once(base: Base) {
    let clock = Hand::at("2026-01-01T00:00:00Z");
    let images = Images::of(7);
    let plans = [plan("a", Some("0 3 * * *"), true), plan("b", Some("*/30 * * * *"), false)];
    let mut engines = Vec::new();
    for _ in 0..3 {
        engines.push(base.scheduling(&clock, &images, &plans).await);
    }
    *images.revision.lock().unwrap() = Some("sha256:1".into());
    clock.set("2026-01-01T02:00:10Z");
    let done = async |chain: &str, cause, count: usize| {
        let firings = base.log.firings(chain, Some(cause), 100).await.unwrap();
        firings.len() == count && firings.iter().all(|f| f.state == FiringState::Done)
    };
    until(async || done("a", Cause::Schedule, 1).await && done("b", Cause::Schedule, 1).await).await;
    until(async || done("a", Cause::Advisories, 1).await).await;
    let all = runs(&engines[0]).await;
    for (chain, kind) in [("a", TriggerKind::Schedule), ("b", TriggerKind::Schedule)] {
        let of = all.iter().filter(|r| r.chain == chain && r.submission.trigger.kind == kind).count();
        assert!(of <= 7, "{chain} has {of} runs");
    }
    assert_eq!(all.iter().filter(|r| r.chain == "b").count(), 7);
    let last = base.last("b", Cause::Schedule).await.unwrap();
    assert_eq!((last.counts.started, last.counts.present), (7, 0));
    for engine in engines {
        engine.stop().await.unwrap();
    }
}

async fn only_the_last_missed_firing_is_made_up_for(base: Base) {
    let clock = Hand::at("2026-01-01T00:00:00Z");
    let images = Images::of(1);
    let plans = [plan("hourly", Some("0 * * * *"), false)];
    base.scheduling(&clock, &images, &plans).await.stop().await.unwrap();
    assert_eq!(base.next("hourly").await.as_deref(), Some("2026-01-01T01:00:00Z"));
    clock.set("2026-01-01T09:30:00Z");
    let engine = base.scheduling(&clock, &images, &plans).await;
    until(async || base.last("hourly", Cause::Schedule).await.is_some_and(|f| f.state == FiringState::Done))
        .await;
    let firings = base.log.firings("hourly", None, 100).await.unwrap();
    assert_eq!(firings.len(), 1);
    assert_eq!((firings[0].occasion.as_str(), firings[0].skipped), ("2026-01-01T09:00:00Z", 8));
    assert_eq!(base.next("hourly").await.as_deref(), Some("2026-01-01T10:00:00Z"));
    assert_eq!(runs(&engine).await.len(), 1);
    engine.stop().await.unwrap();
}

async fn what_is_too_old_is_recorded_and_left(base: Base) {
    let clock = Hand::at("2026-01-01T00:00:00Z");
    let images = Images::of(1);
    // Thursdays at 03:00 in Berlin.
    let plans = [plan("weekly", Some("0 3 * * 4"), false)];
    base.scheduling(&clock, &images, &plans).await.stop().await.unwrap();
    clock.set("2026-01-03T00:00:00Z");
    let engine = base.scheduling(&clock, &images, &plans).await;
    until(async || base.last("weekly", Cause::Schedule).await.is_some()).await;
    let last = base.last("weekly", Cause::Schedule).await.unwrap();
    assert_eq!((last.state, code(&last.problem)), (FiringState::Missed, Some("schedule-missed")));
    assert_eq!(last.occasion, "2026-01-01T02:00:00Z");
    assert_eq!(base.next("weekly").await.as_deref(), Some("2026-01-08T02:00:00Z"));
    assert_eq!((images.asked(), runs(&engine).await.len()), (0, 0));
    engine.stop().await.unwrap();
}

async fn a_changed_chain_is_worked_out_anew_and_a_chain_that_is_gone_is_removed(base: Base) {
    let clock = Hand::at("2025-12-31T23:59:00Z");
    let images = Images::of(3);
    let before = [plan("moved", Some("0 3 * * *"), false), plan("gone", Some("0 1 * * *"), false)];
    let engine = base.scheduling(&clock, &images, &before).await;
    // The second one fires, and cannot end.
    images.fails(true, 1);
    clock.set("2026-01-01T00:00:01Z");
    until(async || images.asked() == 1).await;
    engine.stop().await.unwrap();
    assert_eq!(base.last("gone", Cause::Schedule).await.unwrap().state, FiringState::Running);

    clock.set("2026-01-01T12:00:00Z");
    let after = [plan("moved", Some("0 5 * * *"), true)];
    let engine = base.scheduling(&clock, &images, &after).await;
    let rows = base.log.scheduled().await.unwrap();
    let rows: Vec<_> =
        rows.iter().map(|r| (r.chain.as_str(), r.cause, r.next.map(|n| n.to_string()))).collect();
    let moved = "moved";
    assert_eq!(
        rows,
        [(moved, Cause::Advisories, None), (moved, Cause::Schedule, Some("2026-01-02T04:00:00Z".to_owned())),],
        "05:00 is not made up for: the chain did not ask for it then"
    );
    let left = base.last("gone", Cause::Schedule).await.unwrap();
    assert_eq!((left.state, code(&left.problem)), (FiringState::Failed, Some("schedule-gone")));
    engine.stop().await.unwrap();
}

async fn advisories_fire_once_a_revision(base: Base) {
    let clock = Hand::at("2026-01-01T00:00:00Z");
    let images = Images::of(3);
    let plans = [plan("alert", None, true), plan("other", Some("0 3 * * *"), false)];
    let engine = base.scheduling(&clock, &images, &plans).await;
    assert_eq!(base.last("alert", Cause::Advisories).await, None, "none are loaded");
    *images.revision.lock().unwrap() = Some("sha256:1".into());
    let done = async |revision: &str| {
        let last = base.last("alert", Cause::Advisories).await;
        last.is_some_and(|f| f.occasion == revision && f.state == FiringState::Done)
    };
    until(async || done("sha256:1").await).await;
    assert_eq!(runs(&engine).await.len(), 3);
    assert!(runs(&engine).await.iter().all(|r| r.submission.trigger.kind == TriggerKind::Advisories));
    engine.stop().await.unwrap();

    // The same revision after a start is no news; another one is.
    let engine = base.scheduling(&clock, &images, &plans).await;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!(images.asked(), 2);
    clock.skip(SignedDuration::from_mins(1));
    *images.revision.lock().unwrap() = Some("sha256:2".into());
    until(async || done("sha256:2").await).await;
    assert_eq!(base.log.firings("alert", None, 100).await.unwrap().len(), 2);
    assert_eq!(base.last("other", Cause::Advisories).await, None);
    engine.stop().await.unwrap();
}

async fn one_run_whatever_the_source(base: Base) {
    let clock = Hand::at("2026-01-01T00:00:00Z");
    // Two processes hear of one push from three sides at the same moment, again and again.
    let (one, two) = (base.engine(&clock).await, base.engine(&clock).await);
    let plan = Arc::new(plan("web", None, false));
    for round in 0..20 {
        let tag = format!("v{round}");
        let submission = |kind, source: &str| Submission {
            plan: Some(plan.clone()),
            subject: subject(&tag),
            trigger: Trigger { kind, source: source.into(), event_id: Some(format!("{source} {tag}")) },
            params: Value::Null,
            parent: None,
        };
        let (a, b, c) = tokio::join!(
            one.submit(vec![submission(TriggerKind::Push, "embedded")]),
            two.submit(vec![submission(TriggerKind::Push, "distribution")]),
            one.submit(vec![
                submission(TriggerKind::Push, "harbor"),
                submission(TriggerKind::Push, "embedded")
            ]),
        );
        let (a, b, c) = (a.unwrap(), b.unwrap(), c.unwrap());
        let submitted: Vec<_> = [a, b, c].concat();
        assert!(submitted.iter().all(|s| s.run == submitted[0].run), "{submitted:?}");
        assert_eq!(submitted.iter().filter(|s| s.new).count(), 1, "{submitted:?}");
    }
    assert_eq!(runs(&one).await.len(), 20);
    one.stop().await.unwrap();
    two.stop().await.unwrap();
}

async fn a_clock_that_is_set_leaves_nothing_out_and_fires_nothing_twice(base: Base) {
    let clock = Hand::at("2026-01-01T00:30:00Z");
    let images = Images::of(1);
    let plans = [plan("hourly", Some("0 * * * *"), false)];
    let engine = base.scheduling(&clock, &images, &plans).await;
    let fired = async || -> Vec<String> {
        let firings = base.log.firings("hourly", None, 100).await.unwrap();
        firings.into_iter().rev().map(|f| f.occasion).collect()
    };
    // An hour ahead, and back again.
    clock.set("2026-01-01T01:30:00Z");
    until(async || fired().await.len() == 1).await;
    clock.set("2026-01-01T00:35:00Z");
    tokio::time::sleep(std::time::Duration::from_millis(1200)).await;
    clock.set("2026-01-01T01:00:05Z");
    tokio::time::sleep(std::time::Duration::from_millis(1200)).await;
    assert_eq!(fired().await, ["2026-01-01T01:00:00Z"]);
    clock.set("2026-01-01T02:00:05Z");
    until(async || fired().await.len() == 2).await;
    assert_eq!(fired().await, ["2026-01-01T01:00:00Z", "2026-01-01T02:00:00Z"]);
    engine.stop().await.unwrap();
}
