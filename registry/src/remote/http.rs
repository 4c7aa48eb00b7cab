//! The HTTP clients below everything: time-outs, TLS, no redirects of their own.

use std::time::Duration;

use crate::{Error, Result};

const CONNECT: Duration = Duration::from_secs(10);
/// How long a registry may be silent, in the middle of an answer too.
pub(super) const IDLE: Duration = Duration::from_secs(60);

/// Clients for registries on this machine, which no proxy can reach, and for
/// all others.
#[derive(Clone)]
pub(super) struct Http {
    loopback: Pair,
    outside: Pair,
}

/// reqwest counts the sending of a body into its read time-out, so uploads
/// have a client without one and are watched by their own progress.
#[derive(Clone)]
pub(super) struct Pair {
    pub(super) calls: reqwest::Client,
    pub(super) uploads: reqwest::Client,
}

impl Http {
    pub(super) fn new() -> Result<Self> {
        // An error means that the process has a provider already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let build = |loopback: bool, upload: bool| {
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
            builder
                .build()
                .map_err(|source| Error::Transport { registry: "an HTTP client".to_owned(), source })
        };
        let pair = |loopback| -> Result<Pair> {
            Ok(Pair { calls: build(loopback, false)?, uploads: build(loopback, true)? })
        };
        Ok(Self { loopback: pair(true)?, outside: pair(false)? })
    }

    pub(super) fn pair(&self, loopback: bool) -> Pair {
        if loopback { self.loopback.clone() } else { self.outside.clone() }
    }
}
