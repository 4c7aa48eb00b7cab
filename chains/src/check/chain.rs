//! A document's top level: reads every part, then lets the parts check each other.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::Ctx;
use super::dag::Dag;
use super::names::View;
use super::params::Declared;
use super::steps::Draft;
use crate::diagnostics::{Diagnostic, Span};
use crate::limits::MAX_STEPS;
use crate::plan::{ConcurrencyRule, Plan, PlanStep, Scope, WhenBusy};
use crate::schema::keys::{CHAIN, CONCURRENCY};
use crate::yaml::{Content, Document, Node};

/// The plan of a document, unless something is wrong with it.
pub(crate) fn compile_document(ctx: &mut Ctx<'_>, document: &Document) -> Option<(Plan, Span)> {
    let before = ctx.sink.errors();
    let (plan, span) = ctx.chain(&document.root)?;
    (!document.flawed && ctx.sink.errors() == before).then_some((plan, span))
}

impl Ctx<'_> {
    fn chain(&mut self, root: &Node) -> Option<(Plan, Span)> {
        let fields = self.fields(root, "a chain", &CHAIN)?;
        let top = root.get("chain").map_or(root.span, |n| n.span);
        let mut plan = Plan {
            version: 1,
            chain: String::new(),
            description: None,
            scope: Scope::default(),
            on_push: false,
            on_advisories: None,
            on_schedule: None,
            params: Value::Object(Map::new()),
            parameters: BTreeMap::new(),
            concurrency: None,
            timeout: None,
            steps: Vec::new(),
        };
        let start = Span { length: 0, ..root.span };
        match fields.get("version") {
            None => self.missing(start, "version", "the chain", "begin with `version: 1`"),
            Some(node) if node.content == Content::Integer(1) => {}
            Some(Node { content: Content::Integer(version), span }) => {
                let message =
                    format!("version {version} of the language is not known; this program reads version 1");
                self.push(
                    Diagnostic::error("unsupported-version", *span, message).hint("write `version: 1`"),
                );
            }
            Some(node) => self.wrong_type(node, "the number 1"),
        }
        match fields.get("chain") {
            None => self.missing(start, "chain", "the chain", "name it: `chain: web-release`"),
            Some(node) => {
                if let Some(name) = self.text(node) {
                    self.name(name, node.span, "a chain");
                    plan.chain = name.to_owned();
                }
            }
        }
        plan.description = fields.get("description").and_then(|n| self.text(n)).map(str::to_owned);
        plan.scope = fields.get("scope").map(|n| self.scope(n)).unwrap_or_default();
        if let Some(node) = fields.get("on") {
            self.triggers(node, &mut plan);
        }
        let mut params = Vec::new();
        if let Some(node) = fields.get("params") {
            (params, plan.params) = self.params(node);
            plan.parameters = params.iter().map(|p| (p.name.clone(), p.parameter.clone())).collect();
        }
        plan.timeout = fields.get("timeout").and_then(|n| self.timeout(n));
        let defaults = fields.get("defaults").map(|n| self.defaults(n)).unwrap_or_default();
        let drafts = match fields.entry("steps") {
            None => {
                self.missing(start, "steps", "the chain", "say what it does: `steps:`");
                Vec::new()
            }
            Some(entry) => self.drafts(&entry.value, &defaults, entry.key_span),
        };
        if drafts.len() > MAX_STEPS {
            let message = format!("{} steps, {MAX_STEPS} are allowed", drafts.len());
            self.push(
                Diagnostic::error("too-large", drafts[MAX_STEPS].span, message).hint("split the chain"),
            );
            return None;
        }
        let dag = self.dag(&drafts);
        plan.concurrency =
            fields.get("concurrency").and_then(|n| self.concurrency(n, &params, &drafts, &dag));
        plan.steps = self.connect(&drafts, &dag, &params);
        Some((plan, top))
    }

    /// Everything that depends on how the steps stand to each other; and the steps, in order.
    fn connect(&mut self, drafts: &[Draft<'_>], dag: &Dag, params: &[Declared]) -> Vec<PlanStep> {
        let mut never = Vec::with_capacity(drafts.len());
        for (index, draft) in drafts.iter().enumerate() {
            let view = View { params, drafts, dag, step: Some(index) };
            self.with(draft, &view);
            never.push(self.when(draft, &view));
        }
        self.unreachable(drafts, dag, &never);
        self.objections(drafts, dag);
        dag.order.iter().map(|i| drafts[*i].step.clone()).collect()
    }

    fn concurrency(
        &mut self,
        node: &Node,
        params: &[Declared],
        drafts: &[Draft<'_>],
        dag: &Dag,
    ) -> Option<ConcurrencyRule> {
        let fields = self.fields(node, "`concurrency`", &CONCURRENCY)?;
        let limit = fields.get("limit").map_or(Some(1), |n| self.integer(n, 1, 10_000));
        let busy = fields
            .get("when_busy")
            .map_or(Some("queue"), |n| self.word(n, &["queue", "supersede", "reject"]));
        let Some(key) = fields.get("key") else {
            let hint = "such as `key: \"{{image.repository}}:{{image.tag}}\"`";
            self.missing(node.span, "key", "`concurrency`", hint);
            return None;
        };
        let text = self.text(key)?;
        self.template(key, &View { params, drafts, dag, step: None });
        Some(ConcurrencyRule {
            key: text.to_owned(),
            limit: u32::try_from(limit?).ok()?,
            when_busy: match busy? {
                "supersede" => WhenBusy::Supersede,
                "reject" => WhenBusy::Reject,
                _ => WhenBusy::Queue,
            },
        })
    }
}
