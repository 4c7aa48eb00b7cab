//! Paused chains.

use patchline_engine::Pause;
use sqlx::SqliteConnection;

use super::column::{millis, timestamp};
use crate::error::Result;

const TABLE: &str = "pauses";

pub(super) async fn put(db: &mut SqliteConnection, pause: &Pause) -> Result<()> {
    sqlx::query("INSERT INTO pauses (chain, by, reason, at) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING")
        .bind(&pause.chain)
        .bind(&pause.by)
        .bind(&pause.reason)
        .bind(millis(pause.at))
        .execute(db)
        .await?;
    Ok(())
}

pub(super) async fn remove(db: &mut SqliteConnection, chain: &str) -> Result<bool> {
    let done = sqlx::query("DELETE FROM pauses WHERE chain = ?1").bind(chain).execute(db).await?;
    Ok(done.rows_affected() > 0)
}

pub(super) async fn all(db: &mut SqliteConnection) -> Result<Vec<Pause>> {
    let rows: Vec<(String, String, String, i64)> =
        sqlx::query_as("SELECT chain, by, reason, at FROM pauses ORDER BY chain").fetch_all(db).await?;
    rows.into_iter()
        .map(|(chain, by, reason, at)| Ok(Pause { chain, by, reason, at: timestamp(TABLE, at)? }))
        .collect()
}
