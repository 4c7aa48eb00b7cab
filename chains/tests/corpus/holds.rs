//! What holds of every input: shared by the fuzz target and the test that replays its corpus.

use patchline_chains::{Catalogue, Plan, Source, compile, draw, expr};
use serde_json::json;

/// Panics where it does not hold.
pub(crate) fn holds(bytes: &[u8], catalogue: &dyn Catalogue) {
    let compiled = compile(Source { name: "c.yaml", bytes }, catalogue);
    let text = String::from_utf8_lossy(bytes);
    for found in &compiled.diagnostics {
        let span = found.span;
        assert!(span.offset + span.length <= bytes.len().max(1), "{found:?}");
        assert!(span.line >= 1 && span.column >= 1, "{found:?}");
        assert!(!found.message.is_empty() && !found.message.contains('\n'), "{found:?}");
        found.render("c.yaml", &text);
    }
    for plan in &compiled.plans {
        let kept = serde_json::to_string(plan).expect("a plan is JSON");
        let back: Plan = serde_json::from_str(&kept).expect("a plan comes back");
        assert_eq!(&back, plan);
        assert_eq!(back.hash(), plan.hash());
        assert_eq!(plan.layers().iter().map(Vec::len).sum::<usize>(), plan.steps.len());
        for drawn in [draw::svg(plan), draw::dot(plan), draw::mermaid(plan), draw::ascii(plan)] {
            assert!(!drawn.is_empty());
        }
        // What compiled may fail when it runs, but only with a message.
        let context = json!({"image": {"tag": "v1", "origin": {}}, "params": plan.params, "steps": {}});
        for step in &plan.steps {
            let _ = expr::render(&step.with, &context);
            if let Some(when) = &step.when {
                let _ = expr::evaluate(when, &context);
            }
        }
    }
}
