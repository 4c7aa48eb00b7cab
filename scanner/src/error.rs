//! What can go wrong while looking into an image.

/// Shorthand.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Every variant has a stable code, see [`Error::code`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The image could not be fetched.
    #[error("the image cannot be read")]
    Registry(#[from] patchline_registry::Error),
    /// A layer that is truncated, lies about its diff_id, or is no tar.
    #[error("layer {layer} cannot be read: {reason}")]
    Layer {
        /// Its blob digest.
        layer: patchline_registry::Digest,
        /// Why.
        reason: String,
    },
    /// A package database that is none.
    #[error("{path} cannot be parsed: {reason}")]
    PackageDatabase {
        /// Path in the image.
        path: String,
        /// Where and why: `line 3: has no colon`.
        reason: String,
    },
    /// A limit of size, count or depth was hit.
    #[error("{what} exceeds the limit of {limit}")]
    Limit {
        /// Entries, bytes…
        what: &'static str,
        /// How many.
        limit: u64,
    },
    /// Advisory data that cannot be read.
    #[error("advisories of {origin} cannot be read: {reason}")]
    Advisories {
        /// File or source.
        origin: String,
        /// Why.
        reason: String,
    },
    /// What keeps facts failed.
    #[error("layer facts cannot be kept")]
    Facts(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// What keeps advisories for other machines failed.
    #[error("the shared advisories cannot be reached")]
    Shelf(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Another scanner failed.
    #[error(transparent)]
    Adapter(#[from] crate::adapters::Error),
    /// The disk.
    #[error("{operation}")]
    Io {
        /// What was done.
        operation: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

impl Error {
    /// The stable, kebab-case code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Registry(e) => e.code(),
            Self::Layer { .. } => "layer-unreadable",
            Self::PackageDatabase { .. } => "package-database-unreadable",
            Self::Limit { .. } => "limit-exceeded",
            Self::Advisories { .. } => "advisories-unreadable",
            Self::Facts(_) => "facts-unavailable",
            Self::Adapter(e) => e.code(),
            Self::Shelf(_) => "shared-advisories-unavailable",
            Self::Io { .. } => "scanner-io",
        }
    }
}
