//! `cargo xtask fuzz`

use std::{
    collections::VecDeque,
    fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::{Mutex, PoisonError},
    thread,
};

use serde_json::{Value, json};

use crate::{bench, say};

/// The workspace of the targets, from the root of ours.
const FOLDER: &str = "scanner/fuzz";
/// Memory that one target may take: what a hostile file may cost a scan, and the fuzzer's own.
const MEMORY_MB: u32 = 1024;
/// Seconds that one input may take.
const SECONDS: u32 = 20;
/// Bytes of the longest input.
const LENGTH: u32 = 32 << 10;

/// Feed the scanner's readers with bytes that nobody would write, and count what breaks
#[derive(Debug, clap::Args)]
pub(crate) struct Fuzz {
    /// These alone, by the names of `scanner/fuzz/fuzz_targets`; else all
    targets: Vec<String>,
    /// How long each is fed
    #[arg(long, default_value_t = 10)]
    minutes: u32,
    /// The same in seconds, for a short look
    #[arg(long, conflicts_with = "minutes")]
    seconds: Option<u32>,
    /// How many at one time
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// End with one line of JSON on standard output
    #[arg(long)]
    json: bool,
}

/// Where the targets are, and where they are built.
struct Place {
    folder: PathBuf,
    built: PathBuf,
}

/// What came of one target.
struct Outcome {
    target: String,
    runs: u64,
    coverage: u64,
    rss_mb: u64,
    /// The input that broke it; none: nothing did.
    crash: Option<String>,
    /// It did not run to its end, and left no input.
    failed: bool,
}

impl Fuzz {
    pub(crate) fn run(self) -> Result<(), String> {
        let metadata = cargo_metadata::MetadataCommand::new().no_deps().exec().map_err(|e| e.to_string())?;
        let folder = metadata.workspace_root.as_std_path().join(FOLDER);
        // Beside our own: what is instrumented shares nothing with it.
        let built = metadata.target_directory.as_std_path().join("fuzzing");
        let place = Place { folder, built };
        let all = targets(&place.folder)?;
        if let Some(unknown) = self.targets.iter().find(|name| !all.contains(name)) {
            return Err(format!("there is no target {unknown}: {}", all.join(", ")));
        }
        let chosen = if self.targets.is_empty() { all } else { self.targets.clone() };
        build(&place)?;
        let seconds = self.seconds.unwrap_or_else(|| self.minutes.saturating_mul(60));
        let (queue, done) = (Mutex::new(VecDeque::from(chosen)), Mutex::new(Vec::new()));
        let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        let work = || {
            while let Some(target) = next() {
                let outcome = feed(&place, &target, seconds);
                done.lock().unwrap_or_else(PoisonError::into_inner).push(outcome);
            }
        };
        thread::scope(|scope| {
            for _ in 0..self.jobs.max(1) {
                scope.spawn(work);
            }
        });
        let outcomes = done.into_inner().unwrap_or_else(PoisonError::into_inner);
        let outcomes = outcomes.into_iter().collect::<Result<Vec<_>, _>>()?;
        tell(&outcomes, seconds, self.json);
        let bad = outcomes.iter().filter(|o| o.crash.is_some() || o.failed).count();
        if bad == 0 { Ok(()) } else { Err(format!("{bad} targets broke: see above")) }
    }
}

/// By the names of their files.
fn targets(folder: &Path) -> Result<Vec<String>, String> {
    let folder = folder.join("fuzz_targets");
    let entries = fs::read_dir(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut found: Vec<String> = entries
        .flatten()
        .filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(".rs")?.to_owned()))
        .collect();
    found.sort();
    Ok(found)
}

/// With overflow checks, and without a sanitizer: what is fuzzed has no unsafe code of its own.
fn cargo(place: &Place, command: &str) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.args(["+nightly", "fuzz", command, "--dev", "--sanitizer", "none", "--fuzz-dir"]);
    cargo.arg(&place.folder).env("CARGO_TARGET_DIR", &place.built);
    // The toolchain that runs xtask must not be the one that builds the targets.
    cargo.env_remove("RUSTUP_TOOLCHAIN").env_remove("CARGO");
    cargo
}

fn build(place: &Place) -> Result<(), String> {
    let ended = cargo(place, "build").status().map_err(|e| format!("cargo does not start: {e}"))?;
    if ended.success() { Ok(()) } else { Err("the targets do not build (cargo-fuzz 0.13, nightly)".into()) }
}

