//! Texts with a grammar, as schemas: what the compiler refuses is refused here where a regular expression can tell.

use serde_json::{Value, json};

use crate::check::platforms::{ARCHITECTURES, SYSTEMS};
use crate::cron::PARTS;
use crate::limits::MAX_GLOB;
use crate::severity::LEVELS;

/// Where something is put in.
const TEMPLATE: &str = r"\{\{";

pub(super) fn name() -> Value {
    json!({"type": "string", "pattern": "^[a-z][a-z0-9_-]{0,62}$"})
}

pub(super) fn duration() -> Value {
    json!({
        "type": "string",
        "minLength": 2,
        "pattern": "^([0-9]+w)?([0-9]+d)?([0-9]+h)?([0-9]+m)?([0-9]+s)?([0-9]+ms)?$",
    })
}

/// A duration that is more than nothing.
pub(super) fn timeout() -> Value {
    let mut schema = duration();
    schema["not"] = json!({"pattern": "^(0+[a-z]+)+$"});
    schema
}

pub(super) fn severity_rule() -> Value {
    let levels = LEVELS[1..].join("|");
    let pattern = format!(r"^\s*((>=|<=|==|>|<|=)?\s*({levels})|(==|=)?\s*{})\s*$", LEVELS[0]);
    json!({"type": "string", "pattern": pattern})
}

pub(super) fn glob() -> Value {
    json!({"type": "string", "pattern": "^!?[^!]", "maxLength": MAX_GLOB + 1})
}

pub(super) fn platform() -> Value {
    let (systems, architectures) = (SYSTEMS.join("|"), ARCHITECTURES.join("|"));
    json!({"type": "string", "pattern": format!("^({systems})/({architectures})(/[a-z0-9_.]+)?$")})
}

pub(super) fn cron() -> Value {
    let numbers = ["[0-5]?[0-9]", "(1?[0-9]|2[0-3])", "([1-9]|[12][0-9]|3[01])", "([1-9]|1[0-2])", "[0-7]"];
    let fields: Vec<String> = PARTS
        .iter()
        .zip(numbers)
        .map(|(part, number)| {
            let words: String = part.words.iter().map(|word| format!("|{}", any_case(word))).collect();
            let value = format!("(0*{number}{words})");
            let item = format!(r"(\*(/[0-9]+)?|{value}(-{value}(/[0-9]+)?)?)");
            format!("{item}(,{item})*")
        })
        .collect();
    json!({"type": "string", "pattern": format!(r"^\s*{}\s*$", fields.join(r"\s+"))})
}

/// `[jJ][aA][nN]`: regular expressions of schemas have no flags.
fn any_case(word: &str) -> String {
    word.chars().map(|c| format!("[{c}{}]", c.to_ascii_uppercase())).collect()
}

/// What `schema` takes, or a template, which is held against it once it is rendered.
pub(super) fn or_template(schema: Value) -> Value {
    json!({"anyOf": [schema, {"type": "string", "pattern": TEMPLATE}]})
}

/// CEL without a template in it.
pub(super) fn expression(longest: usize) -> Value {
    json!({"type": "string", "pattern": r"\S", "maxLength": longest, "not": {"pattern": TEMPLATE}})
}
