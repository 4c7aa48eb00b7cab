//! `params:` what a person may set when a chain starts.

use serde_json::{Map, Value};

use super::Ctx;
use super::fields::{Fields, bad_word};
use crate::diagnostics::{Diagnostic, shown};
use crate::plan::params::{Bound, Parameter, ParameterType};
use crate::schema::keys::PARAM;
use crate::yaml::{Content, Entry, Node};

/// One parameter, checked.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Declared {
    pub(super) name: String,
    pub(super) default: Value,
    /// The values that it may have, as text, as far as they are known now.
    pub(super) values: Vec<String>,
    /// What a start may set.
    pub(super) parameter: Parameter,
}

pub(crate) const TYPES: [&str; 4] = ["string", "boolean", "integer", "duration"];

impl Ctx<'_> {
    pub(super) fn params(&mut self, node: &Node) -> (Vec<Declared>, Value) {
        let mut declared = Vec::new();
        for entry in self.entries(node).unwrap_or_default() {
            self.name(&entry.key, entry.key_span, "a parameter");
            declared.push(self.param(entry).unwrap_or_else(|| Declared {
                // A parameter that is declared badly is declared: what names it is not wrong.
                name: entry.key.clone(),
                default: Value::Null,
                values: Vec::new(),
                parameter: Parameter::any(ParameterType::String),
            }));
        }
        let defaults: Map<String, Value> =
            declared.iter().map(|d| (d.name.clone(), d.default.clone())).collect();
        (declared, Value::Object(defaults))
    }

    fn param(&mut self, entry: &Entry) -> Option<Declared> {
        let fields = self.fields(&entry.value, "a parameter", &PARAM)?;
        let ty = match fields.get("type").map_or(Some("string"), |n| self.word(n, &TYPES)) {
            Some("boolean") => Some(ParameterType::Boolean),
            Some("integer") => Some(ParameterType::Integer),
            Some("duration") => Some(ParameterType::Duration),
            Some(_) => Some(ParameterType::String),
            None => None,
        };
        let description = fields.get("description").and_then(|n| self.text(n)).map(str::to_owned);
        let mut parameter = Parameter { description, ..Parameter::any(ty?) };
        parameter.values = self.values(&fields, parameter.ty);
        parameter.minimum = self.bound(&fields, "minimum", parameter.ty);
        parameter.maximum = self.bound(&fields, "maximum", parameter.ty);
        self.order(&fields, &parameter);
        let Some(default) = fields.entry("default").map(|e| &e.value) else {
            let owner = format!("parameter `{}`", shown(&entry.key));
            self.missing(entry.key_span, "default", &owner, "a chain must be able to start by itself");
            return None;
        };
        self.of_type(default, parameter.ty)?;
        let value = default.to_value();
        let mut values: Vec<String> = parameter.values.iter().map(plain).collect();
        if values.is_empty() {
            values.extend((!value.is_boolean()).then(|| plain(&value)));
        } else if !parameter.values.contains(&value) {
            let words: Vec<&str> = values.iter().map(String::as_str).collect();
            self.push(bad_word(default.span, &plain(&value), &words));
        }
        // Where values are listed, those outside are told at the list.
        if parameter.values.is_empty() && !parameter.admits(&value) {
            self.outside(default, &parameter, &fields, "the default");
        }
        Some(Declared { name: entry.key.clone(), default: value, values, parameter })
    }

    /// `enum:`
    fn values(&mut self, fields: &Fields<'_>, ty: ParameterType) -> Vec<Value> {
        let Some(entry) = fields.entry("enum").filter(|e| e.value.content != Content::Null) else {
            return Vec::new();
        };
        if !matches!(ty, ParameterType::String | ParameterType::Integer) {
            let message = format!("a parameter of type `{}` has no `enum`", word(ty));
            let error = Diagnostic::error("unknown-key", entry.key_span, message);
            self.push(error.hint("only those of type `string` and `integer` list their values"));
            return Vec::new();
        }
        let Some(items) = self.list(&entry.value) else { return Vec::new() };
        if items.is_empty() {
            self.push(
                Diagnostic::error("empty-list", entry.value.span, "an `enum` without values")
                    .hint("leave it out: any value is taken"),
            );
        }
        items.iter().filter(|item| self.of_type(item, ty).is_some()).map(Node::to_value).collect()
    }

    /// `minimum:`, `maximum:`
    fn bound(&mut self, fields: &Fields<'_>, key: &str, ty: ParameterType) -> Option<Bound> {
        let entry = fields.entry(key).filter(|e| e.value.content != Content::Null)?;
        if !matches!(ty, ParameterType::Integer | ParameterType::Duration) {
            let message = format!("a parameter of type `{}` has no `{key}`", word(ty));
            let error = Diagnostic::error("unknown-key", entry.key_span, message);
            self.push(error.hint("only those of type `integer` and `duration` have bounds"));
            return None;
        }
        self.of_type(&entry.value, ty)?;
        Bound::of(&entry.value.to_value())
    }

    /// Bounds that leave nothing, and listed values outside of them.
    fn order(&mut self, fields: &Fields<'_>, parameter: &Parameter) {
        if let (Some(least), Some(most), Some(node)) =
            (parameter.minimum, parameter.maximum, fields.get("minimum"))
            && most.is_below(least)
        {
            let message = format!("the minimum {least} is above the maximum {most}");
            let mut error = Diagnostic::error("out-of-range", node.span, message);
            if let Some(other) = fields.get("maximum") {
                error = error.related(other.span, "the maximum");
            }
            self.push(error.hint("no value would be taken: exchange the two"));
            return;
        }
        let listed = match fields.get("enum").map(|n| &n.content) {
            Some(Content::List(items)) => items.as_slice(),
            _ => &[],
        };
        for item in listed {
            if !parameter.admits(&item.to_value()) {
                self.outside(item, parameter, fields, "the listed value");
            }
        }
    }

    fn outside(&mut self, node: &Node, parameter: &Parameter, fields: &Fields<'_>, what: &str) {
        let value = plain(&node.to_value());
        let message = format!("{what} {} is outside the bounds: {}", shown(&value), parameter.range());
        let mut error = Diagnostic::error("out-of-range", node.span, message);
        let own = Bound::of(&node.to_value());
        let below = own.zip(parameter.minimum).is_some_and(|(own, least)| own.is_below(least));
        let key = if below { "minimum" } else { "maximum" };
        if let Some(bound) = fields.get(key) {
            error = error.related(bound.span, format!("the {key}"));
        }
        self.push(error.hint("change the value, or the bound"));
    }

    fn of_type(&mut self, node: &Node, ty: ParameterType) -> Option<()> {
        match ty {
            ParameterType::Boolean => self.boolean(node).map(drop),
            ParameterType::Integer => self.integer(node, i64::MIN, i64::MAX).map(drop),
            ParameterType::Duration => self.duration(node).map(drop),
            ParameterType::String => self.text(node).map(drop),
        }
    }
}

/// As it is written.
fn word(ty: ParameterType) -> &'static str {
    match ty {
        ParameterType::String => "string",
        ParameterType::Boolean => "boolean",
        ParameterType::Integer => "integer",
        ParameterType::Duration => "duration",
    }
}

/// Text without quotes.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
