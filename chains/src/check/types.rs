//! The types of expressions: what is found before a chain runs, and would fail when it does.

mod calls;
mod infer;
mod operators;

use std::ops::Range;
use std::rc::Rc;

use crate::diagnostics::Diagnostic;
use crate::types::{Field, ValueType};

pub(super) use infer::Inference;

/// The type of a part of an expression.
#[derive(Debug, Clone)]
pub(super) enum Type<'t> {
    /// Known when the chain runs; never complained about.
    Any,
    Null,
    Bool,
    Integer,
    Unsigned,
    Number,
    Text,
    /// Text that is one of these words.
    Word(Words<'t>),
    Bytes,
    /// What `type(x)` gives.
    Kind,
    List(Rc<Type<'t>>),
    /// A map whose keys are all known.
    Fields(&'t [Field]),
    MapOf(Rc<Type<'t>>),
}

/// The words that a text may be.
#[derive(Debug, Clone, Copy)]
pub(super) enum Words<'t> {
    Fixed(&'static [&'static str]),
    Declared(&'t [String]),
}

impl<'t> Words<'t> {
    pub(super) fn all(self) -> Vec<&'t str> {
        match self {
            Words::Fixed(words) => words.to_vec(),
            Words::Declared(words) => words.iter().map(String::as_str).collect(),
        }
    }
}

impl<'t> From<&'t ValueType> for Type<'t> {
    fn from(ty: &'t ValueType) -> Type<'t> {
        match ty {
            ValueType::Any => Type::Any,
            ValueType::Bool => Type::Bool,
            ValueType::Integer => Type::Integer,
            ValueType::Number => Type::Number,
            ValueType::Text => Type::Text,
            ValueType::List(of) => Type::List(Rc::new(Type::from(&**of))),
            ValueType::Map(fields) => Type::Fields(fields),
            ValueType::MapOf(of) => Type::MapOf(Rc::new(Type::from(&**of))),
        }
    }
}

/// Why a value has no such field.
pub(super) enum Lack<'t> {
    /// These are its fields.
    Unknown(&'t [Field]),
    /// It has none.
    NoFields,
}

impl<'t> Type<'t> {
    /// With its article, as messages name it.
    pub(super) fn article(&self) -> &'static str {
        match self {
            Type::Any => "a value",
            Type::Null => "nothing",
            Type::Bool => "a boolean",
            Type::Integer => "a whole number",
            Type::Unsigned => "an unsigned whole number",
            Type::Number => "a number",
            Type::Text | Type::Word(_) => "text",
            Type::Bytes => "bytes",
            Type::Kind => "a type",
            Type::List(_) => "a list",
            Type::Fields(_) | Type::MapOf(_) => "a map",
        }
    }

    /// What stands under a key.
    pub(super) fn field(&self, key: &str) -> Result<Type<'t>, Lack<'t>> {
        match self {
            Type::Any => Ok(Type::Any),
            Type::MapOf(of) => Ok((**of).clone()),
            Type::Fields(fields) => match fields.iter().find(|f| f.name == key) {
                Some(field) => Ok(Type::from(&field.ty)),
                None => Err(Lack::Unknown(fields)),
            },
            _ => Err(Lack::NoFields),
        }
    }

    pub(super) fn is_text(&self) -> bool {
        matches!(self, Type::Text | Type::Word(_) | Type::Any)
    }

    fn is_bool(&self) -> bool {
        matches!(self, Type::Bool | Type::Any)
    }

    fn is_numeric(&self) -> bool {
        matches!(self, Type::Integer | Type::Unsigned | Type::Number)
    }

    fn is_map(&self) -> bool {
        matches!(self, Type::Fields(_) | Type::MapOf(_))
    }

    /// Whether values of both can be equal. What a step gives may be missing, so anything may be nothing.
    fn may_equal(&self, other: &Type<'_>) -> bool {
        match (self, other) {
            (Type::Any | Type::Null, _) | (_, Type::Any | Type::Null) => true,
            (Type::List(a), Type::List(b)) => a.may_equal(b),
            (Type::Bool, Type::Bool) | (Type::Bytes, Type::Bytes) | (Type::Kind, Type::Kind) => true,
            _ => {
                self.is_numeric() && other.is_numeric()
                    || self.is_text() && other.is_text()
                    || self.is_map() && other.is_map()
            }
        }
    }

    /// A type that holds values of both.
    fn join(self, other: &Type<'t>) -> Type<'t> {
        match (&self, other) {
            (Type::Bool, Type::Bool)
            | (Type::Integer, Type::Integer)
            | (Type::Unsigned, Type::Unsigned)
            | (Type::Number, Type::Number)
            | (Type::Bytes, Type::Bytes)
            | (Type::Null, Type::Null) => self,
            (Type::List(a), Type::List(b)) => Type::List(Rc::new((**a).clone().join(b))),
            (Type::Text | Type::Word(_), Type::Text | Type::Word(_)) => Type::Text,
            _ => Type::Any,
        }
    }
}

/// Something wrong in an expression, at these bytes of it. The diagnostic's own span is not yet known.
pub(super) type Found = (Range<usize>, Diagnostic);

/// A `type-mismatch`.
fn mismatch(message: impl Into<String>, hint: impl Into<String>) -> Diagnostic {
    Diagnostic::error("type-mismatch", crate::Span::START, message).hint(hint)
}
