//! The leases that this process holds, and why a running step is told to stop.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::{RunId, core::recovery::Lease};

/// Why a step was told to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reason {
    /// Its run was cancelled.
    Cancelled,
    /// Its lease is gone, or about to end.
    Lost,
    /// The process stops.
    Stopping,
}

/// Tells one step to stop, once.
#[derive(Debug, Clone, Default)]
pub(super) struct StopSign {
    /// Fires.
    pub(super) token: CancellationToken,
    reason: Arc<Mutex<Option<Reason>>>,
}

impl StopSign {
    fn fire(&self, reason: Reason) {
        lock(&self.reason).get_or_insert(reason);
        self.token.cancel();
    }
    /// Why; none: it was not told.
    pub(super) fn reason(&self) -> Option<Reason> {
        *lock(&self.reason)
    }
}

struct Entry {
    lease: Lease,
    stop: StopSign,
}

/// All leases of this process; cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Held {
    leases: Arc<Mutex<HashMap<(RunId, usize), Entry>>>,
    changed: Arc<Notify>,
}

impl Held {
    pub(super) fn len(&self) -> usize {
        lock(&self.leases).len()
    }
    pub(super) fn add(&self, lease: Lease) -> StopSign {
        let stop = StopSign::default();
        let entry = Entry { lease: lease.clone(), stop: stop.clone() };
        if let Some(old) = lock(&self.leases).insert((lease.run, lease.step), entry) {
            // Only a lease that ran out can be replaced: whoever had it must stop.
            old.stop.fire(Reason::Lost);
        }
        stop
    }
    /// Forgets a lease, if this fence is the one that is held.
    pub(super) fn remove(&self, lease: &Lease) {
        let key = (lease.run.clone(), lease.step);
        let mut leases = lock(&self.leases);
        if leases.get(&key).is_some_and(|e| e.lease.fence == lease.fence) {
            leases.remove(&key);
            self.changed.notify_waiters();
        }
    }
    pub(super) fn all(&self) -> Vec<Lease> {
        lock(&self.leases).values().map(|e| e.lease.clone()).collect()
    }
    pub(super) fn prolong(&self, renewed: &Lease) {
        if let Some(entry) = lock(&self.leases).get_mut(&(renewed.run.clone(), renewed.step))
            && entry.lease.fence == renewed.fence
        {
            entry.lease.until = renewed.until;
        }
    }
    pub(super) fn stop(&self, run: &RunId, step: usize, reason: Reason) {
        if let Some(entry) = lock(&self.leases).get(&(run.clone(), step)) {
            entry.stop.fire(reason);
        }
    }
    pub(super) fn stop_all(&self, reason: Reason) {
        lock(&self.leases).values().for_each(|e| e.stop.fire(reason));
    }
    /// Stops what may act no more: its lease ends before `limit`.
    pub(super) fn stop_before(&self, limit: Timestamp) {
        lock(&self.leases)
            .values()
            .filter(|e| e.lease.until <= limit)
            .for_each(|e| e.stop.fire(Reason::Lost));
    }
    /// Waits until none is held.
    pub(super) async fn empty(&self) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Enabled before the look, so that no change falls between.
            changed.as_mut().enable();
            if self.len() == 0 {
                return;
            }
            changed.await;
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing inside can be left half changed by a panic.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
