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
    /// What is read of packages against the lists that others made of the same files
    Packages(Judged),
    /// What OSV records and another scanner's reports say of versions against our verdicts
    Matching(Judged),
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

#[derive(Debug, clap::Args)]
struct Judged {
    /// The data folder, as archives or unpacked; else `../shared/data`
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// End with one line of JSON on standard output
    #[arg(long)]
    json: bool,
}

impl Corpus {
    pub(crate) fn run(self) -> Result<(), String> {
        match self.what {
            What::Versions(versions) => versions.run(),
            What::Packages(judged) => judged.run("packages"),
            What::Matching(judged) => judged.run("matching"),
        }
    }
}

impl Versions {
    fn run(self) -> Result<(), String> {
        let mut cargo = example("versions", &[]);
        cargo.arg("--pairs").arg(self.pairs.to_string()).arg("--seed").arg(self.seed.to_string());
        finish(cargo, self.data, self.json, "the orders are not as others have them: see above")
    }
}

impl Judged {
    fn run(self, what: &str) -> Result<(), String> {
        let mut cargo = example("corpus", &["--features", "workbench"]);
        cargo.arg(what);
        finish(cargo, self.data, self.json, "a miss has no reason: see above")
    }
}

/// The scanner's own program does it: xtask imports no room.
fn example(name: &str, more: &[&str]) -> Command {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["run", "--locked", "--quiet", "--package", "patchline-scanner", "--example", name]);
    cargo.args(more).arg("--");
    cargo
}

fn finish(mut cargo: Command, data: Option<PathBuf>, json: bool, otherwise: &str) -> Result<(), String> {
    if let Some(data) = data {
        cargo.arg("--data").arg(data);
    }
    if json {
        cargo.arg("--json");
    }
    let ended = cargo.status().map_err(|e| format!("cargo does not start: {e}"))?;
    if ended.success() { Ok(()) } else { Err(otherwise.into()) }
}
