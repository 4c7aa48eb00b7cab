//! Child runs: started in the parent's completion, waited for durably, pinned to the same plan.

use patchline_engine::{Outcome, RunResult, StepStatus as S, TriggerKind};
use serde_json::json;

use crate::kit::*;

on_both!(
    a_child_that_passes_makes_its_parent_remediated,
    two_steps_with_an_equal_product_share_a_child_and_both_go_on,
    denials_come_up_through_the_rounds,
    a_step_cannot_wait_for_its_own_run,
    cancelling_a_parent_cancels_its_child_and_a_wait_survives_a_restart,
);

/// A gate that denies round 1, a fix that starts a child.
fn script(deny: u32) -> Script {
    Script::default()
        .on("gate", move |c| async move {
            Ok(if c.round <= deny { Outcome::denied(json!({})) } else { Outcome::succeeded(json!({})) })
        })
        .on("fix", |c| async move {
            if c.round > 2 {
                return Ok(Outcome::denied(json!({"reason": "max_rounds"})));
            }
            let subject = subject(&format!("v1_fixed{}", c.round));
            Ok(Outcome::Child { subject, output: json!({"made": true}), mends: true })
        })
}

fn chain() -> patchline_chains::Plan {
    let mut fix = step("fix", &["gate"]);
    fix.when = Some("steps.gate.denied".into());
    let mut plan = plan("web", vec![step("gate", &[]), fix]);
    plan.concurrency = Some(patchline_chains::ConcurrencyRule {
        key: "{{image.repository}}".into(),
        limit: 1,
        when_busy: patchline_chains::WhenBusy::Queue,
    });
    plan
}

async fn a_child_that_passes_makes_its_parent_remediated(place: Place) {
    let house = House::new(&place, &script(1)).await;
    let view = house.run(&chain()).await;
    assert_eq!(view.result, Some(RunResult::Remediated));
    let fix = &view.steps[1];
    let child = house.engine.run(fix.child.as_ref().unwrap()).await.unwrap();
    assert_eq!(fix.output, json!({"made": true, "child": {"run": child.id, "result": "passed"}}));
    assert_eq!((child.round, &child.cascade, child.result), (2, &view.id, Some(RunResult::Passed)));
    assert_eq!((child.submission.trigger.kind, &child.plan_hash), (TriggerKind::Child, &view.plan_hash));
    assert_eq!(child.submission.trigger.source, "manual", "what started the cascade");
    // The registry reports the push of the fixed image, late: it is that run.
    let mut push = submission(&chain(), "v1_fixed1");
    push.trigger.kind = TriggerKind::Push;
    let reported = house.engine.submit(vec![push]).await.unwrap()[0].clone();
    assert_eq!((reported.run, reported.new), (child.id, false));
}

async fn two_steps_with_an_equal_product_share_a_child_and_both_go_on(place: Place) {
    let make = |c: patchline_engine::Context| async move {
        if c.round > 1 {
            // Long enough that both of the parent's steps wait.
            tokio::time::sleep(std::time::Duration::from_millis(500)).await;
            return Ok(Outcome::succeeded(json!({})));
        }
        Ok(Outcome::Child { subject: subject("v1_fixed"), output: json!({}), mends: true })
    };
    let house = House::new(&place, &Script::default().on("one", make).on("two", make)).await;
    let view = house.run(&plan("web", vec![step("one", &[]), step("two", &[])])).await;
    // Nothing was denied, so nothing was mended.
    assert_eq!(view.result, Some(RunResult::Passed));
    assert!(view.steps[0].child.is_some() && view.steps[0].child == view.steps[1].child);
    assert_eq!(house.engine.runs(&Default::default()).await.unwrap().len(), 2);
}

async fn denials_come_up_through_the_rounds(place: Place) {
    let house = House::new(&place, &script(9)).await;
    let view = house.run(&chain()).await;
    assert_eq!((view.result, view.steps[1].status), (Some(RunResult::Denied), S::Denied));
    assert_eq!(house.engine.runs(&Default::default()).await.unwrap().len(), 3);
}

async fn a_step_cannot_wait_for_its_own_run(place: Place) {
    let script = Script::default().on("fix", |c| async move {
        Ok(Outcome::Child { subject: c.subject, output: json!({}), mends: true })
    });
    let house = House::new(&place, &script).await;
    let view = house.run(&plan("self", vec![step("fix", &[])])).await;
    assert_eq!(view.steps[0].problem.as_ref().unwrap().code, "child-is-ancestor");
}

async fn cancelling_a_parent_cancels_its_child_and_a_wait_survives_a_restart(place: Place) {
    let script = script(1).on("gate", |c| async move {
        if c.round == 1 {
            return Ok(Outcome::denied(json!({})));
        }
        c.cancelled.cancelled().await;
        Err(error(patchline_engine::ErrorClass::Permanent, "interrupted"))
    });
    let house = House::new(&place, &script).await;
    let run = house.engine.submit(vec![submission(&chain(), "v1")]).await.unwrap()[0].run.clone();
    until(async || script.count("gate") == 2).await;
    house.engine.stop().await.unwrap();
    let engine = engine(&house.place, &script, &house.sink, &house.clock, true).await;
    let view = engine.run(&run).await.unwrap();
    assert_eq!((view.status, view.steps[1].status), (patchline_engine::RunStatus::Waiting, S::Waiting));
    until(async || script.count("gate") == 3).await;
    engine.cancel(&run, "ana", "it is not wanted").await.unwrap();
    let view = engine.finished(&run).await.unwrap();
    assert_eq!((view.result, view.steps[1].status), (Some(RunResult::Cancelled), S::Cancelled));
    let child = engine.run(view.steps[1].child.as_ref().unwrap()).await.unwrap();
    assert_eq!(child.result, Some(RunResult::Cancelled));
    assert_eq!(script.count("fix"), 1);
}
