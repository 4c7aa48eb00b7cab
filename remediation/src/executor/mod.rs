//! Executors turn a plan into one patch layer.

mod authorities;
pub mod ca_certificates;
pub mod native;
pub mod sandbox;

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
}

/// Who may.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Choice {
    /// The sandbox where a script must run and one can be had; else native.
    #[default]
    Auto,
    /// Never a sandbox: what needs one is refused.
    Native,
    /// Always a sandbox; an error where none can be had.
    Sandbox,
}
