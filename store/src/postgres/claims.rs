//! What may be claimed, what is over, and what will be over next.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use patchline_engine::{
    RunId,
    store::{Due, Wanted},
};
use sqlx::PgConnection;
use tokio::time::Instant;

use super::{
    column::{millis, signed, timestamp, unsigned},
    steps::lease,
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
                      WHERE status = 'ready' AND parked IS NULL AND kind = k.kind AND priority <= $4
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
                SELECT min(kind) FROM steps WHERE status = 'ready' AND parked IS NULL
                UNION ALL
                SELECT (SELECT min(kind) FROM steps WHERE status = 'ready' AND parked IS NULL AND kind > kinds.kind)
                FROM kinds WHERE kinds.kind IS NOT NULL)
             SELECT kind FROM kinds WHERE kind IS NOT NULL AND $1::text[] IS NULL"
        ))
        .bind(None::<Vec<String>>),
    };
    let rows: Vec<(String, i32)> =
        query.bind(limit).bind(look).bind(i16::from(wanted.priority)).fetch_all(db).await?;
    rows.into_iter().map(|(run, position)| Ok((RunId(run), unsigned(TABLE, i64::from(position))?))).collect()
}

/// When this process last looked for leases that ran out. Each lease leaves a dead entry in the index until the next
/// vacuum, and under load looking past all of them is work: once a second is often enough for what takes 15 s to run out.
#[derive(Debug, Clone, Default)]
pub(super) struct Looks(Arc<Mutex<Option<Instant>>>);

const LEASES_EVERY: Duration = Duration::from_millis(900);

impl Looks {
    fn is_due(&self) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let due = last.is_none_or(|last| last.elapsed() >= LEASES_EVERY);
        if due {
            *last = Some(Instant::now());
        }
        due
    }
    /// There may be more.
    fn again(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

/// What is over. What another process has its hands on is left to it, so that they do not all wait for each other.
pub(super) async fn due(
    db: &mut PgConnection,
    looks: &Looks,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<Due>> {
    let with_leases = looks.is_due();
    let rows: Vec<(i32, String, i32, i64, i64)> = sqlx::query_as(
        "SELECT d.what, d.run, d.position, d.fence, d.at FROM (
            (SELECT 0 AS what, run, position, fence, lease_until AS at FROM steps
             WHERE $3 AND status = 'leased' AND lease_until <= $1 ORDER BY lease_until LIMIT $2)
            UNION ALL
            (SELECT 1, run, position, fence, ready_at FROM steps
             WHERE status = 'waiting' AND ready_at IS NOT NULL AND ready_at < $1 ORDER BY ready_at LIMIT $2)
            UNION ALL
            (SELECT 2, id, 0, 0, deadline FROM runs
             WHERE deadline IS NOT NULL AND phase <> 'finished' AND deadline < $1 ORDER BY deadline LIMIT $2)) d
         CROSS JOIN LATERAL (SELECT id FROM runs WHERE id = d.run FOR NO KEY UPDATE SKIP LOCKED) r",
    )
    .bind(millis(now))
    .bind(signed(limit as u64))
    .bind(with_leases)
    .fetch_all(db)
    .await?;
    if with_leases && rows.iter().filter(|row| row.0 == 0).count() >= limit {
        looks.again();
    }
    rows.into_iter()
        .map(|(what, run, position, fence, at)| {
            Ok(match what {
                0 => Due::Lease(lease(run, position, fence, at)?),
                1 => Due::Waiting { run: RunId(run), step: unsigned(TABLE, i64::from(position))? },
                _ => Due::Deadline(RunId(run)),
            })
        })
        .collect()
}

/// When the next back-off, deadline or message falls due. Leases are looked for by the second anyway.
pub(super) async fn next_due(db: &mut PgConnection, now: Timestamp) -> Result<Option<Timestamp>> {
    let (next,): (Option<i64>,) = sqlx::query_as(
        "SELECT least(
            (SELECT min(ready_at) + 1 FROM steps
             WHERE status = 'waiting' AND ready_at IS NOT NULL AND ready_at >= $1),
            (SELECT min(deadline) + 1 FROM runs
             WHERE deadline IS NOT NULL AND phase <> 'finished' AND deadline >= $1),
            (SELECT min(due_at) FROM outbox WHERE state = 'pending' AND due_at > $1))",
    )
    .bind(millis(now))
    .fetch_one(db)
    .await?;
    next.map(|ms| timestamp(TABLE, ms)).transpose()
}
