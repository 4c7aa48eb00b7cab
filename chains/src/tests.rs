//! What a person who writes chains sees: plans of good files, located complaints about bad ones.

pub(crate) mod catalogue;
mod codes;
mod complaints;
mod hostile;
mod lookalikes;
mod plans;
mod triggers;
mod types;
mod writing;

use crate::{Compiled, Source, compile};

fn compiled(text: &str) -> Compiled {
    compile(Source { name: "c.yaml", bytes: text.as_bytes() }, &catalogue::small())
}

/// Complaints as text, as a terminal shows them.
fn shown(text: &str) -> String {
    compiled(text).diagnostics.iter().map(|d| d.render("c.yaml", text)).collect()
}

/// `code line:column` of each complaint.
fn brief(text: &str) -> Vec<String> {
    let found = compiled(text).diagnostics;
    found.iter().map(|d| format!("{} {}:{}", d.code, d.span.line, d.span.column)).collect()
}

/// A chain with these steps and nothing else that matters.
fn with_steps(steps: &str) -> String {
    format!("version: 1\nchain: test\nsteps:\n{steps}")
}
