//! `signing-keys`: private keys, each named as a secret is, and read when a process that may sign starts.

use patchline_remediation::attest::SigningKey;
use serde::Deserialize;

use super::SecretRef;
use crate::failure::{Failure, Result};

/// One private key.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct SigningKeyEntry {
    /// In PEM: PKCS#8, or as `cosign generate-key-pair` writes it.
    key: SecretRef,
    /// Of the latter.
    password: Option<SecretRef>,
}

impl SigningKeyEntry {
    /// The key; a failure says where to look, and nothing of what stands there.
    pub(super) fn read(&self, name: &str) -> Result<SigningKey> {
        let password = self.password.as_ref().map(SecretRef::resolve).transpose()?;
        SigningKey::from_pem(self.key.resolve()?.expose(), password.as_ref())
            .map_err(|error| Failure::from(error).hint(format!("look at `signing-keys.{name}`")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_named_and_what_is_none_is_told_by_its_place() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("release.key");
        let entry: SigningKeyEntry =
            serde_saphyr::from_str(&format!("key: {{file: '{}'}}\n", file.display())).expect("an entry");
        // PKCS#8 of an Ed25519 key whose bytes count up: of nobody, and used nowhere else.
        let (label, body) =
            ("PRIVATE KEY", "MC4CAQAwBQYDK2VwBCIEIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f");
        std::fs::write(&file, format!("-----BEGIN {label}-----\n{body}\n-----END {label}-----\n"))
            .expect("written");
        assert_eq!(format!("{:?}", entry.read("release").expect("a key")), "SigningKey(Ed25519 …)");
        std::fs::write(&file, "hush").expect("written");
        let failure = entry.read("release").expect_err("no key");
        assert_eq!(failure.code, "signing-key-unusable");
        assert_eq!(failure.hint.as_deref(), Some("look at `signing-keys.release`"));
        assert!(!failure.causes.join(" ").contains("hush"));
    }
}
