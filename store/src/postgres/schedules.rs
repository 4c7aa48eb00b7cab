//! Chains that start by themselves, and their firings.

use jiff::Timestamp;
use patchline_engine::{
    Problem,
    schedule::{Cause, Firing, Held, Progress, Scheduled},
};

use super::{
    Postgres,
    column::{json, millis, signed, timestamp, unsigned},
    once,
    text::{key, plain},
};
use crate::{
    error::Result,
    schedules::{DUE, FIRINGS, FiringRow, HeldRow, KEPT, Row, SCHEDULES, WRONG, millis_down, schedule_log},
};

impl Postgres {
    async fn schedules(&self) -> Result<Vec<Scheduled>> {
        let rows: Vec<Row> = once!(self, |db| {
            sqlx::query_as("SELECT * FROM schedules ORDER BY chain, cause").fetch_all(db)
        })?;
        rows.into_iter().map(Row::scheduled).collect()
    }

    async fn put_schedule(&self, row: &Scheduled, before: Option<&Scheduled>) -> Result<bool> {
        let query = match before {
            None => {
                "INSERT INTO schedules (chain, cause, plan_hash, cron, zone, next_fire_at)
                 SELECT $1, $2, $3, $4, $5, $6 WHERE $7::text IS NULL AND $8::bigint IS NULL
                 ON CONFLICT DO NOTHING"
            }
            Some(_) => {
                "UPDATE schedules SET plan_hash = $3, cron = $4, zone = $5, next_fire_at = $6
                 WHERE chain = $1 AND cause = $2 AND plan_hash = $7 AND next_fire_at IS NOT DISTINCT FROM $8"
            }
        };
        let done = once!(self, |db| {
            sqlx::query(query)
                .bind(key(&row.chain))
                .bind(row.cause.word())
                .bind(&row.plan_hash)
                .bind(&row.cron)
                .bind(&row.zone)
                .bind(row.next.map(millis))
                .bind(before.map(|before| &before.plan_hash))
                .bind(before.and_then(|before| before.next).map(millis))
                .execute(db)
        })?;
        Ok(done.rows_affected() > 0)
    }

    async fn keep_schedules(
        &self,
        rows: &[(String, Cause)],
        problem: &Problem,
        now: Timestamp,
    ) -> Result<usize> {
        let problem = json(FIRINGS, problem)?;
        let chains: Vec<_> = rows.iter().map(|(chain, _)| key(chain)).collect();
        let causes: Vec<_> = rows.iter().map(|(_, cause)| cause.word()).collect();
        let (gone,): (i64,) = once!(self, |db| {
            sqlx::query_as(
                "WITH kept AS (SELECT * FROM unnest($1::text[], $2::text[]) AS k (chain, cause)),
                 gone AS (
                    DELETE FROM schedules AS s WHERE NOT EXISTS (
                        SELECT 1 FROM kept AS k WHERE k.chain = s.chain AND k.cause = s.cause)
                    RETURNING 1),
                 ended AS (
                    UPDATE firings AS f
                    SET state = 'failed', problem = $3, later_at = NULL, held_until = NULL, changed_at = $4
                    WHERE f.state = 'running' AND NOT EXISTS (
                        SELECT 1 FROM kept AS k WHERE k.chain = f.chain AND k.cause = f.cause))
                 SELECT count(*) FROM gone",
            )
            .bind(&chains)
            .bind(&causes)
            .bind(plain(&problem))
            .bind(millis(now))
            .fetch_one(db)
        })?;
        unsigned(SCHEDULES, gone)
    }

    async fn due_schedules(&self, now: Timestamp, plans: &[String]) -> Result<Vec<Scheduled>> {
        let rows: Vec<Row> = once!(self, |db| {
            sqlx::query_as(
                "SELECT * FROM schedules WHERE next_fire_at <= $1 AND plan_hash = ANY ($2)
                 ORDER BY next_fire_at LIMIT $3",
            )
            .bind(millis_down(now))
            .bind(plans)
            .bind(DUE)
            .fetch_all(db)
        })?;
        rows.into_iter().map(Row::scheduled).collect()
    }

    async fn next_schedule(&self, plans: &[String]) -> Result<Option<Timestamp>> {
        let (next,): (Option<i64>,) = once!(self, |db| {
            sqlx::query_as("SELECT min(next_fire_at) FROM schedules WHERE plan_hash = ANY ($1)")
                .bind(plans)
                .fetch_one(db)
        })?;
        next.map(|at| timestamp(SCHEDULES, at)).transpose()
    }

