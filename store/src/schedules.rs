//! Rows of schedules and of their firings, alike in every database.

use jiff::Timestamp;
use patchline_engine::schedule::{Firing, Held, Scheduled};
use sqlx::FromRow;

use crate::{
    column::{of_json, of_word, timestamp, unsigned},
    error::Result,
};

pub(crate) const SCHEDULES: &str = "schedules";
pub(crate) const FIRINGS: &str = "firings";
/// Due rows that are read at once.
pub(crate) const DUE: i64 = 100;
/// Finished firings of a row that stay.
pub(crate) const KEPT: i64 = 100;
/// What lies further ahead was written by a wrong clock, in milliseconds.
pub(crate) const WRONG: i64 = 3_600_000 + 60_000;

#[derive(FromRow)]
pub(crate) struct Row {
    chain: String,
    cause: String,
    plan_hash: String,
    cron: Option<String>,
    zone: Option<String>,
    next_fire_at: Option<i64>,
}

impl Row {
    pub(crate) fn scheduled(self) -> Result<Scheduled> {
        Ok(Scheduled {
            chain: self.chain,
            cause: of_word(SCHEDULES, self.cause)?,
            plan_hash: self.plan_hash,
            cron: self.cron,
            zone: self.zone,
            next: self.next_fire_at.map(|at| timestamp(SCHEDULES, at)).transpose()?,
        })
    }
}

#[derive(FromRow)]
pub(crate) struct FiringRow {
    chain: String,
    cause: String,
    occasion: String,
    fire_at: i64,
    state: String,
    skipped: i64,
    counts: String,
    problem: Option<String>,
    changed_at: i64,
}

impl FiringRow {
    pub(crate) fn firing(self) -> Result<Firing> {
        Ok(Firing {
            chain: self.chain,
            cause: of_word(FIRINGS, self.cause)?,
            occasion: self.occasion,
            due: timestamp(FIRINGS, self.fire_at)?,
            state: of_word(FIRINGS, self.state)?,
            skipped: unsigned(FIRINGS, self.skipped)?,
            counts: of_json(FIRINGS, &self.counts)?,
            problem: self.problem.map(|p| of_json(FIRINGS, &p)).transpose()?,
            changed_at: timestamp(FIRINGS, self.changed_at)?,
        })
    }
}

#[derive(FromRow)]
pub(crate) struct HeldRow {
    #[sqlx(flatten)]
    firing: FiringRow,
    plan_hash: String,
    cursor: Option<String>,
    failures: i64,
    fence: i64,
}

impl HeldRow {
    pub(crate) fn held(self) -> Result<Held> {
        Ok(Held {
            firing: self.firing.firing()?,
            plan_hash: self.plan_hash,
            cursor: self.cursor,
            failures: unsigned(FIRINGS, self.failures)?,
            fence: unsigned(FIRINGS, self.fence)?,
        })
    }
}

/// Rounded down: what is due in half a millisecond is not due.
pub(crate) fn millis_down(at: Timestamp) -> i64 {
    at.as_millisecond()
}

/// The engine's trait over a database's own methods. Here once, so that what failed is called the same over each.
macro_rules! schedule_log {
    ($store:ty) => {
        const _: () = {
            use jiff::Timestamp;
            use patchline_engine::{
                Problem, Result as EngineResult,
                schedule::{Cause, Firing, Held, Progress, ScheduleLog, Scheduled},
            };

            use $crate::error::engine;

            #[async_trait::async_trait]
            impl ScheduleLog for $store {
                async fn scheduled(&self) -> EngineResult<Vec<Scheduled>> {
                    self.schedules().await.map_err(engine("reading schedules"))
                }
                async fn put(&self, row: &Scheduled, before: Option<&Scheduled>) -> EngineResult<bool> {
                    self.put_schedule(row, before).await.map_err(engine("keeping a schedule"))
                }
                async fn keep(
                    &self,
                    rows: &[(String, Cause)],
                    problem: &Problem,
                    now: Timestamp,
                ) -> EngineResult<usize> {
                    self.keep_schedules(rows, problem, now).await.map_err(engine("removing schedules"))
                }
                async fn due(&self, now: Timestamp, plans: &[String]) -> EngineResult<Vec<Scheduled>> {
                    self.due_schedules(now, plans).await.map_err(engine("looking for due schedules"))
                }
                async fn next_due(&self, plans: &[String]) -> EngineResult<Option<Timestamp>> {
                    self.next_schedule(plans).await.map_err(engine("looking for the next due schedule"))
                }
                async fn fire(
                    &self,
                    row: &Scheduled,
                    next: Option<Timestamp>,
                    firing: &Firing,
                ) -> EngineResult<bool> {
                    self.fire_schedule(row, next, firing).await.map_err(engine("firing a schedule"))
                }
                async fn fired(&self, chain: &str, cause: Cause, occasion: &str) -> EngineResult<bool> {
                    self.has_fired(chain, cause, occasion).await.map_err(engine("looking for a firing"))
                }
                async fn take(
                    &self,
                    now: Timestamp,
                    until: Timestamp,
                    plans: &[String],
                    most: usize,
                ) -> EngineResult<Vec<Held>> {
                    self.take_firings(now, until, plans, most).await.map_err(engine("taking firings"))
                }
                async fn hold(&self, held: &Held, until: Timestamp) -> EngineResult<bool> {
                    self.hold_firing(held, until).await.map_err(engine("holding a firing"))
                }
                async fn advance(
                    &self,
                    held: &Held,
                    progress: &Progress,
                    now: Timestamp,
                ) -> EngineResult<bool> {
                    self.advance_firing(held, progress, now).await.map_err(engine("moving a firing on"))
                }
                async fn release(&self) -> EngineResult<()> {
                    self.release_firings().await.map_err(engine("releasing firings"))
                }
                async fn firings(
                    &self,
                    chain: &str,
                    cause: Option<Cause>,
                    most: usize,
                ) -> EngineResult<Vec<Firing>> {
                    self.firings_of(chain, cause, most).await.map_err(engine("reading firings"))
                }
            }
        };
    };
}
pub(crate) use schedule_log;
