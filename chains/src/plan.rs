//! The compiled, immutable form of a chain.

mod canonical;
pub mod params;
mod schedule;
mod stored;

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use petgraph::graph::DiGraph;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::glob;

pub use schedule::{ImageWindow, Schedule};
pub use stored::Error;

/// A compiled chain, version 1 of the canonical form. Steps stand in an order
/// in which every step comes after its needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Of this form; 1, or reading it is an error.
    #[serde(deserialize_with = "stored::version")]
    pub version: u32,
    /// The chain's name.
    pub chain: String,
    /// For people.
    pub description: Option<String>,
    /// Which images.
    pub scope: Scope,
    /// Whether a push starts it.
    pub on_push: bool,
    /// Whether new advisories start it, from which severity on.
    pub on_advisories: Option<String>,
    /// When it starts by itself.
    pub on_schedule: Option<Schedule>,
    /// Defaults of the parameters.
    pub params: Value,
    /// What the parameters take: see [`Plan::start_params`].
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub parameters: BTreeMap<String, params::Parameter>,
    /// Who waits for whom.
    pub concurrency: Option<ConcurrencyRule>,
    /// Longest time of a run from its start, waiting included; none: any.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Duration>,
    /// Topologically ordered.
    pub steps: Vec<PlanStep>,
}

/// Which images a chain handles.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
pub struct Scope {
    /// A registry's name or host; none: any.
    pub registry: Option<String>,
    /// Globs, `!` excludes; empty: all.
    pub repositories: Vec<String>,
    /// Globs, `!` excludes; empty: all.
    pub tags: Vec<String>,
    /// `linux/amd64`; empty: all that the index holds.
    pub platforms: Vec<String>,
}

/// `concurrency:`
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ConcurrencyRule {
    /// A template.
    pub key: String,
    /// At least 1.
    pub limit: u32,
    /// What happens when the limit is reached.
    pub when_busy: WhenBusy,
}

/// What a new run does when its key is busy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WhenBusy {
    /// Wait.
    Queue,
    /// Cancel what runs.
    Supersede,
    /// Do not start.
    Reject,
}

/// How often a step is tried.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Retry {
    /// At least 1.
    pub attempts: u32,
    /// First pause.
    pub backoff: Duration,
    /// Longest pause.
    pub max_backoff: Duration,
}

/// One node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PlanStep {
    /// Its key in `steps`.
    pub name: String,
    /// `name:`, for people.
    pub title: Option<String>,
    /// The step kind.
    pub uses: String,
    /// Names of steps before it.
    pub needs: Vec<String>,
    /// CEL, short forms (`always`, `denied` …) kept as written.
    pub when: Option<String>,
    /// Parameters; strings are templates.
    pub with: Value,
    /// Longest time of one attempt.
    pub timeout: Duration,
    /// How often.
    pub retry: Retry,
    /// A failure does not fail the run.
    pub continue_on_failure: bool,
}

impl Plan {
    /// `sha256:…` of the canonical form: the same for equal chains, whatever their key order, comments, white space.
    pub fn hash(&self) -> String {
        canonical::hash(self)
    }

    /// Whether `repository:tag` in `registry` (its configured name, or host) is in scope. An image without a tag is in
    /// scope unless the chain asks for some tag.
    pub fn matches(&self, registry: &str, repository: &str, tag: Option<&str>) -> bool {
        let tags = &self.scope.tags;
        self.scope.registry.as_deref().is_none_or(|own| own == registry)
            && glob::matches(&self.scope.repositories, repository)
            && tag.map_or_else(|| tags.iter().all(|t| t.starts_with('!')), |tag| glob::matches(tags, tag))
    }

    /// The DAG: node weights are indices into `steps`, edges run from a need to what needs it.
    pub fn graph(&self) -> DiGraph<usize, ()> {
        let mut graph = DiGraph::with_capacity(self.steps.len(), self.steps.len());
        let nodes: Vec<_> = (0..self.steps.len()).map(|i| graph.add_node(i)).collect();
        for (from, to) in self.edges() {
            graph.add_edge(nodes[from], nodes[to], ());
        }
        graph
    }

    /// Steps by layer (longest path from a root), for drawing from left to right.
    pub fn layers(&self) -> Vec<Vec<usize>> {
        let mut depth = vec![0_usize; self.steps.len()];
        // Every step stands after its needs, so one pass is enough.
        for (from, to) in self.edges() {
            depth[to] = depth[to].max(depth[from] + 1);
        }
        let mut layers = vec![Vec::new(); depth.iter().max().map_or(0, |d| d + 1)];
        depth.iter().enumerate().for_each(|(step, layer)| layers[*layer].push(step));
        layers
    }

    /// Edges from a need to what needs it, as indices into `steps`, ordered by what needs.
    pub(crate) fn edges(&self) -> Vec<(usize, usize)> {
        let index: HashMap<&str, usize> =
            self.steps.iter().enumerate().map(|(i, s)| (s.name.as_str(), i)).collect();
        let needs = |(to, step): (usize, &PlanStep)| -> Vec<(usize, usize)> {
            step.needs.iter().filter_map(|n| index.get(n.as_str())).map(|from| (*from, to)).collect()
        };
        self.steps.iter().enumerate().flat_map(needs).collect()
    }

    /// A step by name.
    pub fn step(&self, name: &str) -> Option<&PlanStep> {
        self.steps.iter().find(|s| s.name == name)
    }
}

/// The words that may stand for an expression over all of a step's `needs`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShortForm {
    /// Once all needs are terminal, whatever their outcomes.
    Always,
    /// Every need has succeeded: what a step without `when` asks.
    Succeeded,
    /// Some need has denied.
    Denied,
    /// Some need has failed.
    Failed,
}

impl ShortForm {
    /// As they are written.
    pub const WORDS: [&'static str; 4] = ["always", "succeeded", "denied", "failed"];

    /// The form of a `when`, if it is one.
    pub fn parse(when: &str) -> Option<ShortForm> {
        Some(match when.trim() {
            "always" => ShortForm::Always,
            "succeeded" => ShortForm::Succeeded,
            "denied" => ShortForm::Denied,
            "failed" => ShortForm::Failed,
            _ => return None,
        })
    }
}

/// Whether a step with this `when` runs, once all its needs are terminal.
/// `context` is as for [`crate::expr::evaluate`], with `steps.<need>.{succeeded,denied,failed,skipped,outcome,output}`;
/// a missing `when` asks that all needs have succeeded. Short forms: `always` runs whatever the outcomes;
/// `succeeded` wants every need succeeded; `denied` some need denied; `failed` some need failed.
/// A need that `context` does not have has not ended in any way.
pub fn should_run(step: &PlanStep, context: &Value) -> Result<bool, crate::expr::Error> {
    let form = match step.when.as_deref() {
        None => ShortForm::Succeeded,
        Some(when) => match ShortForm::parse(when) {
            Some(form) => form,
            None => return crate::expr::evaluate(when, context),
        },
    };
    let ended = |need: &String, how: &str| {
        context.get("steps").and_then(|s| s.get(need)).and_then(|s| s.get(how)).and_then(Value::as_bool)
            == Some(true)
    };
    Ok(match form {
        ShortForm::Always => true,
        ShortForm::Succeeded => step.needs.iter().all(|need| ended(need, "succeeded")),
        ShortForm::Denied => step.needs.iter().any(|need| ended(need, "denied")),
        ShortForm::Failed => step.needs.iter().any(|need| ended(need, "failed")),
    })
}

#[cfg(test)]
mod tests;
