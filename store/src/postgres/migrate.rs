//! The tables of this version, made or brought up to date by whoever comes first.

use std::time::Duration;

use sqlx::{ConnectOptions, Connection, PgConnection, migrate::Migrator, postgres::PgConnectOptions};

use super::{place, pool::bounded};
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
    drop(db.close().await);
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
