//! Leases. A step's row says until when it is leased, and stands in no index of leases: each lease would leave a dead
//! entry there, and no end of a step could be written in place. What is watched is the run, from its first lease to
//! its end.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use jiff::Timestamp;
use patchline_engine::{RunId, core::recovery::Lease, store::Due};
use sqlx::PgConnection;
use tokio::time::Instant;

use super::{
    Postgres,
    column::{millis, signed, timestamp, unsigned},
    permits::positions,
};
use crate::{error::Result, steps::TABLE};

/// When this process last looked for leases that ran out: once a second is often enough for what takes 15 s.
#[derive(Debug, Clone, Default)]
pub(super) struct Looks(Arc<Mutex<Option<Instant>>>);

const EVERY: Duration = Duration::from_millis(900);

impl Looks {
    fn is_due(&self) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let due = last.is_none_or(|last| last.elapsed() >= EVERY);
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

/// The runs that new leases are of, and the first end of each: what [`WATCH`] takes.
#[derive(Debug, Default)]
pub(super) struct Watched<'a>(BTreeMap<&'a str, i64>);

impl<'a> Watched<'a> {
    /// `until` in Unix milliseconds; none: it is no lease.
    pub(super) fn note(&mut self, run: &'a RunId, until: Option<i64>) {
        if let Some(until) = until {
            self.0.entry(&run.0).and_modify(|at| *at = until.min(*at)).or_insert(until);
        }
    }
    pub(super) fn arrays(self) -> (Vec<&'a str>, Vec<i64>) {
        self.0.into_iter().unzip()
    }
}

