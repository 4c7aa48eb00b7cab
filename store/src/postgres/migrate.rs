//! The tables of this version, made or brought up to date by whoever comes first.

use std::time::Duration;

use jiff::SignedDuration;
use sqlx::{ConnectOptions, Connection, PgConnection, migrate::Migrator, postgres::PgConnectOptions};

use super::{column::timestamp, partitions, place, pool::bounded, text::lock};
use crate::{Error, error::Result};

/// A name of our own: other programs in the same database may use the same migrator.
const TABLE: &str = "patchline_migrations";
/// For a connection, also while the server is starting.
const CONNECT: Duration = Duration::from_secs(10);

fn migrator() -> Migrator {
    let mut migrator = sqlx::migrate!("migrations/postgres");
    // Its table has never had another name in a database of ours.
    migrator.dangerous_set_table_name(TABLE);
    migrator
}

/// Checks that the server is fit, and migrates under the migrator's advisory lock: of many processes that start at
/// once, one does it and the others wait.
pub(super) async fn migrate(server: &PgConnectOptions) -> Result<()> {
    let path = || place(server);
    let opened = |e| match e {
        Error::Sql(source) => Error::Open { path: path(), source },
        other => other,
    };
    let mut db = bounded(CONNECT, async { Ok(server.connect().await?) }).await.map_err(opened)?;
    fit(&mut db, path).await?;
    migrator().run(&mut db).await.map_err(|source| Error::Migrate { path: path(), source })?;
    days(&mut db).await.map_err(opened)?;
    drop(db.close().await);
    Ok(())
}

/// The history's partitions for today and tomorrow; housekeeping makes those that follow.
async fn days(db: &mut PgConnection) -> Result<()> {
    sqlx::query("SELECT pg_advisory_lock($1)").bind(lock("housekeeping", "")).execute(&mut *db).await?;
    let (now,): (i64,) = sqlx::query_as("SELECT (extract(epoch FROM clock_timestamp()) * 1000)::bigint")
        .fetch_one(&mut *db)
        .await?;
    let now = timestamp("clock_timestamp", now)?;
    partitions::make(db, now).await?;
    partitions::make(db, now + SignedDuration::from_hours(24)).await?;
    sqlx::query("SELECT pg_advisory_unlock_all()").execute(db).await?;
    Ok(())
}

async fn fit(db: &mut PgConnection, path: impl Fn() -> String) -> Result<()> {
    let query = "SELECT current_setting('server_version_num')::int, current_setting('server_encoding')";
    let (version, encoding): (i32, String) =
        sqlx::query_as(query).fetch_one(db).await.map_err(|source| Error::Open { path: path(), source })?;
    if version < 130_000 {
        let found = format!("server_version {}", version / 10_000);
        return Err(Error::Unsuitable { path: path(), found, wanted: "13 or newer" });
    }
    if encoding != "UTF8" {
        let found = format!("server_encoding {encoding}");
        return Err(Error::Unsuitable { path: path(), found, wanted: "UTF8" });
    }
    Ok(())
}