fn feed(place: &Place, target: &str, seconds: u32) -> Result<Outcome, String> {
    let inputs = inputs(&place.folder, target)?;
    let artifacts = place.folder.join("artifacts").join(target);
    fs::create_dir_all(&artifacts).map_err(|e| format!("{}: {e}", artifacts.display()))?;
    let mut command = cargo(place, "run");
    command.arg(target).arg(&inputs).arg("--");
    command.args([
        format!("-max_total_time={seconds}"),
        format!("-rss_limit_mb={MEMORY_MB}"),
        format!("-timeout={SECONDS}"),
        format!("-max_len={LENGTH}"),
        "-print_final_stats=1".to_owned(),
    ]);
    let output = command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .output()
        .map_err(|e| format!("cargo does not start: {e}"))?;
    let text = String::from_utf8_lossy(&output.stderr);
    let log = artifacts.with_extension("log");
    fs::write(&log, text.as_bytes()).map_err(|e| format!("{}: {e}", log.display()))?;
    let after = |line: &str, mark: &str| {
        let (_, rest) = line.split_once(mark)?;
        rest.split_whitespace().next()?.parse::<u64>().ok()
    };
    let last = |mark: &str| text.lines().filter_map(|line| after(line, mark)).next_back().unwrap_or(0);
    let crash = text
        .lines()
        .find_map(|line| line.split_once("Test unit written to "))
        .map(|(_, path)| path.to_owned());
    Ok(Outcome {
        target: target.to_owned(),
        runs: last("stat::number_of_executed_units:"),
        coverage: last(" cov: "),
        rss_mb: last("stat::peak_rss_mb:"),
        failed: !output.status.success() && crash.is_none(),
        crash,
    })
}

/// A folder with what is committed and what was found before; what is found is added to it.
fn inputs(folder: &Path, target: &str) -> Result<PathBuf, String> {
    let (committed, found) = (folder.join("corpus").join(target), folder.join("corpus/found").join(target));
    let failed = |path: &Path, e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
    fs::create_dir_all(&found).map_err(|e| failed(&found, &e))?;
    for entry in fs::read_dir(&committed).map_err(|e| failed(&committed, &e))?.flatten() {
        let path = entry.path();
        let bytes = fs::read(&path).map_err(|e| failed(&path, &e))?;
        let recipe = path.extension().is_some_and(|e| e == "hex");
        let bytes =
            if recipe { from_recipe(&bytes).ok_or_else(|| failed(&path, &"is no recipe"))? } else { bytes };
        let to = found.join(entry.file_name());
        fs::write(&to, bytes).map_err(|e| failed(&to, &e))?;
    }
    Ok(found)
}

/// Binary inputs are committed as text: hexadecimal digits, `00*40` for what repeats, `#` before a remark.
fn from_recipe(text: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(text).ok()?;
    let mut bytes = Vec::new();
    for word in text.lines().filter(|line| !line.starts_with('#')).flat_map(str::split_whitespace) {
        let (digits, times) = word.split_once('*').unwrap_or((word, "1"));
        let pairs = digits
            .as_bytes()
            .chunks(2)
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok());
        bytes.extend(pairs.collect::<Option<Vec<u8>>>()?.repeat(times.parse().ok()?));
    }
    Some(bytes)
}

fn tell(outcomes: &[Outcome], seconds: u32, json: bool) {
    say(&format!("{:<12} {:>12} {:>9} {:>8}  {seconds} s each", "target", "runs", "coverage", "RSS MB"));
    for o in outcomes {
        let end = match &o.crash {
            Some(path) => path.as_str(),
            None if o.failed => "did not run to its end: see its log beside its artifacts",
            None => "no crash",
        };
        say(&format!("{:<12} {:>12} {:>9} {:>8}  {end}", o.target, o.runs, o.coverage, o.rss_mb));
    }
    if json {
        let all: Vec<Value> = outcomes
            .iter()
            .map(|o| {
                json!({"target": o.target, "runs": o.runs, "coverage": o.coverage, "rss_mb": o.rss_mb,
                    "crash": o.crash, "failed": o.failed})
            })
            .collect();
        let crashes = outcomes.iter().filter(|o| o.crash.is_some() || o.failed).count();
        bench::tell(&json!({"seconds": seconds, "crashes": crashes, "targets": all}));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recipes_are_read() {
        let bytes = from_recipe(b"# a remark\n0aFF 00*3\nabcd*2\n");
        assert_eq!(bytes, Some(vec![10, 255, 0, 0, 0, 0xab, 0xcd, 0xab, 0xcd]));
        assert_eq!(from_recipe(b"0g"), None);
        assert_eq!(from_recipe(b"00*x"), None);
    }
}
