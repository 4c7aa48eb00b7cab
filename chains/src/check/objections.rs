//! What a step kind itself has against a step.

use serde_json::Value;

use super::Ctx;
use super::dag::Dag;
use super::steps::Draft;
use super::with::descend;
use crate::catalogue::StepInPlan;
use crate::diagnostics::{Diagnostic, Severity};
use crate::plan::PlanStep;

impl Ctx<'_> {
    /// Asks every kind that has a check; not where a cycle leaves no order.
    pub(super) fn objections(&mut self, drafts: &[Draft<'_>], dag: &Dag) {
        if dag.cyclic {
            return;
        }
        let mut last: Option<usize> = None;
        let mut before: Vec<(&str, &str, &Value)> = Vec::new();
        for &index in &dag.order {
            let draft = &drafts[index];
            let Some(known) = &draft.kind else { continue };
            let step = |i: usize| {
                let step: &PlanStep = &drafts[i].step;
                (step.name.as_str(), step.uses.as_str(), &step.with)
            };
            // Long chains are mostly rows, where each step sees what the last one saw, and the last one.
            match last {
                Some(last) if dag.sees_the_same(index, last, true) => before.push(step(last)),
                Some(last) if dag.sees_the_same(index, last, false) => {}
                _ => {
                    before.clear();
                    before.extend(dag.all_before(index).map(step));
                }
            }
            last = Some(index);
            let seen = StepInPlan {
                name: &draft.step.name,
                with: &draft.step.with,
                before: std::mem::take(&mut before),
            };
            let objections = known.kind.check(&seen);
            before = seen.before;
            for objection in objections {
                debug_assert!(
                    self.explained.is_empty() || self.explained.contains(&objection.code),
                    "`{}` is explained nowhere",
                    objection.code
                );
                // What stands before it is not known: an objection to that would be told of one mistake twice.
                if objection.path.is_empty() && unclear(index, drafts, dag) {
                    continue;
                }
                let span = match draft.with {
                    Some(with) if !objection.path.is_empty() => descend(with, &objection.path).0,
                    _ => draft.span,
                };
                self.push(Diagnostic {
                    severity: Severity::Error,
                    code: objection.code,
                    message: objection.message,
                    span,
                    related: Vec::new(),
                    hint: objection.hint,
                });
            }
        }
    }
}

/// Whether a mistake told elsewhere leaves open what stands before a step: a key or need of it, or of a step before it,
/// is misspelt, or such a step's kind.
fn unclear(step: usize, drafts: &[Draft<'_>], dag: &Dag) -> bool {
    let garbled = |i: usize| drafts[i].garbled || dag.needs[i].len() < drafts[i].needs.len();
    garbled(step)
        || dag.order.iter().any(|i| dag.stands_before(*i, step) && (garbled(*i) || drafts[*i].kind.is_none()))
}
