//! SVG that follows the reader's light or dark mode, as a file of its own or inside a page.

use std::fmt::Write as _;

use super::layout::{Layout, Measure, Route, lay};
use super::text::{clean, fitted, pixels};
use crate::plan::{Plan, PlanStep};

const NAME: f64 = 13.5;
const SMALL: f64 = 11.5;
/// Widths of a box.
const NARROW: f64 = 112.0;
const WIDE: f64 = 236.0;
/// Heights of a box, without and with a condition.
const PLAIN: f64 = 50.0;
const CONDITIONAL: f64 = 68.0;
/// Where the text of a box begins, behind its glyph.
const LEAD: f64 = 44.0;
const MARGIN: f64 = 24.0;
/// What the heading takes.
const HEAD: f64 = 34.0;
/// Between two layers, at least and at most.
const GAP: (f64, f64) = (52.0, 150.0);

const STYLE: &str = "\
.pl{--ground:#ffffff;--box:#f6f8fa;--line:#d1d9e0;--ink:#1f2328;--soft:#59636e;--edge:#848d97;\
font-family:system-ui,-apple-system,'Segoe UI','Noto Sans','Noto Sans CJK SC','Microsoft YaHei',sans-serif}\
@media(prefers-color-scheme:dark){.pl{--ground:#0d1117;--box:#171c24;--line:#3d444d;--ink:#e6edf3;--soft:#9da7b1;--edge:#7d8590}}\
.pl-ground{fill:var(--ground)}\
.pl-box{fill:var(--box);stroke:var(--line);stroke-width:1.2}\
.pl-edge{fill:none;stroke:var(--edge);stroke-width:1.5}\
.pl-when{stroke-dasharray:5 4}\
.pl-tip{fill:var(--edge)}\
.pl text{fill:var(--ink);font-size:13.5px;font-weight:600}\
.pl .pl-soft{fill:var(--soft);font-size:11.5px;font-weight:400}\
.pl .pl-cond{fill:var(--soft);font-size:11.5px;font-weight:400;font-style:italic}\
.pl .pl-head{font-size:16px;font-weight:650}\
.pl .pl-mono{fill:#fff;font-size:13px;font-weight:700}\
.pl-gem{fill:var(--ground);stroke:var(--edge);stroke-width:1.4}";

/// A step's box.
pub(super) struct Shape {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// Everything's place, in pixels.
pub(super) struct Picture {
    layout: Layout,
    pub(super) boxes: Vec<Shape>,
    /// Left and right edge of each layer.
    columns: Vec<(f64, f64)>,
    width: f64,
    height: f64,
    top: f64,
}

/// A picture with a title and a description for those who hear it. Each step is a group that carries `data-step` with
/// its name, for a page to colour; every style is scoped to the class `pl`.
pub fn svg(plan: &Plan) -> String {
    let picture = Picture::new(plan);
    let (width, height) = (picture.width, picture.height);
    // Writing into a String cannot fail.
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"pl\" viewBox=\"0 0 {width:.0} {height:.0}\" width=\"{width:.0}\" height=\"{height:.0}\" role=\"img\">\n\
         <title>{}</title>\n<desc>{}</desc>\n<style>{STYLE}</style>\n\
         <rect class=\"pl-ground\" width=\"100%\" height=\"100%\" rx=\"8\"/>\n",
        escaped(&plan.chain),
        escaped(&description(plan, picture.layout.undrawn)),
    );
    heading(&mut out, plan, &picture);
    let mut drawn = std::collections::HashSet::new();
    for route in &picture.layout.routes {
        let path = picture.path(route, &mut drawn);
        let dashed = if plan.steps[route.to].when.is_some() { " pl-when" } else { "" };
        let _ = writeln!(out, "<path class=\"pl-edge{dashed}\" d=\"{path}\"/>");
    }
    // A condition has its own sign.
    let plain = picture.layout.routes.iter().map(|r| r.to).filter(|to| plan.steps[*to].when.is_none());
    let mut entered: Vec<usize> = plain.collect();
    entered.sort_unstable();
    entered.dedup();
    for step in entered {
        let shape = &picture.boxes[step];
        let (x, y) = (shape.x, shape.y + shape.height / 2.0);
        let _ = writeln!(out, "<path class=\"pl-tip\" d=\"M{x:.1} {y:.1}l-8 -4.5v9z\"/>");
    }
    for (step, shape) in plan.steps.iter().zip(&picture.boxes) {
        group(&mut out, step, shape);
    }
    out.push_str("</svg>\n");
    out
}

