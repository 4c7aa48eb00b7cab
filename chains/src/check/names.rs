//! Whether the names in an expression or template exist, and stand before the step that uses them.

use super::Ctx;
use super::dag::Dag;
use super::params::Declared;
use super::steps::Draft;
use crate::diagnostics::{Diagnostic, Span, shown};
use crate::expr::names::Name;
use crate::expr::template;
use crate::suggest::nearest;
use crate::yaml::Node;

/// What a chain's expressions and templates may look at.
pub(crate) const ROOTS: [&str; 5] = ["image", "run", "params", "trigger", "steps"];
/// What is known of a step.
pub(crate) const STEP_FIELDS: [&str; 6] = ["succeeded", "denied", "failed", "skipped", "outcome", "output"];

/// From where a name is looked at.
pub(super) struct View<'v> {
    pub(super) params: &'v [Declared],
    pub(super) drafts: &'v [Draft<'v>],
    pub(super) dag: &'v Dag,
    /// None: outside of steps, where no step has run.
    pub(super) step: Option<usize>,
}

impl Ctx<'_> {
    /// Checks a text as a template; its names too.
    pub(super) fn template(&mut self, node: &Node, view: &View<'_>) {
        let Some(text) = node.text().filter(|t| template::is_template(t)) else { return };
        match template::compile(text) {
            Err(reason) => {
                let hint = "`{{image.tag}}` puts a value in; `\\{{` is two braces";
                self.push(
                    Diagnostic::error(
                        "bad-template",
                        node.span,
                        format!("this template cannot be used: {reason}"),
                    )
                    .hint(hint),
                );
            }
            Ok(compiled) => self.names(node, &compiled.names, view),
        }
    }

    /// Checks every name, each with its place inside `node`.
    pub(super) fn names(&mut self, node: &Node, names: &[Name], view: &View<'_>) {
        for name in names {
            let span = self.inside(node, name.place.clone());
            let problem = match name.path[0].as_str() {
                "steps" => step_problem(name, span, view),
                "params" => param_problem(name, span, view),
                root if ROOTS.contains(&root) => None,
                root => Some(root_problem(root, span, view)),
            };
            if let Some(problem) = problem {
                let hyphen = problem.code == "hyphen-in-name";
                self.push(problem);
                // What follows the hyphen is no name of its own.
                if hyphen {
                    return;
                }
            }
        }
    }
}

fn root_problem(root: &str, span: Span, view: &View<'_>) -> Diagnostic {
    let error = Diagnostic::error("unknown-name", span, format!("unknown name `{}`", shown(root)));
    if view.dag.index.contains_key(root) {
        return error.hint(format!("a step is named as `steps.{root}`"));
    }
    if view.params.iter().any(|p| p.name == root) {
        return error.hint(format!("a parameter is named as `params.{root}`"));
    }
    match nearest(root, ROOTS) {
        None => error.hint(format!("known here: {}", ROOTS.join(", "))),
        near => error.did_you_mean(near),
    }
}

fn param_problem(name: &Name, span: Span, view: &View<'_>) -> Option<Diagnostic> {
    let wanted = name.path.get(1)?;
    if view.params.iter().any(|p| p.name == *wanted) {
        return None;
    }
    if let Some(hyphened) = view.params.iter().find(|p| p.name.starts_with(&format!("{wanted}-"))) {
        let message = format!("unknown parameter `{}`", shown(wanted));
        let hint = format!("a name with a hyphen is written `params[\"{}\"]`", hyphened.name);
        return Some(Diagnostic::error("hyphen-in-name", span, message).hint(hint));
    }
    let error =
        Diagnostic::error("unknown-parameter", span, format!("unknown parameter `{}`", shown(wanted)));
    let near = nearest(wanted, view.params.iter().map(|p| p.name.as_str()));
    Some(if near.is_some() { error.did_you_mean(near) } else { error.hint("declare it under `params`") })
}

fn step_problem(name: &Name, span: Span, view: &View<'_>) -> Option<Diagnostic> {
    let Some(step) = view.step else {
        return Some(
            Diagnostic::error("later-step", span, "no step has run yet where this is used")
                .hint("use image, run, params or trigger"),
        );
    };
    let Some(wanted) = name.path.get(1) else {
        let hint = "such as `steps.gate.denied`";
        return Some(Diagnostic::error("step-not-named", span, "a step must be named outright").hint(hint));
    };
    let names = || view.drafts.iter().map(|d| d.step.name.as_str());
    let Some(found) = view.dag.index.get(wanted).copied() else {
        let message = format!("unknown step `{}`", shown(wanted));
        if let Some(hyphened) = names().find(|n| n.starts_with(&format!("{wanted}-"))) {
            let hint = format!("a name with a hyphen is written `steps[\"{hyphened}\"]`");
            return Some(Diagnostic::error("hyphen-in-name", span, message).hint(hint));
        }
        return Some(
            Diagnostic::error("unknown-step", span, message)
                .did_you_mean(view.dag.guesses.nearest(wanted, names())),
        );
    };
    let own = &view.drafts[step];
    if !view.dag.cyclic && !view.dag.stands_before(found, step) {
        let message = match found == step {
            true => format!("step `{wanted}` cannot look at itself"),
            false => format!("step `{wanted}` does not stand before `{}`", own.step.name),
        };
        let error = Diagnostic::error("later-step", span, message);
        let behind = found == step || view.dag.stands_before(step, found);
        return Some(if behind {
            error.hint("only steps that this one needs, and what those need, have run")
        } else {
            error.hint(format!("add `{wanted}` to the `needs` of `{}`", own.step.name))
        });
    }
    let field = name.path.get(2)?;
    if !STEP_FIELDS.contains(&field.as_str()) {
        let error = Diagnostic::error("unknown-field", span, format!("a step has no `{}`", shown(field)));
        return Some(match nearest(field, STEP_FIELDS) {
            None => error.hint(format!("one of: {}", STEP_FIELDS.join(", "))),
            near => error.did_you_mean(near),
        });
    }
    let outputs: Vec<&str> = view.drafts[found].kind.as_ref()?.outputs.iter().map(|o| o.name).collect();
    let output = name.path.get(3).filter(|_| field == "output")?;
    if outputs.contains(&output.as_str()) {
        return None;
    }
    let message = format!("a `{}` step gives no output `{}`", view.drafts[found].step.uses, shown(output));
    let error = Diagnostic::error("unknown-output", span, message);
    Some(match nearest(output, outputs.iter().copied()) {
        None if outputs.is_empty() => error.hint("it gives none"),
        None => error.hint(format!("one of: {}", outputs.join(", "))),
        near => error.did_you_mean(near),
    })
}
