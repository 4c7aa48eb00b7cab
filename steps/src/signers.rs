//! Private keys of the configuration, by name. Chains name a key; what is in it stays in this process.

use std::{collections::BTreeMap, fmt};

use patchline_engine::StepError;
use patchline_remediation::attest::SigningKey;

/// All keys by name.
#[derive(Default)]
pub struct Signers {
    by_name: BTreeMap<String, SigningKey>,
}

impl fmt::Debug for Signers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.by_name.keys()).finish()
    }
}

impl Signers {
    /// From the configuration.
    pub fn new(by_name: BTreeMap<String, SigningKey>) -> Self {
        Self { by_name }
    }
    /// The key of this name; a failure tells which names there are.
    pub(crate) fn get(&self, name: &str) -> Result<&SigningKey, StepError> {
        self.by_name.get(name).ok_or_else(|| {
            let known = self.by_name.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            let known = if known.is_empty() { "none".to_owned() } else { known };
            StepError::permanent(
                "signing-key-unknown",
                format!("no signing key is named `{name}`; the configuration has: {known}"),
            )
        })
    }
}
