//! What runs under which outcomes: every outcome that decides is tried, and `when` is asked each time.

mod judge;
mod mentions;
mod walk;

use serde::Serialize;
use serde_json::Value;

use crate::catalogue::Catalogue;
use crate::plan::Plan;
use walk::Walk;

/// Columns of the matrix; beyond it fewer outcomes are told apart.
pub(super) const MOST_SCENARIOS: usize = 32;
/// Steps that are looked at over all scenarios, so that a large chain answers soon.
pub(super) const MOST_WORK: usize = 60_000;
/// Outcomes that are told apart at most: their combinations double with each.
const MOST_QUESTIONS: usize = 8;

/// What may come of a run.
#[derive(Debug, Clone, Serialize)]
pub struct Outlook {
    /// Each a set of outcomes, and what runs then. At least one.
    pub scenarios: Vec<Scenario>,
    /// What a failure of one step would do, in the first scenario in which it runs.
    pub failures: Vec<IfItFails>,
    /// Outcomes that decide, but were too many to be told apart: `gate7`. What hangs on them is `depends`.
    pub untold: Vec<String>,
    /// Steps whose failure was not looked at, for their number.
    pub unfailed: usize,
}

/// Some outcomes, and what follows.
#[derive(Debug, Clone, Serialize)]
pub struct Scenario {
    /// `gate denies, mendable`
    pub name: String,
    /// The same, one by one.
    pub assumes: Vec<Assumption>,
    /// What becomes of each step, in the plan's order.
    pub steps: Vec<Cell>,
    /// How the run ends.
    pub ending: Ending,
}

/// One outcome that is assumed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Assumption {
    /// Index of the step.
    #[serde(skip)]
    pub(super) at: usize,
    /// The step.
    pub step: String,
    /// A boolean output; none: whether the step succeeds or denies.
    pub output: Option<String>,
    /// Succeeds, or the output is true.
    pub holds: bool,
    /// In words.
    pub words: String,
}

/// What becomes of a step.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Cell {
    /// It runs.
    Runs,
    /// It runs, and could deny, and does not.
    Passes,
    /// It runs and denies.
    Denies,
    /// It runs and fails; or its `when` cannot be evaluated, which is a failure.
    Fails,
    /// It does not run.
    Skipped,
    /// Known only in the run.
    Depends,
}

/// How a run ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Ending {
    /// Nothing denied.
    Passed,
    /// Something denied.
    Denied,
    /// Denied, and mended.
    Remediated,
    /// A step failed.
    Failed,
    /// Known only in the run.
    Depends,
}

/// What a step's failure does.
#[derive(Debug, Clone, Serialize)]
pub struct IfItFails {
    /// The step that fails.
    pub step: String,
    /// The scenario that it is taken from.
    pub scenario: String,
    /// Steps after it that run all the same.
    pub still: Vec<String>,
    /// Steps that would have run, and do not.
    pub lost: Vec<String>,
    /// How the run ends.
    pub ending: Ending,
}

/// Tries every combination of outcomes that decides something.
pub(super) fn outlook(plan: &Plan, catalogue: &dyn Catalogue, names: &Value) -> Outlook {
    let mut walk = Walk::new(plan, catalogue, names);
    let total = walk.questions();
    let fits = |asked: &usize| (plan.steps.len() << asked) <= MOST_WORK;
    let mut asked = (0..=total.min(MOST_QUESTIONS)).rev().find(fits).unwrap_or(0);
    let leaves = loop {
        match walk.scenarios(asked) {
            Some(leaves) => break leaves,
            None => asked = asked.saturating_sub(1),
        }
    };
    let untold = walk.untold(asked);
    let scenarios: Vec<Scenario> = leaves
        .into_iter()
        .map(|leaf| Scenario {
            name: name(&leaf.assumes),
            ending: walk.ending(&leaf),
            steps: leaf.cells,
            assumes: leaf.assumes,
        })
        .collect();
    let most = (MOST_WORK / plan.steps.len().max(1)).min(plan.steps.len());
    let failures = (0..most).filter_map(|step| failure(plan, &mut walk, &scenarios, step)).collect();
    Outlook { scenarios, failures, untold, unfailed: plan.steps.len() - most }
}

fn name(assumes: &[Assumption]) -> String {
    match assumes {
        [] => "always".to_owned(),
        some => some.iter().map(|a| a.words.as_str()).collect::<Vec<_>>().join(", "),
    }
}

/// The first scenario in which `step` runs, with its failure instead.
fn failure(plan: &Plan, walk: &mut Walk<'_>, scenarios: &[Scenario], step: usize) -> Option<IfItFails> {
    let runs = |cell: Cell| matches!(cell, Cell::Runs | Cell::Passes | Cell::Denies);
    let scenario = scenarios.iter().find(|s| runs(s.steps[step]))?;
    let leaf = walk.failing(step, &scenario.assumes);
    let pick = |wanted: fn(bool, bool) -> bool| -> Vec<String> {
        let after = plan.steps.iter().enumerate().skip(step + 1);
        let chosen = after.filter(|(i, _)| wanted(runs(scenario.steps[*i]), runs(leaf.cells[*i])));
        chosen.map(|(_, s)| s.name.clone()).collect()
    };
    Some(IfItFails {
        step: plan.steps[step].name.clone(),
        scenario: scenario.name.clone(),
        still: pick(|_, now| now),
        lost: pick(|before, now| before && !now),
        ending: walk.ending(&leaf),
    })
}
