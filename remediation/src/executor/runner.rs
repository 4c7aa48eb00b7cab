//! Who runs a distribution's own tools over an image: one job, and two places to do it in.

use std::{fs::File, path::Path};

use tokio_util::sync::CancellationToken;

use super::{
    engine::Engine,
    sandbox::{Limits, Sandbox, outside::Listener, wire::Job},
};
use crate::{Result, tree::Tree};

/// A place for the distribution's own tools; cheap to clone.
#[derive(Debug, Clone)]
pub enum Runner {
    /// Namespaces of our own.
    Sandbox(Sandbox),
    /// Containers of a daemon.
    Engine(Engine),
}

impl From<Sandbox> for Runner {
    fn from(sandbox: Sandbox) -> Self {
        Self::Sandbox(sandbox)
    }
}

impl From<Engine> for Runner {
    fn from(engine: Engine) -> Self {
        Self::Engine(engine)
    }
}

impl Runner {
    /// For the word on how far it has come.
    pub(in crate::executor) fn name(&self) -> &'static str {
        match self {
            Self::Sandbox(_) => "sandbox",
            Self::Engine(_) => "container",
        }
    }
    /// What one run may take now.
    pub(in crate::executor) fn limits(&self) -> Limits {
        match self {
            Self::Sandbox(sandbox) => Limits { disk: sandbox.limits().disk_here(), ..*sandbox.limits() },
            Self::Engine(engine) => *engine.limits(),
        }
    }
    /// Runs a job to its end, and tells the listener what it changed. Blocks; `layers` are the image's, lowest first, as they
    /// are stored, and `tree` what they are together.
    pub(in crate::executor) fn run(
        &self,
        job: &Job,
        tree: &Tree,
        (layers, files): (&mut [File], &mut [File]),
        scratch: &Path,
        listener: &mut dyn Listener,
    ) -> Result<()> {
        match self {
            Self::Sandbox(sandbox) => sandbox.run(job, layers, files, listener),
            Self::Engine(engine) => engine.run(job, tree, layers, files, scratch, listener),
        }
    }
    /// Given up as soon as the token is cancelled. A sandbox ends by its own time.
    pub(crate) fn until(self, stop: CancellationToken) -> Self {
        match self {
            Self::Sandbox(sandbox) => Self::Sandbox(sandbox),
            Self::Engine(engine) => Self::Engine(engine.until(stop)),
        }
    }
}
