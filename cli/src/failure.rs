//! A command's failure as a person reads it: what, why, code, what to do.

use std::{fmt::Write as _, process::ExitCode};

use crate::exit;

/// Shorthand.
pub(crate) type Result<T, E = Failure> = std::result::Result<T, E>;

/// What the command line shows and exits with.
#[derive(Debug)]
pub(crate) struct Failure {
    /// Kebab-case, listed in `docs/errors.md`.
    pub(crate) code: String,
    /// What went wrong, and each cause below it.
    pub(crate) causes: Vec<String>,
    /// What to do.
    pub(crate) hint: Option<String>,
    /// Process exit code.
    pub(crate) exit: u8,
}

impl Failure {
    /// From an error and its sources.
    pub(crate) fn new(code: impl Into<String>, error: &(dyn std::error::Error + 'static)) -> Self {
        let mut causes = vec![error.to_string()];
        let mut source = error.source();
        while let Some(cause) = source {
            let text = cause.to_string();
            // Some libraries repeat their source in their own text.
            if causes.last().is_none_or(|last| !last.ends_with(&text)) {
                causes.push(text);
            }
            source = cause.source();
        }
        Self { code: code.into(), causes, hint: None, exit: exit::ERROR }
    }
    /// With words of its own.
    pub(crate) fn says(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { code: code.into(), causes: vec![message.into()], hint: None, exit: exit::ERROR }
    }
    /// The input is wrong; nothing was started.
    pub(crate) fn usage(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { exit: exit::USAGE, ..Self::says(code, message) }
    }
    /// Adds what to do.
    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }
    /// Prints to stderr and gives the exit code.
    pub(crate) fn report(self) -> ExitCode {
        let mut text = format!("error[{}]: {}\n", self.code, self.causes.first().map_or("", |c| c.as_str()));
        for cause in self.causes.iter().skip(1) {
            let _ = writeln!(text, "  because: {cause}");
        }
        if let Some(hint) = self.hint {
            let _ = writeln!(text, "  help: {hint}");
        }
        crate::terminal::err(text.trim_end());
        ExitCode::from(self.exit)
    }
}

/// Failures of the rooms come with their own codes.
macro_rules! from_room {
    ($($error:ty),+) => {$(
        impl From<$error> for Failure {
            fn from(error: $error) -> Self {
                Self::new(error.code(), &error)
            }
        }
    )+};
}
from_room!(
    patchline_registry::Error,
    patchline_scanner::Error,
    patchline_engine::Error,
    patchline_store::Error,
    patchline_store::admin::Error,
    patchline_server::Error
);

impl From<patchline_remediation::Error> for Failure {
    fn from(error: patchline_remediation::Error) -> Self {
        let failure = Self::new(error.code(), &error);
        if let patchline_remediation::Error::Status { status: 404, .. } = error {
            return failure.hint(
                "what has gone to the archive of releases that have ended is found with --archive-mirror",
            );
        }
        match error.code() {
            "mirror-unreachable" => {
                failure.hint("name a mirror that this machine reaches with --mirror or --ubuntu-mirror, or set `mirrors` in patchline.yaml")
            }
            "sandbox-needed" => failure.hint(
                "leave `--executor` out, or say `auto`, on a machine that gives namespaces and runs the image's programs",
            ),
            "engine-unavailable" => failure.hint(
                "start the daemon, or name its socket: DOCKER_HOST=unix:///PATH; `--executor sandbox` needs none",
            ),
            "rpm-missing" => failure.hint(
                "name an image of the same distribution that has rpm with --tooling, or build the image again from a newer base",
            ),
            _ => failure,
        }
    }
}

/// An I/O failure with what was being done.
pub(crate) fn io(operation: impl Into<String>) -> impl FnOnce(std::io::Error) -> Failure {
    let operation = operation.into();
    move |error| Failure {
        code: "io".into(),
        causes: vec![operation, error.to_string()],
        hint: None,
        exit: exit::ERROR,
    }
}
