//! What schedules ask of a database.

use async_trait::async_trait;
use jiff::Timestamp;

use super::{Cause, Counts, Firing, FiringState, Scheduled};
use crate::{Problem, Result};

/// The persistence of schedules. Each call is a transaction of its own; whoever comes second finds that another was
/// first, so that any number of processes may fire the same schedules.
#[async_trait]
pub trait ScheduleLog: Send + Sync + 'static {
    /// All rows, by chain.
    async fn scheduled(&self) -> Result<Vec<Scheduled>>;
    /// Puts a row; `before` is what was read, none where there was nothing. False: it is not as it was read.
    async fn put(&self, row: &Scheduled, before: Option<&Scheduled>) -> Result<bool>;
    /// Removes all rows but these, and gives up what they have not finished, with `problem`. How many rows went.
    async fn keep(&self, rows: &[(String, Cause)], problem: &Problem, now: Timestamp) -> Result<usize>;

    /// Rows of these plans (hashes) that are due, at most 100.
    async fn due(&self, now: Timestamp, plans: &[String]) -> Result<Vec<Scheduled>>;
    /// When the next of them is due.
    async fn next_due(&self, plans: &[String]) -> Result<Option<Timestamp>>;
    /// Moves a row on to `next` and records its firing, both or neither. False: another was first, or it has fired
    /// for this occasion. Of finished firings the newest 100 of a row stay.
    async fn fire(&self, row: &Scheduled, next: Option<Timestamp>, firing: &Firing) -> Result<bool>;
    /// Whether it has fired for this occasion.
    async fn fired(&self, chain: &str, cause: Cause, occasion: &str) -> Result<bool>;

    /// Takes running firings of these plans that nobody holds and that are not to be tried later, oldest first, and
    /// holds them until `until`. A time that is more than an hour ahead was written by a clock that was wrong: it
    /// holds nothing back.
    async fn take(
        &self,
        now: Timestamp,
        until: Timestamp,
        plans: &[String],
        most: usize,
    ) -> Result<Vec<Held>>;
    /// Prolongs a hold; false: it is another's.
    async fn hold(&self, held: &Held, until: Timestamp) -> Result<bool>;
    /// Writes how far a firing has come; false: it is another's, and nothing is written.
    async fn advance(&self, held: &Held, progress: &Progress, now: Timestamp) -> Result<bool>;
    /// Nobody holds anything: of a process that owns its data alone, when it starts.
    async fn release(&self) -> Result<()>;

    /// Firings of a chain, newest first, at most `most`.
    async fn firings(&self, chain: &str, cause: Option<Cause>, most: usize) -> Result<Vec<Firing>>;
}

/// A firing that this process works on.
#[derive(Debug, Clone, PartialEq)]
pub struct Held {
    /// It.
    pub firing: Firing,
    /// The version of the chain.
    pub plan_hash: String,
    /// Where its next page begins.
    pub cursor: Option<String>,
    /// Failures since the last page.
    pub failures: u32,
    /// Counts on with each hold: an older one writes nothing.
    pub fence: u64,
}

/// How far a firing has come.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// Where it stands.
    pub state: FiringState,
    /// Where the next page begins.
    pub cursor: Option<String>,
    /// In all.
    pub counts: Counts,
    /// Failures since the last page.
    pub failures: u32,
    /// Not before; while it is running.
    pub later: Option<Timestamp>,
    /// Held until; none: given back.
    pub until: Option<Timestamp>,
    /// What is wrong.
    pub problem: Option<Problem>,
}
