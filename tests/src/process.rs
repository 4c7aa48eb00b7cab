//! Child processes that end with ours, and signals to processes that we started.

use std::{
    ffi::{OsStr, OsString},
    fs,
    io::{Error, ErrorKind, Result},
    path::PathBuf,
    process::{Child, Command},
    sync::{
        Mutex, OnceLock,
        mpsc::{Sender, channel},
    },
    time::{Duration, Instant},
};

/// A command behind util-linux's `setpriv`: the program gets `signal` when the process that spawned it is gone,
/// however it went. With `user` (as root alone) it runs as that user.
///
/// The kernel watches the *thread* that forks: start the command with [`spawn`], whose thread lasts.
pub fn bound(program: impl AsRef<OsStr>, signal: &str, user: Option<&str>) -> Command {
    let mut command = Command::new("setpriv");
    if let Some(user) = user {
        command.args([format!("--reuid={user}"), format!("--regid={user}"), "--init-groups".into()]);
    }
    command.args(["--pdeathsig", signal, "--"]).arg(program);
    command
}

type Job = (Command, Sender<Result<Child>>);

/// Starts a command from a thread that lasts as long as this process.
///
/// # Errors
/// What `Command::spawn` says.
pub fn spawn(command: Command) -> Result<Child> {
    static SPAWNER: OnceLock<Mutex<Sender<Job>>> = OnceLock::new();
    let spawner = SPAWNER.get_or_init(|| {
        let (sender, jobs) = channel::<Job>();
        std::thread::spawn(move || {
            for (mut command, reply) in jobs {
                drop(reply.send(command.spawn()));
            }
        });
        Mutex::new(sender)
    });
    let gone = || Error::new(ErrorKind::BrokenPipe, "the thread that starts processes is gone");
    let (reply, answer) = channel();
    spawner.lock().map_err(|_| gone())?.send((command, reply)).map_err(|_| gone())?;
    answer.recv().map_err(|_| gone())?
}

/// Sends a signal (`KILL`, `STOP`, `CONT`, `TERM`, `INT`, `QUIT`) to a process; one that is gone already is left.
pub fn signal(pid: u32, name: &str) {
    // A shell's own `kill`: there is no safe call for it in the standard library.
    drop(Command::new("sh").arg("-c").arg(format!("kill -s {name} {pid} 2>/dev/null")).status());
}

/// Whether a process is there, and is no zombie.
pub fn alive(pid: u32) -> bool {
    status(pid).is_some_and(|(state, _)| state != 'Z' && state != 'X')
}

/// The processes whose parent this is.
pub fn children(pid: u32) -> Vec<u32> {
    let Ok(all) = fs::read_dir("/proc") else { return Vec::new() };
    all.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok())
        .filter(|candidate| status(*candidate).is_some_and(|(_, parent)| parent == pid))
        .collect()
}

/// Waits for a child, at most so long; whether it ended.
pub fn ended(child: &mut Child, limit: Duration) -> bool {
    until(limit, || !matches!(child.try_wait(), Ok(None)))
}

/// Asks again and again, at most so long, whether something is so.
#[expect(clippy::disallowed_methods, reason = "a test waits for real processes")]
pub fn until(limit: Duration, mut so: impl FnMut() -> bool) -> bool {
    let end = Instant::now() + limit;
    loop {
        if so() {
            return true;
        }
        if Instant::now() >= end {
            return false;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A program on the path.
pub fn on_path(program: &str) -> Option<PathBuf> {
    let path: OsString = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// State and parent of a process, from its `stat`: the name in brackets may hold anything.
fn status(pid: u32) -> Option<(char, u32)> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut rest = text.rsplit_once(')')?.1.split_whitespace();
    Some((rest.next()?.chars().next()?, rest.next()?.parse().ok()?))
}
