//! From the domain crates' errors to what the engine does about them.

use patchline_engine::{ErrorClass, StepError};
use patchline_registry::Error as RegistryError;
use patchline_remediation::Error as RemediationError;
use patchline_scanner::{BoxError, Error as ScannerError, adapters::Error as AdapterError};

/// A registry's failure.
pub(crate) fn registry(error: RegistryError) -> StepError {
    StepError::new(registry_class(&error), error.code(), &error)
}

/// A scan's failure.
pub(crate) fn scanner(error: ScannerError) -> StepError {
    StepError::new(scanner_class(&error), error.code(), &error)
}

/// Another scanner's failure.
pub(crate) fn adapter(error: AdapterError) -> StepError {
    StepError::new(adapter_class(&error), error.code(), &error)
}

/// A failure while mending.
pub(crate) fn remediation(error: RemediationError) -> StepError {
    StepError::new(remediation_class(&error), error.code(), &error)
}

/// The store's failure: it may be busy, so it is tried again.
pub(crate) fn store(error: BoxError) -> StepError {
    StepError::new(ErrorClass::Transient, "store-failed", &*error)
}

/// The engine's own failure, while an intent was recorded.
pub(crate) fn engine(error: patchline_engine::Error) -> StepError {
    StepError::new(ErrorClass::Transient, error.code(), &error)
}

/// The disk's failure.
pub(crate) fn io(operation: &str, error: &std::io::Error) -> StepError {
    let code = if error.kind() == std::io::ErrorKind::StorageFull { "no-space" } else { "scratch-io" };
    StepError::permanent(code, format!("{operation}: {error}"))
}

fn registry_class(error: &RegistryError) -> ErrorClass {
    match error {
        RegistryError::Transport { .. } => ErrorClass::Transient,
        RegistryError::Throttled { retry_after, .. } => ErrorClass::Throttled(*retry_after),
        RegistryError::Denied { .. } => ErrorClass::Auth,
        RegistryError::Status { status: 408 | 425, .. } => ErrorClass::Transient,
        other if other.is_transient() => ErrorClass::Transient,
        _ => ErrorClass::Permanent,
    }
}

fn scanner_class(error: &ScannerError) -> ErrorClass {
    match error {
        ScannerError::Registry(inner) => registry_class(inner),
        ScannerError::Adapter(inner) => adapter_class(inner),
        ScannerError::Facts(_) | ScannerError::Shelf(_) => ErrorClass::Transient,
        _ => ErrorClass::Permanent,
    }
}

fn adapter_class(error: &AdapterError) -> ErrorClass {
    match error {
        AdapterError::Registry(inner) => registry_class(inner),
        AdapterError::Refused { status: 401 | 403, .. } => ErrorClass::Auth,
        other if other.is_transient() => ErrorClass::Transient,
        _ => ErrorClass::Permanent,
    }
}

fn remediation_class(error: &RemediationError) -> ErrorClass {
    match error {
        RemediationError::Registry(inner) => registry_class(inner),
        RemediationError::Scanner(inner) => scanner_class(inner),
        other if other.is_transient() => ErrorClass::Transient,
        _ => ErrorClass::Permanent,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn classes_follow_what_may_help() {
        let host = || "registry.example".to_owned();
        let class = |error| registry(error).class;
        assert_eq!(
            class(RegistryError::Status {
                registry: host(),
                status: 503,
                operation: "GET manifest",
                detail: None
            }),
            ErrorClass::Transient
        );
        assert_eq!(
            class(RegistryError::Status {
                registry: host(),
                status: 400,
                operation: "GET manifest",
                detail: None
            }),
            ErrorClass::Permanent
        );
        assert_eq!(class(RegistryError::Denied { registry: host(), status: 401 }), ErrorClass::Auth);
        let wait = Some(Duration::from_secs(7));
        assert_eq!(
            class(RegistryError::Throttled { registry: host(), retry_after: wait }),
            ErrorClass::Throttled(wait)
        );
        let nested = RemediationError::Scanner(ScannerError::Registry(RegistryError::Denied {
            registry: host(),
            status: 403,
        }));
        let error = remediation(nested);
        assert_eq!((error.class, error.code.as_str()), (ErrorClass::Auth, "registry-denied"));
    }
}
