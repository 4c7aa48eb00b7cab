//! Plans by hash.

use jiff::Timestamp;
use patchline_chains::Plan;
use sqlx::PgConnection;

use super::column::{json, millis, of_json};
use crate::error::Result;

const TABLE: &str = "plans";

pub(super) async fn get(db: &mut PgConnection, hash: &str) -> Result<Option<Plan>> {
    let row: Option<(String,)> =
        sqlx::query_as("SELECT body FROM plans WHERE hash = $1").bind(hash).fetch_optional(db).await?;
    row.map(|(body,)| of_json(TABLE, &body)).transpose()
}

pub(super) async fn put(db: &mut PgConnection, hash: &str, plan: &Plan, at: Timestamp) -> Result<()> {
    sqlx::query(
        "INSERT INTO plans (hash, chain, body, created_at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING",
    )
    .bind(hash)
    .bind(&plan.chain)
    .bind(json(TABLE, plan)?)
    .bind(millis(at))
    .execute(db)
    .await?;
    Ok(())
}
