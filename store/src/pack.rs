//! Documents as compressed JSON.

use std::io::Read;

use serde::{Serialize, de::DeserializeOwned};

use crate::{Error, error::Result};

/// What a document may unpack to: a row of ours is never larger, a damaged one could be.
const LIMIT: u64 = 512 << 20;

pub(crate) fn pack(table: &'static str, json: &[u8]) -> Result<Vec<u8>> {
    zstd::encode_all(json, 3).map_err(|source| Error::Packing { table, source })
}

pub(crate) fn inflate(table: &'static str, body: &[u8]) -> Result<Vec<u8>> {
    let packed = |source| Error::Packing { table, source };
    let mut bytes = Vec::new();
    let read =
        zstd::Decoder::new(body).map_err(packed)?.take(LIMIT + 1).read_to_end(&mut bytes).map_err(packed)?;
    if read as u64 > LIMIT {
        return Err(Error::row(table, "larger than any document of ours"));
    }
    Ok(bytes)
}

pub(crate) fn unpack<T: DeserializeOwned>(table: &'static str, body: &[u8]) -> Result<T> {
    serde_json::from_slice(&inflate(table, body)?).map_err(|e| Error::row(table, e))
}

/// Compact JSON with sorted keys: equal values have equal bytes.
pub(crate) fn canonical(table: &'static str, value: &impl Serialize) -> Result<Vec<u8>> {
    let mut value = serde_json::to_value(value).map_err(|e| Error::row(table, e))?;
    value.sort_all_objects();
    serde_json::to_vec(&value).map_err(|e| Error::row(table, e))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_comes_back_and_damage_is_an_error() {
        let body = pack("t", &canonical("t", &serde_json::json!({"b": 1, "a": [2]})).unwrap()).unwrap();
        assert_eq!(inflate("t", &body).unwrap(), br#"{"a":[2],"b":1}"#);
        assert!(unpack::<serde_json::Value>("t", &body[..body.len() - 1]).is_err());
        assert!(unpack::<serde_json::Value>("t", b"no zstd").is_err());
    }
}
