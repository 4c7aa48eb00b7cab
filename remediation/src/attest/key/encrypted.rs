//! Private keys as `cosign generate-key-pair` writes them: JSON in PEM, scrypt (RFC 7914) and NaCl's secretbox.

use base64::{Engine as _, prelude::BASE64_STANDARD};
use crypto_secretbox::{
    Key, Nonce, XSalsa20Poly1305,
    aead::{Aead as _, KeyInit as _},
};
use patchline_registry::remote::Secret;
use serde::Deserialize;

use super::unusable;
use crate::Result;

/// What scrypt may take: cosign's own parameters take 64 MiB, or 32 in older keys.
const MOST_MEMORY: u64 = 256 << 20;
/// Times that it is done over; cosign's is 1.
const MOST_PARALLEL: u32 = 4;

#[derive(Deserialize)]
struct Sealed {
    kdf: Kdf,
    cipher: Cipher,
    ciphertext: String,
}

#[derive(Deserialize)]
struct Kdf {
    name: String,
    params: Params,
    salt: String,
}

#[derive(Deserialize)]
#[allow(non_snake_case, reason = "as RFC 7914 names it, and as it stands in the file")]
struct Params {
    N: u64,
    r: u32,
    p: u32,
}

#[derive(Deserialize)]
struct Cipher {
    name: String,
    nonce: String,
}

/// The PKCS#8 within.
pub(super) fn open(pem: &str, password: &Secret) -> Result<Vec<u8>> {
    let unreadable = || unusable("it is not as cosign writes keys");
    let base64 = |text: &str| BASE64_STANDARD.decode(text).map_err(|_| unreadable());
    let body = pem.split_once("-----BEGIN ").and_then(|(_, rest)| rest.split_once("-----"));
    let body = body.and_then(|(_, rest)| rest.split_once("-----END ")).ok_or_else(unreadable)?.0;
    let json = base64(&body.split_whitespace().collect::<String>())?;
    let sealed: Sealed = serde_json::from_slice(&json).map_err(|_| unreadable())?;
    if sealed.kdf.name != "scrypt" || sealed.cipher.name != "nacl/secretbox" {
        return Err(unusable("it is not encrypted by scrypt and secretbox"));
    }
    let Params { N: n, r, p } = sealed.kdf.params;
    let memory = n.saturating_mul(u64::from(r)).saturating_mul(128);
    if !n.is_power_of_two() || memory > MOST_MEMORY || p > MOST_PARALLEL {
        return Err(unusable("opening it would cost more than a key may"));
    }
    let log_n = u8::try_from(n.trailing_zeros()).map_err(|_| unreadable())?;
    let params = scrypt::Params::new(log_n, r, p, Key::default().len()).map_err(|_| unreadable())?;
    let mut key = Key::default();
    scrypt::scrypt(password.expose().as_bytes(), &base64(&sealed.kdf.salt)?, &params, &mut key)
        .map_err(|_| unreadable())?;
    let nonce = base64(&sealed.cipher.nonce)?;
    if nonce.len() != Nonce::default().len() {
        return Err(unreadable());
    }
    XSalsa20Poly1305::new(&key)
        .decrypt(Nonce::from_slice(&nonce), base64(&sealed.ciphertext)?.as_slice())
        .map_err(|_| unusable("the password is not its password"))
}
