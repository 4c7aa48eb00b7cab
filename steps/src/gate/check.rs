//! What a gate's rules may not say, beyond their types.

use patchline_chains::catalogue::{Objection, StepInPlan};
use serde_json::Value;

use super::{base, license};
use crate::{catalogue::objection, params};

/// A gate in a chain.
pub(super) fn step(step: &StepInPlan<'_>) -> Vec<Objection> {
    let mut objections = Vec::new();
    if !params::stands_before(step, "scan") {
        objections.push(objection(
            &[],
            "gate-without-scan",
            "a gate needs a scan before it",
            "add a step that `uses: scan`, and name it in this step's `needs`",
        ));
    }
    for side in ["deny", "warn"] {
        let rules = step.with.get(side).and_then(Value::as_array).into_iter().flatten();
        for (position, rule) in rules.enumerate() {
            let Some(keys) = rule.as_object() else { continue };
            let path = [side, &position.to_string()];
            objections.extend(license::check(rule, &path));
            objections.extend(base::check(rule, &path));
            let says = keys.keys().filter(|k| *k != "message").count();
            if says == 0 {
                objections.push(objection(
                    &path,
                    "empty-rule",
                    "a rule without a condition says nothing",
                    "name a `severity`, `fixable`, `packages`, `when` …",
                ));
            } else if says > 1 && keys.contains_key("undetermined") {
                objections.push(objection(
                    &path,
                    "undetermined-not-alone",
                    "`undetermined` says what an unknowable image gets: it stands alone in its rule",
                    "write it as a rule of its own: `- {undetermined: allow}`",
                ));
            }
        }
    }
    objections
}
