//! Counts of what waits, alike in every database but for the width of a priority.

use patchline_engine::store::{Backlog, ReadySteps};

use crate::{
    column::{timestamp, unsigned},
    error::Result,
    outbox,
};

const STEPS: &str = "steps";

/// Parked steps by priority. These questions are put to every database in the same words, over the indexes that limits
/// and deliveries are found by.
pub(crate) const PARKED: &str =
    "SELECT priority, count(*) FROM steps WHERE parked IS NOT NULL GROUP BY priority";
/// Messages on their way, and when the first is due.
pub(crate) const PENDING: &str = "SELECT count(*), min(due_at) FROM outbox WHERE state = 'pending'";
/// Messages that were given up.
pub(crate) const DEAD: &str = "SELECT count(*) FROM outbox WHERE state = 'failed'";

/// As the database tells it; `P` is how wide it keeps priorities. Times are Unix milliseconds.
pub(crate) struct Counted<P> {
    /// The server's time, where it tells it.
    pub(crate) now: Option<i64>,
    /// Priority, kind, how many, and the oldest.
    pub(crate) ready: Vec<(P, String, i64, Option<i64>)>,
    /// Priority and how many.
    pub(crate) parked: Vec<(P, i64)>,
    /// Messages on their way, and when the first is due.
    pub(crate) pending: (i64, Option<i64>),
    /// Messages that were given up.
    pub(crate) dead: i64,
}

impl<P: Into<i64>> Counted<P> {
    pub(crate) fn backlog(self) -> Result<Backlog> {
        let time = |table, at: Option<i64>| at.map(|at| timestamp(table, at)).transpose();
        let ready = self.ready.into_iter().map(|(priority, kind, steps, oldest)| {
            Ok(ReadySteps {
                kind,
                priority: unsigned(STEPS, priority.into())?,
                steps: unsigned(STEPS, steps)?,
                oldest: time(STEPS, oldest)?,
            })
        });
        let parked = self
            .parked
            .into_iter()
            .map(|(priority, steps)| Ok((unsigned(STEPS, priority.into())?, unsigned(STEPS, steps)?)));
        Ok(Backlog {
            now: time(STEPS, self.now)?,
            ready: ready.collect::<Result<_>>()?,
            parked: parked.collect::<Result<_>>()?,
            pending: unsigned(outbox::TABLE, self.pending.0)?,
            due: time(outbox::TABLE, self.pending.1)?,
            dead: unsigned(outbox::TABLE, self.dead)?,
        })
    }
}