/// Watches runs, as part of a statement over `WITH`; the two arguments are the numbers of its arrays. The runs are
/// locked, so nobody else watches them meanwhile. One that is watched from earlier on stays as it is.
macro_rules! watch {
    ($runs:literal, $untils:literal) => {
        concat!(
            "INSERT INTO lease_watch (run, look_at)
             SELECT run, until FROM unnest($",
            $runs,
            "::text[], $",
            $untils,
            "::bigint[]) AS t (run, until)
             WHERE NOT EXISTS (SELECT FROM lease_watch w WHERE w.run = t.run AND w.look_at <= t.until)
             ON CONFLICT (run) DO UPDATE SET look_at = excluded.look_at"
        )
    };
}
pub(super) use watch;

type Row = (String, i32, i64, i64);

fn lease((run, position, fence, until): Row) -> Result<Lease> {
    Ok(Lease {
        run: RunId(run),
        step: unsigned(TABLE, i64::from(position))?,
        fence: unsigned(TABLE, fence)?,
        until: timestamp(TABLE, until)?,
    })
}

/// Leases that are over, once in a while. Their runs are locked; those that another process has locked are left out.
pub(super) async fn due(
    db: &mut PgConnection,
    looks: &Looks,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<Due>> {
    if !looks.is_due() {
        return Ok(Vec::new());
    }
    let runs: Vec<String> = sqlx::query_scalar(
        "SELECT w.run FROM (SELECT run FROM lease_watch WHERE look_at <= $1 ORDER BY look_at LIMIT $2) w
         CROSS JOIN LATERAL (SELECT id FROM runs WHERE id = w.run FOR NO KEY UPDATE SKIP LOCKED) r",
    )
    .bind(millis(now))
    .bind(signed(limit as u64))
    .fetch_all(&mut *db)
    .await?;
    if runs.is_empty() {
        return Ok(Vec::new());
    }
    if runs.len() >= limit {
        looks.again();
    }
    // A statement of its own: it sees what whoever had the lock has written. A run all of whose leases end later is
    // looked at then, and one without leases no more.
    let rows: Vec<Row> = sqlx::query_as(
        "WITH held AS MATERIALIZED (
            SELECT s.run, s.position, s.fence, s.lease_until FROM unnest($1::text[]) AS t (run)
            JOIN steps s ON s.run = t.run WHERE s.lease_until IS NOT NULL),
         next AS MATERIALIZED (
            SELECT t.run, (SELECT min(lease_until) FROM held WHERE held.run = t.run) AS at FROM unnest($1::text[]) AS t (run)),
         later AS (UPDATE lease_watch w SET look_at = next.at FROM next WHERE w.run = next.run AND next.at > $2),
         never AS (DELETE FROM lease_watch w USING next WHERE w.run = next.run AND next.at IS NULL)
         SELECT run, position, fence, lease_until FROM held WHERE lease_until <= $2 ORDER BY lease_until",
    )
    .bind(runs)
    .bind(millis(now))
    .fetch_all(db)
    .await?;
    rows.into_iter().map(|row| Ok(Due::Lease(lease(row)?))).collect()
}

/// Watches all leases that nobody watches: those that came with other rows, and those of an earlier version at work
/// beside this one. One that ends meanwhile is looked at once for nothing.
pub(super) async fn watch_all(db: &mut PgConnection) -> Result<()> {
    let query = "INSERT INTO lease_watch (run, look_at)
                 SELECT run, min(lease_until) FROM steps s WHERE lease_until IS NOT NULL
                 AND NOT EXISTS (SELECT FROM lease_watch w WHERE w.run = s.run AND w.look_at <= s.lease_until)
                 GROUP BY run ORDER BY run
                 ON CONFLICT (run) DO UPDATE SET look_at = least(lease_watch.look_at, excluded.look_at)";
    sqlx::query(query).execute(db).await?;
    Ok(())
}

impl Postgres {
    /// Watches leases that were written by other ways than the engine's.
    pub(crate) async fn watch_leases(&self, db: &mut PgConnection) -> Result<()> {
        watch_all(db).await
    }

    /// Leases that nobody watches, by run and place: at most a thousand.
    pub(crate) async fn unwatched_leases(&self, db: &mut PgConnection) -> Result<Vec<(String, i32)>> {
        let query = "SELECT s.run, s.position FROM steps s WHERE s.lease_until IS NOT NULL
                     AND NOT EXISTS (SELECT FROM lease_watch w WHERE w.run = s.run AND w.look_at <= s.lease_until)
                     LIMIT 1000";
        Ok(sqlx::query_as(query).fetch_all(db).await?)
    }
}

/// All leases.
pub(super) async fn all(db: &mut PgConnection) -> Result<Vec<Lease>> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT s.run, s.position, s.fence, s.lease_until FROM lease_watch w JOIN steps s ON s.run = w.run
         WHERE s.lease_until IS NOT NULL ORDER BY s.lease_until",
    )
    .fetch_all(db)
    .await?;
    rows.into_iter().map(lease).collect()
}

/// Prolongs what still holds; and whether its run is being cancelled.
pub(super) async fn renew(db: &mut PgConnection, leases: &[Lease]) -> Result<Vec<(Lease, bool)>> {
    let held: Vec<(String, i32, bool)> = sqlx::query_as(
        "UPDATE steps s SET lease_until = t.until
         FROM unnest($1::text[], $2::int[], $3::bigint[], $4::bigint[]) AS t (run, position, fence, until)
         WHERE s.run = t.run AND s.position = t.position AND s.fence = t.fence AND s.lease_until IS NOT NULL
         RETURNING s.run, s.position, coalesce((SELECT phase = 'cancelling' FROM runs WHERE id = s.run), false)",
    )
    .bind(leases.iter().map(|l| l.run.0.as_str()).collect::<Vec<_>>())
    .bind(positions(leases.iter().map(|l| l.step)))
    .bind(leases.iter().map(|l| signed(l.fence)).collect::<Vec<_>>())
    .bind(leases.iter().map(|l| millis(l.until)).collect::<Vec<_>>())
    .fetch_all(db)
    .await?;
    let mut held: HashMap<(String, i32), bool> =
        held.into_iter().map(|(run, position, stop)| ((run, position), stop)).collect();
    let places = positions(leases.iter().map(|l| l.step));
    let renewed = leases.iter().zip(places).filter_map(|(lease, place)| {
        let stop = held.remove(&(lease.run.0.clone(), place))?;
        Some((lease.clone(), stop))
    });
    Ok(renewed.collect())
}
