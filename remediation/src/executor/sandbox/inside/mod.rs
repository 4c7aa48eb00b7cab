//! The inside of a sandbox: a process that shuts itself in, does its job there, and says what changed.
//!
//! Two stages of one program. The first leaves the caller's namespaces and gets its ids from the parent; the second is the
//! first process of the new pid namespace, so that everything ends when it does. Both have one thread when they do so, which
//! `unshare(2)` of a user namespace needs: this runs before anything else of a program.

#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod calls;
mod changes;
pub(in crate::executor) mod clean;
mod lay;
mod loopback;
mod person;
mod root;
mod run;
mod tools;

use std::{
    ffi::OsString,
    io::{BufReader, BufWriter, Read, Write},
    os::fd::AsFd,
    process::{Command, ExitCode, Stdio},
};

use rustix::{
    process::{DumpableBehavior, Pid, Signal},
    thread::{Gid, Uid, UnshareFlags},
};

use super::{
    fault::{Failure, Fault},
    wire::{self, Job, Said, Tried},
};

/// What the second stage is called with, after the first one's own arguments.
pub const SECOND: &str = "--inside";

type Result<T, E = Failure> = std::result::Result<T, E>;

fn unavailable(what: &'static str) -> impl Fn(rustix::io::Errno) -> Failure {
    move |error| Failure::io(Fault::Unavailable, what, &error)
}

/// Speaks with the parent over standard input and output; the caller has started no thread yet, and ends with what this gives.
/// `second`: [`SECOND`] was among its arguments.
pub fn main(second: bool) -> ExitCode {
    let ended = if second { inner() } else { outer() };
    match ended {
        Ok(code) => code,
        Err(failure) => {
            // A parent that is gone hears nothing; the exit code says the same.
            let mut out = std::io::stdout().lock();
            let told = wire::say(&mut out, &Said::Failed(failure.fault, failure.reason));
            ExitCode::from(if told.and_then(|()| out.flush()).is_ok() { 1 } else { 2 })
        }
    }
}

/// What the caller's own callers left open would be open in every script, too, and a folder or a socket of the host's is a way out. It is
/// closed by number: nothing of this process's own is open yet but the three that everybody has.
fn close_the_rest() -> Result<()> {
    let failed = |e: std::io::Error| Failure::io(Fault::Unavailable, "open files cannot be told", &e);
    let mut open = Vec::new();
    for entry in std::fs::read_dir("/proc/self/fd").map_err(failed)? {
        let name = entry.map_err(failed)?.file_name();
        open.extend(name.to_str().and_then(|name| name.parse::<i32>().ok()));
    }
    for number in open.into_iter().filter(|number| *number > 2) {
        // The listing's own is closed already; and on Linux what says that it failed has closed, too (close(2)).
        let _ = nix::unistd::close(number);
    }
    Ok(())
}

/// Whoever started this is gone when its thread is; then so is this, and all that is in the sandbox.
fn die_with_parent() -> Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).map_err(unavailable("prctl"))
}

/// Out of the caller's namespaces, with ids of the sandbox's own; then waits for the second stage.
fn outer() -> Result<ExitCode> {
    close_the_rest()?;
    let parent = rustix::process::getppid();
    die_with_parent()?;
    // No terminal of the caller's, into which a script could type.
    rustix::process::setsid().map_err(unavailable("session"))?;
    let apart = UnshareFlags::NEWUSER
        | UnshareFlags::NEWNS
        | UnshareFlags::NEWPID
        | UnshareFlags::NEWNET
        | UnshareFlags::NEWIPC
        | UnshareFlags::NEWUTS
        | UnshareFlags::NEWCGROUP;
    #[expect(deprecated, reason = "it is unsafe with FILES alone, which is not among the flags")]
    rustix::thread::unshare(apart).map_err(unavailable("namespaces"))?;
    {
        let mut out = std::io::stdout().lock();
        let told = wire::say(&mut out, &Said::Waiting).and_then(|()| out.flush());
        told.map_err(|e| Failure::io(Fault::Broken, "speak", &e))?;
    }
    // One byte and not one more: what follows is the second stage's.
    let mut given = [0];
    let read = rustix::io::read(std::io::stdin().as_fd(), &mut given).map_err(unavailable("hear"))?;
    if read != 1 {
        return Err(Failure::of(Fault::Broken, "no ids came"));
    }
    rustix::thread::set_thread_groups(&[]).map_err(unavailable("groups"))?;
    rustix::thread::set_thread_res_gid(Gid::ROOT, Gid::ROOT, Gid::ROOT).map_err(unavailable("group"))?;
    rustix::thread::set_thread_res_uid(Uid::ROOT, Uid::ROOT, Uid::ROOT).map_err(unavailable("user"))?;
    // Other ids clear it (prctl(2)); whoever died in between has left another parent.
    die_with_parent()?;
    if rustix::process::getppid() != parent {
        return Err(Failure::of(Fault::Broken, "its parent is gone"));
    }
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let mut child = Command::new("/proc/self/exe")
        .args(arguments)
        .arg(SECOND)
        .env_clear()
        .stdin(Stdio::inherit())
        .stdout(Stdio::inherit())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|e| Failure::io(Fault::Unavailable, "its own program cannot be started again", &e))?;
    let status = child.wait().map_err(|e| Failure::io(Fault::Broken, "wait", &e))?;
    Ok(ExitCode::from(if status.success() { 0 } else { 1 }))
}

