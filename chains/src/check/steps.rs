//! `steps:` each by itself.

use std::collections::HashMap;
use std::rc::Rc;
use std::time::Duration;

use serde_json::{Map, Value};

use super::{Ctx, Known};
use crate::diagnostics::{Diagnostic, Span, shown};
use crate::plan::{PlanStep, Retry};
use crate::schema::keys::{DEFAULTS, RETRY, STEP};
use crate::suggest::nearest;
use crate::yaml::{Content, Entry, Node};

/// A step as read, before it is held against the others.
pub(super) struct Draft<'n> {
    pub(super) step: PlanStep,
    pub(super) span: Span,
    /// Its kind, where the catalogue has it.
    pub(super) kind: Option<Rc<Known>>,
    /// Names under `needs`, with their places.
    pub(super) needs: Vec<(&'n str, Span)>,
    pub(super) when: Option<&'n Node>,
    pub(super) with: Option<&'n Node>,
    /// What it needs may be written under a key that is misspelt: see [`Ctx::objections`].
    pub(super) garbled: bool,
}

/// `defaults:`
#[derive(Debug, Clone)]
pub(super) struct Defaults {
    timeout: Duration,
    retry: Retry,
}

impl Default for Defaults {
    fn default() -> Self {
        let retry =
            Retry { attempts: 3, backoff: Duration::from_secs(5), max_backoff: Duration::from_secs(120) };
        Defaults { timeout: Duration::from_secs(15 * 60), retry }
    }
}

