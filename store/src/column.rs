//! Between columns and values: times, enums by their serde names, JSON bodies.

use jiff::Timestamp;
use patchline_scanner::Digest;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{Error, error::Result};

/// Unix milliseconds. Rounded up, so that nothing falls due too early.
pub(crate) fn millis(at: Timestamp) -> i64 {
    let ms = at.as_millisecond();
    // `as_millisecond` drops the fraction towards zero: before 1970 that is up already.
    if at.as_nanosecond() > i128::from(ms) * 1_000_000 { ms.saturating_add(1) } else { ms }
}

pub(crate) fn timestamp(table: &'static str, ms: i64) -> Result<Timestamp> {
    Timestamp::from_millisecond(ms).map_err(|e| Error::row(table, e))
}

/// A number that databases keep as signed.
pub(crate) fn unsigned<T: TryFrom<i64>>(table: &'static str, value: i64) -> Result<T>
where
    T::Error: std::error::Error + Send + Sync + 'static,
{
    T::try_from(value).map_err(|e| Error::row(table, e))
}

pub(crate) fn signed(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(crate) fn digest(table: &'static str, text: &str) -> Result<Digest> {
    text.parse().map_err(|e| Error::row(table, Box::<dyn std::error::Error + Send + Sync>::from(e)))
}

/// A unit enum's serde name.
pub(crate) fn word(value: &impl Serialize) -> String {
    match serde_json::to_value(value) {
        Ok(Value::String(word)) => word,
        _ => String::new(),
    }
}

/// A unit enum from its serde name.
pub(crate) fn of_word<T: DeserializeOwned>(table: &'static str, word: String) -> Result<T> {
    serde_json::from_value(Value::String(word)).map_err(|e| Error::row(table, e))
}

pub(crate) fn json(table: &'static str, value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|e| Error::row(table, e))
}

pub(crate) fn of_json<T: DeserializeOwned>(table: &'static str, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|e| Error::row(table, e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_falls_due_too_early() {
        for (nanoseconds, ms) in
            [(0, 0), (1, 1), (999_999, 1), (1_000_000, 1), (1_000_001, 2), (-1, 0), (-1_000_000, -1)]
        {
            assert_eq!(millis(Timestamp::from_nanosecond(nanoseconds).unwrap()), ms, "{nanoseconds}");
        }
    }
}
