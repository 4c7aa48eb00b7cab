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
}

/// What has benches.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum Room {
    /// Compiling chains
    Chains,
}

impl Bench {
    pub(crate) fn run(self) -> Result<(), String> {
        let figures = match self.room {
            Room::Chains => chains()?,
        };
        if self.json {
            tell(&figures);
        }
        Ok(())
    }
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
    bench("compile", Stdio::inherit())?;
    let memory = bench("memory", Stdio::piped())?;
    let last = memory.lines().last().unwrap_or_default();
    let worst: Value =
        serde_json::from_str(last).map_err(|e| format!("the memory bench said `{last}`: {e}"))?;
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

fn bench(name: &str, out: Stdio) -> Result<String, String> {
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["bench", "--locked", "--package", "patchline-chains", "--bench", name]).stdout(out);
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
fn tell(figures: &Value) {
    println!("{figures}");
}
