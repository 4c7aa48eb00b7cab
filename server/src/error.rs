//! What can go wrong in a request, its status, its stable code, and what to do about it.

use std::sync::Arc;

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde_json::json;

use crate::jobs::Lost;

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
    /// Where an image comes from cannot be read, or it cannot be planned for.
    #[error(transparent)]
    Remediation(#[from] patchline_remediation::Error),
    /// What is in an image cannot be read.
    #[error(transparent)]
    Scanner(#[from] patchline_scanner::Error),
    /// Work that ended without a word of its own.
    #[error(transparent)]
    Lost(#[from] Lost),
    /// What work ended with that several may have asked for.
    #[error(transparent)]
    Shared(Arc<Error>),
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
    /// Nobody has asked for this plan, or it is forgotten.
    #[error("there is no plan `{0}`")]
    NoSuchPlan(String),
    /// An index without an image for a platform.
    #[error("{image} has no {wanted}")]
    NoSuchPlatform {
        /// The image.
        image: String,
        /// `linux/arm64`
        wanted: String,
        /// What it has; the first ones.
        held: Vec<String>,
    },
    /// A chain that does what it decides itself.
    #[error("chain `{chain}` takes no plan")]
    TakesNoPlan {
        /// Its name.
        chain: String,
    },
    /// The same chain runs over the same image, without the plan.
    #[error("run {0} of this chain over this image has not ended")]
    RunUnderWay(patchline_engine::RunId),
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
            Self::Scanner(e) => e.code(),
            Self::Lost(Lost::Busy) => "work-busy",
            Self::Lost(Lost::Aborted) => "work-aborted",
            Self::Lost(Lost::Late(_)) => "work-too-long",
            Self::Shared(e) => e.code(),
            Self::Stored { .. } => "store-unreadable",
            Self::Unwritable(e) => e.code(),
            Self::Render(_) => "page-render",
            Self::NoSuchPage(_) => "page-not-found",
            Self::NoSuchImage(_) => "image-unseen",
            Self::NoSuchChain { .. } => "chain-not-found",
            Self::NoSuchPlan(_) => "fix-plan-unknown",
            Self::NoSuchPlatform { .. } => "no-such-platform",
            Self::TakesNoPlan { .. } => "chain-takes-no-plan",
            Self::RunUnderWay(_) => "run-under-way",
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
        use patchline_remediation::Error as Remediation;
        use patchline_scanner::Error as Scanner;
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
            Self::Registry(e) => of_image(e),
            Self::Stored { .. } | Self::Unwritable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Remediation(Remediation::Registry(e)) | Self::Scanner(Scanner::Registry(e)) => of_image(e),
            Self::Remediation(Remediation::PlanUnreadable { .. }) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Remediation(e) if e.is_of_system() => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Remediation(Remediation::PlanOfAnother { .. }) | Self::RunUnderWay(_) => {
                StatusCode::CONFLICT
            }
            Self::Remediation(_) => StatusCode::BAD_GATEWAY,
            Self::Scanner(Scanner::Facts(_) | Scanner::Shelf(_) | Scanner::Io { .. }) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Scanner(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::Lost(Lost::Busy) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Lost(Lost::Aborted) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Lost(Lost::Late(_)) => StatusCode::GATEWAY_TIMEOUT,
            Self::Shared(e) => e.status(),
            Self::Engine(_) | Self::Render(_) => StatusCode::INTERNAL_SERVER_ERROR,
            Self::NoSuchPage(_)
            | Self::NoSuchImage(_)
            | Self::NoSuchChain { .. }
            | Self::NoSuchPlan(_)
            | Self::HookDisabled => StatusCode::NOT_FOUND,
            Self::InvalidDigest(_) | Self::InvalidQuery(_) => StatusCode::BAD_REQUEST,
            Self::InvalidBody { status, .. } => *status,
            Self::TooMany { .. }
            | Self::OutOfScope { .. }
            | Self::InvalidParam { .. }
            | Self::NoSuchPlatform { .. }
            | Self::TakesNoPlan { .. }
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
            Self::NoSuchPlan(_) => Some("ask for it again: plans are kept in memory for a while".to_owned()),
            Self::NoSuchPlatform { held, .. } => {
                Some(format!("it has {}: name one as `platform`", held.join(", ")))
            }
            Self::TakesNoPlan { .. } => {
                Some("give it a parameter `plan`, and its fix `plan: \"{{params.plan}}\"`".to_owned())
            }
            Self::RunUnderWay(_) => Some("wait until it has ended, or cancel it".to_owned()),
            Self::Lost(Lost::Busy) => Some("try again in a moment".to_owned()),
            Self::Shared(e) => e.hint(),
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

    /// For people, with what a registry or a layer said. What a database, the network or the disk said goes to the
    /// log alone.
    pub fn message(&self) -> String {
        use patchline_remediation::Error as Remediation;
        use patchline_scanner::Error as Scanner;
        let because: &dyn std::fmt::Display = match self {
            Self::Shared(e) => return e.message(),
            Self::Remediation(Remediation::Scanner(Scanner::Registry(e)) | Remediation::Registry(e))
            | Self::Scanner(Scanner::Registry(e)) => e,
            Self::Remediation(Remediation::Scanner(e)) => e,
            _ => return self.to_string(),
        };
        format!("{self}: {because}")
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

/// What a registry's refusal is to whoever asked.
fn of_image(error: &patchline_registry::Error) -> StatusCode {
    use patchline_registry::Error as Registry;
    match error {
        Registry::NotFound { .. } => StatusCode::NOT_FOUND,
        Registry::InvalidReference { .. } | Registry::UnknownRegistry(_) => StatusCode::UNPROCESSABLE_ENTITY,
        Registry::Io { .. } => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::BAD_GATEWAY,
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
    fn what_the_registry_said_of_an_image_is_told_to_all_who_asked() {
        let gone = patchline_registry::Error::NotFound { what: "tag v1".into(), repository: "web".into() };
        let scanned = patchline_scanner::Error::Registry(gone);
        let error = Error::Shared(Arc::new(patchline_remediation::Error::Scanner(scanned).into()));
        assert_eq!(error.message(), "the image cannot be scanned: tag v1 is not in web");
        let disk = std::io::Error::other("/var/lib/secret");
        let facts = Error::Scanner(patchline_scanner::Error::Facts(disk.into()));
        assert_eq!(facts.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(!facts.message().contains("secret"), "{}", facts.message());
    }

    #[test]
    fn an_unknown_chain_names_those_there_are() {
        let error = Error::NoSuchChain { name: "wbe".into(), known: vec!["web".into()] };
        assert_eq!(error.hint().as_deref(), Some("there are: web"));
        assert_eq!(error.code(), "chain-not-found");
    }
}
