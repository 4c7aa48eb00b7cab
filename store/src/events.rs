//! Rows of the history, alike in every database: one for what happened to one run in one transaction.

use jiff::Timestamp;
use patchline_engine::{Event, EventKind, RunId};

use crate::{
    Error,
    column::{json, of_json, timestamp, unsigned},
    error::Result,
};

pub(crate) const TABLE: &str = "events";

/// What goes into one row together. Its `seq` is the position of the last of them.
pub(crate) fn groups(events: &[Event]) -> Vec<&[Event]> {
    events.chunk_by(|a, b| a.run == b.run && a.at == b.at && a.seq + 1 == b.seq).collect()
}

/// The body of a row.
pub(crate) fn body(group: &[Event]) -> Result<String> {
    json(TABLE, &group.iter().map(|event| &event.kind).collect::<Vec<_>>())
}

/// The events after `seq` that rows of (last position, time, body) hold, in their order.
pub(crate) fn read(run: &RunId, seq: u64, rows: Vec<(i64, i64, String)>) -> Result<Vec<Event>> {
    let mut events = Vec::with_capacity(rows.len());
    for (last, at, body) in rows {
        let (last, at): (u64, Timestamp) = (unsigned(TABLE, last)?, timestamp(TABLE, at)?);
        // A row from before there were groups holds one.
        let kinds: Vec<EventKind> =
            if body.starts_with('[') { of_json(TABLE, &body)? } else { vec![of_json(TABLE, &body)?] };
        let Some(first) = (last + 1).checked_sub(kinds.len() as u64) else {
            return Err(Error::row(TABLE, format!("{} events end at {last}", kinds.len())));
        };
        let all = (first..).zip(kinds).map(|(seq, kind)| Event { seq, run: run.clone(), at, kind });
        events.extend(all.filter(|event| event.seq > seq));
    }
    Ok(events)
}
