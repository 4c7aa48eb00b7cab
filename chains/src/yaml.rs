//! YAML as a tree whose every key and value knows its place in the source.
//! The server's configuration is read through it too.

mod encoding;
mod read;
mod scalar;

use serde_json::Value;

pub(crate) use read::read_into;
pub use read::{Document, read};

use crate::Span;

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub struct Node {
    /// What it is.
    pub content: Content,
    /// Where it stands; for an empty value, the key it belongs to.
    pub span: Span,
}

/// The kinds of values: those of YAML's core schema, booleans `true` and `false` alone.
#[derive(Debug, Clone, PartialEq)]
pub enum Content {
    /// Nothing, `null`, `~`.
    Null,
    /// `true`, `false`.
    Bool(bool),
    /// A whole number.
    Integer(i64),
    /// A number with a fraction.
    Float(f64),
    /// Text, quoted or not.
    Text(String),
    /// `[…]`, or lines with `-`.
    List(Vec<Node>),
    /// `{…}`, or lines with `key:`; in the order of the source, no key twice.
    Map(Vec<Entry>),
}

/// A key and its value.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// The key as text.
    pub key: String,
    /// Where the key stands.
    pub key_span: Span,
    /// The value.
    pub value: Node,
}

impl Node {
    /// The value of `key`, where this is a map that has it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        match &self.content {
            Content::Map(entries) => entries.iter().find(|e| e.key == key).map(|e| &e.value),
            _ => None,
        }
    }

    /// What it is, with its article, for a message.
    pub fn kind(&self) -> &'static str {
        match &self.content {
            Content::Null => "nothing",
            Content::Bool(_) => "a boolean",
            Content::Integer(_) => "a whole number",
            Content::Float(_) => "a number",
            Content::Text(_) => "text",
            Content::List(_) => "a list",
            Content::Map(_) => "a map",
        }
    }

    /// The text, where it is text.
    pub fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The same without places.
    pub fn to_value(&self) -> Value {
        match &self.content {
            Content::Null => Value::Null,
            Content::Bool(b) => Value::Bool(*b),
            Content::Integer(i) => Value::from(*i),
            Content::Float(f) => Value::from(*f),
            Content::Text(t) => Value::String(t.clone()),
            Content::List(items) => items.iter().map(Node::to_value).collect(),
            Content::Map(entries) => {
                Value::Object(entries.iter().map(|e| (e.key.clone(), e.value.to_value())).collect())
            }
        }
    }
}
