//! Evaluating what a compiled chain holds: `when` in CEL, strings in Handlebars (strict). Pure.

use serde_json::Value;

/// An expression or template that cannot be evaluated; names what is wrong in it.
#[derive(Debug, Clone, thiserror::Error)]
pub enum Error {
    /// CEL.
    #[error("expression `{expression}` fails: {reason}")]
    Expression {
        /// As written.
        expression: String,
        /// Why.
        reason: String,
    },
    /// CEL that gave something else than true or false.
    #[error("expression `{expression}` gives {found}, not true or false")]
    NotBoolean {
        /// As written.
        expression: String,
        /// Its type.
        found: String,
    },
    /// Handlebars.
    #[error("template `{template}` fails: {reason}")]
    Template {
        /// As written.
        template: String,
        /// Why: an unknown name is named.
        reason: String,
    },
}

/// Evaluates a boolean CEL expression over the top-level names of `context`
/// (an object: `image`, `run`, `params`, `trigger`, `steps`, or for gates `findings` …).
pub fn evaluate(_expression: &str, _context: &Value) -> Result<bool, Error> {
    todo!()
}

/// Renders every string inside `value` as a strict Handlebars template over `context`.
pub fn render(_value: &Value, _context: &Value) -> Result<Value, Error> {
    todo!()
}
