//! Prolonging leases, apart from the steps' tasks, and stopping those that can no longer be prolonged.

use std::{sync::Arc, time::Duration};

use super::{
    command::{Command, prolonged},
    held::Reason,
    shared::{LEASE, MARGIN, RENEW, Shared},
};
use crate::core::recovery::Lease;

/// Looks at the leases twice a second until the writer is gone.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut tick = tokio::time::interval(Duration::from_millis(500));
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut asking: Option<tokio::task::JoinHandle<()>> = None;
    while !shared.writer.0.is_closed() {
        tick.tick().await;
        let now = shared.now();
        shared.held.stop_before(now + MARGIN);
        // One question at a time; a slow disk must not hold up the look above.
        if asking.as_ref().is_none_or(tokio::task::JoinHandle::is_finished) {
            let due: Vec<Lease> = shared
                .held
                .all()
                .into_iter()
                .filter(|l| l.until.duration_since(now) <= LEASE - RENEW && l.until > now + MARGIN)
                .collect();
            if !due.is_empty() {
                asking = Some(tokio::spawn(renew(shared.clone(), due)));
            }
        }
    }
}

async fn renew(shared: Arc<Shared>, due: Vec<Lease>) {
    let until = shared.now() + LEASE;
    let leases: Vec<Lease> = due.iter().map(|l| prolonged(l, until)).collect();
    match shared.writer.ask(|reply| Command::Renew { leases: leases.clone(), reply }).await {
        Ok(renewed) => {
            for lease in leases.iter().filter(|l| !renewed.contains(l)) {
                shared.held.stop(&lease.run, lease.step, Reason::Lost);
            }
        }
        Err(error) => tracing::warn!(%error, "leases could not be renewed; it is tried again"),
    }
}
