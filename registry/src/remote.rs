//! The distribution client: registries by name or host, their credentials, their repositories.

use std::{collections::BTreeMap, fmt, sync::Arc};

use crate::{Location, Repository, Result};

/// A secret that never shows itself.
#[derive(Clone, Default)]
pub struct Secret(String);
impl Secret {
    /// Wraps.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }
    /// The one way to its text.
    pub fn expose(&self) -> &str {
        &self.0
    }
}
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// One registry of the configuration.
#[derive(Debug, Clone)]
pub struct RegistryConfig {
    /// `host[:port]`.
    pub host: String,
    /// HTTP instead of HTTPS. Loopback hosts need not say so.
    pub plain_http: bool,
    /// User and password.
    pub credentials: Option<(String, Secret)>,
}

/// All registries that this process knows; cheap to clone.
#[derive(Clone)]
pub struct Registries {
    _by_name: Arc<BTreeMap<String, RegistryConfig>>,
}

impl Registries {
    /// `by_name`: the configuration's registries.
    pub fn new(by_name: BTreeMap<String, RegistryConfig>) -> Result<Self> {
        Ok(Self { _by_name: Arc::new(by_name) })
    }
    /// Opens the repository (or layout directory) of a location. No request is made.
    pub fn open(&self, _location: &Location) -> Result<Arc<dyn Repository>> {
        todo!()
    }
    /// The configured name of a host, or the host itself: `main` for `127.0.0.1:5000`.
    pub fn name_of(&self, _host: &str) -> String {
        todo!()
    }
}
