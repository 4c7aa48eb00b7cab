//! DSSE v1: a payload, its type, and a signature over both (secure-systems-lab/dsse, "Protocol").

use base64::{Engine as _, prelude::BASE64_STANDARD};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::{SigningKey, VerifyingKey, not_json};
use crate::{Error, Result};

/// Media type of an envelope, as cosign writes it.
pub const MEDIA_TYPE: &str = "application/vnd.dsse.envelope.v1+json";
/// Signatures of one envelope that are looked at.
const MOST_SIGNATURES: usize = 16;

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    payload_type: String,
    payload: String,
    signatures: Vec<Signature>,
}

#[derive(Serialize, Deserialize)]
struct Signature {
    /// A hint that nothing may be decided by. Left empty: cosign passes over a signature whose hint is not its own.
    #[serde(default)]
    keyid: String,
    sig: String,
}

/// "Pre-Authentication Encoding": what is signed.
fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let mut bytes = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len()).into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

/// The envelope of a payload, in JSON: the same for the same key and payload.
///
/// # Errors
/// None that these types can cause.
pub fn sign(key: &SigningKey, payload_type: &str, payload: &[u8]) -> Result<Bytes> {
    let signature = key.sign(&pae(payload_type, payload));
    let envelope = Envelope {
        payload_type: payload_type.to_owned(),
        payload: BASE64_STANDARD.encode(payload),
        signatures: vec![Signature { keyid: String::new(), sig: BASE64_STANDARD.encode(signature) }],
    };
    Ok(serde_json::to_vec(&envelope).map_err(|e| not_json(&e))?.into())
}

/// The payload of an envelope that this key has signed as `payload_type`.
///
/// # Errors
/// It is no envelope, of another type, or has no good signature by the key.
pub fn open(key: &VerifyingKey, payload_type: &str, envelope: &[u8]) -> Result<Vec<u8>> {
    let unsigned =
        |reason: &str| Error::Unsigned { what: "the envelope".to_owned(), reason: reason.to_owned() };
    let envelope: Envelope =
        serde_json::from_slice(envelope).map_err(|_| unsigned("it is no DSSE envelope"))?;
    if envelope.payload_type != payload_type {
        return Err(unsigned("its payload is of another type"));
    }
    let payload =
        BASE64_STANDARD.decode(&envelope.payload).map_err(|_| unsigned("its payload is not base64"))?;
    let message = pae(payload_type, &payload);
    let good = envelope.signatures.iter().take(MOST_SIGNATURES).any(|signature| {
        BASE64_STANDARD.decode(&signature.sig).is_ok_and(|signature| key.verify(&message, &signature))
    });
    if good { Ok(payload) } else { Err(unsigned("none of its signatures holds")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_signed_is_encoded_as_the_specification_shows() {
        let example = pae("http://example.com/HelloWorld", b"hello world");
        assert_eq!(example, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
    }
}
