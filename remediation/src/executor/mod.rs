//! Executors turn a plan into one patch layer.

mod authorities;
pub mod ca_certificates;
pub mod engine;
pub mod native;
mod runner;
pub mod sandbox;

pub use runner::Runner;

use serde::{Deserialize, Serialize};

/// Who lays an image's upgrades: one for all of them, for they are one tree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Executor {
    /// Nothing is run.
    #[default]
    Native,
    /// The distribution's own tools, in a sandbox.
    Sandbox,
    /// The same, in a container of a daemon.
    EngineApi,
}

/// Who may.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Choice {
    /// The sandbox where a script must run and one can be had; else native.
    #[default]
    Auto,
    /// Never a sandbox: what needs one is refused.
    Native,
    /// Always a sandbox; an error where none can be had.
    Sandbox,
    /// Always a container of the daemon; an error where there is none.
    EngineApi,
}

impl Choice {
    /// Who lays all upgrades, whether a script must run or not; none: that is for the scripts to say.
    pub(crate) fn always(self) -> Option<Executor> {
        match self {
            Self::Auto | Self::Native => None,
            Self::Sandbox => Some(Executor::Sandbox),
            Self::EngineApi => Some(Executor::EngineApi),
        }
    }
}
