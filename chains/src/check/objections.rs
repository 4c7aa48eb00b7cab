//! What a step kind itself has against a step.

use super::Ctx;
use super::dag::Dag;
use super::steps::Draft;
use super::with::descend;
use crate::catalogue::StepInPlan;
use crate::diagnostics::{Diagnostic, Severity};

impl Ctx<'_> {
    /// Asks every kind that has a check; not where a cycle leaves no order.
    pub(super) fn objections(&mut self, drafts: &[Draft<'_>], dag: &Dag) {
        if dag.cyclic {
            return;
        }
        for (index, draft) in drafts.iter().enumerate() {
            let Some(known) = &draft.kind else { continue };
            let unclear = unclear(index, drafts, dag);
            let earlier =
                dag.order.iter().filter(|i| dag.stands_before(**i, index)).map(|i| &drafts[*i].step);
            let before = earlier.map(|s| (s.name.as_str(), s.uses.as_str(), &s.with)).collect();
            let step = StepInPlan { name: &draft.step.name, with: &draft.step.with, before };
            for objection in known.kind.check(&step) {
                // What stands before it is not known: an objection to that would be told of one mistake twice.
                if unclear && objection.path.is_empty() {
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