impl Ctx<'_> {
    pub(super) fn defaults(&mut self, node: &Node) -> Defaults {
        let mut defaults = Defaults::default();
        let Some(fields) = self.fields(node, "`defaults`", &DEFAULTS) else { return defaults };
        if let Some(timeout) = fields.get("timeout").and_then(|n| self.timeout(n)) {
            defaults.timeout = timeout;
        }
        if let Some(node) = fields.get("retry") {
            defaults.retry = self.retry(node, &defaults.retry);
        }
        defaults
    }

    pub(super) fn drafts<'n>(&mut self, node: &'n Node, defaults: &Defaults, key: Span) -> Vec<Draft<'n>> {
        if node.content == Content::Null {
            self.push(
                Diagnostic::error("no-steps", key, "the chain has no steps")
                    .hint("add one: `scan: {uses: scan}`"),
            );
            return Vec::new();
        }
        if let Content::List(_) = &node.content {
            self.push(
                Diagnostic::error("wrong-type", node.span, "expected a map, found a list")
                    .hint("steps stand by their names, without `-`: `scan: {uses: scan}`"),
            );
            return Vec::new();
        }
        let Some(entries) = self.entries(node) else { return Vec::new() };
        if entries.is_empty() {
            self.push(
                Diagnostic::error("no-steps", key, "the chain has no steps")
                    .hint("add one: `scan: {uses: scan}`"),
            );
        }
        entries.iter().map(|entry| self.draft(entry, defaults)).collect()
    }

    fn draft<'n>(&mut self, entry: &'n Entry, defaults: &Defaults) -> Draft<'n> {
        self.name(&entry.key, entry.key_span, "a step");
        let mut draft = Draft {
            step: PlanStep {
                name: entry.key.clone(),
                title: None,
                uses: String::new(),
                needs: Vec::new(),
                when: None,
                with: Value::Object(Map::new()),
                timeout: defaults.timeout,
                retry: defaults.retry.clone(),
                continue_on_failure: false,
            },
            span: entry.key_span,
            kind: None,
            needs: Vec::new(),
            when: None,
            with: None,
            garbled: false,
        };
        if entry.value.content == Content::Null {
            self.missing(
                entry.key_span,
                "uses",
                &format!("step `{}`", shown(&entry.key)),
                &self.kinds_hint(),
            );
            return draft;
        }
        let Some(fields) = self.fields(&entry.value, "a step", &STEP) else { return draft };
        draft.garbled = fields.unknown(&STEP);
        match fields.get("uses") {
            None => self.missing(
                entry.key_span,
                "uses",
                &format!("step `{}`", shown(&entry.key)),
                &self.kinds_hint(),
            ),
            Some(node) => {
                if let Some(name) = self.text(node) {
                    draft.step.uses = name.to_owned();
                    draft.kind = self.kind(name, node.span);
                }
            }
        }
        draft.step.title = fields.get("name").and_then(|n| self.text(n)).map(str::to_owned);
        let mut named: HashMap<&str, Span> = HashMap::new();
        for (need, item) in fields.get("needs").map(|n| self.texts(n)).unwrap_or_default() {
            if let Some(first) = named.get(need) {
                let message = format!("`{}` stands twice in `needs`", shown(need));
                let error = Diagnostic::error("duplicate-need", item.span, message);
                self.push(
                    error.related(*first, "first here").hint("keep one, or name the other that was meant"),
                );
            } else {
                named.insert(need, item.span);
                draft.step.needs.push(need.to_owned());
                draft.needs.push((need, item.span));
            }
        }
        draft.when = fields.get("when");
        draft.step.when = draft.when.and_then(|node| match &node.content {
            Content::Text(text) => Some(text.trim().to_owned()),
            Content::Bool(answer) => Some(answer.to_string()),
            _ => None,
        });
        draft.with = fields.get("with");
        if let Some(node) = draft.with {
            draft.step.with = node.to_value();
        }
        if let Some(timeout) = fields.get("timeout").and_then(|n| self.timeout(n)) {
            draft.step.timeout = timeout;
        }
        if let Some(node) = fields.get("retry") {
            draft.step.retry = self.retry(node, &defaults.retry);
        }
        draft.step.continue_on_failure =
            fields.get("continue_on_failure").and_then(|n| self.boolean(n)).unwrap_or(false);
        draft
    }

    fn kinds_hint(&self) -> String {
        let names: Vec<&str> = self.kinds.iter().map(|k| k.kind.name()).collect();
        format!("one of: {}", names.join(", "))
    }

    fn kind(&mut self, name: &str, span: Span) -> Option<Rc<Known>> {
        if let Some(known) = self.kinds.iter().find(|k| k.kind.name() == name) {
            return Some(Rc::clone(known));
        }
        let error =
            Diagnostic::error("unknown-step-kind", span, format!("unknown step kind `{}`", shown(name)));
        let near = nearest(name, self.kinds.iter().map(|k| k.kind.name()));
        let hint = self.kinds_hint();
        self.push(if near.is_some() { error.did_you_mean(near) } else { error.hint(hint) });
        None
    }

    pub(super) fn timeout(&mut self, node: &Node) -> Option<Duration> {
        let timeout = self.duration(node)?;
        if timeout.is_zero() {
            self.push(
                Diagnostic::error("out-of-range", node.span, "a timeout of nothing")
                    .hint("give it some time"),
            );
            return None;
        }
        Some(timeout)
    }

    /// `retry:`; what it leaves out is as in `base`.
    fn retry(&mut self, node: &Node, base: &Retry) -> Retry {
        let mut retry = base.clone();
        let Some(fields) = self.fields(node, "`retry`", &RETRY) else {
            return retry;
        };
        let attempts = fields.get("attempts").and_then(|n| self.integer(n, 1, 100));
        retry.attempts = attempts.and_then(|n| u32::try_from(n).ok()).unwrap_or(retry.attempts);
        let backoff = fields.get("backoff").and_then(|n| self.duration(n));
        let longest = fields.get("max_backoff").and_then(|n| self.duration(n));
        if let (Some(first), Some(longest), Some(node)) = (backoff, longest, fields.get("backoff"))
            && first > longest
        {
            let message = "`backoff` is longer than `max_backoff`";
            self.push(
                Diagnostic::error("out-of-range", node.span, message).hint("the first pause is the shortest"),
            );
        }
        retry.backoff = backoff.unwrap_or(retry.backoff);
        // One given alone moves the other where they would contradict.
        retry.max_backoff = longest.unwrap_or(retry.max_backoff.max(retry.backoff));
        retry.backoff = retry.backoff.min(retry.max_backoff);
        retry
    }
}
