//! The engine-api executor: the distribution's own tools in a container of a daemon that the host has anyway (Docker Engine
//! API; Podman's compatible socket answers alike), and what they changed as one patch layer.
//!
//! The daemon gets the layers that were verified here, and a container without a network or anything of the host's. What
//! comes out of it is believed no more than a stranger's archive; it commits and pushes nothing.

mod changes;
mod client;
mod container;
mod error;
mod image;
mod leftovers;
mod limits;

use std::{fs::File, path::Path};

use patchline_registry::daemon::Api;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;

pub use error::Error;

use self::{client::Client, container::Container, limits::OLDEST};
use super::sandbox::{
    Limits, machine,
    outside::Listener,
    wire::{FOLDER, Job},
};
use crate::tree::Tree;

/// Containers of one daemon; cheap to clone.
#[derive(Debug, Clone)]
pub struct Engine {
    api: Api,
    limits: Limits,
    stop: CancellationToken,
}

/// "Get version", as far as it is of use.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Version {
    os: String,
    arch: String,
}

/// What one fix calls its own in the daemon.
struct Names {
    /// Of the container; its label's value, too.
    id: String,
    /// Of the image.
    image: String,
    /// Seconds since the epoch after which nobody works with either.
    until: i64,
}

impl Names {
    fn new(limits: &Limits) -> Result<Self, Error> {
        let mut random = [0; 8];
        ring::rand::SecureRandom::fill(&ring::rand::SystemRandom::new(), &mut random)
            .map_err(|_| Error::Unavailable { reason: "this machine gives no random numbers".to_owned() })?;
        let random = hex::encode(random);
        let until = crate::clock::now().as_second().saturating_add(limits::whole_seconds(limits));
        let image = format!("localhost/patchline/fix:{random}");
        Ok(Self { id: format!("patchline-fix-{random}"), image, until })
    }
    /// What both bear, so that they are found again whatever becomes of this process.
    fn labels(&self) -> serde_json::Value {
        serde_json::json!({limits::LABEL: self.id, limits::UNTIL: self.until.to_string()})
    }
}

impl Engine {
    /// The daemon that listens on a Unix socket. Nothing is asked yet.
    ///
    /// # Errors
    /// An HTTP client that cannot be made.
    pub fn at(socket: &Path) -> Result<Self, Error> {
        let api = Api::at(socket).map_err(Error::Unreachable)?;
        Ok(Self { api, limits: Limits::default(), stop: CancellationToken::new() })
    }
    /// With other limits. `disk`: bytes that a container may write.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }
    /// What each run may take.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }
    /// Given up, and tidied away, as soon as the token is cancelled.
    #[must_use]
    pub(crate) fn until(self, stop: CancellationToken) -> Self {
        Self { stop, ..self }
    }

    /// Whether the daemon can work on this image. Blocks; asks, and changes nothing.
    ///
    /// # Errors
    /// [`Error::Unreachable`], [`Error::TooOld`], or [`Error::Unavailable`] with why not.
    pub(crate) fn suits(&self, tree: &Tree, architecture: &str) -> Result<(), Error> {
        let unfit = |reason: String| Err(Error::Unavailable { reason });
        if tree.get(&tree.real("bin/sh")).is_none() {
            return unfit("the image has no /bin/sh".to_owned());
        }
        if tree.get(FOLDER.trim_start_matches('/')).is_some() {
            return unfit(format!("the image has a {FOLDER} of its own"));
        }
        let client = Client::open(self)?;
        let Version { os, arch } = version(&client)?;
        if os != "linux" {
            return unfit(format!("{} runs containers of {}", self.api.name(), error::plain(&os)));
        }
        machine::runs_on(&arch, architecture).or_else(unfit)
    }

    /// Runs a job to its end. Blocks; must be called where a runtime is at hand.
    pub(super) fn run(
        &self,
        job: &Job,
        tree: &Tree,
        layers: &mut [File],
        files: &mut [File],
        scratch: &Path,
        listener: &mut dyn Listener,
    ) -> crate::Result<()> {
        let client = Client::open(self)?;
        let Version { arch, .. } = version(&client)?;
        leftovers::remove(&client);
        let names = Names::new(&job.limits)?;
        let image = image::load(&client, &names, &arch, layers)?;
        let container = Container::create(&client, &names, job)?;
        let added = container.fill(job, tree, files)?;
        listener.laid();
        container.run(job)?;
        let export = container.export(job, tree, scratch)?;
        // Neither is needed any more, and what follows may take a while.
        drop((container, image));
        changes::tell(export, tree, &added, listener)
    }
}

fn version(client: &Client) -> Result<Version, Error> {
    client.json(client.get("version"), "tell its version")
}

/// The oldest API that is spoken, for people.
fn oldest() -> String {
    format!("{}.{}", OLDEST.0, OLDEST.1)
}
