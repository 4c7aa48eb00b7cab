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
    /// An SBOM that makes no sense.
    #[error("the SBOM {name} cannot be read: {reason}")]
    Sbom {
        /// Its file, or the digest that it is attached by.
        name: String,
        /// Why.
        reason: String,
    },
    /// An SBOM of a form that is known, and not read.
    #[error("the SBOM {name} is {form}, which is not read: {convert}")]
    SbomForm {
        /// Its file, or the digest that it is attached by.
        name: String,
        /// `SPDX tag-value`…
        form: &'static str,
        /// What makes JSON of it.
        convert: &'static str,
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
            Self::Sbom { .. } => "sbom-unreadable",
            Self::SbomForm { .. } => "sbom-form-unsupported",
            Self::Advisories { .. } => "advisories-unreadable",
            Self::Facts(_) => "facts-unavailable",
            Self::Adapter(e) => e.code(),
            Self::Shelf(_) => "shared-advisories-unavailable",
            Self::Io { .. } => "scanner-io",
        }
    }
}
