//! The distribution client: registries by name or host, their credentials, their repositories.

mod access;
mod auth;
mod catalog;
mod challenge;
mod download;
mod endpoint;
mod host;
mod http;
mod link;
mod referrers;
mod repository;
mod retry;
mod upload;

use std::{
    collections::{BTreeMap, HashMap},
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

pub use access::PullAccess;

use crate::{Error, Location, Reference, Repository, Result, layout, reference::is_host};
use endpoint::Endpoint;
use http::Http;
use repository::RemoteRepository;

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
#[derive(Debug, Clone, Default)]
pub struct RegistryConfig {
    /// `host[:port]`.
    pub host: String,
    /// HTTP instead of HTTPS. Loopback hosts need not say so.
    pub plain_http: bool,
    /// User and password.
    pub credentials: Option<(String, Secret)>,
    /// Hosts beside the registry's own, and the domains above it, that may
    /// see the credentials when the registry sends us there for a token.
    pub token_hosts: Vec<String>,
}

/// All registries that this process knows; cheap to clone.
#[derive(Clone)]
pub struct Registries {
    shared: Arc<Shared>,
}

struct Shared {
    by_name: BTreeMap<String, RegistryConfig>,
    http: Http,
    /// What is sent in place of credentials of ours, as it is.
    lent: Option<reqwest::header::HeaderValue>,
    /// One a registry, so that tokens and what was learned of it are shared.
    endpoints: Mutex<HashMap<String, Arc<Endpoint>>>,
}

impl Registries {
    /// `by_name`: the configuration's registries.
    pub fn new(by_name: BTreeMap<String, RegistryConfig>) -> Result<Self> {
        let shared = Shared { by_name, http: Http::default(), lent: None, endpoints: Mutex::default() };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Opens the repository (or layout directory) of a location. No request
    /// is made. A layout must exist; [`layout::open`] can make one.
    pub fn open(&self, location: &Location) -> Result<Arc<dyn Repository>> {
        match location {
            Location::Layout { dir, .. } => layout::open(dir, false),
            Location::Registry(reference) => self.repository(reference),
        }
    }

    /// The configured name of a host, or the host itself: `main` for `127.0.0.1:5000`.
    pub fn name_of(&self, host: &str) -> String {
        let named = self.shared.by_name.iter().find(|(_, config)| config.host == host);
        named.map_or(host, |(name, _)| name).to_owned()
    }

    /// Whether a registry of this name stands in the configuration: others are not asked on a stranger's word.
    pub fn is_configured(&self, name: &str) -> bool {
        self.shared.by_name.contains_key(name)
    }

    /// The names of the configuration, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.shared.by_name.keys().map(String::as_str)
    }

    /// The repositories of a registry, by its name or host, sorted; more than `most` are an error.
    ///
    /// # Errors
    /// [`Error::Unsupported`] where the registry does not list them, and whatever else a request may end in.
    pub async fn repositories(&self, registry: &str, most: usize) -> Result<Vec<String>> {
        let endpoint = self.endpoint(registry)?;
        catalog::repositories(&endpoint, most).await
    }

    fn repository(&self, reference: &Reference) -> Result<Arc<dyn Repository>> {
        let endpoint = self.endpoint(&reference.registry)?;
        Ok(Arc::new(RemoteRepository::new(endpoint, reference.repository.clone())))
    }

    fn endpoint(&self, wanted: &str) -> Result<Arc<Endpoint>> {
        let by_host = || self.shared.by_name.values().find(|config| config.host == *wanted).cloned();
        let config = match self.shared.by_name.get(wanted) {
            Some(config) => config.clone(),
            None if !is_host(wanted) => return Err(Error::UnknownRegistry(wanted.to_owned())),
            None => by_host()
                .unwrap_or_else(|| RegistryConfig { host: wanted.to_owned(), ..RegistryConfig::default() }),
        };
        let mut endpoints = self.shared.endpoints.lock().unwrap_or_else(PoisonError::into_inner);
        match endpoints.get(wanted) {
            Some(known) => Ok(known.clone()),
            None => {
                let mut made = Endpoint::new(config, &self.shared.http)?;
                made.auth.lend(self.shared.lent.clone());
                let made = Arc::new(made);
                endpoints.insert(wanted.to_owned(), made.clone());
                Ok(made)
            }
        }
    }
}
