//! Templates filled with what is known before a run; the rest stands there by its name.

use serde_json::Value;

use crate::expr::{self, Error, template};

/// What is known.
pub(super) struct Known {
    names: Value,
}

impl Known {
    /// `names`: `image`, `run`, `params`, `trigger`, as far as they are known.
    pub(super) fn new(names: Value) -> Known {
        Known { names }
    }

    /// The names again.
    pub(super) fn names(&self) -> &Value {
        &self.names
    }

    /// Every string inside `value`. A template that would fail in a run too stays as written, and is told.
    pub(super) fn value(&self, value: &Value, problems: &mut Vec<String>) -> Value {
        match value {
            Value::String(text) => match self.text(text) {
                Ok(filled) => Value::String(filled),
                Err(error) => {
                    problems.push(error.to_string());
                    value.clone()
                }
            },
            Value::Array(items) => items.iter().map(|item| self.value(item, problems)).collect(),
            Value::Object(map) => {
                map.iter().map(|(key, value)| (key.clone(), self.value(value, problems))).collect()
            }
            scalar => scalar.clone(),
        }
    }

    /// One template.
    pub(super) fn text(&self, text: &str) -> Result<String, Error> {
        if !template::is_template(text) {
            return Ok(text.to_owned());
        }
        let whole = Value::String(text.to_owned());
        let render =
            |names: &Value| expr::render(&whole, names).map(|v| v.as_str().unwrap_or_default().to_owned());
        let Ok(compiled) = template::compile(text) else { return render(&self.names) };
        let later: Vec<&[String]> =
            compiled.names.iter().map(|n| n.path.as_slice()).filter(|path| self.comes_later(path)).collect();
        if later.is_empty() {
            return render(&self.names);
        }
        if !puts_in_only(text) {
            // What a block or a helper would make of it cannot be told.
            return Ok(format!("‹{text}›"));
        }
        let mut names = self.names.clone();
        for path in later {
            stand_in(&mut names, path);
        }
        render(&names)
    }

    /// Whether a name has a value only once the run has begun.
    fn comes_later(&self, path: &[String]) -> bool {
        let begins = matches!(path.first().map(String::as_str), Some("steps" | "run"));
        begins && path.iter().try_fold(&self.names, |value, key| value.get(key)).is_none()
    }
}

/// Whether a template has lone names alone: no block, no helper.
fn puts_in_only(text: &str) -> bool {
    text.split("{{").skip(1).all(|tag| {
        let inner = tag.split("}}").next().unwrap_or_default().trim_matches(['{', '~', '}']).trim();
        !inner.starts_with(['#', '/', '^', '!', '>'])
            && !inner.contains(char::is_whitespace)
            && inner != "else"
    })
}

/// Puts `‹a.b.c›` where `a.b.c` will be.
fn stand_in(names: &mut Value, path: &[String]) {
    let Some((last, parents)) = path.split_last() else { return };
    let mut at = names;
    for key in parents {
        let Some(map) = at.as_object_mut() else { return };
        at = map.entry(key.clone()).or_insert_with(|| Value::Object(Default::default()));
    }
    if let Some(map) = at.as_object_mut() {
        map.entry(last.clone()).or_insert_with(|| Value::String(format!("‹{}›", path.join("."))));
    }
}
