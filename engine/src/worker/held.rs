//! The leases that this process holds, and why a running step is told to stop.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::shared::{LEASE, MARGIN, RENEW};
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
    /// It was claimed, and that took so long that it must not begin any more.
    Late,
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
    bulk: bool,
    stop: StopSign,
    /// Since when, at the least, it lasts [`LASTS`]: a clock that jumps neither ends nor prolongs it.
    granted: Instant,
}

/// How long a lease lasts, by the clock that never jumps.
const LASTS: Duration = Duration::from_secs(LEASE.as_secs().unsigned_abs());
/// A worker acts no more when so much of it is over.
const ACTS: Duration = Duration::from_secs((LEASE.as_secs() - MARGIN.as_secs()).unsigned_abs());
/// It is renewed when so much of it is over.
const RENEWED: Duration = Duration::from_secs(RENEW.as_secs().unsigned_abs());

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
    /// How many are of bulk work, without these.
    pub(super) fn bulk(&self, without: &[Lease]) -> usize {
        let gone = |e: &Entry| {
            without.iter().any(|l| l.step == e.lease.step && l.fence == e.lease.fence && l.run == e.lease.run)
        };
        lock(&self.leases).values().filter(|e| e.bulk && !gone(e)).count()
    }
    pub(super) fn add(&self, lease: Lease, bulk: bool, granted: Instant) -> StopSign {
        let stop = StopSign::default();
        let entry = Entry { lease: lease.clone(), bulk, stop: stop.clone(), granted };
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
    /// Renewed: asked for at `granted`.
    pub(super) fn prolong(&self, renewed: &Lease, granted: Instant) {
        if let Some(entry) = lock(&self.leases).get_mut(&(renewed.run.clone(), renewed.step))
            && entry.lease.fence == renewed.fence
        {
            entry.lease.until = renewed.until;
            entry.granted = entry.granted.max(granted);
        }
    }
    /// Whether this process holds the lease, and it still lasts.
    pub(super) fn is_alive(&self, lease: &Lease) -> bool {
        lock(&self.leases)
            .get(&(lease.run.clone(), lease.step))
            .is_some_and(|e| e.lease.fence == lease.fence && e.granted.elapsed() < LASTS)
    }
    /// Whether the step may begin. Its claim may have taken as long to be committed as it lasts, as when the machine or
    /// its disk stood still: then somebody else has taken it over, or is about to. One that may not is told to stop.
    pub(super) fn may_begin(&self, lease: &Lease) -> bool {
        let leases = lock(&self.leases);
        let entry = leases.get(&(lease.run.clone(), lease.step)).filter(|e| e.lease.fence == lease.fence);
        match entry {
            Some(entry) if entry.granted.elapsed() < ACTS => true,
            Some(entry) => {
                entry.stop.fire(Reason::Late);
                false
            }
            None => false,
        }
    }
    /// Leases that are to be renewed, and whose steps may still act.
    pub(super) fn to_renew(&self) -> Vec<Lease> {
        let due = |e: &&Entry| (RENEWED..ACTS).contains(&e.granted.elapsed());
        lock(&self.leases).values().filter(due).map(|e| e.lease.clone()).collect()
    }
    pub(super) fn stop(&self, run: &RunId, step: usize, reason: Reason) {
        if let Some(entry) = lock(&self.leases).get(&(run.clone(), step)) {
            entry.stop.fire(reason);
        }
    }
    pub(super) fn stop_all(&self, reason: Reason) {
        lock(&self.leases).values().for_each(|e| e.stop.fire(reason));
    }
    /// Stops what may act no more: its lease is about to end.
    pub(super) fn stop_ending(&self) {
        lock(&self.leases)
            .values()
            .filter(|e| e.granted.elapsed() >= ACTS)
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::worker::steady::instant;

    #[test]
    fn what_was_claimed_too_long_ago_does_not_begin() {
        let lease = |fence| Lease { run: RunId("r".into()), step: 0, fence, until: jiff::Timestamp::MAX };
        let held = Held::default();
        let stop = held.add(lease(1), false, instant());
        assert!(held.may_begin(&lease(1)) && stop.reason().is_none());
        assert!(!held.may_begin(&lease(2)), "it is another's");
        // The transaction began so long ago, and was committed just now.
        let stop = held.add(lease(2), false, instant() - ACTS);
        assert!(held.is_alive(&lease(2)) && !held.may_begin(&lease(2)));
        assert_eq!(stop.reason(), Some(Reason::Late));
        held.remove(&lease(2));
        assert!(!held.may_begin(&lease(2)));
    }
}
