//! `params:` what a person may set when a chain starts.

use serde_json::{Map, Value};

use super::Ctx;
use super::fields::bad_word;
use crate::diagnostics::Diagnostic;
use crate::plan::params::{Parameter, ParameterType};
use crate::yaml::{Content, Entry, Node};

/// One parameter, checked.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Declared {
    pub(super) name: String,
    pub(super) default: Value,
    /// The texts that it may have, as far as they are known now.
    pub(super) values: Vec<String>,
    /// What a start may set.
    pub(super) parameter: Parameter,
}

const TYPES: [&str; 4] = ["string", "boolean", "integer", "duration"];
const KEYS: [&str; 4] = ["type", "enum", "default", "description"];

impl Ctx<'_> {
    pub(super) fn params(&mut self, node: &Node) -> (Vec<Declared>, Value) {
        let mut declared = Vec::new();
        for entry in self.entries(node).unwrap_or_default() {
            self.name(&entry.key, entry.key_span, "a parameter");
            if let Some(one) = self.param(entry) {
                declared.push(one);
            }
        }
        let defaults: Map<String, Value> =
            declared.iter().map(|d| (d.name.clone(), d.default.clone())).collect();
        (declared, Value::Object(defaults))
    }

    fn param(&mut self, entry: &Entry) -> Option<Declared> {
        let name = entry.key.clone();
        // A parameter that is declared badly is declared: what names it is not wrong.
        let unusable = |name| {
            let parameter = Parameter { ty: ParameterType::String, values: Vec::new() };
            Some(Declared { name, default: Value::Null, values: Vec::new(), parameter })
        };
        let Some(fields) = self.fields(&entry.value, "a parameter", &KEYS) else { return unusable(name) };
        let ty = fields.get("type").map_or(Some("string"), |n| self.word(n, &TYPES));
        if let Some(node) = fields.get("description") {
            self.text(node);
        }
        let mut values: Vec<String> = Vec::new();
        if let Some(node) = fields.get("enum") {
            if ty.is_some_and(|t| t != "string") {
                self.push(Diagnostic::error(
                    "wrong-type",
                    node.span,
                    "only a parameter of type `string` has an `enum`",
                ));
            }
            values = self.texts(node).into_iter().map(|(text, _)| text.to_owned()).collect();
            if matches!(&node.content, Content::List(items) if items.is_empty()) {
                self.push(
                    Diagnostic::error("empty-list", node.span, "an `enum` without values")
                        .hint("leave it out: any text is taken"),
                );
            }
        }
        let (Some(ty), Some(default)) = (ty, fields.entry("default").map(|e| &e.value)) else {
            if ty.is_some() {
                self.missing(
                    entry.key_span,
                    "default",
                    &format!("parameter `{name}`"),
                    "a chain must be able to start by itself",
                );
            }
            return unusable(name);
        };
        let fits = match ty {
            "boolean" => self.boolean(default).is_some(),
            "integer" => self.integer(default, i64::MIN, i64::MAX).is_some(),
            "duration" => self.duration(default).is_some(),
            _ => self.text(default).is_some(),
        };
        if !fits {
            return unusable(name);
        }
        let ty = match ty {
            "boolean" => ParameterType::Boolean,
            "integer" => ParameterType::Integer,
            "duration" => ParameterType::Duration,
            _ => ParameterType::String,
        };
        let parameter = Parameter { ty, values: values.clone() };
        if let Some(text) = default.text() {
            if values.is_empty() {
                values.push(text.to_owned());
            } else if !values.iter().any(|v| v == text) {
                let words: Vec<&str> = values.iter().map(String::as_str).collect();
                self.push(bad_word(default.span, text, &words));
            }
        }
        Some(Declared { name, default: default.to_value(), values, parameter })
    }
}
