//! The forgetting of what is old, in small bites: the engine's transactions come in between.

use jiff::{SignedDuration, Timestamp};

use super::{
    Sqlite,
    column::{json, millis},
};
use crate::{
    error::Result,
    housekeeping::{Forgotten, cutoff, first_id},
};

/// Runs that are looked at, and deleted at most, at once.
const BITE: i64 = 200;
/// For each of them the foreign key is held against all runs.
const PLANS: i64 = 10;

impl Sqlite {
    /// Forgets finished cascades, deliveries and unused plans that are older than `retention`.
    pub async fn housekeep(&self, now: Timestamp, retention: SignedDuration) -> Result<Forgotten> {
        let end = cutoff(now, retention);
        Ok(Forgotten {
            runs: self.forget_runs(end).await?,
            deliveries: self.forget_deliveries(end).await?,
            plans: self.forget_plans(end).await?,
            ..Forgotten::default()
        })
    }

    /// Cascades of which every run ended before `end`, and whose messages are on their way no more.
    async fn forget_runs(&self, end: Timestamp) -> Result<u64> {
        let mut forgotten = 0;
        let mut after = String::new();
        loop {
            let looked: Vec<(String, bool)> = sqlx::query_as(
                "SELECT r.id, NOT EXISTS (
                    SELECT 1 FROM runs l WHERE l.cascade = r.cascade
                    AND (l.phase <> 'finished' OR l.finished_at >= ?1
                         OR EXISTS (SELECT 1 FROM outbox o WHERE o.run = l.id AND o.state = 'pending')))
                 FROM runs r WHERE r.id > ?2 AND r.id < ?3 AND r.phase = 'finished' AND r.finished_at < ?1
                 ORDER BY r.id LIMIT ?4",
            )
            .bind(millis(end))
            .bind(&after)
            .bind(first_id(end))
            .bind(BITE)
            .fetch_all(&self.readers)
            .await?;
            let Some((last, _)) = looked.last() else { return Ok(forgotten) };
            after.clone_from(last);
            let old: Vec<&str> = looked.iter().filter(|(_, old)| *old).map(|(id, _)| id.as_str()).collect();
            if old.is_empty() {
                continue;
            }
            let old = json("runs", &old)?;
            let mut tx = self.writer.begin_with("BEGIN IMMEDIATE").await?;
            sqlx::query(
                "DELETE FROM effects WHERE run IN (
                    SELECT id FROM runs WHERE id IN (SELECT value FROM json_each(?1)) AND phase = 'finished')",
            )
            .bind(&old)
            .execute(&mut *tx)
            .await?;
            // Steps, history, messages and permits go with their run.
            let done = sqlx::query(
                "DELETE FROM runs WHERE id IN (SELECT value FROM json_each(?1)) AND phase = 'finished'",
            )
            .bind(&old)
            .execute(&mut *tx)
            .await?;
            tx.commit().await?;
            forgotten += done.rows_affected();
        }
    }

    async fn forget_deliveries(&self, end: Timestamp) -> Result<u64> {
        let mut forgotten = 0;
        loop {
            let done = sqlx::query(
                "DELETE FROM deliveries WHERE (source, event_id, chain) IN (
                    SELECT source, event_id, chain FROM deliveries WHERE at < ?1 ORDER BY at LIMIT 1000)",
            )
            .bind(millis(end))
            .execute(&self.writer)
            .await?;
            forgotten += done.rows_affected();
            if done.rows_affected() == 0 {
                return Ok(forgotten);
            }
        }
    }

    async fn forget_plans(&self, end: Timestamp) -> Result<u64> {
        let unused: Vec<(String,)> = sqlx::query_as(
            "SELECT hash FROM plans WHERE created_at < ?1 AND hash NOT IN (SELECT plan_hash FROM runs)
                AND hash NOT IN (SELECT plan_hash FROM schedules) LIMIT ?2",
        )
        .bind(millis(end))
        .bind(PLANS)
        .fetch_all(&self.readers)
        .await?;
        let mut forgotten = 0;
        for (hash,) in unused {
            // A run or a schedule may have taken it meanwhile.
            let done = sqlx::query(
                "DELETE FROM plans WHERE hash = ?1 AND NOT EXISTS (SELECT 1 FROM runs WHERE plan_hash = ?1)
                    AND NOT EXISTS (SELECT 1 FROM schedules WHERE plan_hash = ?1)",
            )
            .bind(hash)
            .execute(&self.writer)
            .await?;
            forgotten += done.rows_affected();
        }
        Ok(forgotten)
    }
}
