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
    /// The address of a PostgreSQL server that cannot be understood. It may hold a password, so it is not shown.
    #[error("the database's address cannot be understood")]
    Address(#[source] sqlx::Error),
    /// A server that this program cannot keep its data in.
    #[error("the database {path} has {found}, and {wanted} is needed")]
    Unsuitable {
        /// Where it is.
        path: String,
        /// `server_encoding SQL_ASCII`
        found: String,
        /// `UTF8`
        wanted: &'static str,
    },
    /// A statement failed: the disk is full, the file is gone or locked.
    #[error("the database failed")]
    Sql(#[from] sqlx::Error),
    /// Nothing can be written where the database's files are: the disk is full, or they are read-only.
    #[error("the database's files cannot be written")]
    Unwritable(#[source] std::io::Error),
    /// The server said nothing for too long; its connection is given up.
    #[error("the database did not answer within {seconds} s")]
    Silent {
        /// How long it had.
        seconds: u64,
    },
    /// A transaction in which a statement failed cannot be committed.
    #[error("the transaction has failed already")]
    Spoilt,
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
            Self::Address(_) => "database-address-invalid",
            Self::Unsuitable { .. } => "database-unsuitable",
            Self::Sql(_) | Self::Unwritable(_) | Self::Silent { .. } | Self::Spoilt => "store-failed",
            Self::Row { .. } | Self::Packing { .. } => "database-corrupt",
        }
    }

    /// Whether the same transaction may well succeed when it is tried again: others were in its way.
    pub(crate) fn is_busy(&self) -> bool {
        // Deadlock, serialization failure, lock timeout; and a row that another has just inserted, which is there
        // to be found at the next try (PostgreSQL, Appendix A).
        let Self::Sql(sqlx::Error::Database(error)) = self else { return false };
        matches!(error.code().as_deref(), Some("40P01" | "40001" | "55P03" | "23505"))
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
    move |source| {
        if source.is_busy() {
            return patchline_engine::Error::Busy { operation, source: Box::new(source) };
        }
        patchline_engine::Error::Store { operation, source: Box::new(source) }
    }
}
