//! The history of runs.

use patchline_engine::{Event, RunId};
use sqlx::SqliteConnection;

use super::{
    bulk,
    column::{millis, signed},
};
use crate::{error::Result, events};

pub(super) async fn append(db: &mut SqliteConnection, happened: &[Event]) -> Result<()> {
    let groups = events::groups(happened);
    let sql = "INSERT INTO events (run, seq, at, body) SELECT * FROM ({rows}) WHERE column1 IS NOT NULL";
    bulk::execute(db, sql, 4, &groups, |query, group| {
        let last = &group[group.len() - 1];
        Ok(query
            .bind(last.run.0.clone())
            .bind(signed(last.seq))
            .bind(millis(last.at))
            .bind(events::body(group)?))
    })
    .await?;
    Ok(())
}

pub(super) async fn after(db: &mut SqliteConnection, run: &RunId, seq: u64) -> Result<Vec<Event>> {
    let rows: Vec<(i64, i64, String)> =
        sqlx::query_as("SELECT seq, at, body FROM events WHERE run = ?1 AND seq > ?2 ORDER BY seq")
            .bind(&run.0)
            .bind(signed(seq))
            .fetch_all(db)
            .await?;
    events::read(run, seq, rows)
}
