//! How a sandbox can end badly.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What happened; each has a code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fault {
    /// This machine gives no namespaces, ids or mounts; or the image cannot be worked on in one.
    Unavailable,
    /// A tool or a script of a package said no.
    Tool,
    /// Wall time.
    Time,
    /// Memory of all processes.
    Memory,
    /// Processes.
    Processes,
    /// Bytes or files of the tree.
    Disk,
    /// A script left something running.
    LeftRunning,
    /// What came out is not what a layer can hold.
    Outcome,
    /// It ended without a word.
    Broken,
}

/// A sandbox that ended badly. Nothing of it is left.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Failure {
    /// What happened.
    pub fault: Fault,
    /// For people; the last words of what ran are in it, bounded.
    pub reason: String,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.fault {
            Fault::Unavailable => "no sandbox can be had",
            Fault::Tool => "a tool failed in the sandbox",
            Fault::Time => "the sandbox's time is over",
            Fault::Memory => "the sandbox took too much memory",
            Fault::Processes => "the sandbox had too many processes",
            Fault::Disk => "the sandbox's disk is full",
            Fault::LeftRunning => "a script left something running in the sandbox",
            Fault::Outcome => "what the sandbox made cannot be a layer",
            Fault::Broken => "the sandbox broke down",
        };
        write!(f, "{what}: {}", self.reason)
    }
}

impl Failure {
    pub(in crate::executor) fn of(fault: Fault, reason: impl Into<String>) -> Self {
        Self { fault, reason: reason.into() }
    }
    /// What the system said while something was done.
    pub(in crate::executor) fn io(fault: Fault, what: &str, error: &impl fmt::Display) -> Self {
        Self::of(fault, format!("{what}: {error}"))
    }
    /// The stable, kebab-case code.
    pub fn code(&self) -> &'static str {
        match self.fault {
            Fault::Unavailable => "sandbox-unavailable",
            Fault::Tool => "sandbox-tool-failed",
            Fault::Time => "sandbox-time",
            Fault::Memory => "sandbox-memory",
            Fault::Processes => "sandbox-processes",
            Fault::Disk => "sandbox-disk",
            Fault::LeftRunning => "sandbox-left-running",
            Fault::Outcome => "sandbox-outcome",
            Fault::Broken => "sandbox-broken",
        }
    }
}
