//! Where the nodes of a DAG stand and how its edges run: layers along one axis, edges routed between nodes.

/// Which way the layers go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// From left to right: a desk.
    Right,
    /// From top to bottom: a telephone.
    Down,
}

/// A node's size and the room around it, in pixels; "along" is the way the layers go.
struct Measure {
    along: f64,
    across: f64,
    gap_along: f64,
    gap_across: f64,
}

impl Direction {
    fn measure(self) -> Measure {
        match self {
            Self::Right => Measure { along: 176.0, across: 60.0, gap_along: 52.0, gap_across: 20.0 },
            Self::Down => Measure { along: 60.0, across: 146.0, gap_along: 36.0, gap_across: 14.0 },
        }
    }
}

/// What an edge that passes a layer without a node there takes of it.
const LANE: f64 = 6.0;
/// Between a lane and its neighbour.
const LANE_GAP: f64 = 5.0;
/// What a telephone of 360 pixels leaves, without the margin.
const TELEPHONE: f64 = 322.0;
/// Room around the whole.
const MARGIN: f64 = 6.0;

/// A drawn DAG.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Dag {
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// Upper left corners, by step.
    pub(crate) nodes: Vec<(u32, u32)>,
    pub(crate) edges: Vec<Edge>,
    pub(crate) node_width: u32,
    pub(crate) node_height: u32,
}

/// A line from a need to what needs it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Edge {
    pub(crate) from: usize,
    pub(crate) to: usize,
    /// SVG path data.
    pub(crate) path: String,
}

/// A step in its layer, or a lane of an edge that goes on.
#[derive(Debug, Clone)]
struct Spot {
    layer: usize,
    /// Middle, across.
    at: f64,
    size: f64,
    /// Spots of the layer before that lead here.
    before: Vec<usize>,
    after: Vec<usize>,
}

/// Lays out steps: `layers` by step index, `needs[i]` what step `i` needs.
pub(crate) fn lay(layers: &[Vec<usize>], needs: &[Vec<usize>], direction: Direction) -> Dag {
    let measure = direction.measure();
    let mut spots: Vec<Spot> = (0..needs.len())
        .map(|_| Spot { layer: 0, at: 0.0, size: measure.across, before: Vec::new(), after: Vec::new() })
        .collect();
    let mut rows: Vec<Vec<usize>> = layers.to_vec();
    for (layer, row) in rows.iter().enumerate() {
        for &step in row {
            spots[step].layer = layer;
        }
    }
    let mut routes: Vec<(usize, usize, Vec<usize>)> = Vec::new();
    for (to, wanted) in needs.iter().enumerate() {
        for &from in wanted {
            let mut route = vec![from];
            let (first, last) = (spots[from].layer + 1, spots[to].layer);
            for (layer, row) in rows.iter_mut().enumerate().take(last).skip(first) {
                row.push(spots.len());
                route.push(spots.len());
                spots.push(Spot { layer, at: 0.0, size: LANE, before: Vec::new(), after: Vec::new() });
            }
            route.push(to);
            for pair in route.windows(2) {
                spots[pair[1]].before.push(pair[0]);
                spots[pair[0]].after.push(pair[1]);
            }
            routes.push((from, to, route));
        }
    }
    place(&mut rows, &mut spots, measure.gap_across);
    if direction == Direction::Down {
        fit(&rows, &mut spots, measure.gap_across);
    }
    draw(&rows, &spots, needs.len(), &routes, direction, &measure)
}