fn heading(out: &mut String, plan: &Plan, picture: &Picture) {
    let room = picture.width - 2.0 * MARGIN;
    let name = fitted(&clean(&plan.chain), 16.0, room);
    let used = pixels(&name, 18.0) + 16.0;
    let _ = writeln!(
        out,
        "<text class=\"pl-head\" x=\"{MARGIN}\" y=\"{}\">{}</text>",
        MARGIN + 10.0,
        escaped(&name)
    );
    let left = room - used;
    if let Some(text) = plan.description.as_deref().filter(|_| left > 90.0) {
        let text = fitted(&clean(text), SMALL, left);
        let (x, y) = (MARGIN + used, MARGIN + 10.0);
        let _ = writeln!(out, "<text class=\"pl-soft\" x=\"{x:.0}\" y=\"{y}\">{}</text>", escaped(&text));
    }
}

fn group(out: &mut String, step: &PlanStep, shape: &Shape) {
    let Shape { x, y, width, height } = shape;
    let text = x + LEAD;
    let room = width - LEAD - 12.0;
    let hover = match &step.when {
        Some(when) => format!("{} ({}), when {when}", step.name, step.uses),
        None => format!("{} ({})", step.name, step.uses),
    };
    let first = y + if step.when.is_some() { 23.0 } else { 22.0 };
    let _ = write!(
        out,
        "<g data-step=\"{}\"><title>{}</title>\
         <rect class=\"pl-box\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\" rx=\"9\"/>",
        escaped(&step.name),
        escaped(&hover),
    );
    glyph(out, &step.uses, x + 11.0, first - 10.0);
    let line = |out: &mut String, class: &str, y: f64, text_x: f64, words: &str| {
        let _ = write!(out, "<text{class} x=\"{text_x:.1}\" y=\"{y:.1}\">{}</text>", escaped(words));
    };
    line(out, "", first, text, &fitted(&clean(label(step)), NAME, room));
    line(out, " class=\"pl-soft\"", first + 16.0, text, &fitted(&clean(&below(step)), SMALL, room));
    if let Some(when) = &step.when {
        let middle = y + height / 2.0;
        let words = fitted(&condition(when), SMALL, width - 24.0);
        line(out, " class=\"pl-cond\"", first + 35.0, x + 13.0, &words);
        if !step.needs.is_empty() {
            let _ = write!(out, "<path class=\"pl-gem\" d=\"M{:.1} {middle:.1}l5 -5l5 5l-5 5z\"/>", x - 5.0);
        }
    }
    out.push_str("</g>\n");
}

/// The first letter of the kind in a colour that is always that kind's: none is known by name here.
fn glyph(out: &mut String, kind: &str, x: f64, y: f64) {
    let hash = kind.bytes().fold(0x811c_9dc5_u32, |hash, b| (hash ^ u32::from(b)).wrapping_mul(0x0100_0193));
    let letter: String = kind.chars().take(1).flat_map(char::to_uppercase).collect();
    let _ = write!(
        out,
        "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"24\" height=\"24\" rx=\"6\" fill=\"hsl({} 48% 44%)\"/>\
         <text class=\"pl-mono\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>",
        (hash >> 8) % 360,
        x + 12.0,
        y + 16.7,
        escaped(&clean(&letter)),
    );
}

fn label(step: &PlanStep) -> &str {
    step.title.as_deref().unwrap_or(&step.name)
}

/// The kind, and the name where the title hides it.
fn below(step: &PlanStep) -> String {
    match step.title {
        Some(_) => format!("{} · {}", step.name, step.uses),
        None => step.uses.clone(),
    }
}

fn condition(when: &str) -> String {
    let when = clean(when).split_whitespace().collect::<Vec<_>>().join(" ");
    format!("when {}", when.replace("steps.", "").replace(".output.", "."))
}

/// What somebody hears instead of the picture.
fn description(plan: &Plan, undrawn: usize) -> String {
    let mut out = format!("{} steps.", plan.steps.len());
    for step in &plan.steps {
        if out.len() > 2_000 {
            out.push_str(" …");
            break;
        }
        let _ = match step.needs.is_empty() {
            true => write!(out, " {}: {}.", clean(&step.name), step.uses),
            false => write!(out, " {}: {}, after {}.", clean(&step.name), step.uses, step.needs.join(", ")),
        };
    }
    if undrawn > 0 {
        let _ = write!(out, " {undrawn} long edges are not drawn.");
    }
    out
}

