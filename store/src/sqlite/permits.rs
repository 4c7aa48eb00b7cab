//! Permits under limits, and the steps that wait for room.

use patchline_engine::{RunId, store::Permit};
use sqlx::SqliteConnection;

use super::column::{json, signed, unsigned};
use crate::error::Result;

const TABLE: &str = "permits";

/// Those whose step is leased; others are left over and count for nothing.
pub(super) async fn count(db: &mut SqliteConnection, keys: &[String]) -> Result<Vec<usize>> {
    let rows: Vec<(i64,)> = sqlx::query_as(
        "SELECT (SELECT count(*) FROM permits JOIN steps USING (run, position)
                 WHERE permits.key = j.value AND steps.status = 'leased')
         FROM json_each(?1) AS j ORDER BY j.key",
    )
    .bind(json(TABLE, &keys)?)
    .fetch_all(db)
    .await?;
    rows.into_iter().map(|(count,)| unsigned(TABLE, count)).collect()
}

pub(super) async fn take(db: &mut SqliteConnection, permits: &[Permit]) -> Result<()> {
    let rows: Vec<_> = permits.iter().map(|p| (&p.key, &p.run, p.step)).collect();
    // Without a key there is no parser's conflict between `ON` of a join and of an upsert.
    sqlx::query(
        "INSERT INTO permits (key, run, position)
         SELECT value ->> 0, value ->> 1, value ->> 2 FROM json_each(?1) WHERE true ON CONFLICT DO NOTHING",
    )
    .bind(json(TABLE, &rows)?)
    .execute(db)
    .await?;
    Ok(())
}

pub(super) async fn release(db: &mut SqliteConnection, steps: &[(RunId, usize)]) -> Result<Vec<String>> {
    let rows: Vec<(String,)> = sqlx::query_as(
        "DELETE FROM permits WHERE (run, position) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?1))
         RETURNING key",
    )
    .bind(json(TABLE, &steps)?)
    .fetch_all(db)
    .await?;
    let mut keys: Vec<String> = rows.into_iter().map(|(key,)| key).collect();
    keys.sort_unstable();
    keys.dedup();
    Ok(keys)
}

pub(super) async fn park(db: &mut SqliteConnection, steps: &[(RunId, usize)], key: &str) -> Result<()> {
    sqlx::query(
        "UPDATE steps SET parked = ?2
         WHERE status = 'ready' AND (run, position) IN (SELECT value ->> 0, value ->> 1 FROM json_each(?1))",
    )
    .bind(json(TABLE, &steps)?)
    .bind(key)
    .execute(db)
    .await?;
    Ok(())
}

pub(super) async fn unpark(db: &mut SqliteConnection, key: &str, limit: usize) -> Result<usize> {
    let done = sqlx::query(
        "UPDATE steps SET parked = NULL WHERE (run, position) IN (
            SELECT run, position FROM steps WHERE parked = ?1 ORDER BY priority, run, position LIMIT ?2)",
    )
    .bind(key)
    .bind(signed(limit as u64))
    .execute(db)
    .await?;
    Ok(usize::try_from(done.rows_affected()).unwrap_or(usize::MAX))
}

pub(super) async fn parked(db: &mut SqliteConnection) -> Result<Vec<String>> {
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
