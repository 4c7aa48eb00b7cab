use serde_json::{Value, json};

use super::{SECTIONS, chain, section};
use crate::tests::catalogue;

fn schema() -> Value {
    chain(&catalogue::small())
}

/// Every `$ref` below a value.
fn references(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::Object(map) => {
            found.extend(map.get("$ref").and_then(Value::as_str).map(str::to_owned));
            map.values().for_each(|v| references(v, found));
        }
        Value::Array(items) => items.iter().for_each(|v| references(v, found)),
        _ => {}
    }
}

/// Every map that lists properties but takes others too.
fn open(value: &Value, path: &str, found: &mut Vec<String>) {
    if let Value::Object(map) = value {
        let conditional = path.ends_with("/if") || path.ends_with("/then");
        if map.contains_key("properties") && map.get("additionalProperties").is_none() && !conditional {
            found.push(path.to_owned());
        }
        map.iter().for_each(|(k, v)| open(v, &format!("{path}/{k}"), found));
    } else if let Value::Array(items) = value {
        items.iter().enumerate().for_each(|(i, v)| open(v, &format!("{path}/{i}"), found));
    }
}

#[test]
fn references_exist_and_maps_are_closed() {
    let schema = schema();
    let (mut found, mut loose) = (Vec::new(), Vec::new());
    references(&schema, &mut found);
    assert!(found.len() > 20);
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(schema.pointer(pointer).is_some(), "{reference}");
    }
    open(&schema, "", &mut loose);
    assert_eq!(loose, [""; 0]);
}

#[test]
fn every_key_is_told_to_editors() {
    let schema = schema();
    let told = |pointer: &str| {
        let key = schema.pointer(pointer).unwrap_or_else(|| panic!("{pointer}"));
        for part in ["title", "description", "examples"] {
            assert!(key.get(part).is_some(), "{pointer} has no {part}");
        }
        key
    };
    for key in
        ["version", "chain", "description", "scope", "on", "params", "concurrency", "defaults", "steps"]
    {
        told(&format!("/properties/{key}"));
    }
    assert_eq!(told("/properties/on/properties/schedule/properties/timezone")["default"], "UTC");
    assert_eq!(told("/properties/concurrency/properties/limit")["default"], 1);
    assert_eq!(told("/$defs/step/properties/continue_on_failure")["default"], false);
    assert_eq!(told("/$defs/param/properties/type")["default"], "string");
    assert_eq!(
        schema.pointer("/$defs/step/allOf/2"),
        Some(&json!({
            "if": {"properties": {"uses": {"const": "backup"}}, "required": ["uses"]},
            "then": {"properties": {"with": {"$ref": "#/$defs/with-backup"}}, "required": ["with"]},
        }))
    );
}

#[test]
fn every_section_has_something_to_say() {
    let catalogue = catalogue::small();
    for name in SECTIONS {
        let text = section(name, &catalogue).unwrap_or_else(|| panic!("{name}"));
        assert!(text.ends_with('\n') && (text.len() > 20), "{name}");
    }
    assert_eq!(section("nothing", &catalogue), None);
    let kinds = section("kinds", &catalogue).unwrap();
    for line in [
        "| `deny[].packages.minimum` | map of names: text |",
        "| `findings[].epss` | number |",
        "The expression `deny[].when` sees",
        "| `to` | text | **must stand** |",
    ] {
        assert!(kinds.contains(line), "{line}\n{kinds}");
    }
}
