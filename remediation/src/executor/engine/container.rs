//! One container: made with no right and nothing of the host's, watched while it runs, and gone afterwards whatever came of it.

use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, Read, Seek},
    path::Path,
    time::{Duration, Instant},
};

use serde::Deserialize;
use serde_json::json;

use super::{
    Error, Names,
    client::Client,
    image::{append, header},
    limits,
};
use crate::{
    Result,
    executor::sandbox::{
        Failure, Fault, Limits,
        limits::{BURST, JUDGED, WORDS},
        wire::{FOLDER, Job},
    },
    tree::{Kind, Tree},
};

/// What the tools of a distribution need to own, re-mode and configure files, as in the sandbox.
const KEPT: [&str; 10] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETFCAP",
    "SYS_CHROOT",
    "AUDIT_WRITE",
];
/// The commands, one after the other.
const SCRIPT: &str = include_str!("run.sh");
/// How the script tells that a command failed, and that something is left of one.
const FAILED: i64 = 91;
const LEFT: i64 = 92;
/// What a script that asks is told of services (Debian's invoke-rc.d(8)): none may be started.
const POLICY: &str = "#!/bin/sh\nexit 101\n";
/// Longer names of what is left running are cut.
const SHOWN: usize = 80;

/// A container; removed when this is gone.
pub(super) struct Container<'a> {
    client: &'a Client,
    path: String,
}

impl Drop for Container<'_> {
    fn drop(&mut self) {
        // Its anonymous volumes go with it: an image of ours names none.
        self.client.remove(&self.path);
    }
}

