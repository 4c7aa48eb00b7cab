//! Steps of runs: the state as JSON, and the columns that claims, leases and back-offs are found by.

use jiff::Timestamp;
use patchline_engine::{
    RunId,
    core::{StepRun, StepState, recovery::Lease},
    store::Due,
};
use sqlx::SqliteConnection;

use super::column::{json, millis, of_json, signed, timestamp, unsigned, word};
use crate::error::Result;

const TABLE: &str = "steps";

fn ready_at(step: &StepRun) -> Option<i64> {
    match &step.state {
        StepState::Ready { at } | StepState::Backoff { at } => Some(millis(*at)),
        StepState::Approval { until, .. } => Some(millis(*until)),
        _ => None,
    }
}

fn lease_until(step: &StepRun) -> Option<i64> {
    match &step.state {
        StepState::Leased { until, .. } => Some(millis(*until)),
        _ => None,
    }
}

pub(super) async fn of_run(db: &mut SqliteConnection, run: &RunId) -> Result<Vec<StepRun>> {
    let rows: Vec<(String, Option<i64>)> =
        sqlx::query_as("SELECT body, lease_until FROM steps WHERE run = ?1 ORDER BY position")
            .bind(&run.0)
            .fetch_all(db)
            .await?;
    rows.into_iter()
        .map(|(body, lease_until)| {
            let mut step: StepRun = of_json(TABLE, &body)?;
            // A renewal writes the column alone.
            if let (StepState::Leased { until, .. }, Some(ms)) = (&mut step.state, lease_until) {
                *until = timestamp(TABLE, ms)?;
            }
            Ok(step)
        })
        .collect()
}

pub(super) async fn insert(
    db: &mut SqliteConnection,
    run: &RunId,
    priority: u8,
    position: usize,
    step: &StepRun,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO steps (run, position, status, fence, priority, ready_at, lease_until, body)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
    )
    .bind(&run.0)
    .bind(signed(position as u64))
    .bind(word(&step.state.status()))
    .bind(signed(step.fence))
    .bind(priority)
    .bind(ready_at(step))
    .bind(lease_until(step))
    .bind(json(TABLE, step)?)
    .execute(db)
    .await?;
    Ok(())
}

/// The fenced write: it takes only a row that is as `before` says.
pub(super) async fn save(
    db: &mut SqliteConnection,
    run: &RunId,
    position: usize,
    before: &StepRun,
    after: &StepRun,
) -> Result<bool> {
    let done = sqlx::query(
        "UPDATE steps SET status = ?5, fence = ?6, ready_at = ?7, lease_until = ?8, body = ?9
         WHERE run = ?1 AND position = ?2 AND fence = ?3 AND status = ?4",
    )
    .bind(&run.0)
    .bind(signed(position as u64))
    .bind(signed(before.fence))
    .bind(word(&before.state.status()))
    .bind(word(&after.state.status()))
    .bind(signed(after.fence))
    .bind(ready_at(after))
    .bind(lease_until(after))
    .bind(json(TABLE, after)?)
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}

pub(super) async fn ready(db: &mut SqliteConnection, limit: usize) -> Result<Vec<(RunId, usize)>> {
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "SELECT run, position FROM steps WHERE status = 'ready' ORDER BY priority, ready_at, run, position LIMIT ?1",
    )
    .bind(signed(limit as u64))
    .fetch_all(db)
    .await?;
    rows.into_iter().map(|(run, position)| Ok((RunId(run), unsigned(TABLE, position)?))).collect()
}

async fn leases_until(db: &mut SqliteConnection, until: i64, limit: i64) -> Result<Vec<Lease>> {
    let rows: Vec<(String, i64, i64, i64)> = sqlx::query_as(
        "SELECT run, position, fence, lease_until FROM steps
         WHERE status = 'leased' AND lease_until <= ?1 ORDER BY lease_until LIMIT ?2",
    )
    .bind(until)
    .bind(limit)
    .fetch_all(db)
    .await?;
    rows.into_iter()
        .map(|(run, position, fence, until)| {
            Ok(Lease {
                run: RunId(run),
                step: unsigned(TABLE, position)?,
                fence: unsigned(TABLE, fence)?,
                until: timestamp(TABLE, until)?,
            })
        })
        .collect()
}

pub(super) async fn leases(db: &mut SqliteConnection) -> Result<Vec<Lease>> {
    leases_until(db, i64::MAX, -1).await
}

pub(super) async fn due(db: &mut SqliteConnection, now: Timestamp, limit: usize) -> Result<Vec<Due>> {
    let (now, limit) = (millis(now), signed(limit as u64));
    let mut due: Vec<Due> = leases_until(db, now, limit).await?.into_iter().map(Due::Lease).collect();
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "SELECT run, position FROM steps
         WHERE status = 'waiting' AND ready_at IS NOT NULL AND ready_at < ?1 ORDER BY ready_at LIMIT ?2",
    )
    .bind(now)
    .bind(limit)
    .fetch_all(db)
    .await?;
    for (run, position) in rows {
        due.push(Due::Waiting { run: RunId(run), step: unsigned(TABLE, position)? });
    }
    Ok(due)
}

pub(super) async fn next_due(db: &mut SqliteConnection, now: Timestamp) -> Result<Option<Timestamp>> {
    let (next,): (Option<i64>,) = sqlx::query_as(
        "SELECT min(at) FROM (
            SELECT min(lease_until) AS at FROM steps WHERE status = 'leased' AND lease_until > ?1
            UNION ALL
            SELECT min(ready_at) + 1 FROM steps WHERE status = 'waiting' AND ready_at IS NOT NULL AND ready_at >= ?1
            UNION ALL
            SELECT min(due_at) FROM outbox WHERE state = 'pending' AND due_at > ?1
         )",
    )
    .bind(millis(now))
    .fetch_one(db)
    .await?;
    next.map(|ms| timestamp(TABLE, ms)).transpose()
}

pub(super) async fn renew(db: &mut SqliteConnection, lease: &Lease) -> Result<bool> {
    let done = sqlx::query(
        "UPDATE steps SET lease_until = ?4 WHERE run = ?1 AND position = ?2 AND fence = ?3 AND status = 'leased'",
    )
    .bind(&lease.run.0)
    .bind(signed(lease.step as u64))
    .bind(signed(lease.fence))
    .bind(millis(lease.until))
    .execute(db)
    .await?;
    Ok(done.rows_affected() == 1)
}
