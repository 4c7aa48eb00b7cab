//! The names that `when` and templates see: `{image, run, params, trigger, steps}`.

use patchline_chains::Plan;
use serde_json::{Map, Value, json};

use super::{RunState, StepState};
use crate::{Parent, RunId, Subject, Submission};

/// What never changes in a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    /// `image`, `run`, `params`, `trigger`.
    pub names: Map<String, Value>,
    /// What it is about, by name; the rest of the subject is `image`.
    pub identity: String,
    /// Who waits for it.
    pub parent: Option<Parent>,
}

impl Facts {
    /// Of a run of `plan`; `url` is the run's page.
    pub fn new(plan: &Plan, id: &RunId, round: u32, submission: &Submission, url: Option<&str>) -> Self {
        let mut params = match &plan.params {
            Value::Object(defaults) => defaults.clone(),
            _ => Map::new(),
        };
        if let Value::Object(given) = &submission.params {
            params.extend(given.iter().map(|(k, v)| (k.clone(), v.clone())));
        }
        let kind = serde_json::to_value(submission.trigger.kind).unwrap_or(Value::Null);
        let mut names = Map::new();
        names.insert("image".into(), submission.subject.context.clone());
        names.insert(
            "run".into(),
            json!({"id": id.0, "round": round, "trigger": kind, "url": url.unwrap_or_default()}),
        );
        names.insert("params".into(), Value::Object(params));
        names.insert("trigger".into(), json!({"kind": kind, "source": submission.trigger.source}));
        Self { names, identity: submission.subject.identity.clone(), parent: submission.parent.clone() }
    }
    /// What the run is about.
    pub fn subject(&self) -> Subject {
        let context = self.names.get("image").cloned().unwrap_or(Value::Null);
        Subject { identity: self.identity.clone(), context }
    }
}

/// What short forms of `when` look at: how the needs of a step have ended, without their outputs.
pub(super) fn needs(plan: &Plan, state: &RunState, step: usize) -> Value {
    let needs = &plan.steps[step].needs;
    let mut steps = Map::new();
    for (planned, run) in plan.steps.iter().zip(state.steps.iter()).filter(|(p, _)| needs.contains(&p.name)) {
        let failed = matches!(run.state, StepState::Failed { .. } | StepState::Unknown { .. });
        let ended = json!({
            "succeeded": matches!(run.state, StepState::Succeeded { .. }),
            "denied": matches!(run.state, StepState::Denied { .. }),
            "failed": failed,
        });
        steps.insert(planned.name.clone(), ended);
    }
    json!({"steps": steps})
}

/// All names as they are now.
pub fn names(plan: &Plan, state: &RunState) -> Value {
    let mut all = state.facts.names.clone();
    let mut steps = Map::new();
    for (planned, step) in plan.steps.iter().zip(state.steps.iter()) {
        let is = |want: fn(&StepState) -> bool| want(&step.state);
        steps.insert(
            planned.name.clone(),
            json!({
                "succeeded": is(|s| matches!(s, StepState::Succeeded { .. })),
                "denied": is(|s| matches!(s, StepState::Denied { .. })),
                "failed": is(|s| matches!(s, StepState::Failed { .. } | StepState::Unknown { .. })),
                "skipped": is(|s| matches!(s, StepState::Skipped)),
                "outcome": step.state.status(),
                "output": step.state.output(),
            }),
        );
    }
    all.insert("steps".into(), Value::Object(steps));
    Value::Object(all)
}
