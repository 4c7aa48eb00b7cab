//! The canonical form of a plan, version 1, and its hash. What is hashed here may not change: versions are named by it.

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::Plan;

/// SHA-256 over compact JSON with sorted keys, steps by name, needs sorted.
pub(super) fn hash(plan: &Plan) -> String {
    let mut plan = plan.clone();
    plan.steps.sort_by(|a, b| a.name.cmp(&b.name));
    plan.steps.iter_mut().for_each(|step| step.needs.sort());
    // A plan is maps with text keys, lists and scalars: it always has a JSON form.
    let value = serde_json::to_value(&plan).unwrap_or(Value::Null);
    let mut text = String::new();
    write(&value, &mut text);
    format!("sha256:{}", hex::encode(Sha256::digest(text.as_bytes())))
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by(|a, b| a.0.cmp(b.0));
            out.push('{');
            for (i, (key, value)) in entries.into_iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push(':');
                write(value, out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        scalar => out.push_str(&scalar.to_string()),
    }
}
