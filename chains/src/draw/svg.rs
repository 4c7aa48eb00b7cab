//! SVG that follows the reader's light or dark mode, alone or inside a page.

use std::fmt::Write as _;

use super::{crop, subtitle};
use crate::plan::Plan;

const WIDTH: usize = 168;
const HEIGHT: usize = 48;
const GAP_X: usize = 64;
const GAP_Y: usize = 24;
const MARGIN: usize = 16;

const STYLE: &str = "\
:root{color:#1f2328}\
@media(prefers-color-scheme:dark){:root{color:#e6edf3}}\
.box{fill:currentColor;fill-opacity:.05;stroke:currentColor;stroke-opacity:.45}\
.edge{fill:none;stroke:currentColor;stroke-opacity:.55;stroke-width:1.5}\
.when{stroke-dasharray:5 4}\
text{fill:currentColor;font:600 13px system-ui,sans-serif}\
.kind{font-weight:400;font-size:11px;fill-opacity:.7}\
.tip{fill:currentColor;fill-opacity:.7}";

/// A picture with a title for those who hear it; each step carries `data-step` with its name, for a page to colour.
pub fn svg(plan: &Plan) -> String {
    let layers = plan.layers();
    let tallest = layers.iter().map(Vec::len).max().unwrap_or(0).max(1);
    let width = 2 * MARGIN + layers.len().max(1) * (WIDTH + GAP_X) - GAP_X;
    let height = 2 * MARGIN + tallest * (HEIGHT + GAP_Y) - GAP_Y;
    let mut at = vec![(0, 0); plan.steps.len()];
    for (column, layer) in layers.iter().enumerate() {
        let top = MARGIN + (tallest - layer.len()) * (HEIGHT + GAP_Y) / 2;
        for (row, step) in layer.iter().enumerate() {
            at[*step] = (MARGIN + column * (WIDTH + GAP_X), top + row * (HEIGHT + GAP_Y));
        }
    }
    let title = escaped(&plan.chain);
    // Writing into a String cannot fail.
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\">\n\
         <title>{title}</title>\n<style>{STYLE}</style>\n\
         <defs><marker id=\"tip\" viewBox=\"0 0 8 8\" refX=\"7\" refY=\"4\" markerWidth=\"8\" markerHeight=\"8\" orient=\"auto\">\
         <path class=\"tip\" d=\"M0 0L8 4L0 8z\"/></marker></defs>\n"
    );
    for (from, to) in plan.edges() {
        let (x1, y1) = (at[from].0 + WIDTH, at[from].1 + HEIGHT / 2);
        let (x2, y2) = (at[to].0, at[to].1 + HEIGHT / 2);
        let bend = GAP_X / 2;
        let dashed = if plan.steps[to].when.is_some() { " when" } else { "" };
        let _ = writeln!(
            out,
            "<path class=\"edge{dashed}\" marker-end=\"url(#tip)\" d=\"M{x1} {y1}C{} {y1} {} {y2} {x2} {y2}\"/>",
            x1 + bend,
            x2 - bend
        );
    }
    for (step, (x, y)) in plan.steps.iter().zip(&at) {
        let (middle, kind) = (x + WIDTH / 2, subtitle(step));
        let baseline = y + HEIGHT / 2 + if kind.is_some() { 0 } else { 5 };
        let hover =
            step.when.as_deref().map(|w| format!("<title>when {}</title>", escaped(w))).unwrap_or_default();
        let _ = write!(
            out,
            "<g data-step=\"{name}\">{hover}<rect class=\"box\" x=\"{x}\" y=\"{y}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" rx=\"8\"/>\
             <text x=\"{middle}\" y=\"{baseline}\" text-anchor=\"middle\">{shown}</text>",
            name = escaped(&step.name),
            shown = escaped(&crop(&step.name, 20)),
        );
        if let Some(kind) = kind {
            let below = baseline + 16;
            let kind = escaped(&crop(kind, 24));
            let _ = write!(
                out,
                "<text class=\"kind\" x=\"{middle}\" y=\"{below}\" text-anchor=\"middle\">{kind}</text>"
            );
        }
        out.push_str("</g>\n");
    }
    out.push_str("</svg>\n");
    out
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
