//! SQLite: one connection that writes, a few that read. One file an entity.

mod backlog;
mod bulk;
mod deliveries;
mod effects;
mod events;
mod facts;
mod fixes;
mod health;
mod housekeep;
mod inventories;
mod outbox;
mod pauses;
mod permits;
mod plans;
mod reports;
mod runs;
mod schedules;
mod sightings;
mod steps;
mod store;
#[cfg(test)]
mod tests;
mod transaction;

use std::{path::Path, time::Duration};

use sqlx::{
    Connection, SqlitePool,
    sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous},
};

use crate::{Error, column, error::Result, pack};

static MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("migrations/sqlite");

/// The SQLite database of a data folder; cheap to clone. It implements `engine::Store` and
/// `EffectLog`, `scanner::{LayerFacts, Reports}`, `remediation::fix::Fixes`.
#[derive(Debug, Clone)]
pub struct Sqlite {
    /// Of one connection: whoever writes waits here, not at the file's lock.
    writer: SqlitePool,
    readers: SqlitePool,
}

impl Sqlite {
    /// Opens and migrates. WAL, `synchronous=FULL`.
    pub async fn open(file: &Path) -> Result<Self, Error> {
        let path = || file.display().to_string();
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(5))
            // Rows on their way into an update, and what undoes it halfway, are small.
            .pragma("temp_store", "memory")
            // Statements over many rows are several each, see `bulk`.
            .statement_cache_capacity(256);
        let pool = |most: u32| {
            SqlitePoolOptions::new()
                .max_connections(most)
                .min_connections(1)
                .acquire_timeout(Duration::from_secs(30))
                .idle_timeout(None)
                .max_lifetime(None)
                // What would be asked is asked of a thread of this process.
                .test_before_acquire(false)
                // SQLite itself ends a transaction when the disk is full. The driver's own `ROLLBACK` then
                // fails, and it would take every later transaction for a nested one: such a connection goes.
                .before_acquire(|connection, _| Box::pin(async { Ok(!connection.is_in_transaction()) }))
        };
        let opened = |source| Error::Open { path: path(), source };
        let writer = pool(1).connect_with(options.clone()).await.map_err(opened)?;
        MIGRATIONS.run(&writer).await.map_err(|source| Error::Migrate { path: path(), source })?;
        // Query-only instead of read-only: a reader of a WAL must be able to make its index.
        let readers = pool(4).connect_with(options.pragma("query_only", "true")).await.map_err(opened)?;
        Ok(Self { writer, readers })
    }

    /// The newest migration that this version knows.
    pub(crate) fn schema() -> i64 {
        MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0)
    }

    /// A transaction beside which nobody writes.
    pub(crate) async fn begin_alone(&self) -> Result<sqlx::Transaction<'static, sqlx::Sqlite>> {
        Ok(self.writer.begin_with("BEGIN IMMEDIATE").await?)
    }

    /// A transaction that sees one state of the database.
    pub(crate) async fn begin_reading(&self) -> Result<sqlx::Transaction<'static, sqlx::Sqlite>> {
        Ok(self.readers.begin().await?)
    }

    /// Closes all connections; what was committed stands.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}
