//! Refusals in the form of distribution-spec "Error Codes".

use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue, StatusCode};

use crate::Error;

/// What the client gets instead.
#[derive(Debug)]
pub(super) struct Failure {
    status: StatusCode,
    code: &'static str,
    message: String,
    headers: Vec<(HeaderName, HeaderValue)>,
}

pub(super) type Answer = Result<Response, Failure>;

impl Failure {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), headers: Vec::new() }
    }

    pub(super) fn invalid(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    pub(super) fn unknown(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::NOT_FOUND, code, message)
    }

    pub(super) fn with(mut self, name: HeaderName, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.push((name, value));
        }
        self
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match &error {
            Error::NotFound { .. } => Self::unknown("MANIFEST_UNKNOWN", error.to_string()),
            Error::InvalidDocument { .. } => Self::invalid("MANIFEST_INVALID", error.to_string()),
            Error::DigestMismatch { .. } => Self::invalid("DIGEST_INVALID", error.to_string()),
            Error::SizeMismatch { .. } => Self::invalid("SIZE_INVALID", error.to_string()),
            Error::Io { operation, source } => {
                tracing::error!(operation, error = %source, "the embedded registry cannot use its storage");
                let why = match source.kind() {
                    std::io::ErrorKind::StorageFull => "no space left on the registry's device".to_owned(),
                    _ => source.kind().to_string(),
                };
                Self::new(StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN", why)
            }
            _ => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN", error.to_string()),
        }
    }
}

impl IntoResponse for Failure {
    fn into_response(self) -> Response {
        let body = serde_json::json!({ "errors": [{ "code": self.code, "message": self.message }] });
        let mut response = (self.status, axum::Json(body)).into_response();
        response.headers_mut().extend(self.headers);
        response
    }
}
