//! Gauges, set when somebody looks: what this process holds, and what waits in the store.

use std::time::Duration;

use jiff::Timestamp;
use metrics::gauge;
use tokio::{sync::Mutex, time::Instant};

use super::shared::Shared;
use crate::{
    metrics::{
        BACKLOG_FAILED, CLASSES, LEASES_HELD, OUTBOX_DEAD, OUTBOX_LAG, OUTBOX_PENDING, QUEUE_AGE,
        QUEUE_PARKED, QUEUE_STEPS, class,
    },
    store::Backlog,
};

/// The store is asked no more often.
const FRESH: Duration = Duration::from_secs(5);
/// And so many times as long as the last answer took: over a million waiting steps too, scrapes take a twentieth of
/// one core at most.
const REST: u32 = 20;

/// When the store may be asked again.
#[derive(Default)]
pub(super) struct Gauges(Mutex<Option<Instant>>);

impl Gauges {
    /// Sets all of them. Whoever comes while the store is asked waits for that answer.
    pub(super) async fn set(&self, shared: &Shared) {
        gauge!(LEASES_HELD).set(count(shared.held.len() as u64));
        let mut next = self.0.lock().await;
        let asked = Instant::now();
        if next.is_some_and(|next| asked < next) {
            return;
        }
        match shared.store.backlog().await {
            Ok(backlog) => {
                show(shared, &backlog);
                gauge!(BACKLOG_FAILED).set(0.0);
            }
            Err(error) => {
                tracing::warn!(%error, "what waits could not be counted");
                gauge!(BACKLOG_FAILED).set(1.0);
            }
        }
        *next = Some(Instant::now() + FRESH.max(asked.elapsed() * REST));
    }
}

fn show(shared: &Shared, backlog: &Backlog) {
    let now = backlog.now.unwrap_or_else(|| shared.now());
    for of in CLASSES {
        let here = backlog.ready.iter().filter(|ready| class(ready.priority) == of);
        let oldest = here.clone().filter_map(|ready| ready.oldest).min();
        gauge!(QUEUE_AGE, "class" => of).set(late(now, oldest));
        // A kind of which nothing waits any more stands at 0, and one that this process does not know is no label.
        for kind in shared.kinds.keys().copied() {
            let steps = here.clone().filter(|ready| ready.kind == kind).map(|ready| ready.steps).sum();
            gauge!(QUEUE_STEPS, "kind" => kind, "class" => of).set(count(steps));
        }
        let known = |kind: &str| shared.kinds.contains_key(kind);
        let steps: u64 = here.filter(|ready| !known(&ready.kind)).map(|ready| ready.steps).sum();
        gauge!(QUEUE_STEPS, "kind" => "other", "class" => of).set(count(steps));
        let parked = backlog.parked.iter().filter(|(priority, _)| class(*priority) == of);
        gauge!(QUEUE_PARKED, "class" => of).set(count(parked.map(|(_, steps)| steps).sum()));
    }
    gauge!(OUTBOX_PENDING).set(count(backlog.pending));
    gauge!(OUTBOX_LAG).set(late(now, backlog.due));
    gauge!(OUTBOX_DEAD).set(count(backlog.dead));
}

/// Seconds since then; 0 for what is to come.
fn late(now: Timestamp, then: Option<Timestamp>) -> f64 {
    then.map_or(0.0, |then| now.duration_since(then).as_secs_f64().max(0.0))
}

#[expect(clippy::cast_precision_loss, reason = "metrics are floating-point numbers")]
fn count(number: u64) -> f64 {
    number as f64
}
