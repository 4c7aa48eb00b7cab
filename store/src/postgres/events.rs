//! The history of runs: one row for what happened to a run in one transaction.

use patchline_engine::{Event, EventKind, RunId};
use sqlx::PgConnection;

use super::column::{json, millis, of_json, signed, timestamp, unsigned};
use crate::{Error, error::Result};

const TABLE: &str = "events";

pub(super) async fn append(db: &mut PgConnection, events: &[Event]) -> Result<()> {
    let groups: Vec<&[Event]> = events.chunk_by(|a, b| a.run == b.run && a.at == b.at).collect();
    let (mut runs, mut seqs) = (Vec::with_capacity(groups.len()), Vec::with_capacity(groups.len()));
    let (mut ats, mut bodies) = (Vec::with_capacity(groups.len()), Vec::with_capacity(groups.len()));
    for group in groups {
        let Some(last) = group.last() else { continue };
        let kinds: Vec<&EventKind> = group.iter().map(|event| &event.kind).collect();
        runs.push(last.run.0.as_str());
        seqs.push(signed(last.seq));
        ats.push(millis(last.at));
        bodies.push(json(TABLE, &kinds)?);
    }
    sqlx::query(
        "INSERT INTO events (run, seq, at, body)
         SELECT * FROM unnest($1::text[], $2::bigint[], $3::bigint[], $4::text[])",
    )
    .bind(runs)
    .bind(seqs)
    .bind(ats)
    .bind(bodies)
    .execute(db)
    .await?;
    Ok(())
}

pub(super) async fn after(db: &mut PgConnection, run: &RunId, seq: u64) -> Result<Vec<Event>> {
    // Nothing happened to a run before it was made: older partitions are not looked at.
    let rows: Vec<(i64, i64, String)> = sqlx::query_as(
        "SELECT seq, at, body FROM events
         WHERE run = $1 AND seq > $2 AND at >= coalesce((SELECT created_at FROM runs WHERE id = $1), 0)
         ORDER BY seq",
    )
    .bind(&run.0)
    .bind(signed(seq))
    .fetch_all(db)
    .await?;
    let mut events = Vec::with_capacity(rows.len());
    for (last, at, body) in rows {
        let (last, at): (u64, _) = (unsigned(TABLE, last)?, timestamp(TABLE, at)?);
        // A row of an older version holds one.
        let kinds: Vec<EventKind> =
            if body.starts_with('[') { of_json(TABLE, &body)? } else { vec![of_json(TABLE, &body)?] };
        let Some(first) = (last + 1).checked_sub(kinds.len() as u64) else {
            return Err(Error::row(TABLE, format!("{} events end at {last}", kinds.len())));
        };
        let whole = (first..).zip(kinds).map(|(seq, kind)| Event { seq, run: run.clone(), at, kind });
        events.extend(whole.filter(|event| event.seq > seq));
    }
    Ok(events)
}
