//! The tools, one after the other, watched: time, memory, processes, disk, and that nothing is left of them.

use std::{
    fs::{self, File},
    io::{Read, Seek, SeekFrom},
    os::unix::process::CommandExt,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, WaitOptions, WaitStatus};

use super::{Result, person::Person, root, tools};
use crate::executor::sandbox::{
    fault::{Failure, Fault},
    limits::{FULL, JUDGED, LEAVING_MS, Limits, WORDS},
    wire::{FOLDER, Job, Tried},
};

/// Between two looks. A fork bomb is bounded by RLIMIT_NPROC and a write by the tmpfs meanwhile.
const LOOK: Duration = Duration::from_millis(20);

/// Characters of a command that are shown.
const SHOWN: usize = 200;

/// Runs every command of the job; the first that fails, or whatever reaches a limit, ends it. With somebody of the image's, they are the image's own
/// commands.
pub(super) fn all(job: &Job, tried: Option<(&Tried, &Person)>) -> Result<()> {
    root::restrict(&job.limits, tried.is_none())?;
    let away = tools::enter(job)?;
    let started = now();
    for command in &job.commands {
        one(job, command, tried, started)?;
    }
    away.map_or(Ok(()), tools::Away::back)
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long strangers' scripts have run: nothing of it gets into a result"
)]
fn now() -> Instant {
    Instant::now()
}

fn one(job: &Job, command: &[String], tried: Option<(&Tried, &Person)>, started: Instant) -> Result<()> {
    let Some((program, arguments)) = command.split_first() else {
        return Err(Failure::of(Fault::Broken, "a command without a program"));
    };
    let name = match tried {
        // Tools are told apart by what they say; an image's own commands may say nothing.
        Some(_) => format!(
            "`{}`",
            command.join(" ").chars().filter(|c| !c.is_control()).take(SHOWN).collect::<String>()
        ),
        None => program.clone(),
    };
    let broken = |what: &'static str| move |e: std::io::Error| root::full(what, &e);
    let words = format!("{FOLDER}/words");
    let out = File::create(&words).map_err(broken("the tools' words"))?;
    let err = out.try_clone().map_err(broken("the tools' words"))?;
    let mut command = Command::new(program);
    command.args(arguments).env_clear().stdin(Stdio::null()).stdout(out).stderr(err).process_group(0);
    let (started_as, missing) = match tried {
        None => (None, Fault::Unavailable),
        Some((tried, person)) => {
            command.env("HOME", &person.home).current_dir(&tried.folder);
            (Some(person), Fault::Tool)
        }
    };
    command.envs(job.environment.iter().map(|(name, value)| (name, value)));
    let child = match started_as {
        None => command.spawn(),
        Some(person) => person.start(&mut command),
    };
    let child = child.map_err(|e| Failure::of(missing, format!("{name} cannot be started: {e}")))?;
    let pid = Pid::from_raw(child.id().cast_signed()).ok_or_else(|| Failure::of(Fault::Broken, "no pid"))?;
    let said = || format!("{name}{}", last_words(&words));
    loop {
        let round = Round::look(&job.limits, Some(pid));
        if let Some(status) = round.ended {
            well(&job.limits, &said, status, &round.there)?;
            if job.fatal.iter().any(|fatal| end_of(&words, JUDGED).contains(fatal.as_str())) {
                return Err(ended_badly("told of a failure", &said));
            }
            return if tried.is_some() { Ok(()) } else { nothing_left(&job.limits, round.there) };
        }
        within(&job.limits, &round.there, started)
            .map_err(|(fault, reason)| Failure::of(fault, format!("{reason}; {}", said())))?;
        std::thread::sleep(LOOK);
    }
}

/// What one look found.
struct Round {
    /// How the one that is waited for ended.
    ended: Option<WaitStatus>,
    there: Running,
}

impl Round {
    fn look(limits: &Limits, awaited: Option<Pid>) -> Self {
        let (mut ended, mut buried) = (None, 0);
        // Orphans are this process's to bury; std would wait for its own child alone.
        while let Ok(Some((who, how))) = rustix::process::wait(WaitOptions::NOHANG) {
            buried += 1;
            if Some(who) == awaited {
                ended = Some(how);
            }
        }
        let mut there = Running::look(limits.processes);
        // Each had its number until now: what came and went between two looks was there at once.
        there.count += buried;
        Self { ended, there }
    }
}

/// A tool that has ended: with success, with room, and never with more processes than there may be.
fn well(limits: &Limits, said: &dyn Fn() -> String, status: WaitStatus, there: &Running) -> Result<()> {
    if there.count >= limits.processes {
        return Err(Failure::of(Fault::Processes, said()));
    }
    if status.exit_status() == Some(0) {
        return Ok(());
    }
    let how = match (status.exit_status(), status.terminating_signal()) {
        (Some(code), _) => format!("ended with {code}"),
        (_, Some(signal)) => format!("was ended by signal {signal}"),
        _ => "did not end well".to_owned(),
    };
    Err(ended_badly(&how, said))
}

/// What became of a tool that failed: perhaps for want of what it had used up.
fn ended_badly(how: &str, said: &dyn Fn() -> String) -> Failure {
    match free() {
        Some(free) if free < FULL => Failure::of(Fault::Disk, said()),
        _ => Failure::of(Fault::Tool, format!("it {how}: {}", said())),
    }
}

