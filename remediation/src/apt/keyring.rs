//! OpenPGP keyrings, and which of their keys may vouch for a release.
//!
//! `pgp` does the arithmetic; what counts is decided here: a key counts when a self-signature with a
//! strong hash binds it, and neither an expiry nor a revocation speaks against it (RFC 9580, 5.2 and 10.1).

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

use jiff::Timestamp;
use pgp::{
    composed::{Deserializable, SignedPublicKey, SignedPublicSubKey},
    crypto::hash::HashAlgorithm,
    packet::{Signature, SignatureType, SubpacketData},
    ser::Serialize,
    types::{KeyDetails, PublicParams, Tag},
};

use super::distribution::Distribution;
use crate::{Error, Result};

const MAX_KEYRING: u64 = 16 << 20;
/// Where the keys of distributions lie on a host that has them as packages.
const HOST_KEYRINGS: &str = "/usr/share/keyrings";

/// The keys of some files.
#[derive(Debug, Default)]
pub(crate) struct Keyring {
    pub(crate) keys: Vec<SignedPublicKey>,
    /// Fingerprints of the only keys and subkeys that count; none: all of them.
    pub(super) only: Option<BTreeSet<String>>,
}

impl Keyring {
    /// Reads the files given, or the host's keyrings of this distribution, and of no other, when none is.
    pub(super) fn of(files: &[PathBuf], distribution: Distribution) -> Result<Self> {
        if !files.is_empty() {
            return Self::load(files);
        }
        match host_keyrings(Path::new(HOST_KEYRINGS), distribution) {
            found if found.is_empty() => Err(Error::NoKeyring { distribution }),
            found => Self::load(&found),
        }
    }

    /// Reads these files.
    pub(crate) fn load(files: &[PathBuf]) -> Result<Self> {
        let mut keys = Vec::new();
        for file in files {
            keys.extend(read(file)?);
        }
        Ok(Self { keys, only: None })
    }

    /// Adds the keys of bytes, in armour or bare; what is not read of them does not count.
    ///
    /// # Errors
    /// For people: they hold no key.
    pub(super) fn add(&mut self, bytes: &[u8]) -> Result<(), &'static str> {
        self.keys.extend(parse(bytes)?);
        Ok(())
    }

    /// Those of these keys that `prints` name, in hexadecimal digits: a key with its subkeys, or with `!` behind it itself alone.
    pub(super) fn limited(self, prints: &[String]) -> Self {
        let mut only = BTreeSet::new();
        for print in prints {
            let (print, exactly) =
                print.strip_suffix('!').map_or((print.as_str(), false), |print| (print, true));
            let print = print.to_ascii_uppercase();
            let mut keys = self.keys.iter().filter(|key| shown(&key.primary_key) == print);
            if let Some(key) = keys.next().filter(|_| !exactly) {
                only.extend(key.public_subkeys.iter().map(|subkey| shown(&subkey.key)));
            }
            only.insert(print);
        }
        Self { only: Some(only), ..self }
    }

    /// Whether a key or subkey of these is one that may vouch at all.
    pub(super) fn counts(&self, key: &impl KeyDetails) -> bool {
        self.only.as_ref().is_none_or(|only| only.contains(&shown(key)))
    }
}

/// A fingerprint as people write it.
fn shown(key: &impl KeyDetails) -> String {
    hex::encode_upper(key.fingerprint().as_bytes())
}

fn parse(bytes: &[u8]) -> Result<Vec<SignedPublicKey>, &'static str> {
    let (all, _) = SignedPublicKey::from_reader_many(bytes).map_err(|_| "it is no OpenPGP keyring")?;
    // A key of a kind that we do not know must not hide its neighbours.
    let keys: Vec<_> = all.flatten().collect();
    if keys.is_empty() { Err("it holds no usable key") } else { Ok(keys) }
}

fn host_keyrings(folder: &Path, distribution: Distribution) -> Vec<PathBuf> {
    let mut found: Vec<_> = std::fs::read_dir(folder)
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            name.starts_with(distribution.keyring_prefix())
                && [".gpg", ".pgp", ".asc"].iter().any(|end| name.ends_with(end))
                // What was withdrawn vouches for nothing.
                && !name.contains("removed")
        })
        .map(|entry| entry.path())
        .collect();
    found.sort();
    found
}

