//! Whether a step's output is what its kind declares: what `when` and templates were checked against must hold.

use patchline_chains::{Field, ValueType};
use serde_json::{Map, Value};

/// What in an output is not as declared, one line each: a key that is not there in the
/// declaration, or a value of another type. A key may be left out; null fits `Any` alone.
pub fn misfits(declared: &[Field], output: &Value) -> Vec<String> {
    let mut found = Vec::new();
    match output {
        Value::Object(map) => fields("output", declared, map, &mut found),
        _ => found.push("output is no map".to_owned()),
    }
    found
}

fn fields(path: &str, declared: &[Field], map: &Map<String, Value>, found: &mut Vec<String>) {
    for (key, value) in map {
        match declared.iter().find(|f| f.name == key) {
            Some(field) => check(&format!("{path}.{key}"), &field.ty, value, found),
            None => found.push(format!("{path}.{key} is not declared")),
        }
    }
}

fn check(path: &str, ty: &ValueType, value: &Value, found: &mut Vec<String>) {
    let fits = match (ty, value) {
        (ValueType::Any, _) => true,
        (ValueType::Bool, v) => v.is_boolean(),
        (ValueType::Integer, v) => v.is_i64() || v.is_u64(),
        (ValueType::Number, v) => v.is_number(),
        (ValueType::Text, v) => v.is_string(),
        (ValueType::List(of), Value::Array(some)) => {
            some.iter().enumerate().for_each(|(n, one)| check(&format!("{path}[{n}]"), of, one, found));
            true
        }
        (ValueType::Map(of), Value::Object(map)) => {
            fields(path, of, map, found);
            true
        }
        (ValueType::MapOf(of), Value::Object(map)) => {
            map.iter().for_each(|(key, one)| check(&format!("{path}.{key}"), of, one, found));
            true
        }
        (ValueType::List(_) | ValueType::Map(_) | ValueType::MapOf(_), _) => false,
    };
    if !fits {
        let text = value.to_string();
        let short: String = text.chars().take(60).collect();
        found.push(format!("{path} is {short}, not {}", ty.article()));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_does_not_fit_is_named() {
        let declared = [
            Field::new("tag", ValueType::Text, ""),
            Field::new("counts", ValueType::map_of(ValueType::Integer), ""),
            Field::new(
                "lines",
                ValueType::list(ValueType::Map(vec![Field::new("id", ValueType::Text, "")])),
                "",
            ),
            Field::new("free", ValueType::Any, ""),
            Field::new("share", ValueType::Number, ""),
            Field::new("done", ValueType::Bool, ""),
        ];
        let well = json!({"tag": "v1", "counts": {"high": 1}, "lines": [{"id": "x"}, {}], "free": null, "share": 1,
            "done": false});
        assert_eq!(misfits(&declared, &well), [""; 0]);
        assert_eq!(misfits(&declared, &json!({})), [""; 0]);
        let badly = json!({"tag": null, "counts": {"high": 1.5}, "lines": [{"id": 1, "no": 1}], "done": "yes",
            "share": "much", "other": 1});
        assert_eq!(misfits(&declared, &badly).len(), 7, "{:#?}", misfits(&declared, &badly));
        assert_eq!(misfits(&declared, &json!([])), ["output is no map"]);
    }
}
