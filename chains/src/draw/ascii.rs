//! Text for a terminal: boxes joined by lines where there is room, then what each step waits for.

use std::fmt::Write as _;

use super::canvas::{Canvas, Direction};
use super::layout::{Layout, Measure, lay};
use super::text::clean;
use super::{crop, subtitle};
use crate::columns::width;
use crate::plan::Plan;

/// What the lines are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charset {
    /// `+--+`, for every terminal and log.
    Ascii,
    /// Box-drawing characters.
    Unicode,
}

/// Steps of a drawing at most, and its lines: beyond it the list alone says more.
const MOST_STEPS: usize = 200;
const MOST_ROWS: usize = 400;
/// Characters of a name in its box.
const LABEL: usize = 24;

/// [`text`] in plain ASCII but for names that people gave, 100 columns wide at most.
pub fn ascii(plan: &Plan) -> String {
    text(plan, Charset::Ascii, 100)
}

/// The DAG from left to right, or from top to bottom where that alone fits `room` columns; below it each step with
/// its kind, needs and condition. A condition is marked where the line enters the box.
pub fn text(plan: &Plan, charset: Charset, room: usize) -> String {
    let mut out = String::new();
    let drawn =
        [Direction::Right, Direction::Down].into_iter().find_map(|way| draw(plan, charset, way, room));
    match drawn {
        Some(drawing) => out.push_str(&drawing),
        // Writing into a String cannot fail.
        None => drop(writeln!(out, "{} steps are too many to draw in {room} columns.", plan.steps.len())),
    }
    out.push('\n');
    list(&mut out, plan);
    out
}

