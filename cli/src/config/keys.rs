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
