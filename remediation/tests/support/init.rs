//! The inside of a sandbox as a program of its own, so that the tests need not build the whole of `patchline`.

use std::process::ExitCode;

use patchline_remediation::executor::sandbox;

fn main() -> ExitCode {
    sandbox::inside(std::env::args().any(|word| word == sandbox::SECOND))
}
