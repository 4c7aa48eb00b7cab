//! Text for a terminal: one column a layer, then what each step waits for.

use std::fmt::Write as _;

use super::{crop, subtitle};
use crate::plan::Plan;

/// Layers as columns, joined by arrows, and below them each step with its needs and condition.
/// ASCII but for names that people gave, so that every terminal and log shows it.
pub fn ascii(plan: &Plan) -> String {
    let layers = plan.layers();
    let label = |step: usize| crop(&plan.steps[step].name, 24);
    let widths: Vec<usize> =
        layers.iter().map(|l| l.iter().map(|s| label(*s).chars().count()).max().unwrap_or(0)).collect();
    let rows = layers.iter().map(Vec::len).max().unwrap_or(0);
    let mut out = String::new();
    for row in 0..rows {
        let mut line = String::new();
        for (column, layer) in layers.iter().enumerate() {
            let cell = layer.get(row).map_or_else(String::new, |s| format!("[{}]", label(*s)));
            let arrow = match (column, row) {
                (0, _) => "",
                (_, 0) => " --> ",
                _ => "     ",
            };
            // Writing into a String cannot fail.
            let _ = write!(line, "{arrow}{cell:<width$}", width = widths[column] + 2);
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out.push('\n');
    let widest = plan.steps.iter().map(|s| s.name.chars().count()).max().unwrap_or(0);
    for step in &plan.steps {
        let mut line = format!("{:<widest$}", step.name);
        if let Some(kind) = subtitle(step) {
            let _ = write!(line, "  ({kind})");
        }
        if !step.needs.is_empty() {
            let _ = write!(line, "  after {}", step.needs.join(", "));
        }
        if let Some(when) = &step.when {
            let _ = write!(line, "  when {}", when.split_whitespace().collect::<Vec<_>>().join(" "));
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}
