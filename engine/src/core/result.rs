//! A run's result: the heaviest that its steps make.

use patchline_chains::Plan;

use super::{StepRun, StepState, Steps};
use crate::RunResult;

/// The result of a run whose steps are all terminal.
pub(super) fn result(plan: &Plan, steps: &Steps) -> RunResult {
    let mut heaviest = RunResult::Passed;
    let mut menders = steps
        .iter()
        .enumerate()
        .filter(|(_, s)| matches!(s.state, StepState::Succeeded { mends: true, .. }))
        .map(|(i, _)| descendants(plan, i))
        .collect::<Vec<_>>();
    for (i, step) in steps.iter().enumerate() {
        let weight = match &step.state {
            _ if is_late(step) => RunResult::Failed,
            StepState::Cancelled => RunResult::Cancelled,
            StepState::Failed { .. } | StepState::Unknown { .. } if !plan.steps[i].continue_on_failure => {
                RunResult::Failed
            }
            // A denial that comes after the mending is one of what was mended; a person's no mends by nothing.
            StepState::Denied { .. }
                if step.decision.is_none() && menders.iter_mut().any(|after| !after[i]) =>
            {
                RunResult::Remediated
            }
            StepState::Denied { .. } => RunResult::Denied,
            _ => RunResult::Passed,
        };
        heaviest = heaviest.max(weight);
    }
    heaviest
}

/// Whether the run's time was over before this step had ended. The mark is what outlives a crash in between.
pub(super) fn is_late(step: &StepRun) -> bool {
    step.problem.as_ref().is_some_and(|p| p.code == "run-timeout")
}

/// Which steps stand after `from`. The plan is in topological order, so one pass is enough.
pub(super) fn descendants(plan: &Plan, from: usize) -> Vec<bool> {
    let mut after = vec![false; plan.steps.len()];
    let mut names = vec![plan.steps[from].name.as_str()];
    for (i, step) in plan.steps.iter().enumerate().skip(from + 1) {
        if step.needs.iter().any(|n| names.contains(&n.as_str())) {
            after[i] = true;
            names.push(&step.name);
        }
    }
    after
}
