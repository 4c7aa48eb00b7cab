//! The language as a JSON Schema, and as the tables of its reference. Both are made from the tables that the
//! checks read, and from what the catalogue tells.

mod document;
pub(crate) mod keys;
mod patterns;
mod reference;
mod with;

use serde_json::Value;

pub use document::chain;
pub use reference::{SECTIONS, section};
pub use with::with;

/// The `$id` of the schema; a later version of the language has another.
pub const ID: &str = "urn:patchline:schema:chain-v1";

/// A value that a table holds as YAML.
pub(crate) fn yaml(text: &str) -> Option<Value> {
    let (documents, _) = crate::yaml::read(text.as_bytes());
    documents.first().map(|d| d.root.to_value())
}

#[cfg(test)]
mod tests;
