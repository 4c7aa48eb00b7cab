//! Reading what scanners write: typed, bounded before it is read, with Go's `null` for what is empty.

use serde::{Deserialize, Deserializer, de::DeserializeOwned};

use super::{Error, Result};

/// A document. serde_json goes 128 levels deep and no further; its bytes were bounded when they were read.
pub(super) fn decode<T: DeserializeOwned>(scanner: &str, bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes).map_err(|e| unreadable(scanner, e.to_string()))
}

pub(super) fn unreadable(scanner: &str, reason: impl AsRef<str>) -> Error {
    // serde quotes what it found, which a stranger wrote.
    let reason = crate::formats::clean(reason.as_ref(), super::limits::adapters().shown);
    Error::Unreadable { scanner: scanner.to_owned(), reason }
}

/// For `#[serde(deserialize_with)]`: null is what is not there.
pub(super) fn lax<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(d: D) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(d)?.unwrap_or_default())
}

/// A text, or none where it is empty.
pub(super) fn filled(text: &str) -> Option<&str> {
    Some(text.trim()).filter(|text| !text.is_empty())
}