/// Orders each row by where its neighbours are, then pulls every spot towards them.
fn place(rows: &mut [Vec<usize>], spots: &mut [Spot], gap: f64) {
    for row in rows.iter() {
        spread(row, spots, gap);
    }
    for round in 0..12 {
        let forward = round % 2 == 0;
        let order: Vec<usize> =
            if forward { (0..rows.len()).collect() } else { (0..rows.len()).rev().collect() };
        for layer in order {
            for &spot in &rows[layer] {
                let near = if forward { &spots[spot].before } else { &spots[spot].after };
                if !near.is_empty() {
                    spots[spot].at = near.iter().map(|&n| spots[n].at).sum::<f64>() / near.len() as f64;
                }
            }
            // After half of the rounds the order stands: only distances are still mended.
            if round < 6 {
                rows[layer].sort_by(|&a, &b| spots[a].at.total_cmp(&spots[b].at));
            }
            part(&rows[layer], spots, gap);
        }
    }
}

/// One after the other around zero.
fn spread(row: &[usize], spots: &mut [Spot], gap: f64) {
    let Some(&first) = row.first() else { return };
    spots[first].at = (spots[first].size - width(row, spots, gap)) / 2.0;
    for pair in row.windows(2) {
        spots[pair[1]].at = spots[pair[0]].at + apart(&spots[pair[0]], &spots[pair[1]], gap);
    }
}

/// Of a row without more room than it needs.
fn width(row: &[usize], spots: &[Spot], gap: f64) -> f64 {
    let ends = row.first().into_iter().chain(row.last()).map(|&s| spots[s].size / 2.0).sum::<f64>();
    ends + row.windows(2).map(|p| apart(&spots[p[0]], &spots[p[1]], gap)).sum::<f64>()
}

/// From the middle of one to the middle of the next.
fn apart(one: &Spot, next: &Spot, gap: f64) -> f64 {
    let gap = if one.size > LANE && next.size > LANE { gap } else { LANE_GAP };
    f64::midpoint(one.size, next.size) + gap
}

/// Keeps every row within a telephone's width, or that of the widest row: straight edges matter less there.
fn fit(rows: &[Vec<usize>], spots: &mut [Spot], gap: f64) {
    let room = rows.iter().map(|row| width(row, spots, gap)).fold(TELEPHONE, f64::max);
    for row in rows {
        for (place, &spot) in row.iter().enumerate() {
            let least = match place.checked_sub(1).map(|before| row[before]) {
                Some(before) => spots[before].at + apart(&spots[before], &spots[spot], gap),
                None => (spots[spot].size - room) / 2.0,
            };
            spots[spot].at = spots[spot].at.max(least);
        }
        for (place, &spot) in row.iter().enumerate().rev() {
            let most = match row.get(place + 1) {
                Some(&after) => spots[after].at - apart(&spots[spot], &spots[after], gap),
                None => (room - spots[spot].size) / 2.0,
            };
            spots[spot].at = spots[spot].at.min(most);
        }
    }
}

/// Pushes apart what overlaps, around the row's own centre.
fn part(row: &[usize], spots: &mut [Spot], gap: f64) {
    let wished = row.iter().map(|&s| spots[s].at).sum::<f64>() / row.len().max(1) as f64;
    for pair in row.windows(2) {
        let least = spots[pair[0]].at + apart(&spots[pair[0]], &spots[pair[1]], gap);
        spots[pair[1]].at = spots[pair[1]].at.max(least);
    }
    let now = row.iter().map(|&s| spots[s].at).sum::<f64>() / row.len().max(1) as f64;
    for &spot in row {
        spots[spot].at += wished - now;
    }
}

