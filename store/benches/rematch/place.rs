//! The store that is measured.

use std::{path::Path, sync::Arc};

use patchline_scanner::{Reports, rematch::Inventories};
use patchline_store::{Postgres, PostgresOptions, Sqlite};
use sqlx::Connection as _;

use crate::postgres;

/// What a store keeps of images.
pub(crate) trait Kept: Reports + Inventories {}
impl<T: Reports + Inventories> Kept for T {}

pub(crate) struct Place {
    pub(crate) store: Arc<dyn Kept>,
    at: At,
}

enum At {
    Sqlite(String),
    /// The server is stopped when it is dropped.
    Postgres(String, #[expect(dead_code, reason = "it is held")] postgres::Postgres),
}

impl Place {
    /// `sqlite` in a folder, or `postgres`.
    pub(crate) async fn open(store: &str, folder: &Path) -> Self {
        match store {
            "sqlite" => {
                let file = folder.join("bench.db");
                let store = Arc::new(Sqlite::open(&file).await.unwrap());
                Self { store, at: At::Sqlite(file.display().to_string()) }
            }
            "postgres" => {
                let cluster = postgres::Postgres::start(postgres::Options::default()).unwrap();
                let url = cluster.fresh().unwrap();
                let store = Arc::new(Postgres::open(&url, PostgresOptions::default()).await.unwrap());
                Self { store, at: At::Postgres(url, cluster) }
            }
            other => panic!("there is no store {other}"),
        }
    }

    /// What all packages and inventories take, with their indices.
    pub(crate) async fn bytes(&self) -> f64 {
        match &self.at {
            At::Sqlite(file) => {
                let mut db = sqlx::SqliteConnection::connect(file).await.unwrap();
                sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut db).await.unwrap();
                drop(db);
                std::fs::metadata(file).unwrap().len() as f64
            }
            At::Postgres(url, _) => {
                let mut db = sqlx::PgConnection::connect(url).await.unwrap();
                let sizes =
                    "SELECT pg_total_relation_size('packages') + pg_total_relation_size('inventories')";
                let (bytes,): (i64,) = sqlx::query_as(sizes).fetch_one(&mut db).await.unwrap();
                bytes as f64
            }
        }
    }
}
