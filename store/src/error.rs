//! What can go wrong with the database.

/// Every variant has a stable code, see [`Error::code`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Opening or migrating.
    #[error("the database {path} cannot be opened")]
    Open {
        /// Its file.
        path: String,
        /// What the driver said.
        #[source]
        source: sqlx::Error,
    },
    /// Bringing the tables up to this version.
    #[error("the database {path} cannot be migrated")]
    Migrate {
        /// Its file.
        path: String,
        /// What the migrator said.
        #[source]
        source: sqlx::migrate::MigrateError,
    },
    /// A statement failed: the disk is full, the file is gone or locked.
    #[error("the database failed")]
    Sql(#[from] sqlx::Error),
    /// A row that this version cannot read.
    #[error("a row of {table} cannot be read")]
    Row {
        /// Which table.
        table: &'static str,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Compressing or decompressing.
    #[error("a stored document of {table} cannot be packed or unpacked")]
    Packing {
        /// Which table.
        table: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

impl Error {
    /// The stable, kebab-case code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Open { .. } => "database-unavailable",
            Self::Migrate { .. } => "database-migration-failed",
            Self::Sql(_) => "store-failed",
            Self::Row { .. } | Self::Packing { .. } => "database-corrupt",
        }
    }

    pub(crate) fn row(
        table: &'static str,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Row { table, source: source.into() }
    }
}

/// Shorthand.
pub(crate) type Result<T, E = Error> = std::result::Result<T, E>;

/// As the engine wants it.
pub(crate) fn engine(operation: &'static str) -> impl Fn(Error) -> patchline_engine::Error {
    move |source| patchline_engine::Error::Store { operation, source: Box::new(source) }
}
