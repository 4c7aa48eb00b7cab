//! What can go wrong with a daemon. What goes wrong in its container is a [`Failure`](crate::executor::sandbox::Failure), as
//! in every sandbox.

/// Every variant has a stable code, see [`Error::code`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nobody listens, or something else does.
    #[error("no container can be had: no daemon can be asked")]
    Unreachable(#[source] patchline_registry::Error),
    /// No daemon is named, or it cannot work on this image.
    #[error("no container can be had: {reason}")]
    Unavailable {
        /// Why.
        reason: String,
    },
    /// Its API is older than what is asked for here.
    #[error("{engine} speaks version {}.{} of its API, and {} is needed", .version.0, .version.1, super::oldest())]
    TooOld {
        /// Which daemon.
        engine: String,
        /// Major and minor.
        version: (u32, u32),
    },
    /// It refused, fell silent, or said what makes no sense.
    #[error("the daemon could not {operation}")]
    Failed {
        /// What it was asked to do.
        operation: &'static str,
        /// What it said.
        #[source]
        source: patchline_registry::Error,
    },
    /// It made another container than it was asked for.
    #[error("the daemon gives a container that it was not asked for: {reason}")]
    Other {
        /// What is different.
        reason: String,
    },
    /// Nobody waits for it any more.
    #[error("the fix was given up")]
    GivenUp,
}

impl Error {
    /// The stable, kebab-case code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Unreachable(_) | Self::Unavailable { .. } => "engine-unavailable",
            Self::TooOld { .. } => "engine-too-old",
            Self::Failed { .. } | Self::Other { .. } | Self::GivenUp => "engine-failed",
        }
    }
    /// Whether trying again later may help.
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Unreachable(source) | Self::Failed { source, .. } => source.is_transient(),
            _ => false,
        }
    }
}

/// A word of the daemon's, fit to be shown.
pub(super) fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(100).collect()
}
