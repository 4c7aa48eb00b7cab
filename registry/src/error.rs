//! What can go wrong with images at rest.

use crate::Digest;

/// Shorthand.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Every variant has a stable code, see [`Error::code`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The text is no image reference.
    #[error("`{text}` is not an image reference: {reason}")]
    InvalidReference {
        /// What was given.
        text: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// The registry's name is not in the configuration and no host.
    #[error("no registry is named `{0}`")]
    UnknownRegistry(String),
    /// No such image, tag, manifest or blob.
    #[error("{what} is not in {repository}")]
    NotFound {
        /// `tag v1`, `blob sha256:…`
        what: String,
        /// Where it was looked for.
        repository: String,
    },
    /// The registry wants other credentials, or none will do.
    #[error("{registry} refuses access ({status})")]
    Denied {
        /// Its host.
        registry: String,
        /// HTTP status.
        status: u16,
    },
    /// 429.
    #[error("{registry} asks to slow down")]
    Throttled {
        /// Its host.
        registry: String,
        /// `Retry-After`, when given.
        retry_after: Option<std::time::Duration>,
    },
    /// An answer that is none of the above.
    #[error("{registry} answers {status} to {operation}{}", said(.detail))]
    Status {
        /// Its host.
        registry: String,
        /// HTTP status.
        status: u16,
        /// `get manifest`…
        operation: &'static str,
        /// The first error of the answer's body, shortened.
        detail: Option<String>,
    },
    /// The registry names a place for tokens that must not see its credentials.
    #[error("{registry} wants its credentials sent to {realm}, which is not trusted with them")]
    UntrustedRealm {
        /// Its host.
        registry: String,
        /// Host of the realm.
        realm: String,
    },
    /// The bytes are not what their digest promises.
    #[error("{what} has digest {actual}, expected {expected}")]
    DigestMismatch {
        /// Which bytes.
        what: String,
        /// Promised.
        expected: Digest,
        /// Found.
        actual: Digest,
    },
    /// More, or fewer, bytes than promised.
    #[error("{what} has {actual} bytes, expected {expected}")]
    SizeMismatch {
        /// Which bytes.
        what: String,
        /// Promised.
        expected: u64,
        /// Found.
        actual: u64,
    },
    /// The registry cannot do that.
    #[error("{registry} cannot {operation}")]
    Unsupported {
        /// Its host.
        registry: String,
        /// `remove a tag alone`…
        operation: &'static str,
    },
    /// A tag no longer points where it did.
    #[error("tag {tag} points at {actual:?} now, expected {expected}")]
    TagMoved {
        /// The tag.
        tag: String,
        /// Where it was.
        expected: Digest,
        /// Where it is; none: gone.
        actual: Option<Digest>,
    },
    /// A document that is not what its media type says, or beyond a limit.
    #[error("{what} cannot be read: {reason}")]
    InvalidDocument {
        /// Which.
        what: String,
        /// Why.
        reason: String,
    },
    /// The network, or TLS.
    #[error("{registry} cannot be reached")]
    Transport {
        /// Its host.
        registry: String,
        /// Without the URL: it may hold a token.
        #[source]
        source: reqwest::Error,
    },
    /// The disk.
    #[error("{operation}")]
    Io {
        /// `write blob sha256:…`
        operation: String,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

impl Error {
    /// The stable, kebab-case code, see `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::InvalidReference { .. } => "invalid-reference",
            Self::UnknownRegistry(_) => "unknown-registry",
            Self::NotFound { .. } => "image-not-found",
            Self::Denied { .. } => "registry-denied",
            Self::Throttled { .. } => "registry-throttled",
            Self::Status { .. } => "registry-status",
            Self::DigestMismatch { .. } => "digest-mismatch",
            Self::SizeMismatch { .. } => "size-mismatch",
            Self::UntrustedRealm { .. } => "registry-untrusted-realm",
            Self::Unsupported { .. } => "registry-unsupported",
            Self::TagMoved { .. } => "tag-moved",
            Self::InvalidDocument { .. } => "invalid-document",
            Self::Transport { .. } => "registry-unreachable",
            Self::Io { .. } => "registry-io",
        }
    }
    /// Whether the same call may well succeed in a while: the network, the
    /// registry's own trouble, or a token that ran out under a stream which
    /// cannot be sent twice (a refusal for good is [`Error::Denied`]).
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Transport { .. } | Self::Throttled { .. } => true,
            Self::Status { status, .. } => *status >= 500 || *status == 401,
            Self::Io { source, .. } => source.kind() == std::io::ErrorKind::TimedOut,
            _ => false,
        }
    }

    pub(crate) fn io(operation: impl Into<String>) -> impl FnOnce(std::io::Error) -> Self {
        let operation = operation.into();
        move |source| match source.downcast::<Self>() {
            // A reader of ours reports what it found through an `io::Error`.
            Ok(ours) => ours,
            Err(source) => Self::Io { operation, source },
        }
    }

    pub(crate) fn invalid(what: impl Into<String>, reason: impl Into<String>) -> Self {
        Self::InvalidDocument { what: what.into(), reason: reason.into() }
    }
}

fn said(detail: &Option<String>) -> String {
    detail.as_ref().map(|d| format!(": {d}")).unwrap_or_default()
}
