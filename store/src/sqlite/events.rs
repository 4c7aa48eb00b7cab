//! The history of runs.

use jiff::Timestamp;
use patchline_engine::{Event, EventKind, RunId};
use sqlx::SqliteConnection;

use super::column::{json, millis, of_json, signed, timestamp, unsigned};
use crate::error::Result;

const TABLE: &str = "events";

pub(super) async fn append(db: &mut SqliteConnection, events: &[Event]) -> Result<()> {
    for event in events {
        sqlx::query("INSERT INTO events (run, seq, at, body) VALUES (?1, ?2, ?3, ?4)")
            .bind(&event.run.0)
            .bind(signed(event.seq))
            .bind(millis(event.at))
            .bind(json(TABLE, &event.kind)?)
            .execute(&mut *db)
            .await?;
    }
    Ok(())
}

pub(super) async fn after(db: &mut SqliteConnection, run: &RunId, seq: u64) -> Result<Vec<Event>> {
    let rows: Vec<(i64, i64, String)> =
        sqlx::query_as("SELECT seq, at, body FROM events WHERE run = ?1 AND seq > ?2 ORDER BY seq")
            .bind(&run.0)
            .bind(signed(seq))
            .fetch_all(db)
            .await?;
    rows.into_iter()
        .map(|(seq, at, body)| {
            let at: Timestamp = timestamp(TABLE, at)?;
            let kind: EventKind = of_json(TABLE, &body)?;
            Ok(Event { seq: unsigned(TABLE, seq)?, run: run.clone(), at, kind })
        })
        .collect()
}
