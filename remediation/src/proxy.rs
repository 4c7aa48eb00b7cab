//! The proxy that one kind of repository is asked through.

use std::fmt;

use url::Url;

use crate::mirrored;

/// A proxy, with the user and password that its address may hold; it shows itself without them.
#[derive(Clone, PartialEq, Eq)]
pub struct Proxy(Url);

impl Proxy {
    /// At an address, `http://user:password@proxy.example:3128`.
    ///
    /// # Errors
    /// For people, without what was written: it is neither http nor https, or names no host.
    pub fn new(address: Url) -> Result<Self, String> {
        match address.scheme() {
            "http" | "https" if address.has_host() => Ok(Self(address)),
            _ => Err("a proxy is an address of http or https".to_owned()),
        }
    }
    /// With all that it holds.
    pub(crate) fn address(&self) -> &Url {
        &self.0
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&mirrored::shown(self.0.as_str()))
    }
}