fn draw(
    rows: &[Vec<usize>],
    spots: &[Spot],
    steps: usize,
    routes: &[(usize, usize, Vec<usize>)],
    direction: Direction,
    measure: &Measure,
) -> Dag {
    let lowest = spots.iter().map(|s| s.at - s.size / 2.0).fold(f64::INFINITY, f64::min);
    let highest = spots.iter().map(|s| s.at + s.size / 2.0).fold(f64::NEG_INFINITY, f64::max);
    let (lowest, highest) = if spots.is_empty() { (0.0, 0.0) } else { (lowest, highest) };
    let along = |layer: usize| MARGIN + layer as f64 * (measure.along + measure.gap_along);
    let across = |spot: &Spot| MARGIN + spot.at - lowest;
    let point = |a: f64, c: f64| match direction {
        Direction::Right => (a, c),
        Direction::Down => (c, a),
    };
    let path = |route: &[usize]| {
        let mut text = String::new();
        for (i, pair) in route.windows(2).enumerate() {
            let (from, to) = (&spots[pair[0]], &spots[pair[1]]);
            let (start, end) = (along(from.layer) + measure.along, along(to.layer));
            let (c0, c1) = (across(from), across(to));
            let middle = f64::midpoint(start, end);
            let (m, l) = (point(start, c0), point(end, c1));
            let (k0, k1) = (point(middle, c0), point(middle, c1));
            let begin = if i == 0 { 'M' } else { 'L' };
            text.push_str(&format!(
                "{begin}{:.0} {:.0}C{:.0} {:.0} {:.0} {:.0} {:.0} {:.0}",
                m.0, m.1, k0.0, k0.1, k1.0, k1.1, l.0, l.1
            ));
        }
        text
    };
    let corner = |spot: &Spot| {
        let (x, y) = point(along(spot.layer), across(spot) - spot.size / 2.0);
        (x.round() as u32, y.round() as u32)
    };
    let long = along(rows.len().saturating_sub(1)) + measure.along + MARGIN;
    let (width, height) = point(long, highest - lowest + 2.0 * MARGIN);
    let (node_width, node_height) = point(measure.along, measure.across);
    Dag {
        width: width.ceil() as u32,
        height: height.ceil() as u32,
        nodes: spots.iter().take(steps).map(corner).collect(),
        edges: routes
            .iter()
            .map(|(from, to, route)| Edge { from: *from, to: *to, path: path(route) })
            .collect(),
        node_width: node_width as u32,
        node_height: node_height as u32,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// scan → gate → backup, fix → delete; gate → tell past a layer.
    fn demo(direction: Direction) -> Dag {
        let needs = vec![vec![], vec![0], vec![1], vec![1], vec![2, 3], vec![1, 3]];
        lay(&[vec![0], vec![1], vec![2, 3], vec![4, 5]], &needs, direction)
    }

    fn overlap(dag: &Dag) -> bool {
        let (w, h) = (dag.node_width, dag.node_height);
        dag.nodes.iter().enumerate().any(|(i, a)| {
            dag.nodes[i + 1..]
                .iter()
                .any(|b| a.0 < b.0 + w && b.0 < a.0 + w && a.1 < b.1 + h && b.1 < a.1 + h)
        })
    }

    #[test]
    fn layers_go_from_left_to_right_and_nothing_overlaps() {
        let dag = demo(Direction::Right);
        assert!(dag.nodes[0].0 < dag.nodes[1].0 && dag.nodes[1].0 < dag.nodes[2].0);
        assert_eq!(dag.nodes[2].0, dag.nodes[3].0);
        assert!(!overlap(&dag), "{dag:?}");
        for (x, y) in &dag.nodes {
            assert!(x + dag.node_width <= dag.width && y + dag.node_height <= dag.height, "{dag:?}");
        }
        assert_eq!(dag.edges.len(), 7);
        // One lane more than a straight edge.
        let long = dag.edges.iter().find(|e| (e.from, e.to) == (1, 5)).unwrap();
        assert_eq!(long.path.matches('C').count(), 2);
    }

    #[test]
    fn a_telephone_sees_layers_from_top_to_bottom() {
        let dag = demo(Direction::Down);
        assert!(dag.nodes[0].1 < dag.nodes[1].1);
        assert_eq!(dag.nodes[2].1, dag.nodes[3].1);
        assert!(!overlap(&dag), "{dag:?}");
        assert!(dag.width <= 334, "{}", dag.width);
    }

    #[test]
    fn an_empty_plan_draws_nothing() {
        let dag = lay(&[], &[], Direction::Right);
        assert!(dag.nodes.is_empty() && dag.width > 0);
    }
}
