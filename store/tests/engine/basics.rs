//! One run: order, retries, outcomes, `when`, templates, panics, time-outs, cancelling.

use std::time::Duration;

use patchline_engine::{ErrorClass, EventKind, Outcome, RunResult, RunStatus, StepStatus as S, TriggerKind};
use serde_json::json;

use crate::kit::*;

on_both!(
    a_diamond_runs_in_order_and_its_history_tells_it,
    transient_failures_are_tried_again_and_permanent_ones_are_not,
    when_decides_and_a_mended_denial_is_remediated,
    a_panic_and_a_time_out_fail_their_step_alone,
    cancelling_tells_what_runs_and_ends_what_waits,
    deliveries_and_pushes_count_once,
);

async fn a_diamond_runs_in_order_and_its_history_tells_it(place: Place) {
    let script = Script::default();
    let house = House::new(&place, &script).await;
    let view = house.run(&diamond()).await;
    assert_eq!((view.status, view.result), (RunStatus::Finished, Some(RunResult::Passed)));
    let order: Vec<String> = script.ran.lock().unwrap().iter().map(|(_, s, _)| s.clone()).collect();
    assert_eq!((order[0].as_str(), order[3].as_str(), order.len()), ("a", "d", 4));
    let events = house.engine.events(&view.id, 0).await.unwrap();
    assert!(events.iter().enumerate().all(|(i, e)| e.seq == i as u64 + 1));
    assert_eq!(events.first().unwrap().kind, EventKind::RunCreated);
    assert_eq!(events.last().unwrap().kind, EventKind::RunFinished { result: RunResult::Passed });
    assert_eq!(house.engine.events(&view.id, 3).await.unwrap(), events[3..]);
    house.engine.stop().await.unwrap();
    assert_eq!(house.engine.submit(vec![]).await.unwrap_err().code(), "engine-stopping");
}

async fn transient_failures_are_tried_again_and_permanent_ones_are_not(place: Place) {
    let script = Script::default()
        .on("flaky", |c| async move {
            if c.attempt < 3 {
                Err(error(ErrorClass::Transient, "net-down"))
            } else {
                Ok(Outcome::succeeded(json!({})))
            }
        })
        .on("broken", |_| async { Err(error(ErrorClass::Permanent, "no-such-image")) });
    let house = House::new(&place, &script).await;
    let view = house
        .run(&plan("r", vec![step("flaky", &[]), step("broken", &[]), step("after", &["broken"])]))
        .await;
    assert_eq!(statuses(&view), [("flaky", S::Succeeded), ("broken", S::Failed), ("after", S::Skipped)]);
    assert_eq!(view.result, Some(RunResult::Failed));
    assert_eq!((view.steps[0].attempt, script.count("flaky"), script.count("broken")), (3, 3, 1));
    assert_eq!(view.steps[1].problem.as_ref().unwrap().code, "no-such-image");
}

async fn when_decides_and_a_mended_denial_is_remediated(place: Place) {
    let script = Script::default()
        .on("gate", |_| async { Ok(Outcome::denied(json!({"mendable": true}))) })
        .on("fix", |c| async move {
            assert_eq!(c.with, json!({"tag": "v1_fixed", "level": "high", "url": format!("http://127.0.0.1:1/runs/{}", c.run)}));
            assert_eq!(c.steps[0], ("gate".into(), "do".into(), S::Denied));
            Ok(Outcome::Succeeded { output: json!({}), messages: vec![], mends: true })
        });
    let house = House::new(&place, &script).await;
    let when = |mut s: patchline_chains::PlanStep, when: &str| {
        s.when = Some(when.into());
        s
    };
    let mut fix = when(step("fix", &["gate"]), "steps.gate.denied && steps.gate.output.mendable");
    fix.with = json!({"tag": "{{image.tag}}_fixed", "level": "{{params.level}}", "url": "{{run.url}}"});
    let mut untemplated = step("typo", &["fix"]);
    untemplated.with = json!({"x": "{{steps.gate.output.nothing}}"});
    untemplated.continue_on_failure = true;
    let mut wrong = when(step("wrong", &["gate"]), "steps.gate.output.missing.deep == 1");
    wrong.continue_on_failure = true;
    let view = house
        .run(&plan(
            "w",
            vec![
                step("gate", &[]),
                step("ship", &["gate"]),
                fix,
                when(step("tell", &["ship", "fix"]), "always"),
                untemplated,
                wrong,
            ],
        ))
        .await;
    assert_eq!(
        statuses(&view),
        [
            ("gate", S::Denied),
            ("ship", S::Skipped),
            ("fix", S::Succeeded),
            ("tell", S::Succeeded),
            ("typo", S::Failed),
            ("wrong", S::Failed)
        ]
    );
    assert_eq!(view.steps[4].problem.as_ref().unwrap().code, "template-failed");
    assert_eq!(view.steps[5].problem.as_ref().unwrap().code, "when-failed");
    assert_eq!(view.result, Some(RunResult::Remediated));
}

