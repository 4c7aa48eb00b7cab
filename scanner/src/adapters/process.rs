//! Running another scanner's program: pinned, without our environment, within its time, ended with all that it started.

use std::{ffi::OsString, path::Path, process::Stdio, time::Duration};

use sha2::{Digest as _, Sha256};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _},
    process::Command,
};

use super::{Error, Program, Result, limits, times};
use crate::formats::clean;

/// One start.
pub(super) struct Start<'a> {
    /// The scanner's name.
    pub(super) scanner: &'a str,
    pub(super) program: &'a Program,
    pub(super) arguments: Vec<OsString>,
    /// All that its environment holds, beside [`HOME`]'s.
    pub(super) environment: Vec<(&'static str, OsString)>,
    /// Working directory, home and place for temporary files.
    pub(super) home: &'a Path,
    /// What is never shown of what it says.
    pub(super) secrets: Vec<&'a str>,
}

/// Bytes kept of what a program says on its standard error: the last ones.
pub(super) const SAID: usize = 16 << 10;
/// Set to the folder of the scan.
const HOME: [&str; 3] = ["HOME", "TMPDIR", "XDG_CACHE_HOME"];

/// The program's standard output, once it has ended well.
pub(super) async fn output(start: Start<'_>) -> Result<Vec<u8>> {
    let scanner = || start.scanner.to_owned();
    pinned(start.scanner, start.program).await?;
    let mut command = Command::new(&start.program.path);
    command
        .args(&start.arguments)
        .env_clear()
        .envs(start.environment.iter().map(|(name, value)| (name, value)))
        .envs(HOME.map(|name| (name, start.home)))
        .current_dir(start.home)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true);
    let mut child = command.spawn().map_err(|source| Error::NotStarted { scanner: scanner(), source })?;
    let mut group = Group(child.id());
    let (out, err) = (child.stdout.take(), child.stderr.take());
    let work = async {
        let (out, said) = tokio::try_join!(whole(start.scanner, out), last(out_of(start.scanner), err))?;
        let status = child.wait().await.map_err(Error::io(format!("wait for {}", start.scanner)))?;
        Ok::<_, Error>((out, said, status))
    };
    let time = start.program.time;
    let late = |_| Error::Late { scanner: scanner(), seconds: time.as_secs() };
    let (out, said, status) = tokio::time::timeout(time, work).await.map_err(late)??;
    // It was waited for: its number may be somebody else's by now.
    group.0 = None;
    if status.success() {
        return Ok(out);
    }
    let how = match status.code() {
        Some(code) => format!("exit code {code}"),
        None => "ended by a signal".to_owned(),
    };
    Err(Error::Failed { scanner: scanner(), how, said: shown(&said, &start.secrets) })
}

/// A process and what it started; killed when it is dropped.
struct Group(Option<u32>);

impl Drop for Group {
    fn drop(&mut self) {
        let pid = self.0.and_then(|id| i32::try_from(id).ok()).and_then(rustix::process::Pid::from_raw);
        if let Some(pid) = pid
            && let Err(error) = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL)
        {
            tracing::debug!(process.id = pid.as_raw_nonzero().get(), %error, "a scanner had gone by itself");
        }
    }
}

/// Whether the program is the one that was pinned. Whoever may write the file may write it after this, too: the folder
/// belongs to whoever pins.
async fn pinned(scanner: &str, program: &Program) -> Result<()> {
    let Some(expected) = program.sha256.clone() else { return Ok(()) };
    let path = program.path.clone();
    let hashed = tokio::task::spawn_blocking(move || {
        use std::io::Read as _;
        let limit = limits::adapters().program;
        let mut file = std::fs::File::open(path)?.take(limit + 1);
        let mut hash = Sha256::new();
        let mut block = vec![0; 1 << 20];
        loop {
            match file.read(&mut block)? {
                // A part of it says nothing about the rest.
                0 if file.limit() == 0 => return Ok(Err(limit)),
                0 => return Ok(Ok(hex::encode(hash.finalize()))),
                n => hash.update(&block[..n]),
            }
        }
    });
    let not_started = |source| Error::NotStarted { scanner: scanner.to_owned(), source };
    let actual = hashed.await.map_err(|e| not_started(std::io::Error::other(e)))?.map_err(not_started)?;
    let too_much =
        |limit| Error::TooMuch { scanner: scanner.to_owned(), what: "the size of its program", limit };
    let actual = actual.map_err(too_much)?;
    match actual == expected {
        true => Ok(()),
        false => Err(Error::NotPinned { scanner: scanner.to_owned(), expected, actual }),
    }
}

/// A stream to its end, up to the largest report.
async fn whole(scanner: &str, stream: Option<impl AsyncRead + Unpin>) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let Some(stream) = stream else { return Ok(bytes) };
    let read = stream.take(limits::adapters().report as u64 + 1).read_to_end(&mut bytes).await;
    read.map_err(Error::io(out_of(scanner)))?;
    if bytes.len() > limits::adapters().report {
        let (what, limit) = ("the size of its report", limits::adapters().report as u64);
        return Err(Error::TooMuch { scanner: scanner.to_owned(), what, limit });
    }
    Ok(bytes)
}

/// The last of a stream, which is read to its end so that nobody waits to write.
async fn last(operation: String, stream: Option<impl AsyncRead + Unpin>) -> Result<Vec<u8>> {
    let mut kept = Vec::new();
    let Some(mut stream) = stream else { return Ok(kept) };
    let mut block = vec![0; SAID];
    loop {
        match stream
            .read(&mut block)
            .await
            .map_err(|source| Error::Io { operation: operation.clone(), source })?
        {
            0 => return Ok(kept),
            n => kept.extend_from_slice(&block[..n]),
        }
        let over = kept.len().saturating_sub(SAID);
        kept.drain(..over);
    }
}

fn out_of(scanner: &str) -> String {
    format!("read what {scanner} says")
}

/// The end of what it said, without what nobody shall read.
fn shown(said: &[u8], secrets: &[&str]) -> String {
    let mut text = String::from_utf8_lossy(said).into_owned();
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        text = text.replace(secret, "…");
    }
    let text = text.trim();
    let from = text.char_indices().rev().nth(limits::adapters().shown - 1).map_or(0, |(at, _)| at);
    match text {
        "" => "it says nothing".to_owned(),
        text => clean(&text[from..].replace('\n', " "), limits::adapters().shown),
    }
}

/// A time that may be configured.
pub(super) fn bounded(time: Duration) -> Duration {
    time.clamp(Duration::from_secs(1), times::LONGEST)
}

#[cfg(test)]
#[path = "process_tests.rs"]
mod tests;
