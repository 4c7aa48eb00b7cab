//! Exit codes, the same for every command; scripts may rely on them.

use std::process::ExitCode;

/// Everything went well.
pub const OK: u8 = 0;
/// Something failed.
pub const ERROR: u8 = 1;
/// The command line, a chain or a configuration is wrong; nothing was started.
pub const USAGE: u8 = 2;
/// A gate denied the image (or `scan --fail-on` matched).
pub const DENIED: u8 = 3;
/// A gate denied the image, and an image fixed from it passed.
pub const REMEDIATED: u8 = 4;

/// An orderly stop was asked for, and steps that did not end in time were given back for others.
pub const RETURNED: u8 = 5;

/// How a command that did not fail ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// [`OK`]
    Ok,
    /// [`DENIED`]
    Denied,
    /// [`REMEDIATED`]
    Remediated,
    /// [`RETURNED`]
    Returned,
}

impl Exit {
    /// Of an orderly stop that gave back so many steps.
    pub(crate) fn stopped(returned: usize) -> Self {
        if returned == 0 { Self::Ok } else { Self::Returned }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Ok => OK,
            Exit::Denied => DENIED,
            Exit::Remediated => REMEDIATED,
            Exit::Returned => RETURNED,
        })
    }
}
