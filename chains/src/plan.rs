//! The compiled, immutable form of a chain.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A compiled chain, version 1 of the canonical form. Steps stand in an order
/// in which every step comes after its needs.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// Of this form; 1.
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
    /// `on.schedule` as written and checked; fired by a later version.
    pub on_schedule: Option<Value>,
    /// Defaults of the parameters.
    pub params: Value,
    /// Who waits for whom.
    pub concurrency: Option<ConcurrencyRule>,
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
        todo!()
    }
    /// Whether `repository:tag` in `registry` (its configured name, or host) is in scope.
    pub fn matches(&self, _registry: &str, _repository: &str, _tag: Option<&str>) -> bool {
        todo!()
    }
    /// The DAG: node weights are indices into `steps`, edges run from a need to what needs it.
    pub fn graph(&self) -> petgraph::graph::DiGraph<usize, ()> {
        todo!()
    }
    /// Steps by layer (longest path from a root), for drawing from left to right.
    pub fn layers(&self) -> Vec<Vec<usize>> {
        todo!()
    }
    /// A step by name.
    pub fn step(&self, name: &str) -> Option<&PlanStep> {
        self.steps.iter().find(|s| s.name == name)
    }
}

/// Whether a step with this `when` runs, once all its needs are terminal.
/// `context` is as for [`crate::expr::evaluate`], with `steps.<need>.{succeeded,denied,failed,skipped,outcome,output}`;
/// a missing `when` asks that all needs have succeeded.
pub fn should_run(_step: &PlanStep, _context: &Value) -> Result<bool, crate::expr::Error> {
    todo!()
}
