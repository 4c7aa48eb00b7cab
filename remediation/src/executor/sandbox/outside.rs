//! The parent's side: starts a sandbox, gives it ids, its job and the bytes, and listens until it has ended.

use std::{
    fs::File,
    io::{BufReader, BufWriter, Read, Write},
    process::{Child, Command, Stdio},
    sync::mpsc,
    time::Duration,
};

use rustix::process::{Pid, Signal};

use super::{
    Sandbox,
    fault::{Failure, Fault},
    ids,
    limits::{GRACE_SECONDS, LAYING_SECONDS},
    wire::{self, Changed, Job, Pieces, Said},
};

/// What a sandbox tells of the tree, as it comes.
pub(in crate::executor) trait Listener {
    /// The image is laid, the tools begin.
    fn laid(&mut self) {}
    /// A path that changed; the content is empty but for a file.
    fn entry(&mut self, entry: Changed, content: &mut dyn Read) -> crate::Result<()>;
    /// A path that is gone.
    fn removed(&mut self, path: String) -> crate::Result<()>;
}

/// One sandbox that runs; gone with all that is in it when this is.
struct Running {
    child: Child,
    /// Says that it has ended, so that nobody ends a stranger of the same number later.
    ended: mpsc::Sender<()>,
    watch: Option<std::thread::JoinHandle<bool>>,
}

impl Running {
    /// The thread that calls this must live as long as the sandbox: its end would end it (prctl(2), PR_SET_PDEATHSIG).
    fn start(sandbox: &Sandbox, seconds: u64) -> Result<Self, Failure> {
        let child = Command::new(&sandbox.program)
            .args(&sandbox.arguments)
            .env_clear()
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|e| Failure::io(Fault::Unavailable, "its program cannot be started", &e))?;
        let (ended, has_ended) = mpsc::channel::<()>();
        let pid = Pid::from_child(&child);
        // The inside holds its time itself; this is for an inside that no longer can.
        let watch = std::thread::spawn(move || {
            let late = matches!(
                has_ended.recv_timeout(Duration::from_secs(seconds)),
                Err(mpsc::RecvTimeoutError::Timeout)
            );
            // Not waited for yet, so the number is still its own; one that has just ended takes no signal.
            late && rustix::process::kill_process(pid, Signal::KILL).is_ok()
        });
        Ok(Self { child, ended, watch: Some(watch) })
    }

    /// Whether it had to be ended from outside.
    fn stop_watching(&mut self) -> bool {
        // A watch that has ended by itself hears nothing; what it did is what it gives.
        let _ = self.ended.send(());
        self.watch.take().is_some_and(|watch| watch.join().unwrap_or(false))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop_watching();
        // Both fail for one that has ended and been waited for, which is what they are for.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a job to its end. Blocks; the files are read from where they stand.
pub(super) fn run(
    sandbox: &Sandbox,
    job: &Job,
    layers: &mut [File],
    files: &mut [File],
    listener: &mut dyn Listener,
) -> crate::Result<()> {
    let seconds = job.limits.seconds + LAYING_SECONDS + GRACE_SECONDS;
    let mut running = Running::start(sandbox, seconds)?;
    let (Some(input), Some(output)) = (running.child.stdin.take(), running.child.stdout.take()) else {
        return Err(Failure::of(Fault::Broken, "it has no pipes").into());
    };
    let mut output = BufReader::with_capacity(1 << 16, output);
    let done = converse(running.child.id(), job, layers, files, input, &mut output, listener);
    if done.is_ok() {
        // What comes after the last word is its end alone.
        std::io::copy(&mut output, &mut std::io::sink())
            .and_then(|_| running.child.wait())
            .map_err(|e| Failure::io(Fault::Broken, "wait for its end", &e))?;
    }
    if running.stop_watching() {
        return Err(Failure::of(Fault::Time, format!("{seconds} s, all told")).into());
    }
    done
}

fn converse(
    child: u32,
    job: &Job,
    layers: &mut [File],
    files: &mut [File],
    input: std::process::ChildStdin,
    output: &mut impl Read,
    listener: &mut dyn Listener,
) -> crate::Result<()> {
    match hear(output)? {
        Said::Waiting => {}
        other => return Err(unexpected(&other).into()),
    }
    ids::give(child)?;
    let mut input = BufWriter::with_capacity(1 << 18, input);
    let tell = || -> std::io::Result<()> {
        input.write_all(&[1])?;
        input.flush()?;
        wire::say(&mut input, job)?;
        for content in layers.iter_mut().chain(files) {
            wire::send(&mut input, content)?;
        }
        input.flush()
    };
    // An inside that failed reads no more; why stands in what it says.
    let told = tell();
    match (hear(output)?, told) {
        (Said::Laid, Ok(())) => listener.laid(),
        (Said::Laid, Err(error)) => return Err(Failure::io(Fault::Broken, "speak", &error).into()),
        (other, _) => return Err(unexpected(&other).into()),
    }
    loop {
        match hear(output)? {
            Said::Entry(entry) if entry.kind == wire::What::File => {
                let mut content = Pieces::new(output);
                listener.entry(entry, &mut content)?;
                content.skip().map_err(|e| Failure::io(Fault::Broken, "hear", &e))?;
            }
            Said::Entry(entry) => listener.entry(entry, &mut std::io::empty())?,
            Said::Removed(path) => listener.removed(path)?,
            Said::Done => return Ok(()),
            other => return Err(unexpected(&other).into()),
        }
    }
}

fn hear(output: &mut impl Read) -> Result<Said, Failure> {
    match wire::hear(output) {
        Ok(Said::Failed(fault, reason)) => Err(Failure::of(fault, reason)),
        Ok(said) => Ok(said),
        Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            Err(Failure::of(Fault::Broken, "it ended without a word"))
        }
        Err(error) => Err(Failure::io(Fault::Broken, "hear", &error)),
    }
}

fn unexpected(said: &Said) -> Failure {
    let text: String = format!("{said:?}").chars().take(80).collect();
    Failure::of(Fault::Broken, format!("it said {text} out of turn"))
}
