//! Chains that start by themselves, and their firings.

use jiff::Timestamp;
use patchline_engine::{
    Problem,
    schedule::{Cause, Firing, Held, Progress, Scheduled},
};
use sqlx::{Sqlite as Db, Transaction};

use super::{
    Sqlite,
    column::{json, millis, signed, timestamp},
};
use crate::{
    error::Result,
    schedules::{DUE, FIRINGS, FiringRow, HeldRow, KEPT, Row, SCHEDULES, WRONG, millis_down, schedule_log},
};

impl Sqlite {
    async fn schedules(&self) -> Result<Vec<Scheduled>> {
        let rows: Vec<Row> =
            sqlx::query_as("SELECT * FROM schedules ORDER BY chain, cause").fetch_all(&self.readers).await?;
        rows.into_iter().map(Row::scheduled).collect()
    }

    async fn put_schedule(&self, row: &Scheduled, before: Option<&Scheduled>) -> Result<bool> {
        let query = match before {
            None => {
                "INSERT INTO schedules (chain, cause, plan_hash, cron, zone, next_fire_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT DO NOTHING"
            }
            Some(_) => {
                "UPDATE schedules SET plan_hash = ?3, cron = ?4, zone = ?5, next_fire_at = ?6
                 WHERE chain = ?1 AND cause = ?2 AND plan_hash = ?7 AND next_fire_at IS ?8"
            }
        };
        let query = sqlx::query(query)
            .bind(&row.chain)
            .bind(row.cause.word())
            .bind(&row.plan_hash)
            .bind(&row.cron)
            .bind(&row.zone)
            .bind(row.next.map(millis));
        let query = match before {
            None => query,
            Some(before) => query.bind(&before.plan_hash).bind(before.next.map(millis)),
        };
        Ok(query.execute(&self.writer).await?.rows_affected() > 0)
    }

    async fn keep_schedules(
        &self,
        rows: &[(String, Cause)],
        problem: &Problem,
        now: Timestamp,
    ) -> Result<usize> {
        let keep: Vec<(&str, &str)> = rows.iter().map(|(chain, cause)| (&**chain, cause.word())).collect();
        let keep = json(SCHEDULES, &keep)?;
        let mut tx = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        let gone = sqlx::query(
            "DELETE FROM schedules
             WHERE (chain, cause) NOT IN (SELECT value ->> 0, value ->> 1 FROM json_each(?1))",
        )
        .bind(&keep)
        .execute(&mut *tx)
        .await?
        .rows_affected();
        sqlx::query(
            "UPDATE firings
             SET state = 'failed', problem = ?2, later_at = NULL, held_until = NULL, changed_at = ?3
             WHERE state = 'running'
               AND (chain, cause) NOT IN (SELECT value ->> 0, value ->> 1 FROM json_each(?1))",
        )
        .bind(&keep)
        .bind(json(FIRINGS, problem)?)
        .bind(millis(now))
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(usize::try_from(gone).unwrap_or(usize::MAX))
    }

    async fn due_schedules(&self, now: Timestamp, plans: &[String]) -> Result<Vec<Scheduled>> {
        let rows: Vec<Row> = sqlx::query_as(
            "SELECT * FROM schedules
             WHERE next_fire_at <= ?1 AND plan_hash IN (SELECT value FROM json_each(?2))
             ORDER BY next_fire_at LIMIT ?3",
        )
        .bind(millis_down(now))
        .bind(json(SCHEDULES, &plans)?)
        .bind(DUE)
        .fetch_all(&self.readers)
        .await?;
        rows.into_iter().map(Row::scheduled).collect()
    }

    async fn next_schedule(&self, plans: &[String]) -> Result<Option<Timestamp>> {
        let (next,): (Option<i64>,) = sqlx::query_as(
            "SELECT min(next_fire_at) FROM schedules WHERE plan_hash IN (SELECT value FROM json_each(?1))",
        )
        .bind(json(SCHEDULES, &plans)?)
        .fetch_one(&self.readers)
        .await?;
        next.map(|at| timestamp(SCHEDULES, at)).transpose()
    }

    async fn fire_schedule(&self, row: &Scheduled, next: Option<Timestamp>, firing: &Firing) -> Result<bool> {
        let mut tx = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        let moved = sqlx::query(
            "UPDATE schedules SET next_fire_at = ?3
             WHERE chain = ?1 AND cause = ?2 AND plan_hash = ?4 AND next_fire_at IS ?5",
        )
        .bind(&row.chain)
        .bind(row.cause.word())
        .bind(next.map(millis))
        .bind(&row.plan_hash)
        .bind(row.next.map(millis))
        .execute(&mut *tx)
        .await?;
        if moved.rows_affected() == 0 {
            tx.rollback().await?;
            return Ok(false);
        }
        let fired = record(&mut tx, firing).await?;
        tx.commit().await?;
        Ok(fired)
    }

    async fn has_fired(&self, chain: &str, cause: Cause, occasion: &str) -> Result<bool> {
        let (fired,): (bool,) = sqlx::query_as(
            "SELECT EXISTS (SELECT 1 FROM firings WHERE chain = ?1 AND cause = ?2 AND occasion = ?3)",
        )
        .bind(chain)
        .bind(cause.word())
        .bind(occasion)
        .fetch_one(&self.readers)
        .await?;
        Ok(fired)
    }

