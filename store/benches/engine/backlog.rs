//! A person's run behind a million queued steps of a bulk scan.

use std::{sync::Arc, time::Duration};

use patchline_chains::Plan;
use patchline_engine::TriggerKind;
use serde_json::{Value, json};

use crate::{
    history,
    kit::{self, Role},
    marks::{self, Marks},
    place::Place,
};

/// How long a step of the scan takes.
const SCAN: Duration = Duration::from_millis(500);
/// How often a person comes.
const TIMES: usize = 10;

/// Fills the queue, lets workers begin with it, and has a person ask.
pub(crate) async fn measure(place: &Place, steps: u64, all: &mut Value) {
    let name = place.name();
    let mut bulk: Plan = kit::diamond("bulk");
    bulk.steps.truncate(1);
    // One run that nobody takes up: the copies are as ready as it is.
    let waiting = kit::engine(place.open().await, &Arc::default(), Role::Server).await;
    let submitted =
        waiting.submit(vec![kit::submission(&Arc::new(bulk), "bulk", TriggerKind::Schedule)]).await;
    let template = submitted.unwrap()[0].run.0.clone();
    waiting.stop().await.unwrap();
    let started = marks::now();
    history::copy(place, &template, steps.saturating_sub(1)).await;
    let queued = place.number("SELECT count(*) FROM steps WHERE status = 'ready'").await;
    eprintln!(
        "{name}: {queued} queued steps filled in within {:.0} s",
        (marks::now() - started) as f64 / 1e9
    );
    assert_eq!(u64::try_from(queued).unwrap(), steps);

    for (word, each) in [("backlog_start_ms", SCAN), ("backlog_noop_start_ms", Duration::ZERO)] {
        let marks = Arc::new(Marks::taking(each, "bulk"));
        let role = if name == "sqlite" { Role::Owner } else { Role::Worker };
        let engine = kit::engine(place.open().await, &marks, role).await;
        // All workers have their hands full of the scan.
        while marks.count() < kit::CONCURRENCY {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let person = Arc::new(kit::diamond("person"));
        let mut worst: f64 = 0.0;
        for i in 0..TIMES {
            let tag = format!("{i:x}{:x}", marks::now());
            let asked = marks::now();
            let submitted =
                engine.submit(vec![kit::submission(&person, &tag, TriggerKind::Manual)]).await.unwrap();
            let run = kit::number(&submitted[0].run);
            let begun = loop {
                if let Some(begun) = marks.begun(run) {
                    break begun;
                }
                assert!(
                    marks::now() - asked < 60_000_000_000,
                    "a person's run does not start within a minute"
                );
                tokio::time::sleep(Duration::from_millis(5)).await;
            };
            worst = worst.max(begun.saturating_sub(asked) as f64 / 1e6);
        }
        eprintln!("{name}: a person's run starts within {worst:.0} ms, the scan's steps take {each:?}");
        all[format!("{name}_{word}")] = json!((worst * 100.0).round() / 100.0);
        engine.stop().await.unwrap();
    }
    let left = place.number("SELECT count(*) FROM steps WHERE status = 'ready'").await;
    assert!(left > 0, "the queue ran empty before the end");
    all[format!("{name}_backlog_left")] = json!(left);
}