fn read(file: &Path) -> Result<Vec<SignedPublicKey>> {
    let malformed =
        |reason: &str| Error::Malformed { file: file.display().to_string(), reason: reason.to_owned() };
    let failed = |source| Error::Io { operation: format!("read the keyring {}", file.display()), source };
    if std::fs::metadata(file).map_err(failed)?.len() > MAX_KEYRING {
        return Err(malformed("it is too large for a keyring"));
    }
    let bytes = std::fs::read(file).map_err(failed)?;
    parse(&bytes).map_err(malformed)
}

/// Hashes that still vouch.
pub(super) fn is_strong(hash: Option<HashAlgorithm>) -> bool {
    matches!(hash, Some(HashAlgorithm::Sha256 | HashAlgorithm::Sha384 | HashAlgorithm::Sha512))
}

fn hashed(signature: &Signature) -> impl Iterator<Item = &SubpacketData> {
    signature.config().into_iter().flat_map(|config| config.hashed_subpackets()).map(|packet| &packet.data)
}

/// When a signature says it was made, in seconds; hashed subpackets alone are believed.
pub(super) fn created(signature: &Signature) -> Option<i64> {
    hashed(signature).find_map(|data| match data {
        SubpacketData::SignatureCreationTime(time) => Some(i64::from(time.as_secs())),
        _ => None,
    })
}

/// Whether a signature has run out, or lies in the future (a day of skew is forgiven).
pub(super) fn is_current(signature: &Signature, now: Timestamp) -> bool {
    let Some(made) = created(signature) else { return false };
    made <= now.as_second() + 86_400
        && hashed(signature).all(|data| match data {
            SubpacketData::SignatureExpirationTime(after) => {
                after.as_secs() == 0 || made + i64::from(after.as_secs()) > now.as_second()
            }
            _ => true,
        })
}

fn may_sign(binding: &Signature, unsaid: bool) -> bool {
    hashed(binding)
        .find_map(|data| match data {
            SubpacketData::KeyFlags(flags) => Some(flags.sign()),
            _ => None,
        })
        .unwrap_or(unsaid)
}

/// When a key runs out by its binding, in seconds; none: never.
fn expiry(key: &impl KeyDetails, binding: &Signature) -> Option<i64> {
    hashed(binding).find_map(|data| match data {
        SubpacketData::KeyExpirationTime(after) if after.as_secs() > 0 => {
            Some(i64::from(key.created_at().as_secs()) + i64::from(after.as_secs()))
        }
        _ => None,
    })
}

/// Whether an algorithm and its size still vouch.
pub(super) fn strong_enough(parameters: &PublicParams) -> Result<(), String> {
    match parameters {
        PublicParams::RSA(parameters) => {
            // An MPI begins with its length in bits.
            let mut bytes = Vec::new();
            let bits = match parameters.to_writer(&mut bytes) {
                Ok(()) if bytes.len() > 2 => u16::from_be_bytes([bytes[0], bytes[1]]),
                _ => 0,
            };
            if bits >= 2048 { Ok(()) } else { Err(format!("is RSA with {bits} bits only")) }
        }
        PublicParams::ECDSA(_)
        | PublicParams::EdDSALegacy(_)
        | PublicParams::Ed25519(_)
        | PublicParams::Ed448(_) => Ok(()),
        _ => Err("is of an algorithm that is not accepted".to_owned()),
    }
}

fn unexpired(expiry: Option<i64>, now: Timestamp) -> Result<(), String> {
    match expiry {
        Some(end) if end <= now.as_second() => {
            let day = Timestamp::from_second(end)
                .map_or_else(|_| "long ago".to_owned(), |t| t.strftime("%F").to_string());
            Err(format!("expired on {day}"))
        }
        _ => Ok(()),
    }
}

fn newest<'a>(signatures: impl Iterator<Item = &'a Signature>) -> Option<&'a Signature> {
    signatures.max_by_key(|signature| created(signature))
}