/// The first process of the sandbox.
fn inner() -> Result<ExitCode> {
    die_with_parent()?;
    if rustix::process::getpid() != Pid::INIT {
        return Err(Failure::of(Fault::Broken, "it is not the first process of its namespace"));
    }
    // A script of the same id must not trace what speaks with the parent.
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable).map_err(unavailable("prctl"))?;
    rustix::system::sethostname(b"sandbox").map_err(unavailable("host name"))?;
    let mut from = BufReader::with_capacity(1 << 16, std::io::stdin().lock());
    let mut to = BufWriter::with_capacity(1 << 16, std::io::stdout().lock());
    let broken = |e: std::io::Error| Failure::io(Fault::Broken, "the parent", &e);
    let job: Job = wire::hear(&mut from).map_err(broken)?;
    root::enter(job.limits.disk)?;
    for number in 0..job.layers {
        let mut layer = wire::Pieces::new(&mut from);
        lay::layer(&mut layer).map_err(|e| root::full(&format!("layer {}", number + 1), &e))?;
        layer.skip().map_err(broken)?;
    }
    match &job.tried {
        None => upgrade(&job, &mut from, &mut to)?,
        Some(tried) => attempt(&job, tried, &mut to)?,
    }
    wire::say(&mut to, &Said::Done).and_then(|()| to.flush()).map_err(broken)?;
    Ok(ExitCode::SUCCESS)
}

/// The tools of an upgrade, and what they changed.
fn upgrade(job: &Job, from: &mut impl Read, to: &mut impl Write) -> Result<()> {
    folder()?;
    tools::lay(job, from)?;
    let added = files(job, from)?;
    let before =
        changes::snapshot(&added).map_err(|e| Failure::io(Fault::Broken, "look at the image", &e))?;
    say_laid(to)?;
    run::all(job, None)?;
    changes::tell(&before, &added, to)
}

/// The image's own commands, as a container of it would run them; what they change is of no interest.
fn attempt(job: &Job, tried: &Tried, to: &mut impl Write) -> Result<()> {
    folder()?;
    loopback::up()?;
    root::hosts();
    let person = person::find(tried)?;
    person.enter(&tried.folder)?;
    say_laid(to)?;
    run::all(job, Some((tried, &person)))
}

fn say_laid(to: &mut impl Write) -> Result<()> {
    let said = wire::say(to, &Said::Laid).and_then(|()| to.flush());
    said.map_err(|e| Failure::io(Fault::Broken, "the parent", &e))
}

/// Makes the sandbox's own folder in the image's tree.
fn folder() -> Result<()> {
    if std::fs::symlink_metadata(wire::FOLDER).is_ok() {
        return Err(Failure::of(Fault::Unavailable, format!("the image has a {} of its own", wire::FOLDER)));
    }
    std::fs::create_dir(wire::FOLDER).map_err(|e| root::full("the sandbox's folder", &e))
}

/// Puts the job's files and what else tools look for in their places; which paths are none of the image's.
fn files(job: &Job, from: &mut impl Read) -> Result<clean::Added> {
    let failed = |e: std::io::Error| root::full("the packages", &e);
    let mut added = clean::Added::default();
    for name in &job.files {
        let plain = !name.is_empty() && !name.starts_with('.') && !name.contains('/');
        if !plain {
            return Err(Failure::of(Fault::Broken, "a file has no plain name"));
        }
        let mut content = wire::Pieces::new(from);
        let mut file = std::fs::File::create(format!("{}/{name}", wire::FOLDER)).map_err(failed)?;
        std::io::copy(&mut content, &mut file).map_err(failed)?;
    }
    added.policy = root::no_services().map_err(failed)?;
    Ok(added)
}
