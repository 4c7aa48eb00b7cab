//! The chain language: parse, diagnose, compile to an immutable plan.

pub mod catalogue;
mod check;
pub mod columns;
pub mod cron;
pub mod diagnostics;
pub mod draw;
pub mod dry_run;
pub mod duration;
pub mod explain;
pub mod expr;
pub mod glob;
pub mod import;
pub mod limits;
pub mod plan;
pub mod schema;
pub mod severity;
mod suggest;
pub mod types;
pub mod yaml;
pub mod zones;

use std::collections::HashMap;

pub use catalogue::{Catalogue, Effect, Param, ParamType, StepKind};
pub use diagnostics::{Diagnostic, Severity, Span};
pub use plan::{
    ConcurrencyRule, ImageWindow, Plan, PlanStep, Retry, Schedule, Scope, ShortForm, WhenBusy, should_run,
};
pub use types::{Field, ValueType};

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
    /// Where the name of each plan stands.
    pub names: Vec<Span>,
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
pub fn compile(source: Source<'_>, catalogue: &dyn Catalogue) -> Compiled {
    // Spans are only ever compared with text that the reader accepted.
    let text = std::str::from_utf8(source.bytes).unwrap_or_default();
    let mut ctx = check::Ctx::new(text, catalogue);
    let documents = yaml::read_into(source.bytes, &mut ctx.sink);
    if documents.is_empty() && ctx.sink.errors() == 0 {
        let nothing = Diagnostic::error("empty", Span::START, "no chain stands in this file");
        ctx.sink.push(nothing.hint("begin with `version: 1` and `chain: NAME`"));
    }
    let (mut plans, mut names) = (Vec::new(), Vec::new());
    let mut named: HashMap<String, Span> = HashMap::new();
    for document in &documents {
        let Some((plan, span)) = check::compile_document(&mut ctx, document) else { continue };
        if let Some(first) = named.get(&plan.chain) {
            let message = format!("chain `{}` stands twice in this file", plan.chain);
            let twice = Diagnostic::error("duplicate-chain", span, message);
            ctx.sink.push(twice.related(*first, "first here").hint("rename one of them"));
            continue;
        }
        named.insert(plan.chain.clone(), span);
        plans.push(plan);
        names.push(span);
    }
    Compiled { plans, names, diagnostics: ctx.sink.finish() }
}

#[cfg(test)]
mod tests;