/// Whether the primary key itself stands, and the self-signature that says so.
fn primary(key: &SignedPublicKey, now: Timestamp) -> Result<&Signature, String> {
    // A revocation counts whatever its hash or date: a doubt speaks against the key.
    if key
        .details
        .revocation_signatures
        .iter()
        .any(|revocation| revocation.verify_key(&key.primary_key).is_ok())
    {
        return Err("is revoked".to_owned());
    }
    let good = |signature: &&Signature| is_strong(signature.hash_alg()) && is_current(signature, now);
    let direct =
        key.details.direct_signatures.iter().filter(good).filter(|s| s.verify_key(&key.primary_key).is_ok());
    let users = key.details.users.iter().flat_map(|user| {
        let verified =
            |s: &&Signature| s.verify_certification(&key.primary_key, Tag::UserId, &user.id).is_ok();
        let revoked =
            user.signatures.iter().any(|s| s.typ() == Some(SignatureType::CertRevocation) && verified(&s));
        user.signatures
            .iter()
            .filter(move |s| !revoked && s.typ() != Some(SignatureType::CertRevocation))
            .filter(good)
            .filter(verified)
    });
    let binding = newest(direct.chain(users)).ok_or("has no valid self-signature")?;
    unexpired(expiry(&key.primary_key, binding), now)?;
    strong_enough(key.primary_key.public_params())?;
    Ok(binding)
}

/// Whether the primary key may sign releases now; else why not.
pub(super) fn check_primary(key: &SignedPublicKey, now: Timestamp) -> Result<(), String> {
    let binding = primary(key, now)?;
    if may_sign(binding, true) { Ok(()) } else { Err("may not sign".to_owned()) }
}

/// Whether a subkey may sign releases now; else why not.
pub(super) fn check_subkey(
    key: &SignedPublicKey,
    subkey: &SignedPublicSubKey,
    now: Timestamp,
) -> Result<(), String> {
    primary(key, now)?;
    let verified = |s: &&Signature| s.verify_subkey_binding(&key.primary_key, &subkey.key).is_ok();
    if subkey.signatures.iter().any(|s| s.typ() == Some(SignatureType::SubkeyRevocation) && verified(&s)) {
        return Err("is revoked".to_owned());
    }
    let bindings = subkey
        .signatures
        .iter()
        .filter(|s| s.typ() == Some(SignatureType::SubkeyBinding))
        .filter(|s| is_strong(s.hash_alg()) && is_current(s, now))
        .filter(verified);
    let binding = newest(bindings).ok_or("has no valid binding")?;
    unexpired(expiry(&subkey.key, binding), now)?;
    strong_enough(subkey.key.public_params())?;
    if !may_sign(binding, false) {
        return Err("may not sign".to_owned());
    }
    // The subkey's own consent: without it a stranger could claim it as theirs (RFC 9580, 5.2.1.10).
    let consents = binding.embedded_signature().is_some_and(|back| {
        is_strong(back.hash_alg()) && back.verify_primary_key_binding(&subkey.key, &key.primary_key).is_ok()
    });
    if consents { Ok(()) } else { Err("is not bound back to its primary key".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_has_keyrings_of_each_distribution() {
        let folder = tempfile::tempdir().unwrap();
        for name in [
            "debian-archive-keyring.gpg",
            "debian-archive-removed-keys.gpg",
            "debian-archive-trixie-stable.asc",
            "ubuntu-archive-keyring.gpg",
            "ubuntu-archive-removed-keys.gpg",
            "ubuntu-cloudimage-keyring.gpg",
            "others.gpg",
        ] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let names = |distribution| -> Vec<String> {
            let found = host_keyrings(folder.path(), distribution).into_iter();
            found.map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect()
        };
        assert_eq!(
            names(Distribution::Debian),
            ["debian-archive-keyring.gpg", "debian-archive-trixie-stable.asc"]
        );
        assert_eq!(names(Distribution::Ubuntu), ["ubuntu-archive-keyring.gpg"]);
    }
}
