//! A copy of a SQLite database while it is in use.

use std::{
    fs::File,
    path::{Path, PathBuf},
    time::Duration,
};

use sqlx::{ConnectOptions as _, Connection as _, SqliteConnection, sqlite::SqliteConnectOptions};

use super::{
    Progress, Watch,
    error::{Error, Result, file},
};

/// What was backed up.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Backup {
    /// The copy.
    pub path: PathBuf,
    /// Its size.
    pub bytes: u64,
    /// Its newest migration.
    pub schema: i64,
}

/// Copies a database as of one moment, compacted, while others work with it; checks the copy, and only then gives it
/// its name. PostgreSQL has `pg_dump` for this.
///
/// # Errors
/// [`Error::Exists`]: nothing is overwritten. [`Error::Damaged`]: the copy, or what was copied, is not whole.
pub async fn backup(database: &Path, to: &Path, watch: Watch<'_>) -> Result<Backup> {
    if !database.is_file() {
        return Err(Error::Missing(database.to_owned()));
    }
    if to.exists() {
        return Err(Error::Exists(to.to_owned()));
    }
    let part = beside(to, "part");
    let made = copy(database, &part, watch).await;
    let named = match made {
        Ok(backup) => name(&part, to).map(|()| Backup { path: to.to_owned(), ..backup }),
        Err(error) => Err(error),
    };
    if named.is_err() {
        drop(std::fs::remove_file(&part));
    }
    named
}

async fn copy(database: &Path, part: &Path, watch: Watch<'_>) -> Result<Backup> {
    if part.exists() {
        // Left by one that was killed.
        std::fs::remove_file(part).map_err(file("remove", part))?;
    }
    let options = SqliteConnectOptions::new().filename(database).busy_timeout(Duration::from_secs(30));
    let mut db = options.connect().await.map_err(|source| opened(database, source))?;
    let (pages,): (i64,) =
        sqlx::query_as("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
            .fetch_one(&mut db)
            .await?;
    let total = u64::try_from(pages).unwrap_or(0);
    let name = part.to_str().ok_or_else(|| Error::Foreign(part.to_owned()))?;
    let mut copying = Box::pin(sqlx::query("VACUUM INTO ?1").bind(name).execute(&mut db));
    let mut tick = tokio::time::interval(Duration::from_millis(200));
    loop {
        tokio::select! {
            copied = &mut copying => {
                copied?;
                break;
            }
            _ = tick.tick() => {
                let done = std::fs::metadata(part).map_or(0, |m| m.len());
                watch(Progress { what: "copying", done: done.min(total), total });
            }
        }
    }
    drop(copying);
    drop(db.close().await);
    watch(Progress { what: "checking the copy", done: 0, total: 0 });
    let schema = whole(part).await?;
    let copied = File::open(part).map_err(file("open", part))?;
    copied.sync_all().map_err(file("sync", part))?;
    let bytes = copied.metadata().map_err(file("look at", part))?.len();
    Ok(Backup { path: part.to_owned(), bytes, schema })
}

/// Links instead of renaming: what has come there meanwhile is not overwritten.
fn name(part: &Path, to: &Path) -> Result<()> {
    std::fs::hard_link(part, to).map_err(|source| match source.kind() {
        std::io::ErrorKind::AlreadyExists => Error::Exists(to.to_owned()),
        _ => Error::File { doing: "name", path: to.to_owned(), source },
    })?;
    std::fs::remove_file(part).map_err(file("remove", part))?;
    sync_folder(to)
}

/// Makes a new name durable.
pub(super) fn sync_folder(of: &Path) -> Result<()> {
    let folder = of.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder).and_then(|folder| folder.sync_all()).map_err(file("sync", folder))
}

/// `backup.db` with an end of its own, in the same folder.
pub(super) fn beside(path: &Path, end: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(end);
    path.with_file_name(name)
}

/// Whether a file that nobody uses is a whole database of ours: its newest migration.
pub(super) async fn whole(path: &Path) -> Result<i64> {
    let options = SqliteConnectOptions::new().filename(path).read_only(true).immutable(true);
    let mut db = options.connect().await.map_err(|source| opened(path, source))?;
    let checked = look(&mut db, path).await;
    drop(db.close().await);
    checked
}

async fn look(db: &mut SqliteConnection, path: &Path) -> Result<i64> {
    let damaged = |what: String| Error::Damaged { path: path.to_owned(), what };
    let said: Vec<(String,)> = sqlx::query_as("PRAGMA integrity_check(1)")
        .fetch_all(&mut *db)
        .await
        .map_err(|source| opened(path, source))?;
    if let Some((what,)) = said.into_iter().find(|(what,)| what != "ok") {
        return Err(damaged(what));
    }
    let loose: Option<(String,)> = sqlx::query_as("SELECT \"table\" FROM pragma_foreign_key_check LIMIT 1")
        .fetch_optional(&mut *db)
        .await?;
    if let Some((table,)) = loose {
        return Err(damaged(format!("rows of {table} name rows that are not there")));
    }
    schema(db, path).await
}

/// The newest migration of a database.
pub(super) async fn schema(db: &mut SqliteConnection, path: &Path) -> Result<i64> {
    let (ours,): (bool,) = sqlx::query_as(
        "SELECT count(*) = 2 FROM sqlite_schema WHERE type = 'table' AND name IN ('_sqlx_migrations', 'runs')",
    )
    .fetch_one(&mut *db)
    .await
    .map_err(|source| opened(path, source))?;
    if !ours {
        return Err(Error::Foreign(path.to_owned()));
    }
    let (newest,): (Option<i64>,) =
        sqlx::query_as("SELECT max(version) FROM _sqlx_migrations WHERE success").fetch_one(db).await?;
    newest.ok_or_else(|| Error::Foreign(path.to_owned()))
}

/// A file that SQLite does not take for a database is damaged, not away.
pub(super) fn opened(path: &Path, source: sqlx::Error) -> Error {
    if let sqlx::Error::Database(error) = &source {
        // SQLITE_CORRUPT, SQLITE_NOTADB
        if error
            .code()
            .and_then(|code| code.parse::<i32>().ok())
            .is_some_and(|code| matches!(code & 0xff, 11 | 26))
        {
            return Error::Damaged { path: path.to_owned(), what: error.message().to_owned() };
        }
    }
    Error::Store(crate::Error::Open { path: path.display().to_string(), source })
}
