//! The suites' programs, started as `cargo test` starts them, but several at a time: most of what they do is waiting.

use std::{
    collections::VecDeque,
    fs::File,
    io::{BufReader, Read, Seek},
    path::PathBuf,
    process::{Command, ExitStatus, Stdio},
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use cargo_metadata::Message;

use crate::say;

/// Suites that count sandboxes: each has namespaces of its own for it, where there are no others' processes.
const COUNTING: &[&str] = &["matrix", "rpmdb", "sandbox", "smoke", "apksandbox"];
/// What takes longest begins first, so that nobody waits for it at the end.
const LONGEST: &[&str] =
    &["containers", "matrix", "rpmdb", "native", "sandbox", "chaos", "engine", "micro", "examples"];

/// One program of tests, and the folder of its package, where it is started.
pub(crate) struct Program {
    name: String,
    executable: PathBuf,
    folder: PathBuf,
}

/// Builds every program of tests in the workspace; each comes once.
pub(crate) fn built(arguments: &[&str]) -> Result<Vec<Program>, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut building = Command::new(cargo)
        .args(["test", "--no-run", "--message-format=json-render-diagnostics"])
        .args(arguments)
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|e| format!("cargo test --no-run: {e}"))?;
    let said = building.stdout.take().ok_or("cargo test --no-run says nothing")?;
    let mut programs = Vec::new();
    for message in Message::parse_stream(BufReader::new(said)) {
        let Message::CompilerArtifact(artifact) =
            message.map_err(|e| format!("what cargo test --no-run says: {e}"))?
        else {
            continue;
        };
        let (Some(executable), true) = (artifact.executable, artifact.profile.test) else { continue };
        let folder = artifact.manifest_path.parent().ok_or("a manifest lies in no folder")?;
        programs.push(Program {
            name: artifact.target.name,
            executable: executable.into(),
            folder: folder.into(),
        });
    }
    let ended = building.wait().map_err(|e| format!("cargo test --no-run: {e}"))?;
    if !ended.success() {
        return Err(format!("cargo test --no-run ended with {ended}"));
    }
    if programs.is_empty() {
        return Err("cargo test --no-run built no program".into());
    }
    Ok(programs)
}

/// Runs them all to their ends, `together` at a time; what each says is shown whole when it has ended. An error names all that
/// failed.
#[expect(clippy::disallowed_methods, reason = "how long it took is told to people")]
pub(crate) fn run(programs: Vec<Program>, together: usize, rest: &[String]) -> Result<(), String> {
    let began = Instant::now();
    let (count, apart) = (programs.len(), can_be_apart());
    // Who counts the machine's sandboxes would count others'.
    let together = if apart { together.max(1) } else { 1 };
    let queue = Mutex::new(ordered(programs));
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..together {
            scope.spawn(|| {
                while let Some(program) = next() {
                    if let Err(why) = one(&program, apart, rest) {
                        failed.lock().unwrap_or_else(PoisonError::into_inner).push(why);
                    }
                }
            });
        }
    });
    let failed = failed.into_inner().unwrap_or_else(PoisonError::into_inner);
    say(&format!("{count} programs of tests in {}, {together} at a time", seconds(began.elapsed())));
    if failed.is_empty() { Ok(()) } else { Err(format!("failed:\n    {}", failed.join("\n    "))) }
}

fn ordered(mut programs: Vec<Program>) -> VecDeque<Program> {
    let rank = |program: &Program| LONGEST.iter().position(|name| *name == program.name);
    programs.sort_by_key(|program| rank(program).unwrap_or(LONGEST.len()));
    programs.into()
}

/// A program in a namespace of processes of its own, whose end is the end of all that it left there (pid_namespaces(7)). The
/// first process in it is a shell, which takes in whom nobody waits for: the program would not.
fn apart() -> Command {
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--kill-child", "--mount-proc"]);
    command.args(["sh", "-c", "\"$@\"; exit $?", "sh"]);
    command
}

/// Whether this user may have such namespaces.
fn can_be_apart() -> bool {
    apart().arg("true").output().is_ok_and(|output| output.status.success())
}

/// Runs one. Its output lies in a file without a name meanwhile: a pipe that nobody reads would stop it.
#[expect(clippy::disallowed_methods, reason = "how long it took is told to people")]
fn one(program: &Program, apart: bool, rest: &[String]) -> Result<(), String> {
    let began = Instant::now();
    let (ended, said) =
        kept(program, apart, rest).map_err(|e| format!("{}: {e}", program.executable.display()))?;
    let place = format!("{} ({})", program.name, program.executable.display());
    say(&format!("     Ran {place} in {}\n{said}", seconds(began.elapsed())));
    if ended.success() { Ok(()) } else { Err(format!("{place}: {ended}")) }
}

fn kept(program: &Program, is_apart: bool, rest: &[String]) -> std::io::Result<(ExitStatus, String)> {
    let mut output = nameless()?;
    let mut command = match is_apart && COUNTING.contains(&program.name.as_str()) {
        true => apart(),
        false => Command::new("env"),
    };
    let ended = command
        .arg(&program.executable)
        .args(rest)
        .current_dir(&program.folder)
        .env("CARGO_MANIFEST_DIR", &program.folder)
        .stdin(Stdio::null())
        .stdout(output.try_clone()?)
        .stderr(output.try_clone()?)
        .status()?;
    let mut said = Vec::new();
    output.rewind()?;
    output.read_to_end(&mut said)?;
    Ok((ended, String::from_utf8_lossy(&said).into_owned()))
}

/// A file that is gone when nobody has it open any more.
fn nameless() -> std::io::Result<File> {
    use std::{fs::OpenOptions, os::unix::fs::OpenOptionsExt, sync::atomic::AtomicUsize};
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("patchline-xtask-{}-{count}", std::process::id()));
    let file = OpenOptions::new().read(true).append(true).create_new(true).mode(0o600).open(&path)?;
    std::fs::remove_file(&path)?;
    Ok(file)
}

fn seconds(time: Duration) -> String {
    format!("{:.1} s", time.as_secs_f64())
}
