//! `cargo xtask matrix`

use std::{
    path::PathBuf,
    process::{Command, Stdio},
};

use serde_json::Value;

use crate::bench;

/// Mend images in every shape, and look at them from the inside
#[derive(Debug, clap::Args)]
pub(crate) struct Matrix {
    /// What is done to them
    #[arg(value_enum)]
    what: What,
    /// These cases alone: minbase, server, slim, distroless, conffiles, diversion, statoverride, held, user, read-only,
    /// layers-40, zstd, together; places, mirror, moved
    #[arg(long, value_name = "NAME", num_args = 1..)]
    only: Vec<String>,
    /// These releases alone: bookworm, bullseye, trixie
    #[arg(long, value_name = "SUITE", num_args = 1..)]
    suite: Vec<String>,
    /// These architectures alone: amd64, arm64
    #[arg(long, value_name = "ARCH", num_args = 1..)]
    arch: Vec<String>,
    /// What CI runs, and no more
    #[arg(long)]
    ci: bool,
    /// Where root file systems are kept [default: beside the build]
    #[arg(long, value_name = "DIR")]
    images: Option<PathBuf>,
    /// Where images are worked on: a tmpfs with 4 GB makes it fast [default: where they are kept]
    #[arg(long, value_name = "DIR")]
    work: Option<PathBuf>,
    /// End with one line of JSON on standard output
    #[arg(long)]
    json: bool,
}

/// What is done.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum What {
    /// `patchline fix`: needs root, mmdebstrap and docker-registry; qemu-user-static for arm64
    Fix,
}

impl Matrix {
    pub(crate) fn run(self) -> Result<(), String> {
        let What::Fix = self.what;
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        // Built with the whole workspace: alone it would ask for other features, and everything would be built twice.
        let built = Command::new(&cargo).args(["build", "--locked", "--workspace", "--bins"]).status();
        if !built.is_ok_and(|status| status.success()) {
            return Err("it does not build".into());
        }
        let metadata = cargo_metadata::MetadataCommand::new().no_deps().exec().map_err(|e| e.to_string())?;
        let program = metadata.target_directory.join("debug/patchline-matrix");
        let mut matrix = Command::new(program.as_std_path());
        for (flag, values) in [("--only", &self.only), ("--suite", &self.suite), ("--arch", &self.arch)] {
            if !values.is_empty() {
                matrix.args([flag, &values.join(",")]);
            }
        }
        if self.ci {
            matrix.arg("--ci");
        }
        for (flag, folder) in [("--images", &self.images), ("--work", &self.work)] {
            if let Some(folder) = folder {
                matrix.arg(flag).arg(folder);
            }
        }
        let ended = matrix.stdout(Stdio::piped()).spawn().and_then(std::process::Child::wait_with_output);
        let ended = ended.map_err(|e| format!("{program}: {e}"))?;
        if self.json {
            let figures: Value = bench::last(&String::from_utf8_lossy(&ended.stdout))?;
            bench::tell(&figures);
        }
        if ended.status.success() { Ok(()) } else { Err("the matrix has found something: see above".into()) }
    }
}
