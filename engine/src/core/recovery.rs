//! What a starting process does about the leases that it finds: planned first, then acted on. Pure.

use jiff::Timestamp;

use crate::RunId;

/// A lease as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// The run.
    pub run: RunId,
    /// Position of the step in the plan.
    pub step: usize,
    /// Its fence.
    pub fence: u64,
    /// Its end.
    pub until: Timestamp,
}

/// What to do about one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Make the step ready again.
    Reclaim {
        /// Which.
        lease: Lease,
        /// Whether the loss counts towards `poison`.
        counts: bool,
    },
    /// Another process may still hold it.
    Leave {
        /// Which.
        lease: Lease,
    },
}

/// Whoever owns the data lock knows that every lease is dead, and that it was
/// the process that died, not the step that killed it. Anyone else goes by the
/// clock. Names of workers are never asked.
pub fn plan(leases: Vec<Lease>, now: Timestamp, owns_data: bool) -> Vec<Action> {
    leases
        .into_iter()
        .map(|lease| {
            if owns_data {
                Action::Reclaim { lease, counts: false }
            } else if lease.until <= now {
                Action::Reclaim { lease, counts: true }
            } else {
                Action::Leave { lease }
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    #[test]
    fn an_owner_takes_all_and_a_guest_only_what_ran_out() {
        let now = Timestamp::UNIX_EPOCH;
        let lease = |seconds| Lease {
            run: RunId("r".into()),
            step: 0,
            fence: 1,
            until: now + SignedDuration::from_secs(seconds),
        };
        let (live, dead) = (lease(5), lease(0));
        assert_eq!(
            plan(vec![live.clone(), dead.clone()], now, true),
            [
                Action::Reclaim { lease: live.clone(), counts: false },
                Action::Reclaim { lease: dead.clone(), counts: false }
            ]
        );
        assert_eq!(
            plan(vec![live.clone(), dead.clone()], now, false),
            [Action::Leave { lease: live }, Action::Reclaim { lease: dead, counts: true }]
        );
    }
}
