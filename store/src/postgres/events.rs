//! The history of runs.

use patchline_engine::{Event, RunId};
use sqlx::PgConnection;

use super::column::{millis, signed};
use crate::{error::Result, events};

pub(super) async fn append(db: &mut PgConnection, happened: &[Event]) -> Result<()> {
    let groups = events::groups(happened);
    let (mut runs, mut seqs) = (Vec::with_capacity(groups.len()), Vec::with_capacity(groups.len()));
    let (mut ats, mut bodies) = (Vec::with_capacity(groups.len()), Vec::with_capacity(groups.len()));
    for group in groups {
        let Some(last) = group.last() else { continue };
        runs.push(last.run.0.as_str());
        seqs.push(signed(last.seq));
        ats.push(millis(last.at));
        bodies.push(events::body(group)?);
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
    events::read(run, seq, rows)
}
