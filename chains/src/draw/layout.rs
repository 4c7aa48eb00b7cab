//! Where steps stand: layers along one axis, an order in each layer with few crossings, places across it.
//! Long edges pass each layer between through a lane of their own, so none runs below a box.

use std::collections::HashMap;

use crate::plan::Plan;

/// Lanes at most; edges beyond them are not drawn, the longest first.
const MOST_LANES: usize = 20_000;
/// Lanes of all edges, counted for each edge: what drawing them costs.
const MOST_PASSED: usize = 200_000;
/// Sweeps over all layers that look for an order with fewer crossings.
const SWEEPS: usize = 12;
/// Spots beyond which fewer sweeps must do.
const LARGE: usize = 4_000;

/// Sizes across the layers, in any unit. With whole numbers every place is one.
#[derive(Debug, Clone, Copy)]
pub(super) struct Measure {
    /// Of a lane.
    pub(super) lane: f64,
    /// Between two boxes.
    pub(super) gap: f64,
    /// Between a lane and its neighbour.
    pub(super) lane_gap: f64,
}

/// A box, or where an edge passes a layer.
#[derive(Debug, Clone)]
pub(super) struct Spot {
    pub(super) layer: usize,
    /// The step; none: a lane.
    pub(super) step: Option<usize>,
    /// Low edge across the layers; 0 is the least of all.
    pub(super) at: f64,
    pub(super) size: f64,
    before: Vec<usize>,
    after: Vec<usize>,
}

impl Spot {
    pub(super) fn middle(&self) -> f64 {
        self.at + self.size / 2.0
    }
}

/// An edge from a need to what needs it, as the spots that it passes; both ends are boxes.
#[derive(Debug, Clone)]
pub(super) struct Route {
    pub(super) to: usize,
    pub(super) spots: Vec<usize>,
}

/// A drawn DAG. The first spots are the steps, in the plan's order.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    pub(super) spots: Vec<Spot>,
    /// Spots by layer, in order across.
    pub(super) rows: Vec<Vec<usize>>,
    pub(super) routes: Vec<Route>,
    /// Edges that found no lane.
    pub(super) undrawn: usize,
    /// Size across.
    pub(super) extent: f64,
}

impl Layout {
    /// The spots of the next layer that a spot's line leads to.
    pub(super) fn after(&self, spot: usize) -> &[usize] {
        &self.spots[spot].after
    }
}

/// Lays out a plan whose boxes have these sizes across.
pub(super) fn lay(plan: &Plan, sizes: &[f64], measure: Measure) -> Layout {
    let mut layout = spots(plan, sizes, measure.lane);
    order(&mut layout);
    place(&mut layout, measure);
    layout
}

fn spots(plan: &Plan, sizes: &[f64], lane: f64) -> Layout {
    let mut rows = plan.layers();
    let spot = |layer, step, size| Spot { layer, step, at: 0.0, size, before: Vec::new(), after: Vec::new() };
    let mut spots: Vec<Spot> = sizes.iter().enumerate().map(|(i, size)| spot(0, Some(i), *size)).collect();
    for (layer, row) in rows.iter().enumerate() {
        row.iter().for_each(|step| spots[*step].layer = layer);
    }
    let mut edges = plan.edges();
    edges.sort_by_key(|(from, to)| (spots[*to].layer - spots[*from].layer, *from, *to));
    edges.dedup();
    // Edges of one step share their lanes: they leave as one line and part where they must.
    let mut lanes: HashMap<(usize, usize), usize> = HashMap::new();
    let (mut routes, mut undrawn, mut joined) = (Vec::with_capacity(edges.len()), 0, HashMap::new());
    let mut passed = 0;
    for (from, to) in edges {
        let between = spots[from].layer + 1..spots[to].layer;
        passed += between.len();
        if lanes.len() + between.len() > MOST_LANES || passed > MOST_PASSED {
            undrawn += 1;
            continue;
        }
        let mut route = vec![from];
        for layer in between {
            let next = *lanes.entry((from, layer)).or_insert_with(|| {
                spots.push(spot(layer, None, lane));
                rows[layer].push(spots.len() - 1);
                spots.len() - 1
            });
            route.push(next);
        }
        route.push(to);
        for pair in route.windows(2) {
            if joined.insert((pair[0], pair[1]), ()).is_none() {
                spots[pair[0]].after.push(pair[1]);
                spots[pair[1]].before.push(pair[0]);
            }
        }
        routes.push(Route { to, spots: route });
    }
    Layout { spots, rows, routes, undrawn, extent: 0.0 }
}

/// Sorts each row by the mean place of its neighbours, there and back, and keeps the best order seen.
fn order(layout: &mut Layout) {
    let Layout { spots, rows, .. } = layout;
    let mut index = vec![0_usize; spots.len()];
    let number = |rows: &[Vec<usize>], index: &mut Vec<usize>| {
        rows.iter().for_each(|row| row.iter().enumerate().for_each(|(i, s)| index[*s] = i));
    };
    number(rows, &mut index);
    let mut best = (crossings(spots, rows, &index), rows.clone());
    let sweeps = if spots.len() > LARGE { 2 } else { SWEEPS };
    for sweep in 0..sweeps {
        if best.0 == 0 {
            break;
        }
        let forward = sweep % 2 == 0;
        let layers: Vec<usize> =
            if forward { (0..rows.len()).collect() } else { (0..rows.len()).rev().collect() };
        for layer in layers {
            let mean = |spot: usize| {
                let near = if forward { &spots[spot].before } else { &spots[spot].after };
                match near.len() {
                    0 => index[spot] as f64,
                    count => near.iter().map(|n| index[*n] as f64).sum::<f64>() / count as f64,
                }
            };
            let mut keyed: Vec<(f64, usize)> = rows[layer].iter().map(|s| (mean(*s), *s)).collect();
            keyed.sort_by(|a, b| a.0.total_cmp(&b.0));
            rows[layer] = keyed.into_iter().map(|(_, spot)| spot).collect();
            rows[layer].iter().enumerate().for_each(|(i, s)| index[*s] = i);
        }
        let found = crossings(spots, rows, &index);
        if found < best.0 {
            best = (found, rows.clone());
        }
    }
    *rows = best.1;
}

