//! What stands under `with`, by the parameters that a step kind tells.

use serde_json::{Map, Value, json};

use super::{patterns, yaml};
use crate::catalogue::{Param, ParamType};
use crate::limits::MAX_EXPRESSION;

/// The schema of a map of parameters; complete in itself.
pub fn with(params: &[Param]) -> Value {
    let mut properties = Map::new();
    for param in params {
        properties.insert(param.name.to_owned(), property(param));
    }
    let mut schema = json!({"type": "object", "properties": properties, "additionalProperties": false});
    let required: Vec<&str> = params.iter().filter(|p| p.required).map(|p| p.name).collect();
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

fn property(param: &Param) -> Value {
    let mut schema = json!({"title": param.name, "description": param.summary});
    if let Some(default) = param.default.and_then(yaml) {
        schema["default"] = default;
    }
    if let Some(example) = param.example.and_then(yaml) {
        schema["examples"] = json!([example]);
    }
    merge(&mut schema, of_type(&param.ty));
    schema
}

/// Adds the keys of `more`.
pub(super) fn merge(schema: &mut Value, more: Value) {
    if let (Some(own), Value::Object(more)) = (schema.as_object_mut(), more) {
        own.extend(more);
    }
}

fn of_type(ty: &ParamType) -> Value {
    match ty {
        ParamType::String => json!({"type": "string"}),
        ParamType::Bool => json!({"type": "boolean"}),
        ParamType::Integer { least, most } => integer(*least, *most),
        ParamType::Duration => patterns::or_template(patterns::duration()),
        ParamType::SeverityRule => patterns::or_template(patterns::severity_rule()),
        ParamType::Enum(words) => patterns::or_template(json!({"enum": words})),
        ParamType::Glob => patterns::glob(),
        ParamType::Expression(_) => patterns::expression(MAX_EXPRESSION),
        ParamType::List(inner) => json!({"type": "array", "items": of_type(inner)}),
        ParamType::OneOrMany(inner) => {
            json!({"anyOf": [of_type(inner), {"type": "array", "items": of_type(inner)}]})
        }
        ParamType::Map(params) => with(params),
        ParamType::MapOf(inner) => json!({"type": "object", "additionalProperties": of_type(inner)}),
    }
}

pub(super) fn integer(least: i64, most: i64) -> Value {
    let mut schema = json!({"type": "integer"});
    if least != i64::MIN {
        schema["minimum"] = json!(least);
    }
    if most != i64::MAX {
        schema["maximum"] = json!(most);
    }
    schema
}
