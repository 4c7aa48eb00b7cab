//! Whether a clear-signed `InRelease` may be believed, and exactly which text of it; and the same of detached signatures.

use jiff::Timestamp;
use pgp::{
    composed::{CleartextSignedMessage, Deserializable, DetachedSignature},
    packet::{Signature, SignatureType},
    types::KeyDetails,
};

use super::keyring::{self, Keyring};

const BEGIN: &str = "-----BEGIN PGP SIGNED MESSAGE-----";
const SIGNATURE: &str = "-----BEGIN PGP SIGNATURE-----";
const END: &str = "-----END PGP SIGNATURE-----";
const MAX_SIGNATURES: usize = 16;

/// The signed text, with plain line ends, when one good signature stands over it; else why not.
///
/// Nothing outside the signed block is looked at: text before, after or between is refused.
pub(super) fn signed_text(bytes: &[u8], keyring: &Keyring, now: Timestamp) -> Result<String, String> {
    let text = std::str::from_utf8(bytes).map_err(|_| "it is not text")?;
    framed(text)?;
    let (message, _) = CleartextSignedMessage::from_string(text.trim())
        .map_err(|e| format!("its signature block is broken: {e}"))?;
    let signatures = message.signatures();
    if signatures.is_empty() || signatures.len() > MAX_SIGNATURES {
        return Err(format!("it has {} signatures", signatures.len()));
    }
    let signed = message.signed_text();
    let mut reasons = Vec::new();
    for signature in signatures {
        if signature.typ() != Some(SignatureType::Text) {
            reasons.push("a signature is not over text".to_owned());
            continue;
        }
        match good(signature, signed.as_bytes(), keyring, "--keyring", now) {
            Ok(()) => return Ok(signed.replace("\r\n", "\n")),
            Err(reason) => reasons.push(reason),
        }
    }
    Err(format!("no good signature by a known key ({})", reasons.join("; ")))
}

/// One block, one signature part, and nothing but blank lines around.
fn framed(text: &str) -> Result<(), &'static str> {
    let text = text.trim();
    if !text.starts_with(BEGIN) {
        return Err("it does not begin with a signed block");
    }
    if !text.ends_with(END) {
        return Err("it does not end with the signature");
    }
    let markers: Vec<&str> =
        text.lines().filter(|line| line.starts_with("-----")).map(str::trim_end).collect();
    if markers == [BEGIN, SIGNATURE, END] { Ok(()) } else { Err("it is not exactly one signed block") }
}

/// Whether one good signature of these stands over the bytes as they are (RFC 9580, 10.4); else why not. `signatures`
/// are packets, in armour or bare; `flag` is what names more keys.
pub(crate) fn detached(
    signatures: &[u8],
    content: &[u8],
    keyring: &Keyring,
    flag: &str,
    now: Timestamp,
) -> Result<(), String> {
    let (all, _) = DetachedSignature::from_reader_many(signatures)
        .map_err(|e| format!("its signature is broken: {e}"))?;
    let mut reasons = Vec::new();
    for signature in all.take(MAX_SIGNATURES) {
        let Ok(DetachedSignature { signature }) = signature else {
            reasons.push("a signature cannot be read".to_owned());
            break;
        };
        if signature.typ() != Some(SignatureType::Binary) {
            reasons.push("a signature is not over bytes".to_owned());
            continue;
        }
        match good(&signature, content, keyring, flag, now) {
            Ok(()) => return Ok(()),
            Err(reason) => reasons.push(reason),
        }
    }
    if reasons.is_empty() {
        return Err("it has no signature".to_owned());
    }
    Err(format!("no good signature by a known key ({})", reasons.join("; ")))
}

fn good(
    signature: &Signature,
    text: &[u8],
    keyring: &Keyring,
    flag: &str,
    now: Timestamp,
) -> Result<(), String> {
    if !keyring::is_strong(signature.hash_alg()) {
        return Err("a signature has a weak hash".to_owned());
    }
    if !keyring::is_current(signature, now) {
        return Err("a signature is out of date".to_owned());
    }
    let mut reason = None;
    for key in &keyring.keys {
        if matches_issuer(signature, &key.primary_key) && keyring.counts(&key.primary_key) {
            let id = key.primary_key.legacy_key_id();
            match keyring::check_primary(key, now) {
                Err(why) => reason = Some(format!("key {id} {why}")),
                Ok(()) if signature.verify(&key.primary_key, text).is_ok() => return Ok(()),
                Ok(()) => reason = Some(format!("the signature by key {id} is wrong")),
            }
        }
        let issuers = key.public_subkeys.iter().filter(|subkey| matches_issuer(signature, &subkey.key));
        for subkey in issuers.filter(|subkey| keyring.counts(&subkey.key)) {
            let id = subkey.key.legacy_key_id();
            match keyring::check_subkey(key, subkey, now) {
                Err(why) => reason = Some(format!("key {id} {why}")),
                Ok(()) if signature.verify(&subkey.key, text).is_ok() => return Ok(()),
                Ok(()) => reason = Some(format!("the signature by key {id} is wrong")),
            }
        }
    }
    Err(reason.unwrap_or_else(|| {
        let id = signature.issuer_key_id().first().map_or_else(|| "unnamed".to_owned(), ToString::to_string);
        match keyring.only {
            Some(_) => format!("key {id} is none of those that the image's source names and that count"),
            None => format!("key {id} is in no keyring: name one with {flag}"),
        }
    }))
}

fn matches_issuer(signature: &Signature, key: &impl KeyDetails) -> bool {
    let fingerprints = signature.issuer_fingerprint();
    if fingerprints.is_empty() {
        signature.issuer_key_id().into_iter().any(|id| *id == key.legacy_key_id())
    } else {
        fingerprints.into_iter().any(|print| *print == key.fingerprint())
    }
}

#[cfg(test)]
#[path = "verify_tests.rs"]
pub(super) mod tests;
