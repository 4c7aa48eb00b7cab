//! What people do to runs that went wrong: retry, re-run, a word on an effect in doubt, a message sent again.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    time::Duration,
};

use jiff::SignedDuration;
use patchline_chains::{ConcurrencyRule, WhenBusy};
use patchline_engine::{
    Context, DeliveryState, ErrorClass, EventKind, Message, Outcome, RunId, RunResult, RunStatus, StepError,
    StepStatus as S, step::Intent,
};
use serde_json::json;

use crate::kit::*;

on_both!(
    a_failed_step_is_tried_again_in_an_ended_run_and_keeps_its_key,
    a_live_run_goes_on_while_one_step_is_tried_again,
    only_what_may_have_been_done_is_in_doubt,
    doubt_is_decided_before_what_depends_on_it,
    a_retry_reconciles_what_the_first_attempt_left,
    a_run_has_its_time_and_has_it_anew,
    a_run_that_is_opened_again_takes_its_turn,
    a_child_that_is_mended_later_does_not_move_its_parent,
    a_message_that_was_given_up_is_sent_again_by_a_person,
    who_cancelled_and_why_stands_in_the_history,
    a_run_that_was_opened_again_outlives_the_process,
);

/// A switch between "it fails" and "it works".
#[derive(Clone, Default)]
struct Works(Arc<AtomicBool>);