/// What is left of it has a moment to end by itself.
fn nothing_left(limits: &Limits, mut there: Running) -> Result<()> {
    let until = now() + Duration::from_millis(LEAVING_MS);
    while !there.names.is_empty() && now() < until {
        std::thread::sleep(LOOK);
        there = Round::look(limits, None).there;
        if there.count >= limits.processes {
            let reason = format!("{} at once, of what was left running", there.count);
            return Err(Failure::of(Fault::Processes, reason));
        }
    }
    match there.names.first() {
        None => Ok(()),
        Some(first) => {
            let more = there.names.len() - 1;
            let others = if more == 0 { String::new() } else { format!(" and {more} more") };
            Err(Failure::of(Fault::LeftRunning, format!("`{first}`{others}")))
        }
    }
}

fn within(limits: &Limits, there: &Running, started: Instant) -> Result<(), (Fault, String)> {
    if started.elapsed() > Duration::from_secs(limits.seconds) {
        return Err((Fault::Time, format!("{} s", limits.seconds)));
    }
    if there.count >= limits.processes {
        return Err((Fault::Processes, format!("{} at once", there.count)));
    }
    if there.memory > limits.memory {
        return Err((Fault::Memory, format!("{} bytes of {}", there.memory, limits.memory)));
    }
    match free() {
        Some(free) if free < FULL => Err((Fault::Disk, format!("all {} bytes are taken", limits.disk))),
        _ => Ok(()),
    }
}

/// Bytes that the tree may still take; 0 where no file can be made any more.
fn free() -> Option<u64> {
    let disk = rustix::fs::statvfs("/").ok()?;
    Some(if disk.f_ffree == 0 { 0 } else { disk.f_bavail.saturating_mul(disk.f_frsize) })
}

/// What runs beside this process.
struct Running {
    /// Of those that live.
    names: Vec<String>,
    /// With those that are dead and not buried yet, which take a number, too.
    count: u64,
    /// Resident bytes; what several share counts for each of them.
    memory: u64,
}

impl Running {
    /// Looks no closer at more than `most`: whoever makes them makes more while they are looked at.
    fn look(most: u64) -> Self {
        let mut there = Self { names: Vec::new(), count: 0, memory: 0 };
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let name = entry.file_name();
            let Some(pid) = name.to_str().filter(|name| name.bytes().all(|b| b.is_ascii_digit())) else {
                continue;
            };
            if there.count >= most {
                break;
            }
            // Gone in between is gone.
            let Ok(status) = fs::read(format!("/proc/{pid}/status")) else { continue };
            let status = String::from_utf8_lossy(&status);
            if pid == "1" {
                continue;
            }
            there.count += 1;
            let Some((program, resident)) = of_status(&status) else { continue };
            there.memory = there.memory.saturating_add(resident);
            there.names.push(program.chars().filter(|c| !c.is_control()).take(40).collect());
        }
        there
    }
}

/// Name and resident bytes (proc_pid_status(5)); none of one that is dead and waits to be buried. A name cannot make lines of its
/// own: the kernel escapes it.
fn of_status(status: &str) -> Option<(&str, u64)> {
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
    let state = field("State:")?;
    if state.starts_with(['Z', 'X']) {
        return None;
    }
    // One that has no memory of its own says nothing of it.
    let kilobytes = field("VmRSS:").and_then(|text| text.strip_suffix("kB")?.trim().parse::<u64>().ok());
    Some((field("Name:")?, kilobytes.unwrap_or(0).saturating_mul(1024)))
}

/// The end of what was said, in bytes.
fn end_of(file: &str, most: u64) -> String {
    let read = || -> std::io::Result<Vec<u8>> {
        let mut file = File::open(file)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(most)))?;
        let mut bytes = Vec::new();
        file.take(most).read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    String::from_utf8_lossy(&read().unwrap_or_default()).into_owned()
}

/// The end of what was said, on lines of its own; empty: nothing was.
fn last_words(file: &str) -> String {
    let text: String = end_of(file, WORDS).chars().filter(|c| *c == '\n' || !c.is_control()).collect();
    let text = text.trim();
    if text.is_empty() { String::new() } else { format!(" said:\n{text}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_read() {
        let status = "Name:\tperl\nUmask:\t0022\nState:\tR (running)\nVmHWM:\t 9 kB\nVmRSS:\t   42 kB\n";
        assert_eq!(of_status(status), Some(("perl", 42 << 10)));
        assert_eq!(of_status("Name:\tperl\nState:\tZ (zombie)\n"), None);
        assert_eq!(of_status("Name:\tx\nState:\tS (sleeping)\n"), Some(("x", 0)));
    }

    #[test]
    fn words_are_bounded_and_plain() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("words");
        std::fs::write(&file, format!("{}\u{1b}[31mlast\n", "x".repeat(100_000))).unwrap();
        let words = last_words(file.to_str().unwrap());
        assert!(words.ends_with("[31mlast") && !words.contains('\u{1b}'));
        assert!(words.len() as u64 <= WORDS + 16);
        assert_eq!(last_words("/nowhere"), "");
    }
}
