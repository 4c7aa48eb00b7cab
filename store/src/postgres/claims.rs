//! What may be claimed, what is over, and what will be over next.

use jiff::Timestamp;
use patchline_engine::{
    RunId,
    store::{Due, Wanted},
};
use sqlx::PgConnection;

use super::{
    column::{millis, signed, timestamp, unsigned},
    leases::{self, Looks},
    text::key,
};
use crate::error::Result;

const TABLE: &str = "steps";

/// Each kind's most urgent steps, the most urgent of all of them, and of those as many whose run nobody has locked.
/// The run is what is locked. One of its steps may have been claimed just before that, which is seen when it is read.
/// `$1` are the kinds, `$2` how many to lock, `$3` how many to look at, `$4` the least urgent priority.
macro_rules! claims {
    ($kinds:literal) => {
        concat!(
            "SELECT c.run, c.position
             FROM (SELECT s.run, s.position FROM (",
            $kinds,
            ") AS k (kind)
                   CROSS JOIN LATERAL (
                      SELECT run, position, priority FROM steps
                      WHERE claimable_since IS NOT NULL AND kind = k.kind AND priority <= $4
                      ORDER BY priority, run, position LIMIT $3) s
                   ORDER BY s.priority, s.run, s.position) c
             CROSS JOIN LATERAL (
                SELECT id FROM runs WHERE id = c.run FOR NO KEY UPDATE SKIP LOCKED) r
             LIMIT $2"
        )
    };
}

pub(super) async fn claimable(db: &mut PgConnection, wanted: &Wanted<'_>) -> Result<Vec<(RunId, usize)>> {
    let limit = signed(wanted.limit as u64);
    // Others may have locked as many as they could take.
    let look = limit.saturating_mul(4).saturating_add(32);
    let query = match wanted.kinds {
        Some(kinds) => sqlx::query_as(claims!("SELECT unnest($1::text[])"))
            .bind(kinds.iter().map(|kind| key(kind).into_owned()).collect::<Vec<_>>()),
        // From one kind to the next in the index.
        None => sqlx::query_as(claims!(
            "WITH RECURSIVE kinds (kind) AS (
                SELECT min(kind) FROM steps WHERE claimable_since IS NOT NULL
                UNION ALL
                SELECT (SELECT min(kind) FROM steps WHERE claimable_since IS NOT NULL AND kind > kinds.kind)
                FROM kinds WHERE kinds.kind IS NOT NULL)
             SELECT kind FROM kinds WHERE kind IS NOT NULL AND $1::text[] IS NULL"
        ))
        .bind(None::<Vec<String>>),
    };
    let rows: Vec<(String, i32)> =
        query.bind(limit).bind(look).bind(i16::from(wanted.priority)).fetch_all(db).await?;
    rows.into_iter().map(|(run, position)| Ok((RunId(run), unsigned(TABLE, i64::from(position))?))).collect()
}

/// What is over. What another process has its hands on is left to it, so that they do not all wait for each other.
pub(super) async fn due(
    db: &mut PgConnection,
    looks: &Looks,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<Due>> {
    let mut due = leases::due(db, looks, now, limit).await?;
    let rows: Vec<(bool, String, i32)> = sqlx::query_as(
        "SELECT d.deadline, d.run, d.position FROM (
            (SELECT false AS deadline, run, position FROM steps
             WHERE waits_until < $1 ORDER BY waits_until LIMIT $2)
            UNION ALL
            (SELECT true, id, 0 FROM runs WHERE open_deadline < $1 ORDER BY open_deadline LIMIT $2)) d
         CROSS JOIN LATERAL (SELECT id FROM runs WHERE id = d.run FOR NO KEY UPDATE SKIP LOCKED) r",
    )
    .bind(millis(now))
    .bind(signed(limit as u64))
    .fetch_all(db)
    .await?;
    for (deadline, run, position) in rows {
        due.push(match deadline {
            true => Due::Deadline(RunId(run)),
            false => Due::Waiting { run: RunId(run), step: unsigned(TABLE, i64::from(position))? },
        });
    }
    Ok(due)
}

/// When the next back-off, deadline or message falls due. Leases are looked for by the second anyway.
pub(super) async fn next_due(db: &mut PgConnection, now: Timestamp) -> Result<Option<Timestamp>> {
    let (next,): (Option<i64>,) = sqlx::query_as(
        "SELECT least(
            (SELECT min(waits_until) + 1 FROM steps WHERE waits_until >= $1),
            (SELECT min(open_deadline) + 1 FROM runs WHERE open_deadline >= $1),
            (SELECT min(due_at) FROM outbox WHERE state = 'pending' AND due_at > $1))",
    )
    .bind(millis(now))
    .fetch_one(db)
    .await?;
    next.map(|ms| timestamp(TABLE, ms)).transpose()
}
