//! Images that a container daemon on this machine holds: exported over its Unix socket, read as an archive.
//!
//! Docker Engine API, "Ping", "Inspect an image" and "Export an image"; Podman's compatible socket answers alike. The
//! image is written to a file without a name, which is gone as soon as nobody reads it, even if this program is killed.

mod api;
mod limits;

use std::{fs::File, io::Write as _, path::Path, sync::Arc, time::Duration};

use http::{Method, StatusCode};
use reqwest::Response;
use serde::Deserialize;

pub use api::Api;

use crate::{Digest, Error, Repository, Result, archive, layout::blocking};

/// The oldest API that is spoken: of Docker 1.12, and older than any Podman's.
const OLDEST: (u32, u32) = (1, 24);

/// Hears how many bytes have arrived, and how many are about to; must be quick.
pub type Arrived<'a> = &'a (dyn Fn(u64, u64) + Send + Sync);

/// A daemon by its socket.
#[derive(Debug, Clone)]
pub struct Daemon {
    api: Api,
}

/// "Inspect an image", as far as it is of use.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    id: String,
    #[serde(default)]
    size: u64,
}

impl Daemon {
    /// The daemon that listens on a Unix socket. Nothing is asked yet.
    ///
    /// # Errors
    /// An HTTP client that cannot be made.
    pub fn at(socket: &Path) -> Result<Self> {
        Ok(Self { api: Api::at(socket)? })
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

    /// What is asked here has never changed, so it is asked in the daemon's own version, which it does not refuse; an
    /// older one it may.
    async fn version(&self) -> Result<String> {
        match self.api.version().await? {
            number if number >= OLDEST => Ok(format!("v{}.{}", number.0, number.1)),
            _ => Err(Error::Unsupported { registry: self.api.name(), operation: "export an image" }),
        }
    }

    async fn inspect(&self, version: &str, name: &str) -> Result<Inspected> {
        let answer = self.ask(version, name, "json", limits::QUESTION).await?;
        let body = match answer.status() {
            StatusCode::OK => {
                self.api.within(limits::QUESTION, self.api.body(answer, limits::ANSWER)).await??
            }
            StatusCode::NOT_FOUND => {
                return Err(Error::NotFound { what: format!("image {name}"), repository: self.api.name() });
            }
            _ => return Err(self.api.error(answer, "inspect an image").await),
        };
        serde_json::from_slice(&body).map_err(|e| Error::invalid(self.api.name(), e.to_string()))
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
            let mut answer = self.ask(version, name, "get", limits::FIRST).await?;
            if answer.status() != StatusCode::OK {
                return Err(self.api.error(answer, "export an image").await);
            }
            let mut arrived = 0_u64;
            loop {
                let wait = if arrived == 0 { limits::FIRST } else { limits::IDLE };
                let chunk =
                    self.api.within(wait, answer.chunk()).await?.map_err(|e| self.api.transport(e))?;
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
        let file = self.api.within(limits::WHOLE, fill).await??;
        tracing::debug!(image.id = %image.id, "exported by the daemon");
        Ok(file)
    }

    /// `GET /VERSION/images/NAME/WHAT`.
    async fn ask(&self, version: &str, name: &str, what: &str, wait: Duration) -> Result<Response> {
        let request = self.api.request(Method::GET, &format!("{version}/images/{name}/{what}"));
        self.api.send(request, wait).await
    }

    fn too_large(&self) -> Error {
        Error::invalid(
            format!("the image of {}", self.api.name()),
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
