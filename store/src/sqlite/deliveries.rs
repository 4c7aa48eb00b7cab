//! Which delivery of an event started which run.

use jiff::Timestamp;
use patchline_engine::RunId;
use sqlx::SqliteConnection;

use super::column::millis;
use crate::error::Result;

pub(super) async fn get(
    db: &mut SqliteConnection,
    source: &str,
    event_id: &str,
    chain: &str,
) -> Result<Option<RunId>> {
    let row: Option<(String,)> =
        sqlx::query_as("SELECT run FROM deliveries WHERE source = ?1 AND event_id = ?2 AND chain = ?3")
            .bind(source)
            .bind(event_id)
            .bind(chain)
            .fetch_optional(db)
            .await?;
    Ok(row.map(|(run,)| RunId(run)))
}

pub(super) async fn put(
    db: &mut SqliteConnection,
    source: &str,
    event_id: &str,
    chain: &str,
    run: &RunId,
    at: Timestamp,
) -> Result<()> {
    sqlx::query(
        "INSERT INTO deliveries (source, event_id, chain, run, at) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT DO NOTHING",
    )
    .bind(source)
    .bind(event_id)
    .bind(chain)
    .bind(&run.0)
    .bind(millis(at))
    .execute(db)
    .await?;
    Ok(())
}
