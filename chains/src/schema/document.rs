//! The schema of a document.

use serde_json::{Map, Value, json};

use super::keys::{CHAIN, Key, LONGEST_WHEN, PARAM, RETRY, STEP, Shape};
use super::with::{integer, merge};
use super::{ID, patterns, yaml};
use crate::catalogue::{Catalogue, StepKind};
use crate::limits::MAX_STEPS;
use crate::severity::LEVELS;
use crate::zones;

/// The JSON Schema (draft 2020-12) of one chain document, with the step kinds of a catalogue.
///
/// It refuses what the compiler refuses as far as a schema can say it, and nothing that the compiler takes, but for a
/// key without a value, which the compiler warns of.
pub fn chain(catalogue: &dyn Catalogue) -> Value {
    let kinds = catalogue.kinds();
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": ID,
        "title": "Patchline chain, version 1",
        "description": "Which images a chain handles, what starts it, and a DAG of steps.",
    });
    merge(&mut schema, map(&CHAIN, kinds));
    schema["$defs"] = definitions(kinds);
    schema
}

fn definitions(kinds: &[&'static dyn StepKind]) -> Value {
    let zones: Vec<&str> = zones::all().collect();
    let mut defs = json!({
        "name": patterns::name(),
        "duration": patterns::duration(),
        "timeout": patterns::timeout(),
        "severity": {"enum": LEVELS},
        "glob": patterns::glob(),
        "platform": patterns::platform(),
        "cron": patterns::cron(),
        "timezone": {"enum": zones},
        "retry": map(&RETRY, kinds),
        "param": param(kinds),
        "step": step(kinds),
    });
    for kind in kinds {
        let mut with = kind.schema();
        if let Some(with) = with.as_object_mut() {
            with.insert("description".to_owned(), json!(kind.summary()));
        }
        defs[with_of(*kind)] = with;
    }
    defs
}

fn with_of(kind: &dyn StepKind) -> String {
    format!("with-{}", kind.name())
}

/// A map with known keys.
fn map(keys: &[Key], kinds: &[&'static dyn StepKind]) -> Value {
    let mut properties = Map::new();
    for key in keys {
        let mut schema = json!({"title": key.name, "description": key.summary});
        if let Some(default) = key.default.and_then(yaml) {
            schema["default"] = default;
        }
        if let Some(example) = yaml(key.example) {
            schema["examples"] = json!([example]);
        }
        merge(&mut schema, shape(&key.shape, kinds));
        properties.insert(key.name.to_owned(), schema);
    }
    let mut schema = json!({"type": "object", "properties": properties, "additionalProperties": false});
    let required: Vec<&str> = keys.iter().filter(|k| k.required).map(|k| k.name).collect();
    if !required.is_empty() {
        schema["required"] = json!(required);
    }
    schema
}

fn reference(name: &str) -> Value {
    json!({"$ref": format!("#/$defs/{name}")})
}

fn shape(shape: &Shape, kinds: &[&'static dyn StepKind]) -> Value {
    match shape {
        Shape::Version => json!({"const": 1}),
        Shape::Name => reference("name"),
        Shape::Text | Shape::Template => json!({"type": "string"}),
        Shape::Bool => json!({"type": "boolean"}),
        Shape::Integer { least, most } => integer(*least, *most),
        Shape::Duration => reference("duration"),
        Shape::Timeout => reference("timeout"),
        Shape::Level => reference("severity"),
        Shape::Cron => reference("cron"),
        Shape::Zone => reference("timezone"),
        Shape::Globs => json!({"type": "array", "items": reference("glob")}),
        Shape::Platforms => json!({"type": "array", "items": reference("platform")}),
        Shape::Words(words) => json!({"enum": words}),
        Shape::Values => json!({"type": "array", "minItems": 1}),
        Shape::Bound => json!({"type": ["integer", "string"]}),
        Shape::Value => json!({"type": ["string", "boolean", "integer"]}),
        Shape::Needs => {
            json!({"type": "array", "items": reference("name"), "uniqueItems": true})
        }
        Shape::Kind => {
            let lines: Vec<String> =
                kinds.iter().map(|k| format!("`{}` {}", k.name(), k.summary())).collect();
            let names: Vec<&str> = kinds.iter().map(|k| k.name()).collect();
            json!({"description": format!("The step kind: {}.", lines.join("; ")), "enum": names})
        }
        Shape::When => json!({"anyOf": [patterns::expression(LONGEST_WHEN), {"type": "boolean"}]}),
        Shape::With => json!({"type": "object"}),
        Shape::Map(keys) if std::ptr::eq(*keys, &RETRY) => reference("retry"),
        Shape::Map(keys) => map(keys, kinds),
        Shape::MapOrNothing(keys) => {
            let mut schema = map(keys, kinds);
            schema["type"] = json!(["object", "null"]);
            schema
        }
        Shape::Params => json!({
            "type": "object",
            "propertyNames": reference("name"),
            "additionalProperties": reference("param"),
        }),
        Shape::Steps => json!({
            "type": "object",
            "minProperties": 1,
            "maxProperties": MAX_STEPS,
            "propertyNames": reference("name"),
            "additionalProperties": reference("step"),
        }),
    }
}

/// A parameter: its other keys depend on its `type`.
fn param(kinds: &[&'static dyn StepKind]) -> Value {
    let mut schema = map(&PARAM, kinds);
    let whole = json!({"type": "integer"});
    let listed = |of: Value| json!({"items": of});
    let (none, duration) = (json!(false), reference("duration"));
    let case = |ty: &str, default: Value, values: Value, bound: Value| {
        let mut when = json!({"properties": {"type": {"const": ty}}});
        // Without a `type` it is a string.
        if ty != "string" {
            when["required"] = json!(["type"]);
        }
        let then = json!({"default": default, "enum": values, "minimum": bound, "maximum": bound});
        json!({"if": when, "then": {"properties": then}})
    };
    let text = json!({"type": "string"});
    schema["allOf"] = json!([
        case("string", text.clone(), listed(text), none.clone()),
        case("boolean", json!({"type": "boolean"}), none.clone(), none.clone()),
        case("integer", whole.clone(), listed(whole.clone()), whole),
        case("duration", duration.clone(), none, duration),
    ]);
    schema
}

/// A step: its `with` depends on its `uses`.
fn step(kinds: &[&'static dyn StepKind]) -> Value {
    let mut schema = map(&STEP, kinds);
    let case = |kind: &&'static dyn StepKind| {
        let with = reference(&with_of(*kind));
        let mut then = json!({"properties": {"with": with}});
        if kind.params().iter().any(|p| p.required) {
            then["required"] = json!(["with"]);
        }
        json!({"if": {"properties": {"uses": {"const": kind.name()}}, "required": ["uses"]}, "then": then})
    };
    schema["allOf"] = kinds.iter().map(case).collect();
    schema
}