/// "Inspect a container", as far as it is of use.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Inspected {
    state: State,
    host_config: HostConfig,
    /// Bytes that it wrote; told when asked for.
    #[serde(default)]
    size_rw: Option<i64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct State {
    running: bool,
    #[serde(rename = "OOMKilled", default)]
    out_of_memory: bool,
    exit_code: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HostConfig {
    network_mode: String,
    #[serde(default)]
    privileged: bool,
    memory: u64,
    pids_limit: Option<i64>,
    #[serde(default)]
    binds: Option<Vec<String>>,
}

/// How a script ended that a limit did not end.
struct Ended {
    /// Of its first process.
    exit: i64,
    out_of_memory: bool,
}

impl<'a> Container<'a> {
    /// Made, not started.
    pub(super) fn create(client: &'a Client, names: &Names, job: &Job) -> Result<Self> {
        let limits = &job.limits;
        let environment: Vec<String> =
            job.environment.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let limit = |name: &str, most: u64| json!({"Name": name, "Soft": most, "Hard": most});
        // All of them are named: what a daemon gives otherwise is its host's, and may be more than it has to give.
        let each = [
            limit("core", 0),
            limit("fsize", limits.disk),
            limit("nofile", limits::OPEN_FILES),
            limit("nproc", limits.processes.saturating_add(BURST)),
        ];
        let wanted = json!({
            "Image": names.image,
            "Cmd": ["/bin/sh", format!("{FOLDER}/run")],
            "Env": environment,
            "User": "0:0",
            "WorkingDir": "/",
            "Hostname": "sandbox",
            "NetworkDisabled": true,
            "Labels": names.labels(),
            "HostConfig": {
                "NetworkMode": "none",
                "CapDrop": ["ALL"],
                "CapAdd": KEPT,
                "SecurityOpt": ["no-new-privileges"],
                "Memory": limits.memory,
                "MemorySwap": limits.memory,
                "PidsLimit": limits.processes,
                "Ulimits": each,
                // What they say goes into a file of theirs, which counts as all that they write.
                "LogConfig": {"Type": "none"},
                "ReadonlyRootfs": false,
                "RestartPolicy": {"Name": "no"},
            },
        });
        let request = client.post("containers/create").query(&[("name", &names.id)]).json(&wanted);
        // Removed even where the answer was lost on its way.
        let container = Self { client, path: format!("containers/{}", names.id) };
        let _: serde_json::Value = client.json(request, "make a container")?;
        container.is_as_asked(limits)?;
        Ok(container)
    }

    fn inspect(&self, weighed: bool) -> Result<Inspected, Error> {
        let request = self.client.get(&format!("{}/json", self.path));
        let request = if weighed { request.query(&[("size", "true")]) } else { request };
        self.client.json(request, "tell of a container")
    }

    /// A daemon may leave out what its host cannot do, or add what its owner wants everywhere.
    fn is_as_asked(&self, limits: &Limits) -> Result<(), Error> {
        let HostConfig { network_mode, privileged, memory, pids_limit, binds } =
            self.inspect(false)?.host_config;
        let reason = if network_mode != "none" || privileged || binds.is_some_and(|all| !all.is_empty()) {
            "it is not shut off"
        } else if memory != limits.memory {
            "its memory is not bounded as it must be"
        } else if pids_limit != i64::try_from(limits.processes).ok() {
            "its processes are not bounded as they must be"
        } else {
            return Ok(());
        };
        Err(Error::Other { reason: reason.to_owned() })
    }

    /// Puts the job's files and what else tools look for in their places; which paths are none of the image's.
    pub(super) fn fill(&self, job: &Job, tree: &Tree, files: &mut [File]) -> Result<BTreeSet<String>> {
        let own = FOLDER.trim_start_matches('/');
        let mut script = SCRIPT.to_owned();
        for words in &job.commands {
            let words = shlex::try_join(words.iter().map(String::as_str))
                .map_err(|_| Failure::of(Fault::Broken, "a command has a word that no shell can be given"))?;
            script.push_str(&format!("command {words}\n"));
        }
        let services = tree.real("usr/sbin").into_owned();
        let has_services = tree.get(&services).is_some_and(|node| node.entry.kind == Kind::Dir);
        let policy = has_services.then(|| format!("{services}/policy-rc.d"));
        let request = self.client.request(reqwest::Method::PUT, &format!("{}/archive", self.path));
        let request = request.query(&[("path", "/")]);
        self.client.upload(request, "take the packages", |to| {
            let mut archive = tar::Builder::new(to);
            let mut folder = header(tar::EntryType::Directory, 0o755, 0);
            archive.append_data(&mut folder, format!("{own}/"), io::empty())?;
            append(&mut archive, &format!("{own}/run"), script.len() as u64, &mut script.as_bytes())?;
            for (name, file) in job.files.iter().zip(files) {
                file.rewind()?;
                append(&mut archive, &format!("{own}/{name}"), file.metadata()?.len(), file)?;
            }
            if let Some(path) = &policy {
                let mut header = header(tar::EntryType::Regular, 0o755, POLICY.len() as u64);
                archive.append_data(&mut header, path, POLICY.as_bytes())?;
            }
            archive.finish()
        })?;
        Ok(policy.into_iter().collect())
    }

    /// Starts it, and waits until it has ended well.
    pub(super) fn run(&self, job: &Job) -> Result<()> {
        let start = self.client.post(&format!("{}/start", self.path));
        self.client.ask(start, "start a container", limits::QUESTION)?;
        let (fault, reason) = match self.watch(&job.limits)? {
            Ok(Ended { exit: 0, out_of_memory: false }) => {
                let words = self.words()?;
                let Some(fatal) = job.fatal.iter().find(|fatal| words.contains(fatal.as_str())) else {
                    return Ok(());
                };
                (Fault::Tool, format!("it told of a failure, `{fatal}`"))
            }
            Ok(Ended { out_of_memory: true, .. }) => (Fault::Memory, format!("{} bytes", job.limits.memory)),
            Ok(Ended { exit: LEFT, .. }) => return Err(self.left_running()?.into()),
            Ok(Ended { exit: FAILED, .. }) => (Fault::Tool, "a command failed".to_owned()),
            Ok(Ended { exit, .. }) => (Fault::Tool, format!("the container ended with {exit}")),
            Err(over) => {
                // One that has just ended refuses; it is removed in any case.
                let kill = self.client.post(&format!("{}/kill", self.path));
                if let Err(error) = self.client.ask(kill, "end a container", limits::QUESTION) {
                    tracing::debug!(%error, "a container that had to end");
                }
                over
            }
        };
        // Its words are a help, no more.
        let words = self.words().unwrap_or_default();
        let last = last_words(&words);
        let said = if last.is_empty() { String::new() } else { format!("; what was said:\n{last}") };
        Err(Failure::of(fault, format!("{reason}{said}")).into())
    }

    fn left_running(&self) -> Result<Failure> {
        let words = self.words()?;
        let name = words.trim_end().rsplit_once("left running: ").map_or("", |(_, name)| name);
        let name: String = name.chars().filter(|c| !c.is_control()).take(SHOWN).collect();
        Ok(Failure::of(Fault::LeftRunning, format!("`{name}`")))
    }

    /// Until it has ended, or must end.
    fn watch(&self, limits: &Limits) -> Result<Result<Ended, (Fault, String)>> {
        let (started, mut weighed) = (now(), now());
        loop {
            self.client.pause(limits::LOOK)?;
            let weigh = weighed.elapsed() > limits::WEIGH;
            let looked = now();
            let mut there = self.inspect(weigh)?;
            if !there.state.running {
                // It may have failed for want of what it had used up.
                there = self.inspect(true)?;
            }
            let written = there.size_rw.and_then(|bytes| u64::try_from(bytes).ok()).unwrap_or(0);
            if written >= limits.disk {
                return Ok(Err((Fault::Disk, format!("{written} bytes of {} are taken", limits.disk))));
            }
            if !there.state.running {
                let State { exit_code: exit, out_of_memory, .. } = there.state;
                return Ok(Ok(Ended { exit, out_of_memory }));
            }
            if started.elapsed() > Duration::from_secs(limits.seconds) {
                return Ok(Err((Fault::Time, format!("{} s", limits.seconds))));
            }
            if weigh {
                // What takes the daemon long is not asked of it all the time.
                weighed = now() + looked.elapsed() * 4;
            }
        }
    }

    /// The end of what the tools said.
    fn words(&self) -> Result<String> {
        let path = format!("{FOLDER}/words");
        let request = self.client.get(&format!("{}/archive", self.path)).query(&[("path", &path)]);
        let archive = self.client.download(request, "tell what was said", limits::IMAGE)?;
        let broken = |source| crate::Error::Io { operation: "read what was said".to_owned(), source };
        end_of(archive).map_err(broken)
    }

    /// Everything that stands in it, as an archive on disk without a name.
    pub(super) fn export(&self, job: &Job, tree: &Tree, scratch: &Path) -> Result<File> {
        let broken =
            |source| crate::Error::Io { operation: "keep what a container holds".to_owned(), source };
        let of_image = tree.under("").map(|(_, node)| node.entry.size.saturating_add(limits::ENTRY));
        let most = of_image.fold(job.limits.disk.saturating_mul(2), u64::saturating_add);
        let request = self.client.get(&format!("{}/export", self.path));
        let mut archive = self.client.download(request, "export a container", most)?;
        let mut file = tempfile::tempfile_in(scratch).map_err(broken)?;
        io::copy(&mut archive, &mut file).map_err(broken)?;
        file.rewind().map_err(broken)?;
        Ok(file)
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "how long strangers' scripts have run: nothing of it gets into a result"
)]
fn now() -> Instant {
    Instant::now()
}

/// The end of the only file of an archive.
fn end_of(archive: impl Read) -> io::Result<String> {
    let mut archive = tar::Archive::new(archive);
    let Some(file) = archive.entries()?.next() else { return Ok(String::new()) };
    let (mut file, most) = (file?, JUDGED as usize);
    let (mut end, mut buffer) = (Vec::new(), vec![0; 128 << 10]);
    loop {
        let read = file.read(&mut buffer)?;
        if read == 0 {
            break;
        }
        end.extend_from_slice(&buffer[..read]);
        if end.len() > 2 * most {
            end.drain(..end.len() - most);
        }
    }
    let from = end.len().saturating_sub(most);
    Ok(String::from_utf8_lossy(&end[from..]).into_owned())
}

/// As much as is shown, and nothing that a terminal would obey.
fn last_words(text: &str) -> String {
    let mut from = text.len().saturating_sub(WORDS as usize);
    while !text.is_char_boundary(from) {
        from += 1;
    }
    let plain: String = text[from..].chars().filter(|c| *c == '\n' || !c.is_control()).collect();
    plain.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_flood_is_kept() {
        let words = format!("{}\u{1b}[31mlast\n", "x".repeat(3 * JUDGED as usize));
        let mut archive = tar::Builder::new(Vec::new());
        append(&mut archive, "words", words.len() as u64, &mut words.as_bytes()).unwrap();
        let end = end_of(&*archive.into_inner().unwrap()).unwrap();
        assert!(end.len() as u64 <= JUDGED && end.ends_with("last\n"));
        let shown = last_words(&end);
        assert!(shown.len() as u64 <= WORDS && shown.ends_with("[31mlast") && !shown.contains('\u{1b}'));
        assert_eq!(last_words(&"ä".repeat(WORDS as usize)).len() as u64, WORDS);
        assert_eq!(end_of(&*tar::Builder::new(Vec::new()).into_inner().unwrap()).unwrap(), "");
    }
}
