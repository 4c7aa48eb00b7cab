//! The parameters that a start may set, checked against what the chain declares.

use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
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
    /// The only texts, or whole numbers, that it takes; empty: any.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub values: Vec<Value>,
    /// The least that it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub minimum: Option<Bound>,
    /// The most that it takes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub maximum: Option<Bound>,
    /// For whoever starts the chain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
}

/// An end of a parameter's range, of the parameter's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bound {
    /// Of an integer.
    Integer(i64),
    /// Of a duration; text such as `15m` in JSON.
    Duration(Duration),
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
    /// Below the minimum, or above the maximum.
    #[error("parameter `{name}` takes {range}, not {value}")]
    OutOfRange {
        /// The parameter.
        name: String,
        /// As given.
        value: String,
        /// `1 to 30`, `at least 1h`.
        range: String,
    },
    /// A value that is not among the declared.
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
            Error::WrongType { .. } | Error::OutOfRange { .. } | Error::NotAmong { .. } => "bad-parameter",
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
    /// One of a type that takes every value of it.
    pub fn any(ty: ParameterType) -> Parameter {
        Parameter { ty, values: Vec::new(), minimum: None, maximum: None, description: None }
    }

    fn check(&self, name: &str, value: &Value) -> Result<(), Error> {
        let (fits, expected) = match self.ty {
            ParameterType::String => (value.is_string(), "text"),
            ParameterType::Boolean => (value.is_boolean(), "true or false"),
            ParameterType::Integer => (value.is_i64(), "a whole number"),
            ParameterType::Duration => {
                (value.as_str().is_some_and(|t| duration::parse(t).is_ok()), "a duration, such as 15m")
            }
        };
        let name = || name.to_owned();
        if !fits {
            return Err(Error::WrongType { name: name(), expected });
        }
        if !self.values.is_empty() && !self.values.contains(value) {
            let values = self.values.iter().map(plain).collect();
            return Err(Error::NotAmong { name: name(), value: shown(&plain(value)), values });
        }
        if self.admits(value) {
            return Ok(());
        }
        let range = self.range();
        Err(Error::OutOfRange { name: name(), value: shown(&plain(value)), range })
    }

    /// Whether a value of its type is within its bounds.
    pub(crate) fn admits(&self, value: &Value) -> bool {
        let Some(own) = Bound::of(value) else { return true };
        self.minimum.is_none_or(|least| !own.is_below(least))
            && self.maximum.is_none_or(|most| !most.is_below(own))
    }

    /// Its bounds in words: `1 to 30`, `at least 1h`.
    pub(crate) fn range(&self) -> String {
        match (self.minimum, self.maximum) {
            (Some(least), Some(most)) => format!("{least} to {most}"),
            (Some(least), None) => format!("at least {least}"),
            (None, Some(most)) => format!("at most {most}"),
            (None, None) => "any value".to_owned(),
        }
    }
}

/// Text without quotes.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

impl Bound {
    /// Of a whole number, or of a text that is a duration.
    pub fn of(value: &Value) -> Option<Bound> {
        match value {
            Value::Number(number) => number.as_i64().map(Bound::Integer),
            Value::String(text) => duration::parse(text).ok().map(Bound::Duration),
            _ => None,
        }
    }

    /// Bounds of two types have no order.
    pub(crate) fn is_below(self, other: Bound) -> bool {
        match (self, other) {
            (Bound::Integer(a), Bound::Integer(b)) => a < b,
            (Bound::Duration(a), Bound::Duration(b)) => a < b,
            _ => false,
        }
    }
}

impl std::fmt::Display for Bound {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Bound::Integer(number) => number.fmt(f),
            Bound::Duration(duration) => f.write_str(&duration::text(*duration)),
        }
    }
}

impl Serialize for Bound {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        match self {
            Bound::Integer(number) => out.serialize_i64(*number),
            Bound::Duration(duration) => out.serialize_str(&duration::text(*duration)),
        }
    }
}

impl<'de> Deserialize<'de> for Bound {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Bound, D::Error> {
        let value = Value::deserialize(input)?;
        Bound::of(&value).ok_or_else(|| D::Error::custom("a bound is a whole number or a duration"))
    }
}
