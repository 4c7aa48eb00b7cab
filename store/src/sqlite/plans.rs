//! Plans by hash.

use jiff::Timestamp;
use patchline_chains::Plan;
use patchline_engine::store::NewRun;
use sqlx::SqliteConnection;

use super::column::{json, millis, of_json};
use crate::error::Result;

const TABLE: &str = "plans";

pub(super) async fn get(db: &mut SqliteConnection, hash: &str) -> Result<Option<Plan>> {
    let row: Option<(String,)> =
        sqlx::query_as("SELECT body FROM plans WHERE hash = ?1").bind(hash).fetch_optional(db).await?;
    row.map(|(body,)| of_json(TABLE, &body)).transpose()
}

pub(super) async fn put(db: &mut SqliteConnection, hash: &str, plan: &Plan, at: Timestamp) -> Result<()> {
    sqlx::query(
        "INSERT INTO plans (hash, chain, body, created_at) VALUES (?1, ?2, ?3, ?4) ON CONFLICT DO NOTHING",
    )
    .bind(hash)
    .bind(&plan.chain)
    .bind(json(TABLE, plan)?)
    .bind(millis(at))
    .execute(db)
    .await?;
    Ok(())
}

/// The plans of new runs that are not there.
pub(super) async fn missing(db: &mut SqliteConnection, new: &[NewRun<'_>]) -> Result<Vec<String>> {
    let mut hashes: Vec<&str> = new.iter().map(|new| new.record.plan_hash.as_str()).collect();
    hashes.sort_unstable();
    hashes.dedup();
    let rows: Vec<(String,)> = sqlx::query_as(
        "SELECT value FROM json_each(?1) WHERE NOT EXISTS (SELECT 1 FROM plans WHERE hash = value)",
    )
    .bind(json(TABLE, &hashes)?)
    .fetch_all(db)
    .await?;
    Ok(rows.into_iter().map(|(hash,)| hash).collect())
}
