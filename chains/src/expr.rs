//! Evaluating what a compiled chain holds: `when` in CEL, strings in Handlebars (strict). Pure.

pub(crate) mod cel;
pub(crate) mod parse;
pub(crate) mod template;

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

impl Error {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Error::Expression { .. } => "expression-failed",
            Error::NotBoolean { .. } => "expression-not-boolean",
            Error::Template { .. } => "template-failed",
        }
    }
}

/// Evaluates a boolean CEL expression over the top-level names of `context`
/// (an object: `image`, `run`, `params`, `trigger`, `steps`, or for gates `findings` …).
/// To evaluate one expression over many contexts, parse it once: [`Expression::parse`].
pub fn evaluate(expression: &str, context: &Value) -> Result<bool, Error> {
    Expression::parse(expression)?.evaluate(context)
}

/// Renders every string inside `value` as a strict Handlebars template over `context`; keys, numbers and booleans
/// stay as they are. A string stays a string, also where it is one lone name, and nothing is escaped.
pub fn render(value: &Value, context: &Value) -> Result<Value, Error> {
    template::Renderer::new(context).value(value)
}

/// Whether any string inside `value` is a template, so that [`render`] would have something to do.
pub fn has_template(value: &Value) -> bool {
    match value {
        Value::String(text) => template::is_template(text),
        Value::Array(items) => items.iter().any(has_template),
        Value::Object(map) => map.values().any(has_template),
        _ => false,
    }
}

/// A CEL expression, parsed.
#[derive(Debug)]
pub struct Expression {
    source: String,
    tree: ::cel::IdedExpr,
}

impl Expression {
    /// Parses; the reason names the place in the expression.
    pub fn parse(source: &str) -> Result<Expression, Error> {
        match parse::parse(source) {
            Ok(parsed) => Ok(Expression { source: source.to_owned(), tree: parsed.tree }),
            Err(fault) => Err(Error::Expression {
                expression: crate::diagnostics::shown(source),
                reason: fault.message,
            }),
        }
    }

    /// True or false, over the top-level names of `context`.
    pub fn evaluate(&self, context: &Value) -> Result<bool, Error> {
        let shown = || crate::diagnostics::shown(&self.source);
        match cel::execute(&self.tree, context) {
            Ok(::cel::Value::Bool(answer)) => Ok(answer),
            Ok(other) => Err(Error::NotBoolean { expression: shown(), found: cel::kind(&other).to_owned() }),
            Err(reason) => Err(Error::Expression { expression: shown(), reason }),
        }
    }
}

#[cfg(test)]
mod tests;
