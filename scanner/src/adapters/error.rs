//! What can go wrong with another scanner.

/// Shorthand.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Every variant has a stable code, see [`Error::code`]. None holds a credential.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Its program is not there, or may not run.
    #[error("{scanner} cannot be started")]
    NotStarted {
        /// As configured.
        scanner: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// Its program is another one than was pinned.
    #[error("{scanner} is not started: its program has the SHA-256 {actual}, and {expected} is pinned")]
    NotPinned {
        /// As configured.
        scanner: String,
        /// As configured.
        expected: String,
        /// Of the file.
        actual: String,
    },
    /// It ended with an error, or says that the scan did.
    #[error("{scanner} failed ({how}): {said}")]
    Failed {
        /// As configured.
        scanner: String,
        /// `exit code 1`, `IndexError`.
        how: String,
        /// What it said last.
        said: String,
    },
    /// It took too long.
    #[error("{scanner} was not done after {seconds} seconds")]
    Late {
        /// As configured.
        scanner: String,
        /// The limit.
        seconds: u64,
    },
    /// It said more than is read.
    #[error("{scanner}: {what} exceeds the limit of {limit}")]
    TooMuch {
        /// As configured.
        scanner: String,
        /// Bytes, findings…
        what: &'static str,
        /// How many.
        limit: u64,
    },
    /// Its report, or another answer of it, is not what its format says.
    #[error("what {scanner} answers cannot be read: {reason}")]
    Unreadable {
        /// As configured.
        scanner: String,
        /// Where and why.
        reason: String,
    },
    /// It spoke about another image.
    #[error("{scanner} reports about {actual}, and was asked about {expected}")]
    OtherImage {
        /// As configured.
        scanner: String,
        /// What was asked about.
        expected: String,
        /// What it says.
        actual: String,
    },
    /// It cannot be reached over the network.
    #[error("{scanner} cannot be reached: {reason}")]
    Unreachable {
        /// As configured.
        scanner: String,
        /// Without its address.
        reason: String,
    },
    /// It refuses.
    #[error("{scanner} answers {status} to {operation}: {said}")]
    Refused {
        /// As configured.
        scanner: String,
        /// HTTP.
        status: u16,
        /// What was asked.
        operation: &'static str,
        /// What it said.
        said: String,
    },
    /// It fetches images itself, and this one is in no registry.
    #[error("{scanner} fetches images from registries, and {image} is in none")]
    NeedsRegistry {
        /// As configured.
        scanner: String,
        /// Where it is.
        image: String,
    },
    /// The image could not be handed over.
    #[error("the image cannot be handed over")]
    Registry(#[from] patchline_registry::Error),
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
            Self::NotStarted { .. } => "scanner-not-started",
            Self::NotPinned { .. } => "scanner-not-pinned",
            Self::Failed { .. } => "scanner-failed",
            Self::Late { .. } => "scanner-late",
            Self::TooMuch { .. } => "scanner-too-much",
            Self::Unreadable { .. } => "scanner-unreadable",
            Self::OtherImage { .. } => "scanner-other-image",
            Self::Unreachable { .. } => "scanner-unreachable",
            Self::Refused { .. } => "scanner-refused",
            Self::NeedsRegistry { .. } => "scanner-needs-registry",
            Self::Registry(e) => e.code(),
            Self::Io { .. } => "scanner-io",
        }
    }
    /// Whether the same scan may well succeed in a while.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable { .. } | Self::Late { .. } => true,
            Self::Refused { status, .. } => *status >= 500 || *status == 429,
            Self::Registry(e) => e.is_transient(),
            _ => false,
        }
    }

    pub(super) fn io(operation: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let operation = operation.into();
        move |source| Self::Io { operation, source }
    }
}
