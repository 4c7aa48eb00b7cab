//! Prolonging leases, apart from the steps' tasks, and stopping those that can no longer be prolonged.

use std::{sync::Arc, time::Duration};

use super::{command::Command, held::Reason, shared::Shared};
use crate::core::recovery::Lease;

/// Looks at the leases twice a second until the writer is gone.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut tick = tokio::time::interval(Duration::from_millis(500));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut asking: Option<tokio::task::JoinHandle<()>> = None;
    while !shared.writer.0.is_closed() {
        tick.tick().await;
        shared.held.stop_ending();
        // One question at a time; a slow disk must not hold up the look above.
        if asking.as_ref().is_none_or(tokio::task::JoinHandle::is_finished) {
            let due = shared.held.to_renew();
            if !due.is_empty() {
                asking = Some(tokio::spawn(renew(shared.clone(), due)));
            }
        }
    }
}

/// Prolongs leases, and stops the steps of those that are gone or whose run is to stop.
pub(super) async fn renew(shared: Arc<Shared>, due: Vec<Lease>) {
    match shared.writer.ask(|reply| Command::Renew { leases: due.clone(), reply }).await {
        Ok(renewed) => {
            for lease in &due {
                let same = |(other, _): &&(Lease, bool)| {
                    (&other.run, other.step, other.fence) == (&lease.run, lease.step, lease.fence)
                };
                match renewed.iter().find(same) {
                    None => shared.held.stop(&lease.run, lease.step, Reason::Lost),
                    Some((_, true)) => shared.held.stop(&lease.run, lease.step, Reason::Cancelled),
                    Some((_, false)) => {}
                }
            }
        }
        Err(error) => tracing::warn!(%error, "leases could not be renewed; it is tried again"),
    }
}
