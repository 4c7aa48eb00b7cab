//! The parameters that a start may set, checked against what the chain declares.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::Plan;
use crate::diagnostics::shown;
use crate::duration;

/// What a parameter takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parameter {
    /// Its type.
    #[serde(rename = "type")]
    pub ty: ParameterType,
    /// The only texts that it takes; empty: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<String>,
}

/// Types of a chain's parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ParameterType {
    /// Text.
    String,
    /// `true` or `false`.
    Boolean,
    /// A whole number.
    Integer,
    /// Text such as `15m`.
    Duration,
}

/// A parameter that a start may not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// The chain declares no such parameter.
    #[error("chain `{chain}` has no parameter `{name}`")]
    Unknown {
        /// The chain.
        chain: String,
        /// As given.
        name: String,
    },
    /// A value of another type.
    #[error("parameter `{name}` takes {expected}")]
    WrongType {
        /// The parameter.
        name: String,
        /// With its article.
        expected: &'static str,
    },
    /// A text that is not among the declared.
    #[error("parameter `{name}` takes one of {}, not `{value}`", .values.join(", "))]
    NotAmong {
        /// The parameter.
        name: String,
        /// As given.
        value: String,
        /// The declared.
        values: Vec<String>,
    },
}

impl Error {
    /// The stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Error::Unknown { .. } => "unknown-parameter",
            Error::WrongType { .. } | Error::NotAmong { .. } => "bad-parameter",
        }
    }
}

impl Plan {
    /// The parameters of a start: the defaults, with what is `given` in their place, each checked.
    pub fn start_params(&self, given: &Map<String, Value>) -> Result<Map<String, Value>, Error> {
        let mut params = self.params.as_object().cloned().unwrap_or_default();
        for (name, value) in given {
            let Some(parameter) = self.parameters.get(name) else {
                return Err(Error::Unknown { chain: self.chain.clone(), name: shown(name) });
            };
            parameter.check(name, value)?;
            params.insert(name.clone(), value.clone());
        }
        Ok(params)
    }
}

impl Parameter {
    fn check(&self, name: &str, value: &Value) -> Result<(), Error> {
        let (fits, expected) = match self.ty {
            ParameterType::String => (value.is_string(), "text"),
            ParameterType::Boolean => (value.is_boolean(), "true or false"),
            ParameterType::Integer => (value.is_i64(), "a whole number"),
            ParameterType::Duration => {
                (value.as_str().is_some_and(|t| duration::parse(t).is_ok()), "a duration, such as 15m")
            }
        };
        if !fits {
            return Err(Error::WrongType { name: name.to_owned(), expected });
        }
        match value.as_str() {
            Some(text) if !self.values.is_empty() && !self.values.iter().any(|v| v == text) => {
                let (name, values) = (name.to_owned(), self.values.clone());
                Err(Error::NotAmong { name, value: shown(text), values })
            }
            _ => Ok(()),
        }
    }
}
