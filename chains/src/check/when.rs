//! `when:` short forms and CEL; and what they make unreachable.

use serde_json::json;

use super::Ctx;
use super::dag::Dag;
use super::names::View;
use super::steps::Draft;
use crate::diagnostics::{Diagnostic, shown};
use crate::expr::cel;
use crate::expr::names::{Mentions, constant, mentions, not_boolean};
use crate::expr::parse::{self, Parsed};
use crate::limits::MAX_EXPRESSIONS;
use crate::plan::ShortForm;
use crate::suggest::nearest;
use crate::yaml::{Content, Node};

const FALSE: &str = "its `when` is false";

impl Ctx<'_> {
    /// Checks a step's `when`; gives why it can never be true, where that is plain.
    pub(super) fn when(&mut self, draft: &Draft<'_>, view: &View<'_>) -> Option<&'static str> {
        let node = draft.when?;
        if let Content::Bool(answer) = node.content {
            return (!answer).then_some(FALSE);
        }
        let Some(text) = node.text() else {
            self.wrong_type(node, "an expression, such as `steps.gate.denied`");
            return None;
        };
        if let Some(form) = ShortForm::parse(text) {
            let nothing =
                matches!(form, ShortForm::Denied | ShortForm::Failed) && draft.step.needs.is_empty();
            return nothing.then_some("it needs no step that could end so");
        }
        let (parsed, found) = self.expression(node, text)?;
        if let [name] = found.names.as_slice() {
            let near = (name.path.len() == 1).then(|| nearest(&name.path[0], ShortForm::WORDS)).flatten();
            if near.is_some() && name.path[0] == text.trim() {
                let message = format!("unknown name `{}`", shown(&name.path[0]));
                self.push(Diagnostic::error("unknown-name", node.span, message).did_you_mean(near));
                return None;
            }
        }
        self.names(node, &found.names, view);
        let given = not_boolean(&parsed.tree).or_else(|| match found.names.as_slice() {
            // A lone name whose kind is known.
            [name] if name.path.join(".") == text.trim() => match (name.path.as_slice(), name.path.len()) {
                ([root, _, field], 3) if root == "steps" && field == "outcome" => Some("text"),
                ([root, _, field], 3) if root == "steps" && field == "output" => Some("a map"),
                ([root, _], 2) if root == "steps" => Some("a map"),
                ([root], 1) if root != "true" => Some("a map"),
                _ => None,
            },
            _ => None,
        });
        if let Some(kind) = given {
            let message = format!("this gives {kind}, not true or false");
            self.push(
                Diagnostic::error("not-boolean", node.span, message)
                    .hint("compare it, or use `.succeeded`, `.denied`, `.failed`"),
            );
        }
        let never = given.is_none()
            && constant(&parsed.tree)
            && matches!(cel::execute(&parsed.tree, &json!({})), Ok(::cel::Value::Bool(false)));
        never.then_some(FALSE)
    }

    /// Parses CEL with located complaints; names are the caller's.
    pub(super) fn expression(&mut self, node: &Node, text: &str) -> Option<(Parsed, Mentions)> {
        if text.contains("{{") {
            let hint = "an expression names values outright: `params.block_at`, not `{{params.block_at}}`";
            self.push(
                Diagnostic::error("bad-expression", node.span, "a template inside an expression").hint(hint),
            );
            return None;
        }
        self.parsed += text.len();
        if self.parsed > MAX_EXPRESSIONS {
            let message = format!("more than {MAX_EXPRESSIONS} bytes of expressions in one file");
            self.push(Diagnostic::error("too-large", node.span, message).hint("split the chain"));
            return None;
        }
        let parsed = match parse::parse(text) {
            Ok(parsed) => parsed,
            Err(fault) => {
                let span = self.inside(node, fault.place);
                let message = format!("this expression does not parse: {}", fault.message);
                let hint = fault.hint.unwrap_or_default();
                self.push(Diagnostic::error("bad-expression", span, message).hint(hint));
                return None;
            }
        };
        let found = mentions(text, &parsed);
        for (name, place) in &found.functions {
            let span = self.inside(node, place.clone());
            let known =
                cel::FUNCTIONS.into_iter().chain(["exists", "all", "exists_one", "map", "filter", "has"]);
            let error =
                Diagnostic::error("unknown-function", span, format!("unknown function `{}`", shown(name)));
            self.push(error.did_you_mean(nearest(name, known)));
        }
        Some((parsed, found))
    }

    /// Steps that can never run: their `when` is `never` true, or they need such a step.
    pub(super) fn unreachable(&mut self, drafts: &[Draft<'_>], dag: &Dag, never: &[Option<&'static str>]) {
        let mut dead = vec![false; drafts.len()];
        for &step in &dag.order {
            let draft = &drafts[step];
            if let (Some(reason), Some(node)) = (never[step], draft.when) {
                dead[step] = true;
                let message = format!("step `{}` can never run: {reason}", shown(&draft.step.name));
                let hint = "remove the step, or let its `when` depend on something";
                self.push(Diagnostic::error("unreachable-step", node.span, message).hint(hint));
            } else if draft.when.is_none() {
                // Told once, at its cause.
                dead[step] = dag.needs[step].iter().any(|need| dead[*need]);
            }
        }
    }
}
