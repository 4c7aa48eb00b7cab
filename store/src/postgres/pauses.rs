//! Paused chains.

use patchline_engine::Pause;
use sqlx::PgConnection;

use super::{
    column::{millis, timestamp},
    text::{key, plain},
};
use crate::error::Result;

const TABLE: &str = "pauses";

pub(super) async fn put(db: &mut PgConnection, pause: &Pause) -> Result<()> {
    sqlx::query(
        r#"INSERT INTO pauses (chain, "by", reason, at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING"#,
    )
    .bind(key(&pause.chain))
    .bind(plain(&pause.by))
    .bind(plain(&pause.reason))
    .bind(millis(pause.at))
    .execute(db)
    .await?;
    Ok(())
}

pub(super) async fn remove(db: &mut PgConnection, chain: &str) -> Result<bool> {
    let done = sqlx::query("DELETE FROM pauses WHERE chain = $1").bind(key(chain)).execute(db).await?;
    Ok(done.rows_affected() > 0)
}

pub(super) async fn all(db: &mut PgConnection) -> Result<Vec<Pause>> {
    let rows: Vec<(String, String, String, i64)> =
        sqlx::query_as(r#"SELECT chain, "by", reason, at FROM pauses ORDER BY chain"#).fetch_all(db).await?;
    rows.into_iter()
        .map(|(chain, by, reason, at)| Ok(Pause { chain, by, reason, at: timestamp(TABLE, at)? }))
        .collect()
}
