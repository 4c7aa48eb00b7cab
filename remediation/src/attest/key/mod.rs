//! Keys that sign, and keys that verify: ECDSA over P-256 with SHA-256, and Ed25519, in PEM (RFC 7468).
//!
//! Both sign deterministically (RFC 6979, RFC 8032): what is signed twice has one signature, so that attaching it twice
//! leaves nothing behind. No byte of a private key is in a message.

mod encrypted;

use std::fmt;

use ed25519_dalek::{Signature as EdSignature, SigningKey as EdKey, VerifyingKey as EdPublic};
use p256::{
    ecdsa::{
        Signature as P256Signature, SigningKey as P256Key, VerifyingKey as P256Public,
        signature::{Signer as _, Verifier as _},
    },
    pkcs8::{DecodePrivateKey as _, DecodePublicKey as _, EncodePublicKey as _, LineEnding},
};
use patchline_registry::remote::Secret;

use crate::{Error, Result};

/// A key's file is a few hundred bytes.
const MOST_PEM: usize = 16 << 10;

/// A private key.
pub struct SigningKey(Private);

enum Private {
    P256(P256Key),
    Ed25519(EdKey),
}

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifyingKey(Public);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Public {
    P256(P256Public),
    Ed25519(EdPublic),
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Private::P256(_) => "SigningKey(P-256 …)",
            Private::Ed25519(_) => "SigningKey(Ed25519 …)",
        })
    }
}

fn unusable(reason: impl Into<String>) -> Error {
    Error::Key { reason: reason.into() }
}

impl SigningKey {
    /// From PKCS#8 (`PRIVATE KEY`, RFC 5958), or from what `cosign generate-key-pair` writes (`ENCRYPTED SIGSTORE PRIVATE
    /// KEY`), which wants its password.
    ///
    /// # Errors
    /// Another form, another algorithm, a wrong password.
    pub fn from_pem(text: &str, password: Option<&Secret>) -> Result<Self> {
        match label(text)? {
            "PRIVATE KEY" => {
                let p256 = P256Key::from_pkcs8_pem(text).map(Private::P256);
                let either = p256.or_else(|_| EdKey::from_pkcs8_pem(text).map(Private::Ed25519));
                either.map(Self).map_err(|_| unusable("it is neither ECDSA over P-256 nor Ed25519"))
            }
            "ENCRYPTED SIGSTORE PRIVATE KEY" | "ENCRYPTED COSIGN PRIVATE KEY" => {
                let password =
                    password.ok_or_else(|| unusable("it is encrypted, and no password was given"))?;
                let der = encrypted::open(text, password)?;
                let p256 = P256Key::from_pkcs8_der(&der).map(Private::P256);
                let either = p256.or_else(|_| EdKey::from_pkcs8_der(&der).map(Private::Ed25519));
                either.map(Self).map_err(|_| unusable("it is neither ECDSA over P-256 nor Ed25519"))
            }
            "ENCRYPTED PRIVATE KEY" => Err(unusable(
                "PKCS#8's own encryption is not read: write it without by `openssl pkcs8`, or let cosign make one",
            )),
            "EC PRIVATE KEY" | "RSA PRIVATE KEY" => {
                Err(unusable("it is not PKCS#8: write it so by `openssl pkcs8 -topk8 -nocrypt`"))
            }
            "PUBLIC KEY" => Err(unusable("it is a public key, and a private one is needed to sign")),
            _ => Err(unusable("it is no private key")),
        }
    }
    /// A signature of a message, as cosign writes it: for ECDSA `Ecdsa-Sig-Value` (RFC 3279, 2.2.3) over its SHA-256, for
    /// Ed25519 the 64 bytes over the message itself.
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        match &self.0 {
            Private::P256(key) => {
                let signature: P256Signature = key.sign(message);
                signature.to_der().as_bytes().to_vec()
            }
            Private::Ed25519(key) => key.sign(message).to_bytes().to_vec(),
        }
    }
    /// Its public half.
    pub fn verifying_key(&self) -> VerifyingKey {
        VerifyingKey(match &self.0 {
            Private::P256(key) => Public::P256(*key.verifying_key()),
            Private::Ed25519(key) => Public::Ed25519(key.verifying_key()),
        })
    }
}

impl VerifyingKey {
    /// From a `SubjectPublicKeyInfo` (`PUBLIC KEY`).
    ///
    /// # Errors
    /// Another form, another algorithm.
    pub fn from_pem(text: &str) -> Result<Self> {
        if label(text)? != "PUBLIC KEY" {
            return Err(unusable("it is no public key"));
        }
        let p256 = P256Public::from_public_key_pem(text).map(Public::P256);
        let either = p256.or_else(|_| EdPublic::from_public_key_pem(text).map(Public::Ed25519));
        either.map(Self).map_err(|_| unusable("it is neither ECDSA over P-256 nor Ed25519"))
    }
    /// As `openssl` and `cosign` read it.
    ///
    /// # Errors
    /// None that a key of ours can cause.
    pub fn to_pem(&self) -> Result<String> {
        let pem = match &self.0 {
            Public::P256(key) => key.to_public_key_pem(LineEnding::LF),
            Public::Ed25519(key) => key.to_public_key_pem(LineEnding::LF),
        };
        pem.map_err(|_| unusable("it cannot be written"))
    }
    /// Whether it is a signature of this message by this key.
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        match &self.0 {
            Public::P256(key) => P256Signature::from_der(signature)
                .is_ok_and(|signature| key.verify(message, &signature).is_ok()),
            Public::Ed25519(key) => EdSignature::from_slice(signature)
                .is_ok_and(|signature| key.verify_strict(message, &signature).is_ok()),
        }
    }
}

/// What stands behind `BEGIN`.
fn label(text: &str) -> Result<&str> {
    if text.len() > MOST_PEM {
        return Err(unusable("it is too large for a key"));
    }
    let begin = text.split_once("-----BEGIN ").and_then(|(_, rest)| rest.split_once("-----"));
    begin.map(|(label, _)| label).ok_or_else(|| unusable("it is not in PEM"))
}

#[cfg(test)]
mod tests;
