//! The HTTP clients below everything: time-outs, TLS, no redirects of their own.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use crate::{Error, Result};

const CONNECT: Duration = Duration::from_secs(10);
/// How long a registry may be silent, in the middle of an answer too.
pub(super) const IDLE: Duration = Duration::from_secs(60);

/// Clients for registries on this machine, which no proxy can reach, and for
/// all others. Each pair is made when a registry first wants it: every client
/// reads all of the machine's authorities, and a scan of a folder needs none.
#[derive(Clone, Default)]
pub(super) struct Http {
    loopback: Arc<OnceLock<Pair>>,
    outside: Arc<OnceLock<Pair>>,
}

/// reqwest counts the sending of a body into its read time-out, so uploads
/// have a client without one and are watched by their own progress.
#[derive(Clone)]
pub(super) struct Pair {
    pub(super) calls: reqwest::Client,
    pub(super) uploads: reqwest::Client,
}

impl Http {
    /// The clients for a registry on this machine, or for one elsewhere.
    pub(super) fn pair(&self, loopback: bool) -> Result<Pair> {
        let made = if loopback { &self.loopback } else { &self.outside };
        if let Some(pair) = made.get() {
            return Ok(pair.clone());
        }
        let pair = Pair::new(loopback)?;
        // Who made one at the same time was as good; one of them is used by all.
        Ok(made.get_or_init(|| pair).clone())
    }
}

impl Pair {
    fn new(loopback: bool) -> Result<Self> {
        // An error means that the process has a provider already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Ok(Self { calls: client(loopback, false)?, uploads: client(loopback, true)? })
    }
}

fn client(loopback: bool, upload: bool) -> Result<reqwest::Client> {
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("patchline/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT)
        // Where a credential may follow is decided call by call.
        .redirect(reqwest::redirect::Policy::none());
    if loopback {
        builder = builder.no_proxy();
    }
    if !upload {
        builder = builder.read_timeout(IDLE);
    }
    let made = builder.build();
    made.map_err(|source| Error::Transport { registry: "an HTTP client".to_owned(), source })
}
