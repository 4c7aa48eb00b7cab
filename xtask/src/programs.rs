//! The suites' programs, started as `cargo test` starts them, but several at a time: most of what they do is waiting.

use std::{
    collections::VecDeque,
    fs::File,
    io::{BufReader, Read, Seek},
    path::PathBuf,
    process::{Command, ExitStatus, Stdio},
    sync::{Condvar, Mutex, PoisonError},
    time::{Duration, Instant},
};

use cargo_metadata::Message;

use crate::say;

/// Suites that count the machine's sandboxes: nobody else may have one meanwhile. The longest first.
const COUNTING: &[&str] = &["matrix", "rpmdb", "sandbox", "smoke", "apksandbox"];
/// Suites that have some.
const STARTING: &[&str] = &["containers", "examples", "mended", "micro"];

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
    let count = programs.len();
    let queue = Queue::of(programs);
    let failed = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..together.max(1) {
            scope.spawn(|| {
                while let Some(program) = queue.next() {
                    let ended = one(&program, rest);
                    queue.ended(&program);
                    if let Err(why) = ended {
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

/// What is still to be run, and whether one that counts is.
struct Queue {
    state: Mutex<State>,
    ended: Condvar,
}

#[derive(Default)]
struct State {
    counting: VecDeque<Program>,
    starting: VecDeque<Program>,
    others: VecDeque<Program>,
    counts: bool,
}

fn rank(list: &[&str], program: &Program) -> Option<usize> {
    list.iter().position(|name| *name == program.name)
}

impl Queue {
    fn of(programs: Vec<Program>) -> Self {
        let mut state = State::default();
        for program in programs {
            match (rank(COUNTING, &program), rank(STARTING, &program)) {
                (Some(_), _) => state.counting.push_back(program),
                (_, Some(_)) => state.starting.push_back(program),
                _ => state.others.push_back(program),
            }
        }
        state.counting.make_contiguous().sort_by_key(|program| rank(COUNTING, program));
        state.starting.make_contiguous().sort_by_key(|program| rank(STARTING, program));
        Self { state: Mutex::new(state), ended: Condvar::new() }
    }

    /// Those that count one after the other, beside them what has no sandbox, then the rest; none: all are run or running.
    fn next(&self) -> Option<Program> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if !state.counts {
                if let Some(program) = state.counting.pop_front() {
                    state.counts = true;
                    return Some(program);
                }
                return state.starting.pop_front().or_else(|| state.others.pop_front());
            }
            if let Some(program) = state.others.pop_front() {
                return Some(program);
            }
            if state.counting.is_empty() && state.starting.is_empty() {
                return None;
            }
            state = self.ended.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn ended(&self, program: &Program) {
        if rank(COUNTING, program).is_some() {
            self.state.lock().unwrap_or_else(PoisonError::into_inner).counts = false;
            self.ended.notify_all();
        }
    }
}

/// Runs one. Its output lies in a file without a name meanwhile: a pipe that nobody reads would stop it.
#[expect(clippy::disallowed_methods, reason = "how long it took is told to people")]
fn one(program: &Program, rest: &[String]) -> Result<(), String> {
    let began = Instant::now();
    let (ended, said) = kept(program, rest).map_err(|e| format!("{}: {e}", program.executable.display()))?;
    let place = format!("{} ({})", program.name, program.executable.display());
    say(&format!("     Ran {place} in {}\n{said}", seconds(began.elapsed())));
    if ended.success() { Ok(()) } else { Err(format!("{place}: {ended}")) }
}

fn kept(program: &Program, rest: &[String]) -> std::io::Result<(ExitStatus, String)> {
    let mut output = nameless()?;
    let ended = Command::new(&program.executable)
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
