//! A container daemon's API over its Unix socket (Docker Engine API; Podman's compatible socket answers alike): each
//! question bounded in time, each answer in bytes.

use std::{
    future::Future,
    path::{Path, PathBuf},
    time::Duration,
};

use http::{Method, StatusCode};
use reqwest::{RequestBuilder, Response};
use serde::Deserialize;

use super::limits;
use crate::{Error, Result};

/// One daemon; cheap to clone. Nothing is asked before something is wanted.
#[derive(Debug, Clone)]
pub struct Api {
    socket: PathBuf,
    client: reqwest::Client,
}

#[derive(Deserialize)]
struct Message {
    message: String,
}

impl Api {
    /// The daemon that listens on a Unix socket.
    ///
    /// # Errors
    /// An HTTP client that cannot be made.
    pub fn at(socket: &Path) -> Result<Self> {
        // Nothing here is encrypted, but a client is not made without. An error means that there is a provider already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .user_agent(concat!("patchline/", env!("CARGO_PKG_VERSION")))
            .unix_socket(socket)
            .no_proxy()
            // Reading this machine's authorities, of which nobody is asked, would take longer than a question.
            .tls_certs_only(std::iter::empty())
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|source| Error::Transport { registry: "an HTTP client".to_owned(), source })?;
        Ok(Self { socket: socket.to_owned(), client })
    }

    /// How people know it: `the daemon at /run/…`.
    pub fn name(&self) -> String {
        format!("the daemon at {}", self.socket.display())
    }

    /// The API that it speaks, major and minor ("Ping", `Api-Version`); in addresses it stands as `v1.43`.
    ///
    /// # Errors
    /// A daemon that is not there, or that names no version.
    pub async fn version(&self) -> Result<(u32, u32)> {
        let answer = self.send(self.request(Method::GET, "_ping"), limits::QUESTION).await?;
        if answer.status() != StatusCode::OK {
            return Err(self.error(answer, "ping").await);
        }
        let said = answer.headers().get("api-version").and_then(|value| value.to_str().ok());
        let number = said.and_then(|said| {
            let (major, minor) = said.split_once('.')?;
            Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?))
        });
        number.ok_or_else(|| Error::invalid(self.name(), "its answer to a ping names no version of the API"))
    }

    /// A question to be sent; `path` as it stands behind the first slash, escaped where it must be.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        // The host means nothing on a socket, but HTTP wants one.
        self.client.request(method, format!("http://localhost/{path}"))
    }

    /// Asks; `wait` is how long the answer's head may take.
    ///
    /// # Errors
    /// A daemon that is not there, or falls silent.
    pub async fn send(&self, request: RequestBuilder, wait: Duration) -> Result<Response> {
        self.within(wait, request.send()).await?.map_err(|e| self.transport(e))
    }

    /// Waits for a part of an answer.
    ///
    /// # Errors
    /// [`Error::Io`] of the kind `TimedOut` when it takes longer.
    pub async fn within<T>(&self, wait: Duration, work: impl Future<Output = T>) -> Result<T> {
        tokio::time::timeout(wait, work).await.map_err(|late| Error::Io {
            operation: format!("wait for {} longer than {} s", self.name(), wait.as_secs()),
            source: std::io::Error::new(std::io::ErrorKind::TimedOut, late),
        })
    }

    /// The whole of a small answer.
    ///
    /// # Errors
    /// One that is no answer to the end, or has more than `limit` bytes.
    pub async fn body(&self, mut answer: Response, limit: usize) -> Result<Vec<u8>> {
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|e| self.transport(e))? {
            if body.len() + chunk.len() > limit {
                return Err(Error::invalid(
                    format!("an answer of {}", self.name()),
                    format!("larger than {limit} bytes"),
                ));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }

    /// What a refusal says ("ErrorResponse"): a message that may be anything, shortened.
    pub async fn error(&self, answer: Response, operation: &'static str) -> Error {
        let status = answer.status().as_u16();
        let body = match self.within(limits::QUESTION, self.body(answer, limits::ERROR)).await {
            Ok(Ok(body)) => body,
            // The status says enough.
            Ok(Err(_)) | Err(_) => Vec::new(),
        };
        let said = serde_json::from_slice::<Message>(&body).ok();
        let detail =
            said.map(|said| said.message.chars().filter(|c| !c.is_control()).take(limits::SHOWN).collect());
        Error::Status { registry: self.name(), status, operation, detail }
    }

    /// What the client says of a connection, without the address.
    pub fn transport(&self, error: reqwest::Error) -> Error {
        Error::Transport { registry: self.name(), source: error.without_url() }
    }
}