async fn a_panic_and_a_time_out_fail_their_step_alone(place: Place) {
    let script = Script::default()
        .on("panics", |_| async { panic!("oh no") })
        .on("hangs", |_| async { std::future::pending().await })
        .on("large", |_| async { Ok(Outcome::succeeded(json!({"x": "y".repeat(70_000)}))) });
    let house = House::new(&place, &script).await;
    let mut hangs = step("hangs", &[]);
    hangs.timeout = Duration::from_millis(50);
    hangs.retry.attempts = 2;
    let view =
        house.run(&plan("p", vec![step("panics", &[]), hangs, step("large", &[]), step("well", &[])])).await;
    let codes: Vec<_> =
        view.steps.iter().filter_map(|s| s.problem.as_ref().map(|p| p.code.as_str())).collect();
    assert_eq!(codes, ["step-panicked", "step-timeout", "output-too-large"]);
    assert_eq!(view.steps[0].problem.as_ref().unwrap().class, "permanent");
    assert_eq!((view.steps[3].status, script.count("hangs"), script.count("panics")), (S::Succeeded, 2, 1));
    // The worker lives on.
    assert_eq!(house.run(&diamond()).await.result, Some(RunResult::Passed));
}

async fn cancelling_tells_what_runs_and_ends_what_waits(place: Place) {
    let script = Script::default().on("a", |c| async move {
        c.cancelled.cancelled().await;
        Err(error(ErrorClass::Transient, "interrupted"))
    });
    let house = House::new(&place, &script).await;
    let run = house.engine.submit(vec![submission(&diamond(), "v1")]).await.unwrap()[0].run.clone();
    until(async || script.count("a") == 1).await;
    house.engine.cancel(&run, "ana", "it is not wanted").await.unwrap();
    let view = house.finished(&run).await;
    assert_eq!(view.result, Some(RunResult::Cancelled));
    assert!(view.steps.iter().all(|s| s.status == S::Cancelled));
    house.engine.cancel(&run, "ana", "it is not wanted").await.unwrap();
    assert_eq!(
        house
            .engine
            .cancel(&patchline_engine::RunId("no".into()), "ana", "it is not wanted")
            .await
            .unwrap_err()
            .code(),
        "run-not-found"
    );
}

async fn deliveries_and_pushes_count_once(place: Place) {
    let house = House::new(&place, &Script::default()).await;
    let plan = diamond();
    let mut push = submission(&plan, "v1");
    push.trigger.kind = TriggerKind::Push;
    push.trigger.event_id = Some("e1".into());
    let first = house.engine.submit(vec![push.clone()]).await.unwrap()[0].clone();
    assert!(first.new);
    house.finished(&first.run).await;
    let mut other_event = push.clone();
    other_event.trigger.source = "other".into();
    let mut moved = push.clone();
    moved.subject = subject("v2");
    // The same event again, the same push from elsewhere, the same event that resolved to something else.
    for repeated in [push, other_event, moved] {
        let again = house.engine.submit(vec![repeated]).await.unwrap()[0].clone();
        assert_eq!((again.run, again.new), (first.run.clone(), false));
    }
    // A person may ask again.
    assert!(house.engine.submit(vec![submission(&plan, "v1")]).await.unwrap()[0].new);
    // One that is wrong spoils the whole submission.
    let mut wrong = plan.clone();
    wrong.steps[3].uses = "unheard-of".into();
    let refused =
        house.engine.submit(vec![submission(&plan, "v9"), submission(&wrong, "v9")]).await.unwrap_err();
    assert_eq!(refused.code(), "step-kind-unknown");
    let mut unknown = submission(&plan, "v9");
    unknown.params = json!({"nobody_declared": 1});
    assert!(matches!(house.engine.submit(vec![unknown]).await, Err(patchline_engine::Error::Params(_))));
    let filter = patchline_engine::RunFilter { subject: Some(":v9@".into()), ..Default::default() };
    assert!(house.engine.runs(&filter).await.unwrap().is_empty());
}
