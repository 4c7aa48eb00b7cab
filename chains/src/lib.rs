//! The chain language: parse, diagnose, compile to an immutable plan.

pub mod catalogue;
pub mod diagnostics;
pub mod expr;
pub mod plan;

pub use catalogue::{Catalogue, Param, ParamType, StepKind};
pub use diagnostics::{Diagnostic, Severity, Span};
pub use plan::{ConcurrencyRule, Plan, PlanStep, Retry, Scope, WhenBusy};

/// A chain file's text and the name to show for it.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// `chains/web.yaml`, or `<stdin>`.
    pub name: &'a str,
    /// The bytes as read: encoding is checked here.
    pub bytes: &'a [u8],
}

/// What compiling gives: the plans of the documents that have no error, and
/// everything that is wrong, in order of position, none twice.
#[derive(Debug, Default)]
pub struct Compiled {
    /// One a document.
    pub plans: Vec<Plan>,
    /// Errors and warnings. No error: every document has a plan.
    pub diagnostics: Vec<Diagnostic>,
}

impl Compiled {
    /// Whether nothing is wrong but warnings.
    pub fn is_ok(&self) -> bool {
        self.diagnostics.iter().all(|d| d.severity != Severity::Error)
    }
}

/// Compiles every document of a file. Pure; never panics.
pub fn compile(_source: Source<'_>, _catalogue: &Catalogue) -> Compiled {
    todo!()
}
