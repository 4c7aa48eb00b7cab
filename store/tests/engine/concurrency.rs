//! Concurrency keys: queue, supersede, reject.

use std::sync::Arc;

use patchline_chains::{ConcurrencyRule, Plan, WhenBusy};
use patchline_engine::{Outcome, RunResult, RunStatus};
use serde_json::json;
use tokio::sync::Semaphore;

use crate::kit::*;

on_both!(
    a_queued_run_starts_when_the_slot_is_free,
    a_new_run_supersedes_the_old_one,
    a_busy_slot_rejects_and_names_who_holds_it,
);

fn limited(when_busy: WhenBusy) -> Plan {
    let mut plan = plan("limited", vec![step("hold", &[])]);
    plan.concurrency = Some(ConcurrencyRule { key: "{{image.repository}}".into(), limit: 1, when_busy });
    plan
}

fn holding() -> (Script, Arc<Semaphore>) {
    let gate = Arc::new(Semaphore::new(0));
    let inner = gate.clone();
    let script = Script::default().on("hold", move |c| {
        let gate = inner.clone();
        async move {
            tokio::select! {
                permit = gate.acquire() => permit.unwrap().forget(),
                () = c.cancelled.cancelled() => return Err(error(patchline_engine::ErrorClass::Permanent, "stopped")),
            }
            Ok(Outcome::succeeded(json!({})))
        }
    });
    (script, gate)
}

async fn a_queued_run_starts_when_the_slot_is_free(place: Place) {
    let (script, gate) = holding();
    let house = House::new(&place, &script).await;
    let plan = limited(WhenBusy::Queue);
    let submitted =
        house.engine.submit(["v1", "v2", "v3"].map(|tag| submission(&plan, tag)).to_vec()).await.unwrap();
    until(async || script.count("hold") == 1).await;
    assert_eq!(house.engine.run(&submitted[1].run).await.unwrap().status, RunStatus::Queued);
    // One that waits can be cancelled, and does not hold up the next.
    house.engine.cancel(&submitted[1].run, "ana", "it is not wanted").await.unwrap();
    gate.add_permits(2);
    assert_eq!(house.finished(&submitted[2].run).await.result, Some(RunResult::Passed));
    assert_eq!(house.finished(&submitted[1].run).await.result, Some(RunResult::Cancelled));
    assert_eq!(script.count("hold"), 2);
}

async fn a_new_run_supersedes_the_old_one(place: Place) {
    let (script, gate) = holding();
    let house = House::new(&place, &script).await;
    let plan = limited(WhenBusy::Supersede);
    let old = house.engine.submit(vec![submission(&plan, "v1")]).await.unwrap()[0].run.clone();
    until(async || script.count("hold") == 1).await;
    let new = house.engine.submit(vec![submission(&plan, "v2")]).await.unwrap()[0].run.clone();
    assert_eq!(house.finished(&old).await.result, Some(RunResult::Cancelled));
    gate.add_permits(1);
    assert_eq!(house.finished(&new).await.result, Some(RunResult::Passed));
}

async fn a_busy_slot_rejects_and_names_who_holds_it(place: Place) {
    let (script, gate) = holding();
    let house = House::new(&place, &script).await;
    let plan = limited(WhenBusy::Reject);
    let old = house.engine.submit(vec![submission(&plan, "v1")]).await.unwrap()[0].run.clone();
    let refused = house.engine.submit(vec![submission(&plan, "v2")]).await.unwrap()[0].clone();
    assert_eq!((refused.run, refused.new), (old.clone(), false));
    gate.add_permits(1);
    house.finished(&old).await;
}
