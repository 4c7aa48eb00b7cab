//! The history of runs.

use jiff::Timestamp;
use patchline_engine::{Event, EventKind, RunId};
use sqlx::SqliteConnection;

use super::{
    bulk,
    column::{json, millis, of_json, signed, timestamp, unsigned},
};
use crate::error::Result;

const TABLE: &str = "events";

/// One row for what happened to one run in one transaction: `seq` is the position of the last event of it.
pub(super) async fn append(db: &mut SqliteConnection, events: &[Event]) -> Result<()> {
    let same = |a: &Event, b: &Event| a.run == b.run && a.at == b.at && a.seq + 1 == b.seq;
    let groups: Vec<&[Event]> = events.chunk_by(same).collect();
    let sql = "INSERT INTO events (run, seq, at, body) SELECT * FROM ({rows}) WHERE column1 IS NOT NULL";
    bulk::execute(db, sql, 4, &groups, |query, group| {
        let kinds: Vec<&EventKind> = group.iter().map(|event| &event.kind).collect();
        let last = &group[group.len() - 1];
        Ok(query
            .bind(last.run.0.clone())
            .bind(signed(last.seq))
            .bind(millis(last.at))
            .bind(json(TABLE, &kinds)?))
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
    let mut events = Vec::new();
    for (last, at, body) in rows {
        let at: Timestamp = timestamp(TABLE, at)?;
        let last: u64 = unsigned(TABLE, last)?;
        let kinds = kinds(&body)?;
        let first = (last + 1).saturating_sub(kinds.len() as u64);
        let all = (first..).zip(kinds).map(|(seq, kind)| Event { seq, run: run.clone(), at, kind });
        events.extend(all.filter(|event| event.seq > seq));
    }
    Ok(events)
}

/// A list; from before there were groups, one alone.
fn kinds(body: &str) -> Result<Vec<EventKind>> {
    if body.starts_with('[') { of_json(TABLE, body) } else { Ok(vec![of_json(TABLE, body)?]) }
}
