//! `when:` short forms and CEL; and what they make unreachable.

use cel::common::ast::Expr;
use serde_json::json;

use super::Ctx;
use super::dag::Dag;
use super::names::View;
use super::steps::Draft;
use super::types::{Inference, Type};
use crate::diagnostics::{Diagnostic, shown};
use crate::expr::cel::{constant, execute};
use crate::expr::parse::{self, Parsed};
use crate::limits::MAX_EXPRESSIONS;
use crate::plan::ShortForm;
use crate::suggest::nearest;
use crate::types::Field;
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
        let parsed = self.expression(node, text)?;
        if let Expr::Ident(name) = &parsed.tree.expr
            && let near @ Some(_) = nearest(name, ShortForm::WORDS)
        {
            let message = format!("unknown name `{}`", shown(name));
            self.push(Diagnostic::error("unknown-name", node.span, message).did_you_mean(near));
            return None;
        }
        let fine = self.boolean_expression(node, text, &parsed, view, &[]);
        let never = fine
            && constant(&parsed.tree)
            && matches!(execute(&parsed.tree, &json!({})), Ok(cel::Value::Bool(false)));
        never.then_some(FALSE)
    }

    /// Holds an expression's names and types against what is known; whether nothing is wrong. `extra`: names that
    /// stand beside the chain's own.
    pub(super) fn boolean_expression(
        &mut self,
        node: &Node,
        text: &str,
        parsed: &Parsed,
        view: &View<'_>,
        extra: &[Field],
    ) -> bool {
        let (ty, found) = Inference::run(text, parsed, view, extra);
        let fine = found.is_empty();
        for (place, mut problem) in found {
            problem.span = self.inside(node, place);
            self.push(problem);
        }
        if fine && !matches!(ty, Type::Bool | Type::Any) {
            let message = format!("this gives {}, not true or false", ty.article());
            let hint = match extra {
                [] => "compare it, or use `.succeeded`, `.denied`, `.failed`",
                _ => "compare it with something",
            };
            self.push(Diagnostic::error("not-boolean", node.span, message).hint(hint));
            return false;
        }
        fine
    }

    /// Parses CEL with located complaints; names and types are the caller's.
    pub(super) fn expression(&mut self, node: &Node, text: &str) -> Option<Parsed> {
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
        match parse::parse(text) {
            Ok(parsed) => Some(parsed),
            Err(fault) => {
                let span = self.inside(node, fault.place);
                let message = format!("this expression does not parse: {}", fault.message);
                let hint = fault.hint.unwrap_or_default();
                self.push(Diagnostic::error("bad-expression", span, message).hint(hint));
                None
            }
        }
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