impl Works {
    fn now(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
    fn act(&self) -> Result<Outcome, StepError> {
        match self.0.load(Ordering::SeqCst) {
            true => Ok(Outcome::succeeded(json!({}))),
            false => Err(error(ErrorClass::Permanent, "not-yet")),
        }
    }
}

async fn notes(house: &House, run: &RunId) -> Vec<(String, String)> {
    let events = house.engine.events(run, 0).await.unwrap();
    let notes = events.into_iter().filter_map(|e| match e.kind {
        EventKind::Note { step, text } => Some((step, text)),
        _ => None,
    });
    notes.collect()
}

async fn a_failed_step_is_tried_again_in_an_ended_run_and_keeps_its_key(place: Place) {
    let works = Works::default();
    let keys = Arc::new(Mutex::new(Vec::new()));
    let (switch, seen) = (works.clone(), keys.clone());
    let script = Script::default().on("b", move |c: Context| {
        seen.lock().unwrap().push((c.idempotency_key.replace(&c.run.0, "run"), c.work().to_owned()));
        let done = switch.act();
        async move { done }
    });
    let house = House::new(&place, &script).await;
    let view = house.run(&diamond()).await;
    assert_eq!(view.result, Some(RunResult::Failed));
    assert_eq!(
        statuses(&view),
        [("a", S::Succeeded), ("b", S::Failed), ("c", S::Succeeded), ("d", S::Skipped)]
    );
    works.now();
    house.engine.retry(&view.id, "b", "ana", "the mirror is back").await.unwrap();
    let again = house.finished(&view.id).await;
    assert_eq!(again.result, Some(RunResult::Passed));
    assert_eq!((script.count("a"), script.count("b"), script.count("c"), script.count("d")), (1, 2, 1, 1));
    assert!(again.finished_at > view.finished_at);
    assert_eq!(
        notes(&house, &view.id).await,
        [("b".into(), "tried again by ana: the mirror is back".into())]
    );

    house.engine.rerun(&view.id, "b", "bo", "").await.unwrap();
    assert_eq!(house.finished(&view.id).await.result, Some(RunResult::Passed));
    assert_eq!((script.count("b"), script.count("c"), script.count("d")), (3, 1, 2));
    let keys = keys.lock().unwrap().clone();
    let key = |text: &str, work: &str| (text.to_owned(), work.to_owned());
    assert_eq!(keys, [key("run/b", "b"), key("run/b", "b"), key("run/b/2", "b/2")]);

    // History: it ended three times, and was opened twice in between.
    let events = house.engine.events(&view.id, 0).await.unwrap();
    let turns: Vec<bool> = events
        .iter()
        .filter_map(|e| match e.kind {
            EventKind::RunFinished { .. } => Some(true),
            EventKind::RunReopened => Some(false),
            _ => None,
        })
        .collect();
    assert_eq!(turns, [true, false, true, false, true]);
    assert!(events.iter().zip(1..).all(|(e, seq)| e.seq == seq));

    for (code, refused) in [
        ("nothing-to-retry", house.engine.retry(&view.id, "b", "ana", "").await),
        ("nothing-to-resolve", house.engine.resolve(&view.id, "b", true, "ana", "").await),
        ("step-not-found", house.engine.rerun(&view.id, "nope", "ana", "").await),
        ("run-not-found", house.engine.rerun(&RunId("nope".into()), "b", "ana", "").await),
    ] {
        assert_eq!(refused.unwrap_err().code(), code);
    }
    assert_eq!(house.engine.events(&view.id, 0).await.unwrap().len(), events.len(), "a refusal says nothing");
}

async fn a_live_run_goes_on_while_one_step_is_tried_again(place: Place) {
    let (works, go) = (Works::default(), Arc::new(tokio::sync::Notify::new()));
    let (switch, gate) = (works.clone(), go.clone());
    let script = Script::default()
        .on("b", move |_| {
            let done = switch.act();
            async move { done }
        })
        .on("c", move |_| {
            let gate = gate.clone();
            async move {
                gate.notified().await;
                Ok(Outcome::succeeded(json!({})))
            }
        });
    let house = House::new(&place, &script).await;
    let run = house.engine.submit(vec![submission(&diamond(), "v1")]).await.unwrap()[0].run.clone();
    let failed = async || house.engine.run(&run).await.unwrap().steps[1].status == S::Failed;
    until(failed).await;
    assert_eq!(house.engine.rerun(&run, "a", "ana", "").await.unwrap_err().code(), "descendants-busy");
    assert_eq!(house.engine.rerun(&run, "c", "ana", "").await.unwrap_err().code(), "step-not-ended");
    works.now();
    house.engine.retry(&run, "b", "ana", "").await.unwrap();
    until(async || house.engine.run(&run).await.unwrap().steps[1].status == S::Succeeded).await;
    go.notify_one();
    assert_eq!(house.finished(&run).await.result, Some(RunResult::Passed));
    assert_eq!((script.count("b"), script.count("c")), (2, 1));
}

/// Intends, then ends as it is told: whether the intent is withdrawn, made, or neither.
fn intends(script: Script, step: &'static str, end: &'static str) -> Script {
    script.on(step, move |c: Context| async move {
        let intent =
            Intent { kind: "push".into(), target: format!("x/{step}"), detail: json!({}), done: false };
        c.effects.log.intend(&c.run, &c.step, &intent).await.unwrap();
        match end {
            "refused" => c.effects.withdraw("push", &intent.target).await.unwrap(),
            "made" => c.effects.log.done(&c.run, &c.step, "push", &intent.target).await.unwrap(),
            "panic" => panic!("in the middle of it"),
            _ => {}
        }
        Err(error(ErrorClass::Permanent, "went-wrong"))
    })
}

async fn only_what_may_have_been_done_is_in_doubt(place: Place) {
    let mut script = Script::default();
    for (step, end) in [("a", "refused"), ("b", "made"), ("c", "neither"), ("d", "panic")] {
        script = intends(script, step, end);
    }
    let house = House::new(&place, &script).await;
    let flat = plan("doubt", ["a", "b", "c", "d"].map(|name| step(name, &[])).into());
    let view = house.run(&flat).await;
    assert_eq!(statuses(&view), [("a", S::Failed), ("b", S::Failed), ("c", S::Unknown), ("d", S::Unknown)]);
    assert_eq!(view.result, Some(RunResult::Failed));
    let codes: Vec<_> = view.steps.iter().map(|s| s.problem.clone().unwrap().code).collect();
    assert_eq!(codes, ["went-wrong", "went-wrong", "went-wrong", "step-panicked"]);

    house.engine.resolve(&view.id, "c", true, "ana", "the tag is there").await.unwrap();
    house.engine.resolve(&view.id, "d", false, "ana", "it is not").await.unwrap();
    let said = house.finished(&view.id).await;
    assert_eq!(statuses(&said)[2..], [("c", S::Succeeded), ("d", S::Failed)]);
    let output = &said.steps[2].output["resolved"];
    assert_eq!(
        (&output["made"], &output["by"], &output["reason"]),
        (&json!(true), &json!("ana"), &json!("the tag is there"))
    );
    assert_eq!(
        notes(&house, &view.id).await,
        [
            ("c".into(), "resolved as made by ana: the tag is there".into()),
            ("d".into(), "resolved as not made by ana: it is not".into())
        ]
    );
    // What was said of them settles the intents too.
    let made = house.engine.effects_on("push", "x/c").await.unwrap();
    assert!(made[0].done);
    assert!(!house.engine.effects_on("push", "x/d").await.unwrap()[0].done);
    assert!(house.engine.is_own_effect("push", "x/d").await.unwrap(), "its event would still be ours");
}

async fn doubt_is_decided_before_what_depends_on_it(place: Place) {
    let house = House::new(&place, &intends(Script::default(), "b", "neither")).await;
    let mut plan =
        plan("doubt", vec![step("a", &[]), step("b", &["a"]), step("c", &["b"]), step("d", &["b"])]);
    plan.steps[3].when = Some("failed".into());
    let view = house.run(&plan).await;
    assert_eq!(
        statuses(&view)[1..],
        [("b", S::Unknown), ("c", S::Skipped), ("d", S::Succeeded)],
        "it counts as failed"
    );
    house.engine.resolve(&view.id, "b", true, "ana", "").await.unwrap();
    let view = house.finished(&view.id).await;
    assert_eq!(statuses(&view)[1..], [("b", S::Succeeded), ("c", S::Succeeded), ("d", S::Skipped)]);
    assert_eq!(view.result, Some(RunResult::Passed));
}

async fn a_retry_reconciles_what_the_first_attempt_left(place: Place) {
    let script = Script::default().on("a", |c: Context| async move {
        let mine = c.effects.log.of_step(&c.run, &c.step).await.unwrap();
        if let Some(intent) = mine.first() {
            // It looks at the world, and finds it done.
            c.effects.log.done(&c.run, &c.step, &intent.kind, &intent.target).await.unwrap();
            return Ok(Outcome::succeeded(json!({"reconciled": true})));
        }
        let intent = Intent { kind: "push".into(), target: "x/a".into(), detail: json!({}), done: false };
        c.effects.log.intend(&c.run, &c.step, &intent).await.unwrap();
        Err(error(ErrorClass::Permanent, "cut-off"))
    });
    let house = House::new(&place, &script).await;
    let view = house.run(&plan("reconcile", vec![step("a", &[])])).await;
    assert_eq!(statuses(&view), [("a", S::Unknown)]);
    house.engine.retry(&view.id, "a", "ana", "").await.unwrap();
    let view = house.finished(&view.id).await;
    assert_eq!((view.result, &view.steps[0].output["reconciled"]), (Some(RunResult::Passed), &json!(true)));
}

async fn a_run_has_its_time_and_has_it_anew(place: Place) {
    let tries = Arc::new(AtomicU32::new(0));
    let count = tries.clone();
    let script = Script::default().on("b", move |c: Context| {
        let first = count.fetch_add(1, Ordering::SeqCst) == 0;
        async move {
            if first {
                c.cancelled.cancelled().await;
                return Err(error(ErrorClass::Transient, "interrupted"));
            }
            Ok(Outcome::succeeded(json!({})))
        }
    });
    let house = House::new(&place, &script).await;
    let mut plan = diamond();
    plan.timeout = Some(Duration::from_secs(3600));
    plan.steps[1].timeout = Duration::from_secs(7200);
    let run = house.engine.submit(vec![submission(&plan, "v1")]).await.unwrap()[0].run.clone();
    until(async || tries.load(Ordering::SeqCst) == 1).await;
    // Leases go by their own clock; only the run's time passes.
    house.clock.skip(SignedDuration::from_secs(3601));
    let view = house.finished(&run).await;
    assert_eq!(view.result, Some(RunResult::Failed));
    assert_eq!(statuses(&view)[3], ("d", S::Cancelled));
    let problem = view.steps[3].problem.clone().unwrap();
    assert_eq!(
        (problem.code.as_str(), problem.message.as_str()),
        ("run-timeout", "the run took longer than 3600 s")
    );
    let text = "run-timeout: it took longer than 3600 s, and is stopped";
    assert_eq!(notes(&house, &run).await, [(String::new(), text.into())]);

    let stopped = view.steps.iter().find(|s| s.status == S::Cancelled).unwrap().name.clone();
    assert_eq!(stopped, "b");
    house.engine.retry(&run, "b", "ana", "").await.unwrap();
    assert_eq!(house.finished(&run).await.result, Some(RunResult::Passed));
}

async fn a_run_that_is_opened_again_takes_its_turn(place: Place) {
    let (works, go) = (Works::default(), Arc::new(tokio::sync::Notify::new()));
    let (switch, gate) = (works.clone(), go.clone());
    let script = Script::default()
        .on("a", move |_| {
            let done = switch.act();
            async move { done }
        })
        .on("b", move |_| {
            let gate = gate.clone();
            async move {
                gate.notified().await;
                Ok(Outcome::succeeded(json!({})))
            }
        });
    let house = House::new(&place, &script).await;
    let mut plan = plan("turns", vec![step("a", &[]), step("b", &["a"])]);
    plan.concurrency = Some(ConcurrencyRule { key: "one".into(), limit: 1, when_busy: WhenBusy::Queue });
    let first = house.run_over(&plan, "v1").await;
    assert_eq!(first.result, Some(RunResult::Failed));
    works.now();
    let second = house.engine.submit(vec![submission(&plan, "v2")]).await.unwrap()[0].run.clone();
    until(async || script.count("b") == 1).await;
    house.engine.retry(&first.id, "a", "ana", "").await.unwrap();
    assert_eq!(house.engine.run(&first.id).await.unwrap().status, RunStatus::Queued);
    assert_eq!(house.engine.run(&first.id).await.unwrap().finished_at, None);
    go.notify_one();
    assert_eq!(house.finished(&second).await.result, Some(RunResult::Passed));
    until(async || script.count("b") == 2).await;
    go.notify_one();
    assert_eq!(house.finished(&first.id).await.result, Some(RunResult::Passed));
}

async fn a_child_that_is_mended_later_does_not_move_its_parent(place: Place) {
    let works = Works::default();
    let switch = works.clone();
    let script = Script::default().on("a", move |c: Context| {
        let done = switch.act();
        async move {
            if c.round == 1 {
                let subject = subject("v1_fixed");
                return Ok(Outcome::Child { subject, output: json!({}), mends: true });
            }
            done
        }
    });
    let house = House::new(&place, &script).await;
    let view = house.run(&plan("fix", vec![step("a", &[]), step("b", &["a"])])).await;
    assert_eq!((view.result, statuses(&view)[0]), (Some(RunResult::Failed), ("a", S::Failed)));
    let child = view.steps[0].child.clone().unwrap();
    works.now();
    house.engine.retry(&child, "a", "ana", "").await.unwrap();
    assert_eq!(house.finished(&child).await.result, Some(RunResult::Passed));
    let after = house.engine.run(&view.id).await.unwrap();
    assert_eq!((after.status, after.result), (RunStatus::Finished, Some(RunResult::Failed)));
    assert_eq!(statuses(&after), statuses(&view));
    // The parent's step, tried again, finds the child as it is now.
    house.engine.retry(&view.id, "a", "ana", "").await.unwrap();
    let after = house.finished(&view.id).await;
    assert_eq!((after.result, after.steps[0].child.as_ref()), (Some(RunResult::Passed), Some(&child)));
}

async fn a_message_that_was_given_up_is_sent_again_by_a_person(place: Place) {
    let script = Script::default().on("tell", |c: Context| async move {
        let messages = ["ci", "ops"].map(|channel| Message {
            id: format!("{}-{channel}", c.work()),
            channel: channel.into(),
            payload: json!({"hello": channel}),
        });
        Ok(Outcome::Succeeded { output: json!({}), messages: messages.into(), mends: false })
    });
    let house = House::new(&place, &script).await;
    house.sink.refuse.lock().unwrap().extend([(false, None), (false, None)]);
    let view = house.run(&plan("t", vec![step("tell", &[])])).await;
    until(async || house.engine.dead_letters(0, None).await.unwrap().len() == 2).await;
    let dead = house.engine.dead_letters(1, None).await.unwrap();
    let last = dead[0].delivery.clone();
    assert_eq!((dead.len(), &dead[0].run, dead[0].attempts), (1, &view.id, 1));
    assert!(matches!(&last.state, DeliveryState::Failed { problem } if problem.code == "sink-full"));
    let rest = house.engine.dead_letters(9, Some((last.at, &last.message.id))).await.unwrap();
    assert_eq!(rest.len(), 1);
    assert_ne!(rest[0].delivery.message.id, last.message.id);

    house.engine.resend(&last.message.id, "ana").await.unwrap();
    let state = async || {
        let sent = house.engine.run(&view.id).await.unwrap().deliveries;
        sent.into_iter().find(|d| d.message.id == last.message.id).unwrap().state
    };
    until(async || state().await == DeliveryState::Delivered).await;
    assert_eq!(house.engine.dead_letters(0, None).await.unwrap().len(), 1);
    let ids: Vec<_> = house.sink.got.lock().unwrap().iter().map(|m| m.id.clone()).collect();
    assert_eq!(ids.iter().filter(|id| **id == last.message.id).count(), 2, "the same id: {ids:?}");
    let text = format!("message to {} sent again by ana", last.message.channel);
    assert_eq!(notes(&house, &view.id).await, [("tell".into(), text)]);
    for (id, code) in [(last.message.id.as_str(), "message-not-failed"), ("nope", "message-not-found")] {
        assert_eq!(house.engine.resend(id, "ana").await.unwrap_err().code(), code);
    }
}

async fn who_cancelled_and_why_stands_in_the_history(place: Place) {
    let script = Script::default().on("a", |c: Context| async move {
        c.cancelled.cancelled().await;
        Err(error(ErrorClass::Transient, "interrupted"))
    });
    let house = House::new(&place, &script).await;
    let run = house.engine.submit(vec![submission(&diamond(), "v1")]).await.unwrap()[0].run.clone();
    until(async || script.count("a") == 1).await;
    for _ in 0..2 {
        house.engine.cancel(&run, "ana", " it hangs ").await.unwrap();
    }
    assert_eq!(house.finished(&run).await.result, Some(RunResult::Cancelled));
    house.engine.cancel(&run, "bo", "me too").await.unwrap();
    assert_eq!(notes(&house, &run).await, [(String::new(), "cancelled by ana: it hangs".into())]);
}

async fn a_run_that_was_opened_again_outlives_the_process(place: Place) {
    let works = Works::default();
    let switch = works.clone();
    let tries = Arc::new(AtomicU32::new(0));
    let count = tries.clone();
    let script = Script::default().on("b", move |c: Context| {
        let done = switch.act();
        let nth = count.fetch_add(1, Ordering::SeqCst);
        async move {
            if nth == 1 {
                // Tried again, and under way when its process stops.
                c.cancelled.cancelled().await;
                return Err(error(ErrorClass::Transient, "interrupted"));
            }
            done
        }
    });
    let house = House::new(&place, &script).await;
    let view = house.run(&diamond()).await;
    works.now();
    house.engine.retry(&view.id, "b", "ana", "").await.unwrap();
    until(async || tries.load(Ordering::SeqCst) == 2).await;
    house.engine.stop().await.unwrap();
    let engine = engine(&house.place, &script, &house.sink, &house.clock, true).await;
    let after =
        tokio::time::timeout(Duration::from_secs(30), engine.finished(&view.id)).await.unwrap().unwrap();
    assert_eq!(after.result, Some(RunResult::Passed));
    assert_eq!((script.count("a"), script.count("b"), script.count("d")), (1, 3, 1));
}
