//! `cargo xtask corpus`

use std::{path::PathBuf, process::Command};

/// Hold what reads strangers' data against what others say of the same data
#[derive(Debug, clap::Args)]
pub(crate) struct Corpus {
    #[command(subcommand)]
    what: What,
}

/// What is held against what.
#[derive(Debug, clap::Subcommand)]
enum What {
    /// Version orders against the tables of other scanners, and against dpkg, rpm and others that this machine has
    Versions(Versions),
}

#[derive(Debug, clap::Args)]
struct Versions {
    /// The data folder, as archives or unpacked; else `../shared/data`
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// How many pairs of versions each program is asked about
    #[arg(long, default_value_t = 10_000)]
    pairs: u32,
    /// Another seed makes other pairs
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// End with one line of JSON on standard output
    #[arg(long)]
    json: bool,
}

impl Corpus {
    pub(crate) fn run(self) -> Result<(), String> {
        match self.what {
            What::Versions(versions) => versions.run(),
        }
    }
}

impl Versions {
    /// The scanner's own program does it: xtask imports no room.
    fn run(self) -> Result<(), String> {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo.args([
            "run",
            "--locked",
            "--quiet",
            "--package",
            "patchline-scanner",
            "--example",
            "versions",
            "--",
        ]);
        cargo.arg("--pairs").arg(self.pairs.to_string()).arg("--seed").arg(self.seed.to_string());
        if let Some(data) = self.data {
            cargo.arg("--data").arg(data);
        }
        if self.json {
            cargo.arg("--json");
        }
        let ended = cargo.status().map_err(|e| format!("cargo does not start: {e}"))?;
        if ended.success() { Ok(()) } else { Err("the orders are not as others have them: see above".into()) }
    }
}
