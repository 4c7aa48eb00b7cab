//! Chains that carry out a plan which a person has chosen: which do, and the one that is always there.

use std::sync::Arc;

use patchline_chains::{Plan, Source, compile};
use serde_json::Value;

use crate::catalogue;

/// The parameter of a chain that takes a plan, and that of the step `fix` which it is put into.
pub const PARAM: &str = "plan";

/// The chain for images whose own chains take no plan.
///
/// # Panics
/// Never: that it compiles is tested.
pub fn chain() -> Arc<Plan> {
    let source = Source { name: "chosen.yaml", bytes: include_bytes!("chosen.yaml") };
    let plan = compile(source, &catalogue()).plans.pop();
    Arc::new(plan.expect("the chain of chosen plans compiles"))
}

/// Whether a start of this chain may hand it a plan: it has the parameter, empty unless it is set, and a `fix` that is
/// held to it.
pub fn takes_plan(chain: &Plan) -> bool {
    let held = |with: &Value| {
        let text = with.get(PARAM).and_then(Value::as_str).unwrap_or_default();
        text.split_whitespace().collect::<String>() == format!("{{{{params.{PARAM}}}}}")
    };
    chain.params.get(PARAM).and_then(Value::as_str) == Some("")
        && chain.steps.iter().any(|step| step.uses == "fix" && held(&step.with))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compiled(text: &str) -> Plan {
        let compiled = compile(Source { name: "it.yaml", bytes: text.as_bytes() }, &catalogue());
        assert!(compiled.is_ok(), "{:?}", compiled.diagnostics);
        compiled.plans.into_iter().next().expect("a chain")
    }

    #[test]
    fn the_chain_that_is_always_there_takes_a_plan_and_any_image() {
        let source = Source { name: "chosen.yaml", bytes: include_bytes!("chosen.yaml") };
        assert_eq!(compile(source, &catalogue()).diagnostics, []);
        let chain = chain();
        assert!(takes_plan(&chain));
        assert!(chain.matches("any", "where/ever", Some("v1")) && chain.matches("any", "it", None));
    }

    #[test]
    fn a_chain_says_by_its_fix_that_it_takes_a_plan() {
        let with = |params: &str, fix: &str| {
            let text = format!(
                "version: 1\nchain: web\nparams: {{{params}}}\nsteps:\n  scan: {{uses: scan}}\n  fix: {{uses: fix, needs: [scan], with: {{{fix}}}}}\n"
            );
            takes_plan(&compiled(&text))
        };
        assert!(with("plan: {default: ''}", "plan: '{{ params.plan }}'"));
        assert!(!with("plan: {default: ''}", "tag: '{{params.plan}}x'"), "nothing is held to it");
        assert!(!with("plan: {default: 'x'}", "plan: '{{params.plan}}'"), "it has one of its own");
        assert!(!with("other: {default: ''}", "plan: '{{params.other}}'"));
    }
}