/// Pairs of edges between neighbouring layers that cross.
fn crossings(spots: &[Spot], rows: &[Vec<usize>], index: &[usize]) -> usize {
    let mut crossed = 0;
    for (layer, row) in rows.iter().enumerate() {
        let width = rows.get(layer + 1).map_or(0, Vec::len);
        // A Fenwick tree over the next row: how many ends lie above.
        let (mut tree, mut seen) = (vec![0_usize; width + 1], 0);
        for spot in row {
            let mut ends: Vec<usize> = spots[*spot].after.iter().map(|s| index[*s]).collect();
            ends.sort_unstable();
            for end in &ends {
                let (mut at, mut below) = (end + 1, 0);
                while at > 0 {
                    below += tree[at];
                    at &= at - 1;
                }
                crossed += seen - below;
            }
            for end in ends {
                seen += 1;
                let mut at = end + 1;
                while at <= width {
                    tree[at] += 1;
                    at += at & at.wrapping_neg();
                }
            }
        }
    }
    crossed
}

/// Pulls every spot towards its neighbours, as far as the order and the gaps allow.
fn place(layout: &mut Layout, measure: Measure) {
    let Layout { spots, rows, .. } = layout;
    let apart = |a: &Spot, b: &Spot| {
        a.size + if a.step.is_some() && b.step.is_some() { measure.gap } else { measure.lane_gap }
    };
    for row in rows.iter() {
        let mut at = 0.0;
        for pair in row.windows(2) {
            at += apart(&spots[pair[0]], &spots[pair[1]]);
            spots[pair[1]].at = at;
        }
        let middle = row.last().map_or(0.0, |last| (spots[*last].at + spots[*last].size) / 2.0);
        row.iter().for_each(|s| spots[*s].at -= middle);
    }
    let sweeps = if spots.len() > LARGE { 6 } else { 24 };
    for sweep in 0..sweeps {
        let forward = sweep % 2 == 0;
        let both = sweep + 4 >= sweeps;
        let layers: Vec<usize> =
            if forward { (0..rows.len()).collect() } else { (0..rows.len()).rev().collect() };
        for layer in layers {
            let row = &rows[layer];
            let (mut wished, mut weights, mut lead, mut leads) = (Vec::new(), Vec::new(), 0.0, Vec::new());
            for (i, &spot) in row.iter().enumerate() {
                let own = &spots[spot];
                let none: &[usize] = &[];
                let (before, after) = match (both, forward) {
                    (true, _) => (own.before.as_slice(), own.after.as_slice()),
                    (false, true) => (own.before.as_slice(), none),
                    (false, false) => (none, own.after.as_slice()),
                };
                let (mut sum, mut weight) = (0.0, 0.0);
                for near in before.iter().chain(after).map(|n| &spots[*n]) {
                    // A lane that goes straight on is worth more than a box in the middle.
                    let pull = if own.step.is_none() && near.step.is_none() { 8.0 } else { 1.0 };
                    sum += pull * near.middle();
                    weight += pull;
                }
                let middle = if weight > 0.0 { sum / weight } else { own.middle() };
                if i > 0 {
                    lead += apart(&spots[row[i - 1]], own);
                }
                leads.push(lead);
                wished.push(middle - own.size / 2.0 - lead);
                weights.push(if weight > 0.0 { weight } else { 0.1 });
            }
            for ((&spot, low), lead) in row.iter().zip(rising(&wished, &weights)).zip(leads) {
                spots[spot].at = low + lead;
            }
        }
    }
    let least = spots.iter().map(|s| s.at).fold(f64::INFINITY, f64::min);
    let least = if spots.is_empty() { 0.0 } else { least };
    for spot in spots.iter_mut() {
        // Whole numbers: rounding keeps whole distances.
        spot.at = (spot.at - least).round();
    }
    layout.extent = layout.spots.iter().map(|s| s.at + s.size).fold(0.0, f64::max);
}

/// The rising row that is nearest to what is wished, by weighted squares (pool adjacent violators).
fn rising(wished: &[f64], weights: &[f64]) -> Vec<f64> {
    let mut pools: Vec<(f64, f64, usize)> = Vec::with_capacity(wished.len());
    for (value, weight) in wished.iter().zip(weights) {
        pools.push((*value, *weight, 1));
        while let [.., (a, wa, na), (b, wb, nb)] = pools.as_slice() {
            if a <= b {
                break;
            }
            let pooled = ((a * wa + b * wb) / (wa + wb), wa + wb, na + nb);
            pools.truncate(pools.len() - 2);
            pools.push(pooled);
        }
    }
    pools.into_iter().flat_map(|(value, _, count)| std::iter::repeat_n(value, count)).collect()
}
