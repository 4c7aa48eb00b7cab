//! Which delivery of an event started which run.

use jiff::Timestamp;
use patchline_engine::{RunId, store::Seen};
use sqlx::SqliteConnection;

use super::column::{json, millis};
use crate::error::Result;

const TABLE: &str = "deliveries";

pub(super) async fn get(db: &mut SqliteConnection, seen: &[Seen]) -> Result<Vec<Option<RunId>>> {
    let wanted: Vec<_> = seen.iter().map(|s| (&s.source, &s.event_id, &s.chain)).collect();
    let rows: Vec<(Option<String>,)> = sqlx::query_as(
        "SELECT (SELECT run FROM deliveries
                 WHERE source = j.value ->> 0 AND event_id = j.value ->> 1 AND chain = j.value ->> 2)
         FROM json_each(?1) AS j ORDER BY j.key",
    )
    .bind(json(TABLE, &wanted)?)
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|(run,)| run.map(RunId)).collect())
}

pub(super) async fn put(db: &mut SqliteConnection, seen: &[(Seen, RunId)], at: Timestamp) -> Result<()> {
    let rows: Vec<_> = seen.iter().map(|(s, run)| (&s.source, &s.event_id, &s.chain, run)).collect();
    sqlx::query(
        "INSERT INTO deliveries (source, event_id, chain, run, at)
         SELECT value ->> 0, value ->> 1, value ->> 2, value ->> 3, ?2 FROM json_each(?1)
         WHERE true ON CONFLICT DO NOTHING",
    )
    .bind(json(TABLE, &rows)?)
    .bind(millis(at))
    .execute(db)
    .await?;
    Ok(())
}
