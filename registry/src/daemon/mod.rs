//! Images that a container daemon on this machine holds: exported over its Unix socket, read as an archive.
//!
//! Docker Engine API, "Ping", "Inspect an image" and "Export an image"; Podman's compatible socket answers alike. The
//! image is written to a file without a name, which is gone as soon as nobody reads it, even if this program is killed.

mod limits;

use std::{
    fs::File,
    future::Future,
    io::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use http::StatusCode;
use reqwest::Response;
use serde::Deserialize;

use crate::{Digest, Error, Repository, Result, archive, layout::blocking};

/// The oldest API that is spoken: of Docker 1.12, and older than any Podman's.
const OLDEST: (u32, u32) = (1, 24);

/// Hears how many bytes have arrived, and how many are about to; must be quick.
pub type Arrived<'a> = &'a (dyn Fn(u64, u64) + Send + Sync);

/// A daemon by its socket.
#[derive(Debug, Clone)]
pub struct Daemon {
    socket: PathBuf,
    client: reqwest::Client,
}

/// "Inspect an image", as far as it is of use.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    id: String,
    #[serde(default)]
    size: u64,
}

#[derive(Deserialize)]
struct Message {
    message: String,
}

impl Daemon {
    /// The daemon that listens on a Unix socket. Nothing is asked yet.
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
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|source| Error::Transport { registry: "an HTTP client".to_owned(), source })?;
        Ok(Self { socket: socket.to_owned(), client })
    }

    /// Exports an image by `NAME[:TAG]`, `NAME@DIGEST` or its id into `folder`, and opens it. `told` hears of progress.
    ///
    /// # Errors
    /// [`Error::NotFound`] where the daemon does not hold it, a daemon that is not there, refuses, is too old, falls
    /// silent or sends more than a limit allows, and what [`archive::open`] says of its archive.
    pub async fn image(
        &self,
        name: &str,
        folder: &Path,
        told: Arrived<'_>,
    ) -> Result<(Arc<dyn Repository>, Digest)> {
        check(name)?;
        let version = self.version().await?;
        let inspected = self.inspect(&version, name).await?;
        if inspected.size > limits::EXPORT {
            return Err(self.too_large());
        }
        let file = self.export(&version, &inspected, name, folder, told).await?;
        archive::of_unnamed(file, format!("docker-daemon:{name}")).await
    }

    fn name(&self) -> String {
        format!("the daemon at {}", self.socket.display())
    }

    /// The API that it speaks, as it stands in addresses: `v1.43`. What is asked here has never changed, so it is
    /// asked in the daemon's own version, which it does not refuse; an older one it may.
    async fn version(&self) -> Result<String> {
        let answer = self.ask("_ping", None, limits::QUESTION).await?;
        if answer.status() != StatusCode::OK {
            return Err(self.error(answer, "ping").await);
        }
        let said = answer.headers().get("api-version").and_then(|value| value.to_str().ok());
        let number = said.and_then(|said| {
            let (major, minor) = said.split_once('.')?;
            Some((major.parse::<u32>().ok()?, minor.parse::<u32>().ok()?))
        });
        match number {
            Some(number) if number >= OLDEST => Ok(format!("v{}.{}", number.0, number.1)),
            Some(_) => Err(Error::Unsupported { registry: self.name(), operation: "export an image" }),
            None => Err(Error::invalid(self.name(), "its answer to a ping names no version of the API")),
        }
    }

    async fn inspect(&self, version: &str, name: &str) -> Result<Inspected> {
        let answer = self.ask(version, Some((name, "json")), limits::QUESTION).await?;
        let body = match answer.status() {
            StatusCode::OK => self.within(limits::QUESTION, self.body(answer, limits::ANSWER)).await??,
            StatusCode::NOT_FOUND => {
                return Err(Error::NotFound { what: format!("image {name}"), repository: self.name() });
            }
            _ => return Err(self.error(answer, "inspect an image").await),
        };
        serde_json::from_slice(&body).map_err(|e| Error::invalid(self.name(), e.to_string()))
    }

    async fn export(
        &self,
        version: &str,
        image: &Inspected,
        name: &str,
        folder: &Path,
        told: Arrived<'_>,
    ) -> Result<File> {
        let folder = folder.to_owned();
        let failed = || Error::io("write the image that the daemon exports");
        let mut file = blocking(move || tempfile::tempfile_in(folder).map_err(failed())).await?;
        let fill = async {
            let mut answer = self.ask(version, Some((name, "get")), limits::FIRST).await?;
            if answer.status() != StatusCode::OK {
                return Err(self.error(answer, "export an image").await);
            }
            let mut arrived = 0_u64;
            loop {
                let wait = if arrived == 0 { limits::FIRST } else { limits::IDLE };
                let chunk = self.within(wait, answer.chunk()).await?.map_err(|e| self.transport(e))?;
                let Some(chunk) = chunk else { return Ok(file) };
                arrived += chunk.len() as u64;
                if arrived > limits::EXPORT {
                    return Err(self.too_large());
                }
                file = blocking(move || file.write_all(&chunk).map(|()| file).map_err(failed())).await?;
                // The size is a sum over layers, the archive has headers besides.
                told(arrived, image.size.max(arrived));
            }
        };
        let file = self.within(limits::WHOLE, fill).await??;
        tracing::debug!(image.id = %image.id, "exported by the daemon");
        Ok(file)
    }

    /// `GET /PREFIX/images/NAME/WHAT`, or `GET /PREFIX`.
    async fn ask(&self, prefix: &str, image: Option<(&str, &str)>, wait: Duration) -> Result<Response> {
        let path = match image {
            Some((name, what)) => format!("{prefix}/images/{name}/{what}"),
            None => prefix.to_owned(),
        };
        // The host means nothing on a socket, but HTTP wants one.
        let request = self.client.get(format!("http://localhost/{path}"));
        self.within(wait, request.send()).await?.map_err(|e| self.transport(e))
    }

    async fn within<T>(&self, wait: Duration, work: impl Future<Output = T>) -> Result<T> {
        tokio::time::timeout(wait, work).await.map_err(|late| Error::Io {
            operation: format!("wait for {} longer than {} s", self.name(), wait.as_secs()),
            source: std::io::Error::new(std::io::ErrorKind::TimedOut, late),
        })
    }

    async fn body(&self, mut answer: Response, limit: usize) -> Result<Vec<u8>> {
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

    /// "ErrorResponse": a message that may be anything.
    async fn error(&self, answer: Response, operation: &'static str) -> Error {
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

    fn transport(&self, error: reqwest::Error) -> Error {
        Error::Transport { registry: self.name(), source: error.without_url() }
    }

    fn too_large(&self) -> Error {
        Error::invalid(
            format!("the image of {}", self.name()),
            format!("it is larger than {} bytes", limits::EXPORT),
        )
    }
}

/// What may stand in an address as it is: the grammar of names, tags, digests and ids has no other characters.
fn check(name: &str) -> Result<()> {
    let bad = |reason| Error::InvalidReference { text: name.chars().take(200).collect(), reason };
    if name.is_empty() || name.len() > limits::NAME {
        return Err(bad("name an image of the daemon: `docker:NAME[:TAG]`"));
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-:@/".contains(c);
    let part = |part: &str| !part.is_empty() && part != "." && part != "..";
    if !name.chars().all(plain) || !name.split('/').all(part) {
        return Err(bad("an image's name is words joined by `/`, with `:TAG` or `@DIGEST` behind them"));
    }
    Ok(())
}
