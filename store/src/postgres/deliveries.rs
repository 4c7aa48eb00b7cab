//! Which delivery of an event started which run.

use std::collections::HashMap;

use jiff::Timestamp;
use patchline_engine::{RunId, store::Seen};
use sqlx::PgConnection;

use super::{column::millis, text::key};
use crate::error::Result;

pub(super) async fn get(db: &mut PgConnection, seen: &[Seen]) -> Result<Vec<Option<RunId>>> {
    let rows: Vec<(i64, String)> = sqlx::query_as(
        "SELECT t.place, d.run
         FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS t (source, event_id, chain, place)
         JOIN deliveries d ON d.source = t.source AND d.event_id = t.event_id AND d.chain = t.chain",
    )
    .bind(seen.iter().map(|s| key(&s.source)).collect::<Vec<_>>())
    .bind(seen.iter().map(|s| key(&s.event_id)).collect::<Vec<_>>())
    .bind(seen.iter().map(|s| key(&s.chain)).collect::<Vec<_>>())
    .fetch_all(db)
    .await?;
    let mut found: HashMap<i64, String> = rows.into_iter().collect();
    Ok((1..).zip(seen).map(|(place, _)| found.remove(&place).map(RunId)).collect())
}

pub(super) async fn put(db: &mut PgConnection, seen: &[(Seen, RunId)], at: Timestamp) -> Result<()> {
    // Two processes that hear of one delivery at the same moment: the second one fails, is tried again and finds it.
    sqlx::query(
        "INSERT INTO deliveries (source, event_id, chain, run, at)
         SELECT t.*, $5 FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) AS t",
    )
    .bind(seen.iter().map(|(s, _)| key(&s.source)).collect::<Vec<_>>())
    .bind(seen.iter().map(|(s, _)| key(&s.event_id)).collect::<Vec<_>>())
    .bind(seen.iter().map(|(s, _)| key(&s.chain)).collect::<Vec<_>>())
    .bind(seen.iter().map(|(_, run)| run.0.as_str()).collect::<Vec<_>>())
    .bind(millis(at))
    .execute(db)
    .await?;
    Ok(())
}
