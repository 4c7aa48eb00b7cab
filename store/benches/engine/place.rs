//! The store that is measured, and questions that only a bench asks of it.

use std::{path::PathBuf, sync::Arc};

use patchline_engine::Store;
use patchline_store::{Postgres, PostgresOptions, Sqlite};
use sqlx::Connection as _;

/// Where it is.
#[derive(Debug, Clone)]
pub(crate) enum Place {
    /// A file.
    Sqlite(PathBuf),
    /// The address of an empty database.
    Postgres(String),
}

impl Place {
    /// `sqlite` or `postgres`.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Sqlite(_) => "sqlite",
            Self::Postgres(_) => "postgres",
        }
    }
    pub(crate) async fn open(&self) -> Arc<dyn Store> {
        match self {
            Self::Sqlite(file) => Arc::new(Sqlite::open(file).await.unwrap()),
            Self::Postgres(url) => Arc::new(Postgres::open(url, PostgresOptions::default()).await.unwrap()),
        }
    }
    /// One number.
    pub(crate) async fn number(&self, sql: &'static str) -> i64 {
        match self {
            Self::Sqlite(file) => {
                let mut db = sqlx::SqliteConnection::connect(&file.display().to_string()).await.unwrap();
                sqlx::query_scalar(sql).fetch_one(&mut db).await.unwrap()
            }
            Self::Postgres(url) => {
                let mut db = sqlx::PgConnection::connect(url).await.unwrap();
                sqlx::query_scalar(sql).fetch_one(&mut db).await.unwrap()
            }
        }
    }
    /// Runs that have not ended. Those of [`crate::history`] have, and to count them would be work.
    pub(crate) async fn unfinished(&self) -> i64 {
        self.number("SELECT count(*) FROM runs WHERE id > '01B' AND phase <> 'finished'").await
    }
}
