//! `with:` held against what the step kind takes.

use super::Ctx;
use super::fields::bad_word;
use super::names::View;
use super::steps::Draft;
use super::values::{bad_duration, bad_glob, bad_severity};
use crate::catalogue::{Param, ParamType};
use crate::diagnostics::{Diagnostic, Span, shown};
use crate::expr::template;
use crate::yaml::{Content, Node};
use crate::{duration, severity};

impl Ctx<'_> {
    pub(super) fn with(&mut self, draft: &Draft<'_>, view: &View<'_>) {
        // What an unknown kind takes is unknown.
        let Some(kind) = &draft.kind else { return };
        let owner = format!("a `{}` step", kind.kind.name());
        match draft.with {
            Some(node) => self.known_map(node, &owner, &kind.params, view),
            None => self.required(draft.span, &owner, &kind.params, &[]),
        }
    }

    fn known_map(&mut self, node: &Node, owner: &str, params: &[Param], view: &View<'_>) {
        let names: Vec<&str> = params.iter().map(|p| p.name).collect();
        let Some(entries) = self.entries(node) else { return };
        for entry in entries {
            match params.iter().find(|p| p.name == entry.key) {
                Some(param) => self.typed(&entry.value, &entry.key, &param.ty, view),
                None => self.unknown_key(entry, owner, &names),
            }
        }
        let present: Vec<&str> = entries.iter().map(|e| e.key.as_str()).collect();
        self.required(Span { length: node.span.length.min(1), ..node.span }, owner, params, &present);
    }

    fn required(&mut self, span: Span, owner: &str, params: &[Param], present: &[&str]) {
        for param in params.iter().filter(|p| p.required && !present.contains(&p.name)) {
            self.missing(span, param.name, owner, param.summary);
        }
    }

    fn typed(&mut self, node: &Node, key: &str, ty: &ParamType, view: &View<'_>) {
        match ty {
            ParamType::String => {
                if self.text(node).is_some() {
                    self.template(node, view);
                }
            }
            ParamType::Bool => drop(self.boolean(node)),
            ParamType::Integer { least, most } => drop(self.integer(node, *least, *most)),
            ParamType::Glob => self.grammar(node, "a glob, such as `shop/**`", view, |span, text| {
                crate::glob::check(text).err().map(|reason| bad_glob(span, text, &reason))
            }),
            ParamType::Duration => self.grammar(node, "a duration, such as `15m`", view, |span, text| {
                duration::parse(text).err().map(|_| bad_duration(span, text))
            }),
            ParamType::SeverityRule => {
                self.grammar(node, "a severity, such as `>= high`", view, |span, text| {
                    severity::Rule::parse(text).err().map(|_| bad_severity(span, text))
                })
            }
            ParamType::Enum(words) => self.grammar(node, "text", view, |span, text| {
                (!words.contains(&text)).then(|| bad_word(span, text, words))
            }),
            ParamType::Expression(fields) => {
                if let Some(text) = self.text(node)
                    && let Some(parsed) = self.expression(node, text)
                {
                    self.boolean_expression(node, text, &parsed, view, fields);
                }
            }
            ParamType::List(inner) => {
                for item in self.list(node).unwrap_or_default() {
                    self.typed(item, key, inner, view);
                }
            }
            ParamType::OneOrMany(inner) => match &node.content {
                Content::List(items) => items.iter().for_each(|item| self.typed(item, key, inner, view)),
                _ => self.typed(node, key, inner, view),
            },
            ParamType::Map(params) => self.known_map(node, &format!("`{key}`"), params, view),
            ParamType::MapOf(inner) => {
                for entry in self.entries(node).unwrap_or_default() {
                    self.typed(&entry.value, &entry.key, inner, view);
                }
            }
        }
    }

    /// A text with a grammar. Where it is a template over parameters whose values are known, each of them is tried.
    fn grammar(
        &mut self,
        node: &Node,
        expected: &str,
        view: &View<'_>,
        fault: impl Fn(Span, &str) -> Option<Diagnostic>,
    ) {
        let Some(text) = node.text() else {
            self.wrong_type(node, expected);
            return;
        };
        if !template::is_template(text) {
            if let Some(diagnostic) = fault(node.span, text) {
                self.push(diagnostic);
            }
            return;
        }
        self.template(node, view);
        for (value, filled) in fillings(text, view) {
            if let Some(mut diagnostic) = fault(node.span, &filled) {
                diagnostic.message = format!("with the value `{}`: {}", shown(&value), diagnostic.message);
                self.push(diagnostic);
            }
        }
    }
}

/// A template with one lone parameter in it, filled with each value that the parameter may have.
fn fillings(text: &str, view: &View<'_>) -> Vec<(String, String)> {
    let split = || {
        let (before, rest) = text.split_once("{{")?;
        let (name, after) = rest.split_once("}}")?;
        let name = name.trim().strip_prefix("params.")?;
        let param = view.params.iter().find(|p| p.name == name)?;
        (!after.contains("{{")).then_some((before, after, param))
    };
    let Some((before, after, param)) = split() else { return Vec::new() };
    param.values.iter().map(|value| (value.clone(), format!("{before}{value}{after}"))).collect()
}

/// The value at a path of keys and list positions, as far as it goes.
pub(super) fn descend<'n>(node: &'n Node, path: &[String]) -> (Span, &'n Node) {
    let (mut span, mut node) = (node.span, node);
    for key in path {
        let next = match &node.content {
            Content::Map(entries) => entries.iter().find(|e| e.key == *key).map(|e| (&e.value, e.key_span)),
            Content::List(items) => key.parse::<usize>().ok().and_then(|i| items.get(i)).map(|n| (n, n.span)),
            _ => None,
        };
        let Some((value, place)) = next else { break };
        let scalar = !matches!(value.content, Content::List(_) | Content::Map(_));
        span = if scalar { value.span } else { place };
        node = value;
    }
    (span, node)
}
