//! The DAG of a run as SVG: nodes with state and time, edges, the live one moving.

use std::collections::HashMap;

use askama::{Template, filters::HtmlSafe};
use jiff::Timestamp;
use patchline_chains::Plan;
use patchline_engine::{RunView, StepStatus, StepView};

use super::{
    Visit,
    dag::{self, Direction},
    format,
    state::Badge,
};

/// One drawing; a page holds one for desks and one for telephones.
#[derive(Debug, Clone, Template)]
#[template(path = "graph.html")]
pub(crate) struct Graph {
    way: &'static str,
    label: &'static str,
    width: u32,
    height: u32,
    node_width: u32,
    node_height: u32,
    nodes: Vec<Node>,
    edges: Vec<Edge>,
}
impl HtmlSafe for Graph {}

#[derive(Debug, Clone)]
struct Node {
    x: u32,
    y: u32,
    name: String,
    label: String,
    href: String,
    badge: Badge,
    time: String,
    chosen: bool,
}

#[derive(Debug, Clone)]
struct Edge {
    path: String,
    /// `done`, `live`, `mended`, `idle`.
    class: &'static str,
}

impl Graph {
    pub(crate) fn new(
        run: &RunView,
        plan: &Plan,
        direction: Direction,
        chosen: Option<&str>,
        now: Timestamp,
        visit: &Visit,
    ) -> Self {
        let places: HashMap<&str, usize> =
            plan.steps.iter().enumerate().map(|(place, step)| (step.name.as_str(), place)).collect();
        let views: HashMap<&str, &StepView> = run.steps.iter().map(|s| (s.name.as_str(), s)).collect();
        let needs: Vec<Vec<usize>> = plan
            .steps
            .iter()
            .map(|step| step.needs.iter().filter_map(|need| places.get(need.as_str()).copied()).collect())
            .collect();
        let drawn = dag::lay(&plan.layers(), &needs, direction);
        let step = |place: usize| plan.steps.get(place).and_then(|s| views.get(s.name.as_str()));
        let nodes = plan.steps.iter().zip(&drawn.nodes).filter_map(|(planned, (x, y))| {
            let view = views.get(planned.name.as_str())?;
            let title = planned.title.as_deref().unwrap_or(&planned.name);
            let most = if direction == Direction::Right { 16 } else { 13 };
            Some(Node {
                x: *x,
                y: *y,
                name: planned.name.clone(),
                label: format::cut(title, most),
                href: format!("{}#step", visit.with("step", Some(&planned.name))),
                badge: Badge::step(view, visit.words),
                time: match (view.started_at, view.finished_at) {
                    (Some(from), Some(to)) => format::span(from, to),
                    (Some(from), None) => format::span(from, now),
                    (None, _) => String::new(),
                },
                chosen: chosen == Some(planned.name.as_str()),
            })
        });
        let edges = drawn.edges.iter().map(|edge| Edge {
            path: edge.path.clone(),
            class: match (step(edge.from), step(edge.to)) {
                (Some(from), Some(to)) => edge_class(from, to),
                _ => "idle",
            },
        });
        Self {
            way: if direction == Direction::Right { "right" } else { "down" },
            label: visit.words.dag,
            width: drawn.width,
            height: drawn.height,
            node_width: drawn.node_width,
            node_height: drawn.node_height,
            nodes: nodes.collect(),
            edges: edges.collect(),
        }
    }
}

fn edge_class(from: &StepView, to: &StepView) -> &'static str {
    if from.child.is_some() && from.status == StepStatus::Succeeded && to.status != StepStatus::Skipped {
        return "mended";
    }
    match to.status {
        StepStatus::Leased | StepStatus::Waiting => "live",
        status if status.is_terminal() && status != StepStatus::Skipped => "done",
        _ => "idle",
    }
}
