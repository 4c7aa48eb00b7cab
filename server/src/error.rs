//! What can go wrong in a request, its status, its stable code, and what to do about it.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

/// Shorthand.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Every variant has a stable code, see [`Error::code`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The engine refused or failed.
    #[error(transparent)]
    Engine(#[from] patchline_engine::Error),
    /// A registry refused or failed.
    #[error(transparent)]
    Registry(#[from] patchline_registry::Error),
    /// Where an image comes from cannot be read.
    #[error(transparent)]
    Remediation(#[from] patchline_remediation::Error),
    /// What is kept about an image cannot be read.
    #[error("the stored {what} cannot be read")]
    Stored {
        /// `report`, `inventory`, `fix`.
        what: &'static str,
        /// What the store said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The database takes no writes.
    #[error(transparent)]
    Unwritable(#[from] patchline_store::Error),
    /// A page that cannot be rendered.
    #[error("the page cannot be rendered")]
    Render(#[from] askama::Error),
    /// Nothing is at this address.
    #[error("there is nothing at {0}")]
    NoSuchPage(String),
    /// No run and no report speaks of this image.
    #[error("image {0} has not been seen")]
    NoSuchImage(patchline_registry::Digest),
    /// No chain has this name.
    #[error("there is no chain `{name}`")]
    NoSuchChain {
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// A text in the address that is no digest.
    #[error("`{0}` is not a sha256 digest")]
    InvalidDigest(String),
    /// A query parameter or path that makes no sense.
    #[error("the address cannot be read: {0}")]
    InvalidQuery(String),
    /// A body that is not the JSON that was expected.
    #[error("the body cannot be read: {reason}")]
    InvalidBody {
        /// 400, 413, 415 or 422.
        status: StatusCode,
        /// What is wrong with it.
        reason: String,
    },
    /// More than is looked at.
    #[error("{what} has more than {most} tags")]
    TooMany {
        /// A repository.
        what: String,
        /// So many.
        most: usize,
    },
    /// The chain does not handle this image.
    #[error("{image} is outside the scope of chain `{chain}`")]
    OutOfScope {
        /// The image.
        image: String,
        /// The chain.
        chain: String,
    },
    /// A parameter that the chain does not have, or of another type.
    #[error("parameter `{name}` {reason}")]
    InvalidParam {
        /// Its name.
        name: String,
        /// Lowercase fragment.
        reason: String,
    },
    /// An artifact that no chain can handle: a signature, an attestation, a chart.
    #[error("{0} is not a container image")]
    NotAnImage(String),
    /// The `Host` names neither this machine nor the configured public address.
    #[error("requests for host `{0}` are not answered here")]
    ForeignHost(String),
    /// A page of another site asks for a change.
    #[error("requests from another site are refused")]
    ForeignOrigin,
    /// No shared secret is configured for this hook.
    #[error("this hook is not configured")]
    HookDisabled,
    /// The hook's secret is missing or wrong.
    #[error("the authorization is missing or wrong")]
    Unauthorized,
    /// Harbor asks for what our scanner does not make, or about what it does not read.
    #[error("this scanner is not able to `{what}`")]
    HarborNotAble {
        /// 406 or 501.
        status: StatusCode,
        /// A media type, or a capability.
        what: String,
    },
    /// Harbor asks for a scan that we never accepted.
    #[error("there is no such scan")]
    HarborScanUnknown,
    /// A scan that Harbor asked for.
    #[error("the scan failed: {0}")]
    HarborScanFailed(crate::harbor::Failed),
    /// As many scans as are remembered are running.
    #[error("too many scans are waiting")]
    HarborBusy,
}

impl Error {
    /// The stable, kebab-case code, see `docs/errors.md`.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Engine(e) => e.code(),
            Self::Registry(e) => e.code(),
            Self::Remediation(e) => e.code(),
            Self::Stored { .. } => "store-unreadable",
            Self::Unwritable(e) => e.code(),
            Self::Render(_) => "page-render",
            Self::NoSuchPage(_) => "page-not-found",
            Self::NoSuchImage(_) => "image-unseen",
            Self::NoSuchChain { .. } => "chain-not-found",
            Self::InvalidDigest(_) => "invalid-digest",
            Self::InvalidQuery(_) => "invalid-query",
            Self::InvalidBody { .. } => "invalid-body",
            Self::TooMany { .. } => "limit-exceeded",
            Self::OutOfScope { .. } => "image-out-of-scope",
            Self::InvalidParam { .. } => "invalid-param",
            Self::NotAnImage(_) => "not-an-image",
            Self::ForeignHost(_) => "host-not-allowed",
            Self::ForeignOrigin => "origin-not-allowed",
            Self::HookDisabled => "hook-disabled",
            Self::Unauthorized => "hook-unauthorized",
            Self::HarborNotAble { .. } => "harbor-not-able",
            Self::HarborScanUnknown => "harbor-scan-unknown",
            Self::HarborScanFailed(_) => "harbor-scan-failed",
            Self::HarborBusy => "harbor-busy",
        }
    }

    /// The HTTP status that it answers with.
    pub fn status(&self) -> StatusCode {
        use patchline_engine::Error as Engine;
        use patchline_registry::Error as Registry;
        match self {
            Self::Engine(Engine::NoSuchRun(_) | Engine::NoSuchStep(_) | Engine::NoSuchMessage(_)) => {
                StatusCode::NOT_FOUND
            }
            Self::Engine(
                Engine::Illegal { .. }
                | Engine::AlreadyDecided { .. }
                | Engine::NothingToDecide { .. }
                | Engine::NotPaused(_)
                | Engine::NothingToRetry { .. }
                | Engine::StepNotEnded { .. }
                | Engine::DescendantsBusy { .. }
                | Engine::Cancelling
                | Engine::NothingToResolve { .. }
                | Engine::MessageNotFailed(_),
            ) => StatusCode::CONFLICT,
            Self::Engine(
                Engine::Stopping | Engine::Store { .. } | Engine::Busy { .. } | Engine::Silent { .. },
            ) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Registry(Registry::NotFound { .. }) => StatusCode::NOT_FOUND,
            Self::Registry(Registry::InvalidReference { .. } | Registry::UnknownRegistry(_)) => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            Self::Registry(Registry::Io { .. }) | Self::Stored { .. } | Self::Unwritable(_) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Registry(_) => StatusCode::BAD_GATEWAY,
            Self::Remediation(_) => StatusCode::BAD_GATEWAY,
            Self::Engine(_) | Self::Render(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NoSuchPage(_) | Self::NoSuchImage(_) | Self::NoSuchChain { .. } | Self::HookDisabled => {
                StatusCode::NOT_FOUND
            }
            Self::InvalidDigest(_) | Self::InvalidQuery(_) => StatusCode::BAD_REQUEST,
            Self::InvalidBody { status, .. } => *status,
            Self::TooMany { .. }
            | Self::OutOfScope { .. }
            | Self::InvalidParam { .. }
            | Self::NotAnImage(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::ForeignHost(_) => StatusCode::MISDIRECTED_REQUEST,
            Self::ForeignOrigin => StatusCode::FORBIDDEN,
            Self::Unauthorized => StatusCode::UNAUTHORIZED,
            Self::HarborNotAble { status, .. } => *status,
            Self::HarborScanUnknown => StatusCode::NOT_FOUND,
            Self::HarborScanFailed(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::HarborBusy => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// What would make it work, where that is known.
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::NoSuchChain { known, .. } if known.is_empty() => {
                Some("no chain is loaded: start the server with --chain FILE".to_owned())
            }
            Self::NoSuchChain { known, .. } => Some(format!("there are: {}", known.join(", "))),
            Self::Registry(patchline_registry::Error::UnknownRegistry(_)) => {
                Some("name a registry of the server's configuration".to_owned())
            }
            Self::InvalidDigest(_) => Some("write sha256: and 64 lower-case hexadecimal digits".to_owned()),
            Self::OutOfScope { .. } => Some("widen the chain's scope, or choose another chain".to_owned()),
            Self::NoSuchImage(_) => Some("push it, or start a chain over it".to_owned()),
            Self::ForeignHost(_) => {
                Some("use a loopback address, or configure the public address".to_owned())
            }
            Self::HookDisabled => Some("configure a shared secret for it".to_owned()),
            Self::Unauthorized => Some("send the configured secret as `Authorization: Bearer …`".to_owned()),
            Self::Engine(patchline_engine::Error::Stopping | patchline_engine::Error::Busy { .. }) => {
                Some("try again in a moment".to_owned())
            }
            Self::Engine(patchline_engine::Error::DescendantsBusy { .. }) => {
                Some("cancel the run first, or wait for that step".to_owned())
            }
            _ => None,
        }
    }

    /// For people. What a database or the disk said goes to the log alone.
    pub fn message(&self) -> String {
        self.to_string()
    }

    /// One log line at the boundary, for what is our own failure.
    pub(crate) fn log(&self) {
        if self.status().is_server_error() {
            let mut causes = String::new();
            let mut source = std::error::Error::source(self);
            while let Some(cause) = source {
                causes.push_str(": ");
                causes.push_str(&cause.to_string());
                source = cause.source();
            }
            tracing::error!(error.code = self.code(), "{self}{causes}");
        }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        self.log();
        let mut error = json!({"code": self.code(), "message": self.message()});
        if let Some(hint) = self.hint() {
            error["hint"] = hint.into();
        }
        let mut response = (self.status(), Json(json!({ "error": error }))).into_response();
        if matches!(self, Self::Unauthorized) {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_database_said_is_not_shown() {
        let error = Error::Engine(patchline_engine::Error::Store {
            operation: "listing runs",
            source: "near \"SELECT\": /var/lib/secret.db".into(),
        });
        assert_eq!(error.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(!error.message().contains("SELECT"), "{}", error.message());
    }

    #[test]
    fn an_unknown_chain_names_those_there_are() {
        let error = Error::NoSuchChain { name: "wbe".into(), known: vec!["web".into()] };
        assert_eq!(error.hint().as_deref(), Some("there are: web"));
        assert_eq!(error.code(), "chain-not-found");
    }
}
