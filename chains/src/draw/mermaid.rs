//! Mermaid's flowchart language, as READMEs show it.

use std::fmt::Write as _;

use super::subtitle;
use crate::plan::Plan;

/// A flowchart from left to right; a dashed edge leads to a step with a condition.
pub fn mermaid(plan: &Plan) -> String {
    let mut out = String::from("flowchart LR\n");
    for (index, step) in plan.steps.iter().enumerate() {
        let kind = subtitle(step).map(|k| format!("<br/>{}", escaped(k))).unwrap_or_default();
        // Writing into a String cannot fail.
        let _ = writeln!(out, "  s{index}[\"{}{kind}\"]", escaped(&step.name));
    }
    for (from, to) in plan.edges() {
        let arrow = if plan.steps[to].when.is_some() { "-.->" } else { "-->" };
        let _ = writeln!(out, "  s{from} {arrow} s{to}");
    }
    out
}

/// Mermaid reads entity codes inside quotes.
fn escaped(text: &str) -> String {
    text.replace('#', "#35;")
        .replace('"', "#quot;")
        .replace('<', "#lt;")
        .replace('>', "#gt;")
        .replace('\n', " ")
}
