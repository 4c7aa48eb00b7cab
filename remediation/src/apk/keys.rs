//! Keys of apk repositories, and whether one of them has signed (apk-keys(5)).
//!
//! Which keys count is decided in docs/decisions/0028: those that a person has configured, else the host's own, else
//! those that a package of the image brought, for this image alone.

use std::path::{Path, PathBuf};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use p256::ecdsa::{Signature as P256Signature, VerifyingKey, signature::hazmat::PrehashVerifier};
use ring::signature::{
    RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA512,
    UnparsedPublicKey,
};
use sha2::{Digest as _, Sha256, Sha512};

use super::{limits, members::Signature};
use crate::{Error, Result};

/// Where an Alpine host has its keys.
const HOST_KEYS: &[&str] = &["/etc/apk/keys", "/usr/share/apk/keys"];
/// `1.2.840.113549.1.1.1`, RFC 8017, appendix A.1.
const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];

/// `1.2.840.10045.2.1` with the curve `1.2.840.10045.3.1.7` (RFC 5480, 2.1.1): P-256, which apk 3 takes, too.
const P256: &[u8] = &[
    0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03,
    0x01, 0x07,
];
/// In front of a signature in a file of apk 3's: its version, what it hashes with, and whose it is.
const ADB_HEADER: usize = 18;
/// apk's number of SHA-512.
const ADB_SHA512: u8 = 4;

/// One public key.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Key {
    /// Its file's name: signatures name their key so.
    name: String,
    /// What kind it is.
    kind: Kind,
    /// Of RSA an `RSAPublicKey` (RFC 8017, appendix A.1.1), of P-256 a point (RFC 5480, 2.2).
    der: Vec<u8>,
}

/// Kinds of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Rsa,
    P256,
}

/// Keys that count.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keys {
    all: Vec<Key>,
}

impl Key {
    /// From the PEM of a `SubjectPublicKeyInfo` (RFC 5280, 4.1.2.7); none: it is of no kind that is known.
    fn parse(name: &str, pem: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(pem).ok()?;
        let body = text.split_once("-----BEGIN PUBLIC KEY-----")?.1.split_once("-----END PUBLIC KEY-----")?.0;
        let der = BASE64_STANDARD.decode(body.split_whitespace().collect::<String>()).ok()?;
        let (info, _) = value(&der, 0x30)?;
        let (algorithm, rest) = value(info, 0x30)?;
        let (oid, _) = value(algorithm, 0x06)?;
        let kind = match algorithm {
            P256 => Kind::P256,
            _ if oid == RSA_ENCRYPTION => Kind::Rsa,
            _ => return None,
        };
        let (bits, _) = value(rest, 0x03)?;
        let (unused, key) = bits.split_first()?;
        (*unused == 0).then(|| Self { name: name.to_owned(), kind, der: key.to_vec() })
    }

    /// What files of apk 3's name it by.
    fn id(&self) -> [u8; 16] {
        let digest: [u8; 64] = Sha512::digest(&self.der).into();
        digest[..16].try_into().unwrap_or_default()
    }

    /// Whether it has signed this, by SHA-512.
    fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        match self.kind {
            Kind::Rsa => {
                let key = UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA512, &self.der);
                key.verify(message, signature).is_ok()
            }
            Kind::P256 => {
                let key = VerifyingKey::from_sec1_bytes(&self.der);
                let signature = P256Signature::from_der(signature);
                // A digest is cut to the curve's size (SEC 1, 4.1.4).
                key.is_ok_and(|key| {
                    signature.is_ok_and(|signature| {
                        key.verify_prehash(&Sha512::digest(message)[..32], &signature).is_ok()
                    })
                })
            }
        }
    }
}

