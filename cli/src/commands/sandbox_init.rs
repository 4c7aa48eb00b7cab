//! `patchline sandbox-init`: the inside of a sandbox, which the executor of that name starts by this program's own path.

use std::process::ExitCode;

use patchline_remediation::executor::sandbox;

/// The command's name, as it is typed.
pub(crate) const NAME: &str = "sandbox-init";

/// The inside of a sandbox that `fix` makes: started by this program itself
#[derive(Debug, clap::Args)]
pub(crate) struct SandboxInit {
    /// Its second stage
    #[arg(long)]
    inside: bool,
}

impl SandboxInit {
    /// Speaks on standard input and output with whoever started it. Before the first thread: see there.
    pub(crate) fn run(&self) -> ExitCode {
        sandbox::inside(self.inside)
    }
}