impl Picture {
    pub(super) fn new(plan: &Plan) -> Picture {
        let height = |step: &PlanStep| if step.when.is_some() { CONDITIONAL } else { PLAIN };
        let sizes: Vec<f64> = plan.steps.iter().map(height).collect();
        let layout = lay(plan, &sizes, Measure { lane: 2.0, gap: 22.0, lane_gap: 14.0 });
        let wanted = |step: &PlanStep| {
            let text = pixels(label(step), NAME).max(pixels(&below(step), SMALL)) + LEAD + 14.0;
            let when = step.when.as_deref().map_or(0.0, |w| pixels(&condition(w), SMALL) + 26.0);
            text.max(when).clamp(NARROW, WIDE)
        };
        let mut columns = Vec::with_capacity(layout.rows.len());
        let (mut x, gaps) = (MARGIN, gaps(&layout));
        for (layer, row) in layout.rows.iter().enumerate() {
            let steps = row.iter().filter_map(|s| layout.spots[*s].step).map(|s| wanted(&plan.steps[s]));
            let width = steps.fold(0.0, f64::max).ceil();
            columns.push((x, x + width));
            x += width + gaps[layer];
        }
        let right = columns.last().map_or(MARGIN, |(_, right)| *right);
        let title = pixels(&plan.chain, 16.5) + 2.0 * MARGIN + 20.0;
        let (top, extent) = (MARGIN + HEAD, layout.extent);
        let boxes = (0..plan.steps.len())
            .map(|step| {
                let spot = &layout.spots[step];
                let (left, right) = columns[spot.layer];
                Shape { x: left, y: top + spot.at, width: right - left, height: spot.size }
            })
            .collect();
        let width = (right + MARGIN).max(title.min(600.0)).max(200.0).ceil();
        Picture { layout, boxes, columns, width, height: (top + extent + MARGIN).ceil(), top }
    }

    /// A route's curves, from where it parts from what is drawn already. It crosses layers straight, in its
    /// lane, and bends only between them.
    fn path(&self, route: &Route, drawn: &mut std::collections::HashSet<(usize, usize)>) -> String {
        let mut out = String::new();
        for pair in route.spots.windows(2) {
            if !drawn.insert((pair[0], pair[1])) {
                continue;
            }
            let (from, to) = (&self.layout.spots[pair[0]], &self.layout.spots[pair[1]]);
            let (x1, y1) = (self.columns[from.layer].1, self.top + from.middle());
            let (x2, y2) = (self.columns[to.layer].0, self.top + to.middle());
            let middle = f64::midpoint(x1, x2);
            // Writing into a String cannot fail.
            let _ = match from.step {
                Some(_) => write!(out, "M{x1:.1} {y1:.1}"),
                // Where it parts from a line that has drawn the lane.
                None if out.is_empty() => write!(out, "M{x1:.1} {y1:.1}"),
                None => write!(out, "H{x1:.1}"),
            };
            let end = if to.step.is_some() { x2 - 7.0 } else { x2 };
            let _ = match (y1 - y2).abs() < 0.5 {
                true => write!(out, "H{end:.1}"),
                false => write!(out, "C{middle:.1} {y1:.1} {middle:.1} {y2:.1} {end:.1} {y2:.1}"),
            };
        }
        out
    }

    /// Points along every edge, close to each other.
    #[cfg(test)]
    pub(super) fn points(&self) -> impl Iterator<Item = (usize, usize, Vec<(f64, f64)>)> + '_ {
        let point = move |route: &Route| {
            let mut points = Vec::new();
            for pair in route.spots.windows(2) {
                let (from, to) = (&self.layout.spots[pair[0]], &self.layout.spots[pair[1]]);
                let (x1, y1) = (self.columns[from.layer].1, self.top + from.middle());
                let (x2, y2) = (self.columns[to.layer].0, self.top + to.middle());
                points.extend((0..=20).map(|i| {
                    let t = f64::from(i) / 20.0;
                    let (a, b) = (
                        (1.0 - t).powi(3) + 3.0 * t * (1.0 - t).powi(2),
                        3.0 * t * t * (1.0 - t) + t.powi(3),
                    );
                    let m = f64::midpoint(x1, x2);
                    let x = (1.0 - t).powi(3) * x1 + (3.0 * t * (1.0 - t)) * m + t.powi(3) * x2;
                    (x, a * y1 + b * y2)
                }));
                if to.step.is_none() {
                    let (left, right) = self.columns[to.layer];
                    points.extend((0..=20).map(|i| (left + (right - left) * f64::from(i) / 20.0, y2)));
                }
            }
            (route.spots[0], route.to, points)
        };
        self.layout.routes.iter().map(point)
    }
}

/// Room behind each layer: more where edges climb far.
fn gaps(layout: &Layout) -> Vec<f64> {
    let mut climbs = vec![0.0_f64; layout.rows.len()];
    for pair in layout.routes.iter().flat_map(|r| r.spots.windows(2)) {
        let (from, to) = (&layout.spots[pair[0]], &layout.spots[pair[1]]);
        climbs[from.layer] = climbs[from.layer].max((from.middle() - to.middle()).abs());
    }
    climbs.into_iter().map(|climb| (GAP.0 + climb / 7.0).min(GAP.1).round()).collect()
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            // XML 1.0 has no other control characters.
            c if c.is_control() && !matches!(c, '\t' | '\n') => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    out
}