    async fn take_firings(
        &self,
        now: Timestamp,
        until: Timestamp,
        plans: &[String],
        most: usize,
    ) -> Result<Vec<Held>> {
        // Nearly always there is none: then nothing is written.
        let (any,): (bool,) = sqlx::query_as("SELECT EXISTS (SELECT 1 FROM firings WHERE state = 'running')")
            .fetch_one(&self.readers)
            .await?;
        if !any {
            return Ok(Vec::new());
        }
        let rows: Vec<HeldRow> = sqlx::query_as(
            "UPDATE firings SET fence = fence + 1, held_until = ?2, later_at = NULL
             WHERE (chain, cause, occasion) IN (
                SELECT f.chain, f.cause, f.occasion FROM firings AS f JOIN schedules AS s USING (chain, cause)
                WHERE f.state = 'running' AND s.plan_hash IN (SELECT value FROM json_each(?3))
                  AND (f.held_until IS NULL OR f.held_until <= ?1 OR f.held_until > ?1 + ?5)
                  AND (f.later_at IS NULL OR f.later_at <= ?1 OR f.later_at > ?1 + ?5)
                ORDER BY f.fire_at LIMIT ?4)
             RETURNING *, (SELECT plan_hash FROM schedules AS s
                           WHERE s.chain = firings.chain AND s.cause = firings.cause) AS plan_hash",
        )
        .bind(millis(now))
        .bind(millis(until))
        .bind(json(SCHEDULES, &plans)?)
        .bind(signed(most as u64))
        .bind(WRONG)
        .fetch_all(&self.writer)
        .await?;
        rows.into_iter().map(HeldRow::held).collect()
    }

    async fn hold_firing(&self, held: &Held, until: Timestamp) -> Result<bool> {
        let done = sqlx::query(
            "UPDATE firings SET held_until = ?5
             WHERE chain = ?1 AND cause = ?2 AND occasion = ?3 AND fence = ?4 AND state = 'running'",
        )
        .bind(&held.firing.chain)
        .bind(held.firing.cause.word())
        .bind(&held.firing.occasion)
        .bind(signed(held.fence))
        .bind(millis(until))
        .execute(&self.writer)
        .await?;
        Ok(done.rows_affected() > 0)
    }

    async fn advance_firing(&self, held: &Held, progress: &Progress, now: Timestamp) -> Result<bool> {
        let done = sqlx::query(
            "UPDATE firings
             SET state = ?5, cursor = ?6, counts = ?7, failures = ?8, later_at = ?9, held_until = ?10, problem = ?11,
                 changed_at = ?12
             WHERE chain = ?1 AND cause = ?2 AND occasion = ?3 AND fence = ?4 AND state = 'running'",
        )
        .bind(&held.firing.chain)
        .bind(held.firing.cause.word())
        .bind(&held.firing.occasion)
        .bind(signed(held.fence))
        .bind(progress.state.word())
        .bind(&progress.cursor)
        .bind(json(FIRINGS, &progress.counts)?)
        .bind(progress.failures)
        .bind(progress.later.map(millis))
        .bind(progress.until.map(millis))
        .bind(progress.problem.as_ref().map(|p| json(FIRINGS, p)).transpose()?)
        .bind(millis(now))
        .execute(&self.writer)
        .await?;
        Ok(done.rows_affected() > 0)
    }

    async fn release_firings(&self) -> Result<()> {
        sqlx::query(
            "UPDATE firings SET held_until = NULL WHERE state = 'running' AND held_until IS NOT NULL",
        )
        .execute(&self.writer)
        .await?;
        Ok(())
    }

    async fn firings_of(&self, chain: &str, cause: Option<Cause>, most: usize) -> Result<Vec<Firing>> {
        let rows: Vec<FiringRow> = sqlx::query_as(
            "SELECT * FROM firings WHERE chain = ?1 AND (?2 IS NULL OR cause = ?2)
             ORDER BY fire_at DESC, occasion DESC LIMIT ?3",
        )
        .bind(chain)
        .bind(cause.map(Cause::word))
        .bind(signed(most as u64))
        .fetch_all(&self.readers)
        .await?;
        rows.into_iter().map(FiringRow::firing).collect()
    }
}

/// A new firing; false: it is there already. The oldest finished ones go.
async fn record(tx: &mut Transaction<'_, Db>, firing: &Firing) -> Result<bool> {
    let new = sqlx::query(
        "INSERT INTO firings (chain, cause, occasion, fire_at, state, skipped, counts, problem, failures, fence,
                              changed_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0, 0, ?9) ON CONFLICT DO NOTHING",
    )
    .bind(&firing.chain)
    .bind(firing.cause.word())
    .bind(&firing.occasion)
    .bind(millis(firing.due))
    .bind(firing.state.word())
    .bind(firing.skipped)
    .bind(json(FIRINGS, &firing.counts)?)
    .bind(firing.problem.as_ref().map(|p| json(FIRINGS, p)).transpose()?)
    .bind(millis(firing.changed_at))
    .execute(&mut **tx)
    .await?;
    sqlx::query(
        "DELETE FROM firings WHERE chain = ?1 AND cause = ?2 AND state <> 'running' AND fire_at < (
            SELECT fire_at FROM firings WHERE chain = ?1 AND cause = ?2 ORDER BY fire_at DESC LIMIT 1 OFFSET ?3)",
    )
    .bind(&firing.chain)
    .bind(firing.cause.word())
    .bind(KEPT - 1)
    .execute(&mut **tx)
    .await?;
    Ok(new.rows_affected() > 0)
}

schedule_log!(Sqlite);
