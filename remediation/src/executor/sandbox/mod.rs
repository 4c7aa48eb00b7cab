//! The sandbox executor: the distribution's own tools in namespaces of their own, over the image's tree, and what they changed as
//! one patch layer. Nothing of the host is in there: no file, no network, no id, no right.

pub(crate) mod apk;
pub mod dpkg;
mod fault;
mod ids;
pub(in crate::executor) mod inside;
pub(in crate::executor) mod limits;
pub(crate) mod machine;
mod order;
pub(in crate::executor) mod outside;
mod promised;
mod result;
pub(crate) mod rpm;
pub mod tried;
pub(in crate::executor) mod wire;

use std::{
    ffi::OsString,
    fs::File,
    path::PathBuf,
    sync::{Arc, OnceLock},
};

pub use fault::{Failure, Fault};
pub use inside::{SECOND, main as inside};
pub use limits::Limits;

use wire::{Changed, Job};

/// How sandboxes are made on this machine; cheap to clone.
#[derive(Debug, Clone)]
pub struct Sandbox {
    program: PathBuf,
    arguments: Vec<OsString>,
    limits: Limits,
    /// Whether one can be had: found out once.
    probed: Arc<OnceLock<Result<(), Failure>>>,
}

impl Sandbox {
    /// `program`, called with `arguments`, must do nothing but [`inside`], before it has a second thread.
    pub fn new(program: PathBuf, arguments: &[&str]) -> Self {
        let arguments = arguments.iter().map(OsString::from).collect();
        Self { program, arguments, limits: Limits::default(), probed: Arc::default() }
    }
    /// With other limits.
    pub fn with_limits(self, limits: Limits) -> Self {
        Self { limits, probed: Arc::default(), ..self }
    }
    /// What each run may take.
    pub fn limits(&self) -> &Limits {
        &self.limits
    }
    /// Whether one can be had here: makes an empty one, the first time that it is asked. Blocks.
    pub fn probe(&self) -> Result<(), Failure> {
        self.probed.get_or_init(|| self.try_one()).clone()
    }

    fn try_one(&self) -> Result<(), Failure> {
        let job = Job {
            limits: self.limits,
            layers: 0,
            tools: 0,
            files: Vec::new(),
            commands: Vec::new(),
            environment: Vec::new(),
            fatal: Vec::new(),
            tried: None,
        };
        match outside::run(self, &job, &mut [], &mut [], &mut Nothing) {
            Ok(()) => Ok(()),
            Err(crate::Error::Sandbox(failure)) => Err(failure),
            Err(other) => Err(Failure::of(Fault::Unavailable, other.to_string())),
        }
    }

    pub(in crate::executor) fn run(
        &self,
        job: &Job,
        layers: &mut [File],
        files: &mut [File],
        listener: &mut dyn outside::Listener,
    ) -> crate::Result<()> {
        outside::run(self, job, layers, files, listener)
    }
}

/// Nothing may have changed.
struct Nothing;

impl outside::Listener for Nothing {
    fn entry(&mut self, entry: Changed, _: &mut dyn std::io::Read) -> crate::Result<()> {
        Err(Failure::of(Fault::Broken, format!("/{} in an empty sandbox", entry.path)).into())
    }
    fn removed(&mut self, path: String) -> crate::Result<()> {
        Err(Failure::of(Fault::Broken, format!("/{path} gone from an empty sandbox")).into())
    }
}
