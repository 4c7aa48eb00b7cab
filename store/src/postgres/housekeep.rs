//! Partitions of the coming days, and the forgetting of what is old: in small bites, by one process at a time.

use jiff::{SignedDuration, Timestamp};
use sqlx::{AssertSqlSafe, Connection, PgConnection};

use super::{Postgres, column::millis, leases, partitions, text::lock};
use crate::{
    error::Result,
    housekeeping::{Forgotten, cutoff, first_id},
};

/// Cascades are looked at by so many runs.
const BITE: i64 = 500;
/// Days to come whose partitions stand ready.
const AHEAD: i64 = 3;
/// A transaction that has begun before is over: statements have far less time.
const LONGEST: SignedDuration = SignedDuration::from_mins(10);

impl Postgres {
    /// Makes the coming days' partitions of the history, and forgets finished cascades, deliveries, days of history
    /// and unused plans that are older than `retention`. What is under way keeps all of its history.
    pub async fn housekeep(&self, now: Timestamp, retention: SignedDuration) -> Result<Forgotten> {
        let mut db = self.connect_alone().await?;
        // It never waits long for a lock: others wait behind it.
        sqlx::raw_sql("SET lock_timeout = '2s'; SET statement_timeout = '5min'").execute(&mut db).await?;
        let (ours,): (bool,) = sqlx::query_as("SELECT pg_try_advisory_lock($1)")
            .bind(lock("housekeeping", ""))
            .fetch_one(&mut db)
            .await?;
        if !ours {
            return Ok(Forgotten { elsewhere: true, ..Forgotten::default() });
        }
        let done = keep(&mut db, now, cutoff(now, retention)).await;
        // Closing alone would free it a moment later. Where that fails, the server frees it.
        drop(sqlx::query("SELECT pg_advisory_unlock_all()").execute(&mut db).await);
        drop(db.close().await);
        done
    }
}

async fn keep(db: &mut PgConnection, now: Timestamp, end: Timestamp) -> Result<Forgotten> {
    for day in 0..=AHEAD {
        partitions::make(db, now + SignedDuration::from_hours(24 * day)).await?;
    }
    leases::watch_all(db).await?;
    Ok(Forgotten {
        runs: runs(db, end).await?,
        deliveries: deliveries(db, end).await?,
        days: partitions::drop_until(db, end).await?,
        plans: plans(db, now, end).await?,
        elsewhere: false,
    })
}

/// Cascades of which every run ended before `end`, and whose messages are on their way no more.
async fn runs(db: &mut PgConnection, end: Timestamp) -> Result<u64> {
    let mut forgotten = 0;
    let mut after = String::new();
    loop {
        // From bite to bite by the id, so that those which stay are not looked at again.
        let looked: Vec<(String, bool)> = sqlx::query_as(
            "SELECT r.id, NOT EXISTS (
                SELECT FROM runs l WHERE l.cascade = r.cascade
                AND (l.phase <> 'finished' OR l.finished_at >= $1
                     OR EXISTS (SELECT FROM outbox o WHERE o.run = l.id AND o.state = 'pending')))
             FROM runs r WHERE r.id > $2 AND r.id < $3 AND r.phase = 'finished' AND r.finished_at < $1
             ORDER BY r.id LIMIT $4",
        )
        .bind(millis(end))
        .bind(&after)
        .bind(first_id(end))
        .bind(BITE)
        .fetch_all(&mut *db)
        .await?;
        let Some((last, _)) = looked.last() else { return Ok(forgotten) };
        after.clone_from(last);
        let old: Vec<&str> = looked.iter().filter(|(_, old)| *old).map(|(id, _)| id.as_str()).collect();
        // A run that is opened again meanwhile has its row locked, or is no longer as it was found.
        let done = sqlx::query(
            "WITH old AS (SELECT id FROM runs WHERE id = ANY($1) AND phase = 'finished' FOR UPDATE SKIP LOCKED),
                  s AS (DELETE FROM steps USING old WHERE steps.run = old.id),
                  p AS (DELETE FROM permits USING old WHERE permits.run = old.id),
                  w AS (DELETE FROM lease_watch w USING old WHERE w.run = old.id),
                  o AS (DELETE FROM outbox USING old WHERE outbox.run = old.id),
                  f AS (DELETE FROM effects USING old WHERE effects.run = old.id),
                  e AS (DELETE FROM events_default e USING old WHERE e.run = old.id)
             DELETE FROM runs USING old WHERE runs.id = old.id",
        )
        .bind(old)
        .execute(&mut *db)
        .await?;
        forgotten += done.rows_affected();
    }
}

async fn deliveries(db: &mut PgConnection, end: Timestamp) -> Result<u64> {
    let mut forgotten = 0;
    loop {
        let done = sqlx::query(
            "DELETE FROM deliveries d USING (
                SELECT source, event_id, chain FROM deliveries WHERE at < $1 ORDER BY at LIMIT 2000) AS old
             WHERE d.source = old.source AND d.event_id = old.event_id AND d.chain = old.chain",
        )
        .bind(millis(end))
        .execute(&mut *db)
        .await?;
        forgotten += done.rows_affected();
        if done.rows_affected() == 0 {
            return Ok(forgotten);
        }
    }
}

/// Plans that no run and no schedule has. Whoever is just starting a run with one has read the table: it waits, and finds it gone, and
/// writes it again.
async fn plans(db: &mut PgConnection, now: Timestamp, end: Timestamp) -> Result<u64> {
    let unused: Vec<(String,)> = sqlx::query_as(
        "SELECT hash FROM plans p WHERE created_at < $1
         AND NOT EXISTS (SELECT FROM runs WHERE plan_hash = p.hash)
         AND NOT EXISTS (SELECT FROM schedules WHERE plan_hash = p.hash)",
    )
    .bind(millis(end))
    .fetch_all(&mut *db)
    .await?;
    if unused.is_empty() {
        return Ok(0);
    }
    sqlx::raw_sql("BEGIN; LOCK TABLE plans IN ACCESS EXCLUSIVE MODE").execute(&mut *db).await?;
    // Only runs that are younger than the first look can have taken one since.
    let done = sqlx::query(
        "DELETE FROM plans p WHERE hash = ANY($1)
         AND NOT EXISTS (SELECT FROM runs WHERE id >= $2 AND plan_hash = p.hash)
         AND NOT EXISTS (SELECT FROM schedules WHERE plan_hash = p.hash)",
    )
    .bind(unused.iter().map(|(hash,)| hash.as_str()).collect::<Vec<_>>())
    .bind(first_id(now.checked_sub(LONGEST).unwrap_or(Timestamp::MIN)))
    .execute(&mut *db)
    .await?;
    sqlx::raw_sql("COMMIT").execute(&mut *db).await?;
    Ok(done.rows_affected())
}

/// A statement about a table whose name is made here, of digits.
pub(super) fn about(sql: String) -> AssertSqlSafe<String> {
    AssertSqlSafe(sql)
}