    /// One statement: the second of two that come at once waits for the first, and finds the row moved on.
    async fn fire_schedule(&self, row: &Scheduled, next: Option<Timestamp>, firing: &Firing) -> Result<bool> {
        let counts = json(FIRINGS, &firing.counts)?;
        let problem = firing.problem.as_ref().map(|p| json(FIRINGS, p)).transpose()?;
        let (fired,): (bool,) = once!(self, |db| {
            sqlx::query_as(
                "WITH moved AS (
                    UPDATE schedules SET next_fire_at = $3
                    WHERE chain = $1 AND cause = $2 AND plan_hash = $4 AND next_fire_at IS NOT DISTINCT FROM $5
                    RETURNING 1),
                 new AS (
                    INSERT INTO firings (chain, cause, occasion, fire_at, state, skipped, counts, problem, failures,
                                         fence, changed_at)
                    SELECT $1, $2, $6, $7, $8, $9, $10, $11, 0, 0, $12 FROM moved
                    ON CONFLICT DO NOTHING RETURNING 1)
                 SELECT EXISTS (SELECT 1 FROM new)",
            )
            .bind(key(&row.chain))
            .bind(row.cause.word())
            .bind(next.map(millis))
            .bind(&row.plan_hash)
            .bind(row.next.map(millis))
            .bind(key(&firing.occasion))
            .bind(millis(firing.due))
            .bind(firing.state.word())
            .bind(i64::from(firing.skipped))
            .bind(&counts)
            .bind(problem.as_deref().map(plain))
            .bind(millis(firing.changed_at))
            .fetch_one(db)
        })?;
        once!(self, |db| {
            sqlx::query(
                "DELETE FROM firings WHERE chain = $1 AND cause = $2 AND state <> 'running' AND fire_at < (
                    SELECT fire_at FROM firings WHERE chain = $1 AND cause = $2
                    ORDER BY fire_at DESC LIMIT 1 OFFSET $3)",
            )
            .bind(key(&row.chain))
            .bind(row.cause.word())
            .bind(KEPT - 1)
            .execute(db)
        })?;
        Ok(fired)
    }

    async fn has_fired(&self, chain: &str, cause: Cause, occasion: &str) -> Result<bool> {
        let (fired,): (bool,) = once!(self, |db| {
            sqlx::query_as(
                "SELECT EXISTS (SELECT 1 FROM firings WHERE chain = $1 AND cause = $2 AND occasion = $3)",
            )
            .bind(key(chain))
            .bind(cause.word())
            .bind(key(occasion))
            .fetch_one(db)
        })?;
        Ok(fired)
    }

    async fn take_firings(
        &self,
        now: Timestamp,
        until: Timestamp,
        plans: &[String],
        most: usize,
    ) -> Result<Vec<Held>> {
        let rows: Vec<HeldRow> = once!(self, |db| {
            sqlx::query_as(
                "UPDATE firings AS f SET fence = f.fence + 1, held_until = $2, later_at = NULL
                 FROM (
                    SELECT f.chain, f.cause, f.occasion, s.plan_hash
                    FROM firings AS f JOIN schedules AS s ON s.chain = f.chain AND s.cause = f.cause
                    WHERE f.state = 'running' AND s.plan_hash = ANY ($3)
                      AND (f.held_until IS NULL OR f.held_until <= $1 OR f.held_until > $1 + $5)
                      AND (f.later_at IS NULL OR f.later_at <= $1 OR f.later_at > $1 + $5)
                    ORDER BY f.fire_at LIMIT $4 FOR UPDATE OF f SKIP LOCKED) AS t
                 WHERE f.chain = t.chain AND f.cause = t.cause AND f.occasion = t.occasion
                 RETURNING f.*, t.plan_hash",
            )
            .bind(millis(now))
            .bind(millis(until))
            .bind(plans)
            .bind(signed(most as u64))
            .bind(WRONG)
            .fetch_all(db)
        })?;
        rows.into_iter().map(HeldRow::held).collect()
    }

    async fn hold_firing(&self, held: &Held, until: Timestamp) -> Result<bool> {
        let done = once!(self, |db| {
            sqlx::query(
                "UPDATE firings SET held_until = $5
                 WHERE chain = $1 AND cause = $2 AND occasion = $3 AND fence = $4 AND state = 'running'",
            )
            .bind(key(&held.firing.chain))
            .bind(held.firing.cause.word())
            .bind(key(&held.firing.occasion))
            .bind(signed(held.fence))
            .bind(millis(until))
            .execute(db)
        })?;
        Ok(done.rows_affected() > 0)
    }

    async fn advance_firing(&self, held: &Held, progress: &Progress, now: Timestamp) -> Result<bool> {
        let counts = json(FIRINGS, &progress.counts)?;
        let problem = progress.problem.as_ref().map(|p| json(FIRINGS, p)).transpose()?;
        let done = once!(self, |db| {
            sqlx::query(
                "UPDATE firings
                 SET state = $5, cursor = $6, counts = $7, failures = $8, later_at = $9, held_until = $10,
                     problem = $11, changed_at = $12
                 WHERE chain = $1 AND cause = $2 AND occasion = $3 AND fence = $4 AND state = 'running'",
            )
            .bind(key(&held.firing.chain))
            .bind(held.firing.cause.word())
            .bind(key(&held.firing.occasion))
            .bind(signed(held.fence))
            .bind(progress.state.word())
            .bind(progress.cursor.as_deref().map(plain))
            .bind(&counts)
            .bind(i64::from(progress.failures))
            .bind(progress.later.map(millis))
            .bind(progress.until.map(millis))
            .bind(problem.as_deref().map(plain))
            .bind(millis(now))
            .execute(db)
        })?;
        Ok(done.rows_affected() > 0)
    }

    async fn release_firings(&self) -> Result<()> {
        once!(self, |db| {
            sqlx::query(
                "UPDATE firings SET held_until = NULL WHERE state = 'running' AND held_until IS NOT NULL",
            )
            .execute(db)
        })?;
        Ok(())
    }

    async fn firings_of(&self, chain: &str, cause: Option<Cause>, most: usize) -> Result<Vec<Firing>> {
        let rows: Vec<FiringRow> = once!(self, |db| {
            sqlx::query_as(
                "SELECT * FROM firings WHERE chain = $1 AND ($2::text IS NULL OR cause = $2)
                 ORDER BY fire_at DESC, occasion DESC LIMIT $3",
            )
            .bind(key(chain))
            .bind(cause.map(Cause::word))
            .bind(signed(most as u64))
            .fetch_all(db)
        })?;
        rows.into_iter().map(FiringRow::firing).collect()
    }
}

schedule_log!(Postgres);
