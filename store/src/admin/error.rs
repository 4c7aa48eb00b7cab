//! Why a command about a whole database was refused or failed.

use std::path::PathBuf;

/// Every variant has a stable code, see [`Error::code`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The database itself.
    #[error(transparent)]
    Store(#[from] crate::Error),
    /// A file.
    #[error("failed to {doing} {path}")]
    File {
        /// `copy`
        doing: &'static str,
        /// Which.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Nothing is overwritten by a backup.
    #[error("{0} is there already")]
    Exists(PathBuf),
    /// There is no database to back up, or no backup to restore.
    #[error("there is no file {0}")]
    Missing(PathBuf),
    /// Somebody works with the database.
    #[error("the database {0} is in use")]
    InUse(PathBuf),
    /// A file that is no database of ours, or is damaged.
    #[error("{path} is damaged: {what}")]
    Damaged {
        /// Which.
        path: PathBuf,
        /// What SQLite found first.
        what: String,
    },
    /// A file that holds something else.
    #[error("{0} is no database of this program")]
    Foreign(PathBuf),
    /// A later version of this program has written it.
    #[error("{path} was written by a newer version: its schema is {found}, this version knows {known}")]
    Newer {
        /// Which.
        path: PathBuf,
        /// Its newest migration.
        found: i64,
        /// Ours.
        known: i64,
    },
    /// A database that is moved goes into an empty one.
    #[error("the target holds {rows} rows of {table} already")]
    NotEmpty {
        /// Which table.
        table: &'static str,
        /// How many.
        rows: u64,
    },
    /// After moving, a table was not what it had been. Nothing of it stands.
    #[error("the table {table} did not arrive as it was: {sent} rows were sent, {arrived} arrived")]
    Differs {
        /// Which table.
        table: &'static str,
        /// Rows read.
        sent: u64,
        /// Rows found afterwards; as many as were sent: their content differs.
        arrived: u64,
    },
}

impl Error {
    /// The stable, kebab-case code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Store(error) => error.code(),
            Self::File { .. } => "backup-file-failed",
            Self::Exists(_) => "backup-exists",
            Self::Missing(_) => "backup-not-found",
            Self::InUse(_) => "database-in-use",
            Self::Damaged { .. } => "database-damaged",
            Self::Foreign(_) => "database-foreign",
            Self::Newer { .. } => "database-newer",
            Self::NotEmpty { .. } => "target-not-empty",
            Self::Differs { .. } => "move-differs",
        }
    }
}

impl From<sqlx::Error> for Error {
    fn from(source: sqlx::Error) -> Self {
        Self::Store(crate::Error::Sql(source))
    }
}

/// Shorthand.
pub(super) type Result<T, E = Error> = std::result::Result<T, E>;

pub(super) fn file(doing: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Error {
    let path = path.into();
    move |source| Error::File { doing, path, source }
}
