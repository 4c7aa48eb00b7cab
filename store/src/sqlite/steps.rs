//! Steps of runs.

use std::collections::HashMap;

use jiff::Timestamp;
use patchline_engine::{
    RunId,
    core::{Steps, recovery::Lease},
    store::{Due, NewRun, StepChange, Wanted},
};
use sqlx::SqliteConnection;

use super::{
    bulk,
    column::{json, millis, signed, timestamp, unsigned, word},
};
use crate::{
    error::Result,
    steps::{TABLE, lease_until, read, ready_at},
};

pub(super) async fn of_runs(db: &mut SqliteConnection, runs: &[&RunId]) -> Result<HashMap<String, Steps>> {
    let rows: Vec<(String, String, Option<i64>)> = sqlx::query_as(
        "SELECT run, body, lease_until FROM steps WHERE run IN (SELECT value FROM json_each(?1)) ORDER BY run, position",
    )
    .bind(json(TABLE, &runs)?)
    .fetch_all(db)
    .await?;
    let mut steps: HashMap<String, Steps> = HashMap::new();
    for (run, body, lease_until) in rows {
        steps.entry(run).or_default().push(read(&body, lease_until)?);
    }
    Ok(steps)
}

pub(super) async fn insert(db: &mut SqliteConnection, runs: &[NewRun<'_>]) -> Result<()> {
    let mut rows = Vec::new();
    for NewRun { record, plan } in runs {
        let all = record.steps.iter().zip(&plan.steps).enumerate();
        rows.extend(all.map(|(position, (step, planned))| (*record, position, step, planned)));
    }
    let sql = "INSERT INTO steps (run, position, status, fence, priority, kind, ready_at, lease_until, body)
               SELECT * FROM ({rows}) WHERE column1 IS NOT NULL";
    bulk::execute(db, sql, 9, &rows, |query, (record, position, step, planned)| {
        Ok(query
            .bind(record.id.0.clone())
            .bind(signed(*position as u64))
            .bind(word(&step.state.status()))
            .bind(signed(step.fence))
            .bind(record.priority)
            .bind(planned.uses.clone())
            .bind(ready_at(step))
            .bind(lease_until(step))
            .bind(json(TABLE, step)?))
    })
    .await?;
    Ok(())
}

/// The fenced write: it takes only rows that are as their `before` says.
pub(super) async fn save(db: &mut SqliteConnection, changes: &[StepChange<'_>]) -> Result<bool> {
    let sql = "UPDATE steps SET status = new.column5, fence = new.column6, ready_at = new.column7,
                                lease_until = new.column8, body = new.column9, parked = NULL
               FROM ({rows}) AS new
               WHERE steps.run = new.column1 AND steps.position = new.column2
                 AND steps.fence = new.column3 AND steps.status = new.column4";
    let saved = bulk::execute(db, sql, 9, changes, |query, StepChange { run, step, before, after }| {
        Ok(query
            .bind(run.0.clone())
            .bind(signed(*step as u64))
            .bind(signed(before.fence))
            .bind(word(&before.state.status()))
            .bind(word(&after.state.status()))
            .bind(signed(after.fence))
            .bind(ready_at(after))
            .bind(lease_until(after))
            .bind(json(TABLE, after)?))
    })
    .await?;
    Ok(saved == changes.len() as u64)
}

/// `LIMIT ?2 + 0` below: the planner remembers a parameter that stands alone, and prepares the statement anew whenever
/// one is bound.
pub(super) async fn claimable(db: &mut SqliteConnection, wanted: &Wanted<'_>) -> Result<Vec<(RunId, usize)>> {
    let kinds = wanted.kinds.map(|kinds| json(TABLE, &kinds)).transpose()?;
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "SELECT run, position FROM steps WHERE status = 'ready' AND parked IS NULL AND priority <= ?3
            AND (?1 IS NULL OR kind IN (SELECT value FROM json_each(?1)))
         ORDER BY priority, run, position LIMIT ?2 + 0",
    )
    .bind(kinds)
    .bind(signed(wanted.limit as u64))
    .bind(wanted.priority)
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
    .fetch_all(&mut *db)
    .await?;
    for (run, position) in rows {
        due.push(Due::Waiting { run: RunId(run), step: unsigned(TABLE, position)? });
    }
    let rows: Vec<(String,)> = sqlx::query_as(
        "SELECT id FROM runs WHERE deadline IS NOT NULL AND phase <> 'finished' AND deadline < ?1
         ORDER BY deadline LIMIT ?2",
    )
    .bind(now)
    .bind(limit)
    .fetch_all(db)
    .await?;
    due.extend(rows.into_iter().map(|(run,)| Due::Deadline(RunId(run))));
    Ok(due)
}

pub(super) async fn next_due(db: &mut SqliteConnection, now: Timestamp) -> Result<Option<Timestamp>> {
    let (next,): (Option<i64>,) = sqlx::query_as(
        "SELECT min(at) FROM (
            SELECT min(lease_until) AS at FROM steps WHERE status = 'leased' AND lease_until > ?1
            UNION ALL
            SELECT min(ready_at) + 1 FROM steps WHERE status = 'waiting' AND ready_at IS NOT NULL AND ready_at >= ?1
            UNION ALL
            SELECT min(deadline) + 1 FROM runs WHERE deadline IS NOT NULL AND phase <> 'finished' AND deadline >= ?1
            UNION ALL
            SELECT min(due_at) FROM outbox WHERE state = 'pending' AND due_at > ?1
         )",
    )
    .bind(millis(now))
    .fetch_one(db)
    .await?;
    next.map(|ms| timestamp(TABLE, ms)).transpose()
}

/// Prolongs what still holds; and whether its run is being cancelled.
pub(super) async fn renew(db: &mut SqliteConnection, leases: &[Lease]) -> Result<Vec<(Lease, bool)>> {
    let rows: Vec<_> = leases.iter().map(|l| (&l.run.0, l.step, l.fence, millis(l.until))).collect();
    let held: Vec<(String, i64, bool)> = sqlx::query_as(
        "UPDATE steps SET lease_until = new.until
         FROM (SELECT value ->> 0 AS run, value ->> 1 AS position, value ->> 2 AS fence, value ->> 3 AS until
               FROM json_each(?1)) AS new
         WHERE steps.run = new.run AND steps.position = new.position AND steps.fence = new.fence
           AND steps.status = 'leased'
         RETURNING steps.run, steps.position, (SELECT phase = 'cancelling' FROM runs WHERE id = steps.run)",
    )
    .bind(json(TABLE, &rows)?)
    .fetch_all(db)
    .await?;
    let mut renewed = Vec::with_capacity(held.len());
    for (run, position, stop) in held {
        let step: usize = unsigned(TABLE, position)?;
        renewed.extend(leases.iter().find(|l| l.run.0 == run && l.step == step).map(|l| (l.clone(), stop)));
    }
    Ok(renewed)
}
