//! The history's partitions: one for each day, by UTC.

use jiff::{SignedDuration, Timestamp, civil::Date, tz::TimeZone};
use sqlx::PgConnection;

use super::{column::millis, housekeep::about};
use crate::error::Result;

fn day(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

fn name(day: Date) -> String {
    format!("events_{}", day.strftime("%Y%m%d"))
}

fn begin(day: Date) -> Option<i64> {
    day.to_zoned(TimeZone::UTC).ok().map(|start| millis(start.timestamp()))
}

/// Makes the partition of the day of `at`, if there is none. It is filled before it is attached, so that nobody waits
/// but for the moment of attaching; what stands in the default partition already moves.
pub(super) async fn make(db: &mut PgConnection, at: Timestamp) -> Result<()> {
    sqlx::raw_sql("BEGIN").execute(&mut *db).await?;
    make_within(db, at).await?;
    sqlx::raw_sql("COMMIT").execute(db).await?;
    Ok(())
}

/// The same within a transaction.
async fn make_within(db: &mut PgConnection, at: Timestamp) -> Result<()> {
    let day = day(at);
    let next = day.tomorrow().ok().and_then(begin);
    let (Some(from), Some(until)) = (begin(day), next) else { return Ok(()) };
    let name = name(day);
    let (there,): (bool,) =
        sqlx::query_as("SELECT to_regclass($1) IS NOT NULL").bind(&name).fetch_one(&mut *db).await?;
    if there {
        return Ok(());
    }
    sqlx::raw_sql(about(format!(
        "CREATE TABLE {name} (LIKE events INCLUDING ALL);
         LOCK TABLE events_default IN ACCESS EXCLUSIVE MODE;
         WITH moved AS (DELETE FROM events_default WHERE at >= {from} AND at < {until} RETURNING *)
            INSERT INTO {name} SELECT * FROM moved;
         ALTER TABLE events ATTACH PARTITION {name} FOR VALUES FROM ({from}) TO ({until})"
    )))
    .execute(db)
    .await?;
    Ok(())
}

/// Drops the days that ended before `end`; how many. What happened to runs that are still there is kept, in the default
/// partition.
pub(super) async fn drop_until(db: &mut PgConnection, end: Timestamp) -> Result<u64> {
    let names: Vec<(String,)> = sqlx::query_as(
        r"SELECT c.relname::text FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
          WHERE i.inhparent = 'events'::regclass AND c.relname ~ '^events_[0-9]{8}$' ORDER BY 1",
    )
    .fetch_all(&mut *db)
    .await?;
    let mut dropped = 0;
    for (name,) in names {
        let Ok(day) = Date::strptime("events_%Y%m%d", &name) else { continue };
        let over = day.tomorrow().ok().and_then(begin).is_some_and(|until| until <= millis(end));
        if !over {
            continue;
        }
        // Nobody writes into a day that is over, so what is to be kept can be gathered before anybody has to wait.
        sqlx::raw_sql(about(format!(
            "CREATE TEMP TABLE kept AS SELECT e.* FROM {name} e WHERE EXISTS (SELECT FROM runs WHERE id = e.run);
             BEGIN;
             ALTER TABLE events DETACH PARTITION {name};
             INSERT INTO events SELECT * FROM kept;
             DROP TABLE {name};
             DROP TABLE kept;
             COMMIT"
        )))
        .execute(&mut *db)
        .await?;
        dropped += 1;
    }
    sqlx::query(
        "DELETE FROM events_default e WHERE at < $1 AND NOT EXISTS (SELECT FROM runs WHERE id = e.run)",
    )
    .bind(millis(end))
    .execute(db)
    .await?;
    Ok(dropped)
}

/// Makes the partitions of the days from `first` to `last`, at most so many of the last ones, within a transaction.
pub(super) async fn make_all(
    db: &mut PgConnection,
    first: Timestamp,
    last: Timestamp,
    most: i64,
) -> Result<()> {
    let day = SignedDuration::from_hours(24);
    let start = last.checked_sub(day * i32::try_from(most).unwrap_or(i32::MAX)).unwrap_or(first).max(first);
    let mut at = start;
    while at < last + day {
        make_within(db, at).await?;
        at += day;
    }
    Ok(())
}