fn list(out: &mut String, plan: &Plan) {
    let widest = plan.steps.iter().map(|s| width(&s.name)).max().unwrap_or(0);
    for step in &plan.steps {
        let name = clean(&step.name);
        let mut line = format!("{name}{}", " ".repeat(widest.saturating_sub(width(&name))));
        if let Some(kind) = subtitle(step) {
            let _ = write!(line, "  ({kind})");
        }
        if !step.needs.is_empty() {
            let _ = write!(line, "  after {}", step.needs.join(", "));
        }
        if let Some(when) = &step.when {
            let _ = write!(line, "  when {}", clean(when).split_whitespace().collect::<Vec<_>>().join(" "));
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
}

/// The drawing, if it fits.
fn draw(plan: &Plan, charset: Charset, way: Direction, room: usize) -> Option<String> {
    if plan.steps.len() > MOST_STEPS {
        return None;
    }
    let labels: Vec<String> = plan.steps.iter().map(|s| crop(&clean(&s.name), LABEL)).collect();
    let long: Vec<usize> = labels.iter().map(|l| width(l) + 4).collect();
    let (sizes, measure): (Vec<f64>, Measure) = match way {
        Direction::Right => (vec![3.0; long.len()], Measure { lane: 1.0, gap: 1.0, lane_gap: 1.0 }),
        Direction::Down => {
            (long.iter().map(|l| *l as f64).collect(), Measure { lane: 1.0, gap: 2.0, lane_gap: 1.0 })
        }
    };
    let layout = lay(plan, &sizes, measure);
    let along = |step: usize| if way == Direction::Right { long[step] } else { 3 };
    // Where each layer begins and ends, and the tracks of the lines behind it.
    let (mut layers, mut at, mut tracks) = (Vec::new(), 0, Vec::new());
    for row in &layout.rows {
        let thick = row.iter().filter_map(|s| layout.spots[*s].step).map(along).max().unwrap_or(1);
        layers.push((at, at + thick));
        let (own, count) = bends(&layout, row);
        at += thick + 4 + count;
        tracks.push(own);
    }
    let extent = layout.extent as usize;
    let (columns, rows) = match way {
        Direction::Right => (layers.last().map_or(0, |l| l.1), extent),
        Direction::Down => (extent, layers.last().map_or(0, |l| l.1)),
    };
    if columns > room || rows > MOST_ROWS || layout.undrawn > 0 {
        return None;
    }
    let mut canvas = Canvas::new(columns, rows, way, charset);
    for (layer, row) in layout.rows.iter().enumerate() {
        for &spot in row {
            lines(&mut canvas, plan, &layout, &layers, layer, spot, tracks[layer].get(&spot).copied());
        }
    }
    for (step, label) in labels.iter().enumerate() {
        let spot = &layout.spots[step];
        canvas.boxed(layers[spot.layer].0, spot.at as usize, label);
    }
    Some(canvas.finish())
}

/// The row or column in which a spot's lines leave and arrive.
fn port(layout: &Layout, spot: usize) -> usize {
    let spot = &layout.spots[spot];
    spot.at as usize + spot.size as usize / 2
}

/// Spots of a layer whose lines must bend behind it, each with a track on which nothing else runs beside it.
fn bends(layout: &Layout, row: &[usize]) -> (std::collections::HashMap<usize, usize>, usize) {
    let mut bent: Vec<(usize, Vec<usize>)> = row
        .iter()
        .map(|spot| (*spot, layout.after(*spot).iter().map(|end| port(layout, *end)).collect::<Vec<_>>()))
        .filter(|(spot, ends)| ends.iter().any(|end| *end != port(layout, *spot)))
        .collect();
    let mut placed = std::collections::HashMap::new();
    let mut taken: Vec<Vec<(usize, usize, Vec<usize>)>> = Vec::new();
    while !bent.is_empty() {
        // A line that arrives where another one leaves must bend behind it, or the two would look like one.
        let free = |at: usize| {
            let arrives = &bent[at].1;
            !bent
                .iter()
                .enumerate()
                .any(|(other, (spot, _))| other != at && arrives.contains(&port(layout, *spot)))
        };
        let next = (0..bent.len()).find(|at| free(*at)).unwrap_or(0);
        let (spot, ends) = bent.remove(next);
        let own = port(layout, spot);
        let (low, high) = ends.iter().fold((own, own), |(low, high), end| (low.min(*end), high.max(*end)));
        let behind = |track: usize| {
            placed.iter().any(|(other, on)| *on >= track && ends.contains(&port(layout, *other)))
        };
        let track = (0..)
            .find(|track| {
                // Two lines may meet where both end, and nowhere else: more would look like one line.
                let meet = |at: usize, other: &[usize]| ends == [at] && other == [at];
                let clear = |(a, b, other): &(usize, usize, Vec<usize>)| {
                    high < *a
                        || *b < low
                        || (high == *a && meet(high, other))
                        || (*b == low && meet(low, other))
                };
                !behind(*track) && taken.get(*track).is_none_or(|spans| spans.iter().all(clear))
            })
            .unwrap_or(0);
        if taken.len() <= track {
            taken.resize(track + 1, Vec::new());
        }
        taken[track].push((low, high, ends));
        placed.insert(spot, track);
    }
    (placed, taken.len())
}

/// The lines from a spot to the next layer, and a lane's own way through its layer.
fn lines(
    canvas: &mut Canvas,
    plan: &Plan,
    layout: &Layout,
    layers: &[(usize, usize)],
    layer: usize,
    spot: usize,
    track: Option<usize>,
) {
    let own = port(layout, spot);
    let ends = layout.after(spot);
    if ends.is_empty() {
        return;
    }
    let (begin, end) = layers[layer];
    let Some(&(next, _)) = layers.get(layer + 1) else { return };
    let leaves = match layout.spots[spot].step {
        Some(_) => begin,
        None => {
            canvas.along(own, begin, end);
            end
        }
    };
    let turn = track.map_or(next - 1, |track| end + 1 + track);
    // From below the box: what it covers is painted over.
    canvas.along(own, leaves, turn);
    for &to in ends {
        let arrives = port(layout, to);
        if arrives != own {
            canvas.across(turn, own, arrives);
        }
        canvas.along(arrives, turn, next);
        if let Some(step) = layout.spots[to].step {
            canvas.tip(next - 1, arrives, plan.steps[step].when.is_some());
        }
    }
}
