//! Whether one run, with all that belongs to it, can be as it is. Pure.

use patchline_chains::Plan;
use patchline_engine::{
    RunResult, StepStatus, Submission,
    core::{StepRun, StepState},
};
use serde::de::DeserializeOwned;

use super::{
    cursor::{Row, Value},
    table::{RUNS, STEPS, Table},
};
use crate::column::word;

/// A run and what belongs to it.
pub(super) struct Case<'a> {
    pub(super) run: &'a Row,
    pub(super) steps: &'a [Row],
    pub(super) permits: &'a [Row],
    /// None: it is not there.
    pub(super) plan: Option<&'a Plan>,
    /// Of the last row of its history; none: it has none, as when it is older than what is kept.
    pub(super) last_seq: Option<i64>,
}

fn column<'a>(table: &Table, row: &'a Row, name: &str) -> &'a Value {
    row.get(table.place(name)).unwrap_or(&Value::Null)
}

pub(super) fn text<'a>(table: &Table, row: &'a Row, name: &str) -> &'a str {
    column(table, row, name).text().unwrap_or_default()
}

pub(super) fn int(table: &Table, row: &Row, name: &str) -> Option<i64> {
    column(table, row, name).int()
}

/// What is wrong with it.
pub(super) fn judge(case: &Case<'_>) -> Vec<String> {
    let mut wrong = Vec::new();
    let run = |name| text(&RUNS, case.run, name);
    if let Err(error) = read::<Submission>(run("submission")) {
        wrong.push(format!("its submission cannot be read: {error}"));
    }
    let result = column(&RUNS, case.run, "result").text();
    if let Some(result) = result
        && let Err(error) = serde_json::from_value::<RunResult>(result.into())
    {
        wrong.push(format!("its result cannot be read: {error}"));
    }
    let Some(plan) = case.plan else {
        wrong.push(format!("its plan {} is not there", run("plan_hash")));
        return wrong;
    };
    if case.steps.len() != plan.steps.len() {
        wrong.push(format!("it has {} steps, its plan {}", case.steps.len(), plan.steps.len()));
    }
    let mut steps = Vec::with_capacity(case.steps.len());
    for (place, (row, planned)) in case.steps.iter().zip(&plan.steps).enumerate() {
        let about = |what: String| format!("step {}: {what}", planned.name);
        if int(&STEPS, row, "position") != i64::try_from(place).ok() {
            wrong.push(about("it is not the next in order".into()));
        }
        if text(&STEPS, row, "kind") != planned.uses {
            wrong.push(about(format!("its kind is {:?}", text(&STEPS, row, "kind"))));
        }
        match read::<StepRun>(text(&STEPS, row, "body")) {
            Ok(step) => {
                wrong.extend(judge_step(row, &step).into_iter().map(about));
                steps.push(step);
            }
            Err(error) => wrong.push(about(format!("it cannot be read: {error}"))),
        }
    }
    for permit in case.permits {
        let place = permit.get(1).and_then(Value::int).and_then(|at| usize::try_from(at).ok());
        let step = place.and_then(|at| steps.get(at));
        if !matches!(step.map(|s| &s.state), Some(StepState::Leased { .. })) {
            let key = permit.get(2).and_then(Value::text).unwrap_or_default();
            wrong.push(format!("a permit of {key:?} belongs to a step that is not leased"));
        }
    }
    if case.last_seq.is_some_and(|last| Some(last) != int(&RUNS, case.run, "last_seq")) {
        wrong.push("its history does not end where the run says".into());
    }
    if steps.len() == plan.steps.len() {
        wrong.extend(judge_whole(run("phase"), run("status"), &steps));
    }
    if (run("phase") == "finished") != int(&RUNS, case.run, "finished_at").is_some() {
        wrong.push("it has finished without a time, or has a time without having finished".into());
    }
    wrong
}

fn judge_step(row: &Row, step: &StepRun) -> Vec<String> {
    let mut wrong = Vec::new();
    let status = word(&step.state.status());
    if text(&STEPS, row, "status") != status {
        wrong.push(format!("it is {status}, and its row says {}", text(&STEPS, row, "status")));
    }
    if int(&STEPS, row, "fence").and_then(|f| u64::try_from(f).ok()) != Some(step.fence) {
        wrong.push("its row has another fence".into());
    }
    let leased = matches!(step.state, StepState::Leased { .. });
    if leased != int(&STEPS, row, "lease_until").is_some() {
        wrong.push("it is leased without a lease, or has a lease without being leased".into());
    }
    if let StepState::Leased { fence, .. } = &step.state
        && *fence != step.fence
    {
        wrong.push("its lease has another fence".into());
    }
    if column(&STEPS, row, "parked").text().is_some() && step.state.status() != StepStatus::Ready {
        wrong.push("it waits for room without being ready".into());
    }
    wrong
}

fn judge_whole(phase: &str, status: &str, steps: &[StepRun]) -> Option<String> {
    let over = steps.iter().all(|s| s.state.is_terminal());
    let busy = steps.iter().any(|s| matches!(s.state.status(), StepStatus::Ready | StepStatus::Leased));
    let waits = steps.iter().any(|s| s.state.status() == StepStatus::Waiting);
    let begun = steps.iter().any(|s| s.state.status() != StepStatus::Blocked);
    let expected = match phase {
        "finished" if !over => return Some("it has finished, and steps of it have not".into()),
        "finished" => "finished",
        "queued" if begun => return Some("it is queued, and steps of it were begun".into()),
        "queued" => "queued",
        _ if over => return Some("all its steps have ended, and it has not".into()),
        _ if !busy && !waits => return Some("none of its steps can ever begin".into()),
        _ if busy => "running",
        _ => "waiting",
    };
    (status != expected).then(|| format!("it is {expected}, and its row says {status}"))
}

pub(super) fn read<T: DeserializeOwned>(text: &str) -> Result<T, serde_json::Error> {
    serde_json::from_str(text)
}
