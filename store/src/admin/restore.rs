//! A backup in the place of a database, all at once.

use std::{
    fs::File,
    path::{Path, PathBuf},
    time::Duration,
};

use sqlx::{ConnectOptions as _, Connection as _, sqlite::SqliteConnectOptions};

use super::{
    Progress, Watch,
    backup::{beside, opened, schema, sync_folder, whole},
    error::{Error, Result, file},
};
use crate::Sqlite;

/// What was restored.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Restored {
    /// The database.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// The backup's newest migration; later ones are made when it is opened.
    pub schema: i64,
    /// What had stood there before, kept beside it.
    pub before: Option<PathBuf>,
}

/// Puts a copy of a backup in the place of a database. A crash leaves one or the other. What was there before is kept
/// as `….before`, in the place of an earlier one.
///
/// # Errors
/// [`Error::InUse`]: somebody has the database open. [`Error::Newer`]: the backup, or what stands there, is of a newer
/// version. [`Error::Damaged`], [`Error::Foreign`]: the backup is not whole, or not ours.
pub async fn restore(backup: &Path, database: &Path, watch: Watch<'_>) -> Result<Restored> {
    if !backup.is_file() {
        return Err(Error::Missing(backup.to_owned()));
    }
    watch(Progress { what: "checking the backup", done: 0, total: 0 });
    let found = whole(backup).await?;
    known(backup, found)?;
    let there = database.exists();
    if there {
        settle(database).await?;
    }
    let part = beside(database, "part");
    let placed = copy(backup, &part, watch).and_then(|bytes| {
        let before = there.then(|| keep(database)).transpose()?;
        std::fs::rename(&part, database).map_err(file("name", database))?;
        sync_folder(database)?;
        Ok(Restored { path: database.to_owned(), bytes, schema: found, before })
    });
    if placed.is_err() {
        drop(std::fs::remove_file(&part));
    }
    placed
}

fn known(path: &Path, found: i64) -> Result<()> {
    let known = Sqlite::schema();
    if found > known {
        return Err(Error::Newer { path: path.to_owned(), found, known });
    }
    Ok(())
}

/// Makes sure that nobody has it open, and that all of it stands in its one file: the log of another database beside a
/// new one would be its ruin.
async fn settle(database: &Path) -> Result<()> {
    let options = SqliteConnectOptions::new()
        .filename(database)
        .busy_timeout(Duration::ZERO)
        .pragma("locking_mode", "EXCLUSIVE");
    let mut db = options.connect().await.map_err(|source| busy(database, source))?;
    sqlx::raw_sql("BEGIN EXCLUSIVE; COMMIT")
        .execute(&mut db)
        .await
        .map_err(|source| busy(database, source))?;
    match schema(&mut db, database).await {
        Ok(found) => known(database, found)?,
        // A database that was never used is nothing to keep.
        Err(Error::Foreign(_)) => {}
        Err(error) => return Err(error),
    }
    sqlx::raw_sql("PRAGMA journal_mode = DELETE")
        .execute(&mut db)
        .await
        .map_err(|source| busy(database, source))?;
    db.close().await?;
    Ok(())
}

fn busy(path: &Path, source: sqlx::Error) -> Error {
    if let sqlx::Error::Database(error) = &source
        // SQLITE_BUSY, SQLITE_LOCKED
        && error.code().and_then(|code| code.parse::<i32>().ok()).is_some_and(|code| matches!(code & 0xff, 5 | 6))
    {
        return Error::InUse(path.to_owned());
    }
    opened(path, source)
}

fn copy(backup: &Path, part: &Path, watch: Watch<'_>) -> Result<u64> {
    let mut from = File::open(backup).map_err(file("open", backup))?;
    let total = from.metadata().map_err(file("look at", backup))?.len();
    let mut into = File::create(part).map_err(file("make", part))?;
    let mut done = 0;
    loop {
        watch(Progress { what: "copying", done, total });
        let chunk = std::io::copy(&mut std::io::Read::take(&mut from, 16 << 20), &mut into)
            .map_err(file("write", part))?;
        if chunk == 0 {
            break;
        }
        done += chunk;
    }
    into.sync_all().map_err(file("sync", part))?;
    Ok(done)
}

/// A second name for what is there: the first one then goes to the new file without a moment in between.
fn keep(database: &Path) -> Result<PathBuf> {
    let before = beside(database, "before");
    if before.exists() {
        std::fs::remove_file(&before).map_err(file("remove", &before))?;
    }
    std::fs::hard_link(database, &before).map_err(file("keep", database))?;
    Ok(before)
}
