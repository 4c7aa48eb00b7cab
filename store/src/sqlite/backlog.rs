//! What waits, counted.

use patchline_engine::store::Backlog;
use sqlx::SqliteConnection;

use crate::{
    backlog::{Counted, DEAD, PARKED, PENDING},
    error::Result,
};

/// Ready steps by priority and kind: how many, and the oldest, over the index that claims are found by.
const READY: &str =
    "SELECT priority, kind, count(*), min(ready_at) FROM steps WHERE status = 'ready' AND parked IS NULL
     GROUP BY priority, kind";

pub(super) async fn read(db: &mut SqliteConnection) -> Result<Backlog> {
    let counted: Counted<i64> = Counted {
        now: None,
        ready: sqlx::query_as(READY).fetch_all(&mut *db).await?,
        parked: sqlx::query_as(PARKED).fetch_all(&mut *db).await?,
        pending: sqlx::query_as(PENDING).fetch_one(&mut *db).await?,
        dead: sqlx::query_scalar(DEAD).fetch_one(db).await?,
    };
    counted.backlog()
}