/// One DER value of this tag, and what follows it (X.690, 8.1); lengths of up to four bytes.
fn value(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let [first, length, rest @ ..] = bytes else { return None };
    let (length, rest) = match length {
        0..=0x7f => (usize::from(*length), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
            (digits.iter().fold(0, |n, digit| (n << 8) | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    if *first != tag {
        return None;
    }
    rest.split_at_checked(length)
}

impl Keys {
    /// Adds one; a file that is no key is left out, and says so.
    pub fn add(&mut self, name: &str, pem: &[u8]) -> bool {
        if self.all.len() >= limits::KEYS {
            return false;
        }
        match Key::parse(name, pem) {
            Some(key) => self.all.push(key),
            None => return false,
        }
        true
    }
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }
    /// Tells one set of keys from another.
    pub(super) fn names(&self) -> Vec<u8> {
        let mut hash = Sha256::new();
        for key in &self.all {
            hash.update(key.name.len().to_le_bytes());
            hash.update(&key.name);
            hash.update(key.der.len().to_le_bytes());
            hash.update(&key.der);
        }
        hash.finalize().to_vec()
    }
    /// Files, or folders of `*.pub`. A named file that is no key is an error.
    pub(super) fn load(paths: &[PathBuf]) -> Result<Self> {
        let mut keys = Self::default();
        for path in paths {
            let folder = path.is_dir();
            for file in if folder { public(path) } else { vec![path.clone()] } {
                let bytes = read(&file)?;
                let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
                if !keys.add(&name, &bytes) && !folder {
                    let file = file.display().to_string();
                    return Err(Error::Malformed {
                        file,
                        reason: "it is no public key that apk takes".to_owned(),
                    });
                }
            }
        }
        Ok(keys)
    }
    /// Those of an Alpine host; else none.
    pub(super) fn of_host() -> Result<Self> {
        let folders: Vec<PathBuf> =
            HOST_KEYS.iter().map(PathBuf::from).filter(|folder| folder.is_dir()).collect();
        Self::load(&folders)
    }

    /// Whether one of these signatures over a message is by a key of ours; else why not.
    ///
    /// SHA-1 is accepted, for Alpine's indexes are signed with nothing else: see docs/decisions/0028.
    pub(super) fn verify(&self, signatures: &[Signature], message: &[u8]) -> Result<(), String> {
        let mut why = "it is not signed".to_owned();
        for signature in signatures {
            let algorithm = match signature.algorithm.as_str() {
                "RSA" => &RSA_PKCS1_2048_8192_SHA1_FOR_LEGACY_USE_ONLY,
                "RSA256" => &RSA_PKCS1_2048_8192_SHA256,
                "RSA512" => &RSA_PKCS1_2048_8192_SHA512,
                other => {
                    why = format!("its signature is by {other}, which is not accepted");
                    continue;
                }
            };
            let named = |key: &&Key| key.name == signature.key && key.kind == Kind::Rsa;
            let mut named = self.all.iter().filter(named).peekable();
            if named.peek().is_none() {
                why = format!("it is signed by {}, which is no trusted key", signature.key);
                continue;
            }
            if named.any(|key| {
                UnparsedPublicKey::new(algorithm, &key.der).verify(message, &signature.bytes).is_ok()
            }) {
                return Ok(());
            }
            why = format!("its signature is not by {}", signature.key);
        }
        Err(why)
    }
    /// Whether a key of ours is named by one of these.
    pub(super) fn knows(&self, signatures: &[Signature]) -> bool {
        signatures.iter().any(|signature| self.all.iter().any(|key| key.name == signature.key))
    }

    /// Whether one of these signatures over the values of a file of apk 3's is by a key of ours; else why not. What is signed
    /// is what the file is about, the signature's own header, and the SHA-512 of the values.
    pub(super) fn verify_adb(
        &self,
        schema: [u8; 4],
        values: &[u8],
        signatures: &[Vec<u8>],
    ) -> Result<(), String> {
        let mut why = "it is not signed".to_owned();
        for signature in signatures {
            let Some((header, signed)) = signature.split_at_checked(ADB_HEADER) else {
                why = "its signature is cut short".to_owned();
                continue;
            };
            if header[0] != 0 || header[1] != ADB_SHA512 {
                why = format!("its signature is of kind {}, {}, which is not accepted", header[0], header[1]);
                continue;
            }
            let Some(key) = self.all.iter().find(|key| key.id() == header[2..]) else {
                why = format!("it is signed by key {}, which is not trusted", hex::encode(&header[2..]));
                continue;
            };
            let message = [schema.as_slice(), header, Sha512::digest(values).as_slice()].concat();
            if key.has_signed(&message, signed) {
                return Ok(());
            }
            why = format!("its signature is not by {}", key.name);
        }
        Err(why)
    }
    /// Whether a key of ours is named by one of these signatures of apk 3's.
    pub(super) fn knows_adb(&self, signatures: &[Vec<u8>]) -> bool {
        signatures
            .iter()
            .any(|one| one.get(2..ADB_HEADER).is_some_and(|id| self.all.iter().any(|key| key.id() == id)))
    }
}

fn public(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|end| end == "pub"))
        .collect();
    files.sort();
    files.truncate(limits::KEYS);
    files
}

fn read(file: &Path) -> Result<Vec<u8>> {
    let failed = |source| Error::Io { operation: format!("read the key {}", file.display()), source };
    if std::fs::metadata(file).map_err(failed)?.len() > limits::KEY {
        let file = file.display().to_string();
        return Err(Error::Malformed { file, reason: "it is too large for a key".to_owned() });
    }
    std::fs::read(file).map_err(failed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_key_is_none() {
        for pem in [
            "",
            "-----BEGIN PUBLIC KEY-----\n!\n-----END PUBLIC KEY-----",
            "-----BEGIN PUBLIC KEY-----\nMIL/////\n-----END PUBLIC KEY-----",
            "-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----",
        ] {
            assert_eq!(Key::parse("k", pem.as_bytes()), None);
        }
        assert_eq!(value(&[0x30, 0x84, 0xff, 0xff, 0xff, 0xff, 1], 0x30), None);
        assert_eq!(value(&[0x30, 0x80], 0x30), None);
        assert!(Keys::default().verify(&[], b"x").is_err());
    }
}
