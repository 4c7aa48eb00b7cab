//! A plan as a picture: text for a terminal, DOT, Mermaid, SVG. Layers run from left to right.

mod ascii;
mod canvas;
mod dot;
mod layout;
mod mermaid;
mod svg;
mod text;

pub use ascii::{Charset, ascii, text};
pub use dot::dot;
pub use mermaid::mermaid;
pub use svg::svg;

use crate::plan::PlanStep;

/// What stands below a step's name: its kind, where the name does not say it already.
fn subtitle(step: &PlanStep) -> Option<&str> {
    (step.uses != step.name).then_some(step.uses.as_str())
}

/// At most `limit` characters.
fn crop(text: &str, limit: usize) -> String {
    if text.chars().count() <= limit {
        return text.to_owned();
    }
    text.chars().take(limit.saturating_sub(1)).chain(['…']).collect()
}

#[cfg(test)]
mod tests;
