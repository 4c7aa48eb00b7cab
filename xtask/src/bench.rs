//! `cargo xtask bench`

use std::{
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::{Value, json};

/// Measure what docs/performance.md records, one room at a time
#[derive(Debug, clap::Args)]
pub(crate) struct Bench {
    /// What to measure
    #[arg(value_enum)]
    room: Room,
    /// End with one line of JSON on standard output
    #[arg(long)]
    json: bool,
    /// engine: first without and then with 1,000,000 finished runs in the store
    #[arg(long)]
    history: bool,
    /// rematch: how many inventories; 100,000 where nothing is said
    #[arg(long)]
    inventories: Option<u64>,
    /// What is handed on to the bench, such as `--store sqlite`, `--runs 2000`, `--seconds 5`, `--data DIR`,
    /// `--images DIR`
    #[arg(last = true)]
    rest: Vec<String>,
}

/// What has benches.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Room {
    /// Compiling chains
    Chains,
    /// Runs and steps of the engine, over both stores
    Engine,
    /// Scanning images, beside syft and Trivy; the images are built once and kept
    Scan,
    /// Fixing images of Debian, beside buildah; needs root, mmdebstrap, docker-registry and buildah
    Fix,
    /// Stored inventories against new advisories
    Rematch,
}

impl Bench {
    pub(crate) fn run(self) -> Result<(), String> {
        let figures = match self.room {
            Room::Chains => chains()?,
            Room::Engine => {
                let mut rest = self.rest;
                rest.extend(self.history.then(|| "--history".to_owned()));
                engine(&rest)?
            }
            Room::Scan => beside(self.rest, "scan")?,
            Room::Fix => beside(self.rest, "fix")?,
            Room::Rematch => {
                let count = self.inventories.map(|count| count.to_string());
                let count = count.into_iter().flat_map(|count| ["--inventories".to_owned(), count]);
                let all: Vec<String> =
                    self.rest.into_iter().chain(count).chain(["--json".to_owned()]).collect();
                last(&bench(None, "rematch", Stdio::piped(), &all)?)?
            }
        };
        if self.json {
            tell(&figures);
        }
        Ok(())
    }
}

/// What measures whole processes beside their peers.
fn beside(mut rest: Vec<String>, name: &str) -> Result<Value, String> {
    rest.push("--json".to_owned());
    last(&bench(None, name, Stdio::piped(), &rest)?)
}

/// Medians in milliseconds of the processor, memory in 10⁶ bytes.
fn chains() -> Result<Value, String> {
    let metadata = cargo_metadata::MetadataCommand::new().no_deps().exec().map_err(|e| e.to_string())?;
    let kept: PathBuf = metadata.target_directory.as_std_path().join("criterion");
    let folder = kept.join("hostile");
    // What an earlier run kept may be of inputs that there are no more.
    if folder.exists() {
        std::fs::remove_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    }
    bench(Some("patchline-chains"), "compile", Stdio::inherit(), &[])?;
    let worst = last(&bench(Some("patchline-chains"), "memory", Stdio::piped(), &[])?)?;
    let mut hostile = 0.0_f64;
    for entry in std::fs::read_dir(&folder).map_err(|e| format!("{}: {e}", folder.display()))? {
        let entry = entry.map_err(|e| e.to_string())?;
        // What criterion writes about the group itself has no estimates.
        if entry.path().join("new").exists() {
            hostile = hostile.max(median(&entry.path())?);
        }
    }
    Ok(json!({
        "validate_1000_ms": median(&kept.join("validate/1000-steps-with-when"))?,
        "hostile_worst_ms": hostile,
        "hostile_worst_mb": worst["hostile_worst_mb"],
    }))
}

/// The engine's figures, or those of one of its other measurements.
pub(crate) fn engine(arguments: &[String]) -> Result<Value, String> {
    let mut all = vec!["--json".to_owned()];
    all.splice(0..0, arguments.iter().cloned());
    last(&bench(None, "engine", Stdio::piped(), &all)?)
}

/// The one line of JSON that a program ends with.
pub(crate) fn last(said: &str) -> Result<Value, String> {
    let line = said.lines().last().unwrap_or_default();
    serde_json::from_str(line).map_err(|e| format!("it ended with `{line}`: {e}"))
}

/// Of one package, or with the features of the whole workspace: what was built with those is not built again.
fn bench(package: Option<&str>, name: &str, out: Stdio, arguments: &[String]) -> Result<String, String> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["bench", "--locked", "--bench", name]).stdout(out);
    match package {
        Some(package) => cargo.args(["--package", package]),
        None => cargo.arg("--workspace"),
    };
    if !arguments.is_empty() {
        cargo.arg("--").args(arguments);
    }
    let ended =
        cargo.spawn().and_then(|c| c.wait_with_output()).map_err(|e| format!("cargo does not start: {e}"))?;
    if !ended.status.success() {
        return Err(format!("bench {name}: {}", ended.status));
    }
    Ok(String::from_utf8_lossy(&ended.stdout).into_owned())
}

/// What criterion keeps of a bench, in milliseconds.
fn median(bench: &Path) -> Result<f64, String> {
    let file = bench.join("new/estimates.json");
    let text = std::fs::read_to_string(&file).map_err(|e| format!("{}: {e}", file.display()))?;
    let kept: Value = serde_json::from_str(&text).map_err(|e| format!("{}: {e}", file.display()))?;
    let nanoseconds =
        kept["median"]["point_estimate"].as_f64().ok_or_else(|| format!("{}: no median", file.display()))?;
    Ok((nanoseconds / 1e4).round() / 100.0)
}

#[expect(clippy::print_stdout, reason = "figures are what is asked for")]
pub(crate) fn tell(figures: &Value) {
    println!("{figures}");
}
