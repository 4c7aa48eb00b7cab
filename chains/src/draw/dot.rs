//! Graphviz's DOT language.

use std::fmt::Write as _;

use super::subtitle;
use crate::plan::Plan;

/// A digraph, one node a step.
pub fn dot(plan: &Plan) -> String {
    // Writing into a String cannot fail.
    let mut out =
        format!("digraph {} {{\n  rankdir=LR;\n  node [shape=box, style=rounded];\n", quoted(&plan.chain));
    for (index, step) in plan.steps.iter().enumerate() {
        let label = match subtitle(step) {
            Some(kind) => format!("{}\n{kind}", step.name),
            None => step.name.clone(),
        };
        let _ = writeln!(out, "  s{index} [label={}];", quoted(&label));
    }
    for (from, to) in plan.edges() {
        let style = if plan.steps[to].when.is_some() { " [style=dashed]" } else { "" };
        let _ = writeln!(out, "  s{from} -> s{to}{style};");
    }
    out.push_str("}\n");
    out
}

fn quoted(text: &str) -> String {
    let escaped = text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n");
    format!("\"{escaped}\"")
}
