//! A database that answers and takes no writes is not well.

use patchline_store::{Health as _, Postgres, PostgresOptions, Sqlite};
use sqlx::{Connection as _, PgConnection};

use crate::kit::Place;

#[tokio::test]
async fn a_file_without_room_beside_it_is_not_writable() {
    let place = Place::sqlite();
    let store = Sqlite::open(place.name().as_ref()).await.unwrap();
    store.writable().await.unwrap();
    let before: Vec<_> = std::fs::read_dir(place.dir.path()).unwrap().flatten().map(|e| e.path()).collect();
    store.writable().await.unwrap();
    let after: Vec<_> = std::fs::read_dir(place.dir.path()).unwrap().flatten().map(|e| e.path()).collect();
    assert_eq!(before, after, "it leaves nothing behind");
    std::fs::remove_dir_all(place.dir.path()).unwrap();
    assert_eq!(store.writable().await.unwrap_err().code(), "store-failed");
}

#[tokio::test]
async fn a_server_that_only_reads_is_not_writable() {
    let Some(place) = Place::postgres() else { return };
    let open = async || Postgres::open(&place.name(), PostgresOptions::default()).await.unwrap();
    let (well, read_only) = (open().await, open().await);
    well.writable().await.unwrap();
    let mut db = PgConnection::connect(&place.name()).await.unwrap();
    sqlx::raw_sql(
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET default_transaction_read_only = on',
         current_database()); END $$",
    )
    .execute(&mut db)
    .await
    .unwrap();
    // It has no connection yet that is older.
    assert_eq!(read_only.writable().await.unwrap_err().code(), "store-failed");
}
