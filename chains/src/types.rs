//! The types of the values that expressions and templates see.

mod roots;

pub use roots::{OUTCOMES, TRIGGERS, roots};

/// The type of a value. `Any` is known only when the chain runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ValueType {
    /// Known when the chain runs.
    Any,
    /// `true` or `false`.
    Bool,
    /// A whole number.
    Integer,
    /// A number with a fraction.
    Number,
    /// Text.
    Text,
    /// A list of one type.
    List(Box<ValueType>),
    /// A map whose keys are all known.
    Map(Vec<Field>),
    /// A map with free keys and values of one type.
    MapOf(Box<ValueType>),
}

/// A named value: a key of a [`ValueType::Map`], an output of a step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Field {
    /// Key.
    pub name: &'static str,
    /// What stands there.
    pub ty: ValueType,
    /// One line for people.
    pub summary: &'static str,
}

impl Field {
    /// A field.
    pub const fn new(name: &'static str, ty: ValueType, summary: &'static str) -> Field {
        Field { name, ty, summary }
    }
}

impl ValueType {
    /// A list of one type.
    pub fn list(of: ValueType) -> ValueType {
        ValueType::List(Box::new(of))
    }

    /// A map with free keys and values of one type.
    pub fn map_of(of: ValueType) -> ValueType {
        ValueType::MapOf(Box::new(of))
    }

    /// With its article, as messages name it.
    pub fn article(&self) -> &'static str {
        match self {
            ValueType::Any => "a value",
            ValueType::Bool => "a boolean",
            ValueType::Integer => "a whole number",
            ValueType::Number => "a number",
            ValueType::Text => "text",
            ValueType::List(_) => "a list",
            ValueType::Map(_) | ValueType::MapOf(_) => "a map",
        }
    }
}
