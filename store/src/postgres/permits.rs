//! Permits under limits, and the steps that wait for room.

use std::collections::HashMap;

use patchline_engine::{RunId, store::Permit};
use sqlx::PgConnection;

use super::{
    column::{signed, unsigned},
    text::{key, lock},
};
use crate::error::Result;

const TABLE: &str = "permits";

/// One lock for all limits. With one for each, transactions that free some and count others would wait for each other
/// in a ring; whoever frees takes it too, so that nobody parks a step under a limit that has just got room.
async fn alone(db: &mut PgConnection) -> Result<()> {
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(lock("limits", "")).execute(db).await?;
    Ok(())
}

/// Those whose step is leased; others are left over and count for nothing.
pub(super) async fn count(db: &mut PgConnection, keys: &[String]) -> Result<Vec<usize>> {
    // Apart from the count, which then sees what whoever had the lock has committed.
    alone(db).await?;
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "SELECT t.key, (SELECT count(*) FROM permits p JOIN steps s ON s.run = p.run AND s.position = p.position
                        WHERE p.key = t.key AND s.lease_until IS NOT NULL)
         FROM unnest($1::text[]) AS t (key)",
    )
    .bind(keys.iter().map(|k| key(k)).collect::<Vec<_>>())
    .fetch_all(db)
    .await?;
    let counts: HashMap<String, i64> = rows.into_iter().collect();
    keys.iter().map(|k| unsigned(TABLE, counts.get(&*key(k)).copied().unwrap_or(0))).collect()
}

pub(super) async fn take(db: &mut PgConnection, permits: &[Permit]) -> Result<()> {
    sqlx::query(
        "INSERT INTO permits (key, run, position)
         SELECT * FROM unnest($1::text[], $2::text[], $3::int[]) ON CONFLICT DO NOTHING",
    )
    .bind(permits.iter().map(|p| key(&p.key)).collect::<Vec<_>>())
    .bind(permits.iter().map(|p| p.run.0.as_str()).collect::<Vec<_>>())
    .bind(positions(permits.iter().map(|p| p.step)))
    .execute(db)
    .await?;
    Ok(())
}

pub(super) async fn release(db: &mut PgConnection, steps: &[(RunId, usize)]) -> Result<Vec<String>> {
    let rows: Vec<(String,)> = sqlx::query_as(
        "DELETE FROM permits p USING unnest($1::text[], $2::int[]) AS t (run, position)
         WHERE p.run = t.run AND p.position = t.position RETURNING p.key",
    )
    .bind(steps.iter().map(|(run, _)| run.0.as_str()).collect::<Vec<_>>())
    .bind(positions(steps.iter().map(|(_, step)| *step)))
    .fetch_all(&mut *db)
    .await?;
    let mut keys: Vec<String> = rows.into_iter().map(|(key,)| key).collect();
    keys.sort_unstable();
    keys.dedup();
    if !keys.is_empty() {
        alone(db).await?;
    }
    Ok(keys)
}

pub(super) async fn park(db: &mut PgConnection, steps: &[(RunId, usize)], limit: &str) -> Result<()> {
    sqlx::query(
        "UPDATE steps s SET parked = $3 FROM unnest($1::text[], $2::int[]) AS t (run, position)
         WHERE s.run = t.run AND s.position = t.position AND s.status = 'ready'",
    )
    .bind(steps.iter().map(|(run, _)| run.0.as_str()).collect::<Vec<_>>())
    .bind(positions(steps.iter().map(|(_, step)| *step)))
    .bind(key(limit))
    .execute(db)
    .await?;
    Ok(())
}

/// Steps that somebody moves on right now are left to them.
pub(super) async fn unpark(db: &mut PgConnection, limit: &str, most: usize) -> Result<usize> {
    let done = sqlx::query(
        "UPDATE steps s SET parked = NULL
         FROM (SELECT run, position FROM steps WHERE parked = $1 ORDER BY priority, run, position LIMIT $2
               FOR NO KEY UPDATE SKIP LOCKED) AS t
         WHERE s.run = t.run AND s.position = t.position",
    )
    .bind(key(limit))
    .bind(signed(most as u64))
    .execute(db)
    .await?;
    Ok(usize::try_from(done.rows_affected()).unwrap_or(usize::MAX))
}

pub(super) async fn parked(db: &mut PgConnection) -> Result<Vec<String>> {
    // From one key to the next in the index, however many steps wait under each.
    let rows: Vec<(String,)> = sqlx::query_as(
        "WITH RECURSIVE keys (key) AS (
            SELECT min(parked) FROM steps WHERE parked IS NOT NULL
            UNION ALL
            SELECT (SELECT min(parked) FROM steps WHERE parked IS NOT NULL AND parked > keys.key)
            FROM keys WHERE keys.key IS NOT NULL)
         SELECT key FROM keys WHERE key IS NOT NULL LIMIT 1000",
    )
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|(key,)| key).collect())
}

/// Places in a plan, which has far fewer steps than the column can count.
pub(super) fn positions(steps: impl Iterator<Item = usize>) -> Vec<i32> {
    steps.map(|step| i32::try_from(step).unwrap_or(i32::MAX)).collect()
}
