//! What waits, counted over the indexes that claims and deliveries are found by.

use patchline_engine::store::Backlog;
use sqlx::PgConnection;

use crate::{backlog::Counted, error::Result};

pub(super) async fn read(db: &mut PgConnection) -> Result<Backlog> {
    let counted: Counted<i16> = Counted {
        now: Some(
            sqlx::query_scalar("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint")
                .fetch_one(&mut *db)
                .await?,
        ),
        ready: sqlx::query_as(
            "SELECT priority, kind, count(*), min(ready_at) FROM steps WHERE status = 'ready' AND parked IS NULL
             GROUP BY priority, kind",
        )
        .fetch_all(&mut *db)
        .await?,
        parked: sqlx::query_as(
            "SELECT priority, count(*) FROM steps WHERE parked IS NOT NULL GROUP BY priority",
        )
        .fetch_all(&mut *db)
        .await?,
        pending: sqlx::query_as("SELECT count(*), min(due_at) FROM outbox WHERE state = 'pending'")
            .fetch_one(&mut *db)
            .await?,
        dead: sqlx::query_scalar("SELECT count(*) FROM outbox WHERE state = 'failed'").fetch_one(db).await?,
    };
    counted.backlog()
}
