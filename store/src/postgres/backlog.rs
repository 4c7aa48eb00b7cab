//! What waits, counted over the indexes that claims and deliveries are found by.

use patchline_engine::store::{Backlog, ReadySteps};
use sqlx::PgConnection;

use super::column::{timestamp, unsigned};
use crate::error::Result;

const TABLE: &str = "steps";

pub(super) async fn read(db: &mut PgConnection) -> Result<Backlog> {
    let (now,): (i64,) = sqlx::query_as("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint")
        .fetch_one(&mut *db)
        .await?;
    let rows: Vec<(i16, String, i64, Option<i64>)> = sqlx::query_as(
        "SELECT priority, kind, count(*), min(ready_at) FROM steps WHERE status = 'ready' AND parked IS NULL
         GROUP BY priority, kind",
    )
    .fetch_all(&mut *db)
    .await?;
    let ready = rows
        .into_iter()
        .map(|(priority, kind, steps, oldest)| {
            Ok(ReadySteps {
                kind,
                priority: unsigned(TABLE, i64::from(priority))?,
                steps: unsigned(TABLE, steps)?,
                oldest: oldest.map(|at| timestamp(TABLE, at)).transpose()?,
            })
        })
        .collect::<Result<Vec<_>>>()?;
    let parked: Vec<(i16, i64)> =
        sqlx::query_as("SELECT priority, count(*) FROM steps WHERE parked IS NOT NULL GROUP BY priority")
            .fetch_all(&mut *db)
            .await?;
    let (pending, due): (i64, Option<i64>) =
        sqlx::query_as("SELECT count(*), min(due_at) FROM outbox WHERE state = 'pending'")
            .fetch_one(&mut *db)
            .await?;
    let (dead,): (i64,) =
        sqlx::query_as("SELECT count(*) FROM outbox WHERE state = 'failed'").fetch_one(db).await?;
    Ok(Backlog {
        now: Some(timestamp(TABLE, now)?),
        ready,
        parked: parked
            .into_iter()
            .map(|(priority, steps)| Ok((unsigned(TABLE, i64::from(priority))?, unsigned(TABLE, steps)?)))
            .collect::<Result<_>>()?,
        pending: unsigned("outbox", pending)?,
        due: due.map(|at| timestamp("outbox", at)).transpose()?,
        dead: unsigned("outbox", dead)?,
    })
}
