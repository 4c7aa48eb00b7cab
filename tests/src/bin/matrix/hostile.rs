//! Mirrors that lie, break or hang: a clear error, nothing tagged, nothing left running, nothing left on disk.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use patchline_tests::{distribution::DockerRegistry, machine::run, process};

use crate::{
    assemble::Image,
    fixing,
    keys::{self, Key},
    mirror::{Answer, Mirror, Mischief, Upstream},
    table::Row,
};

/// In the environment of every process that a case starts.
pub(crate) const MARK: &str = "PATCHLINE_MATRIX_CASE";

/// What all of them share.
#[derive(Clone)]
pub(crate) struct Yard<'a> {
    pub(crate) upstream: Arc<Upstream>,
    pub(crate) registry: &'a DockerRegistry,
    /// An outdated image.
    pub(crate) image: &'a Image,
    pub(crate) work: &'a Path,
    pub(crate) ours: Arc<Key>,
    pub(crate) foreign: Arc<Key>,
    pub(crate) expired: Arc<Key>,
}

/// One of them.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// The error's code, and a word of what it says.
    code: &'static str,
    says: &'static str,
    mischief: Mischief,
    /// Beyond the mirror's.
    flags: Vec<String>,
    /// It takes minutes and no work.
    pub(crate) waits: bool,
}

fn is_package(path: &str) -> bool {
    path.ends_with(".deb")
}

fn is_release(path: &str) -> bool {
    path.ends_with("/InRelease")
}

/// Changes what answers of some paths say.
fn on(which: fn(&str) -> bool, change: impl Fn(Answer) -> Answer + Send + Sync + 'static) -> Mischief {
    Arc::new(
        move |path: &str, answer: Answer| {
            if which(path) && answer.status == 200 { change(answer) } else { answer }
        },
    )
}

fn flipped(mut answer: Answer) -> Answer {
    let middle = answer.body.len() / 2;
    if let Some(byte) = answer.body.get_mut(middle) {
        *byte ^= 1;
    }
    answer
}

impl Yard<'_> {
    /// All of them.
    pub(crate) fn cases(&self) -> Vec<Case> {
        let allow = || vec!["--allow-expired".to_owned()];
        let case = |name, code, says, mischief| Case {
            name,
            code,
            says,
            mischief,
            flags: allow(),
            waits: name == "hanging",
        };
        let half = |announced: bool, hangs: bool| {
            on(is_package, move |mut answer| {
                answer.body.truncate(answer.body.len() / 2);
                answer.hangs = hangs;
                if !announced {
                    answer.announced = answer.body.len();
                }
                answer
            })
        };
        let signed = |key: &Arc<Key>, change: fn(&str) -> String| {
            let key = key.clone();
            on(is_release, move |answer| Answer::new(200, key.sign(&change(&keys::text(&answer.body)))))
        };
        let seen = AtomicUsize::new(0);
        let missing = on(is_package, move |answer| {
            if seen.fetch_add(1, Ordering::Relaxed) < 2 { answer } else { Answer::new(404, Vec::new()) }
        });
        let trusting = |key: &Key| vec!["--keyring".to_owned(), key.keyring.display().to_string()];
        let mut cases = vec![
            case("tampered-package", "file-unverified", "SHA-256", on(is_package, flipped)),
            case(
                "tampered-index",
                "file-unverified",
                "SHA-256",
                on(|path| path.contains("/by-hash/") || path.contains("/Packages"), flipped),
            ),
            case("short-package", "file-unverified", "bytes", half(false, false)),
            case("truncated-package", "mirror-unreachable", "", half(true, false)),
            case("hanging", "mirror-unreachable", "", half(true, true)),
            case(
                "endless-package",
                "file-unverified",
                "larger",
                on(is_package, |answer| Answer::new(200, [answer.body, vec![0; 1 << 20]].concat())),
            ),
            case("missing-in-the-middle", "mirror-status", "404", missing),
            case("failing", "mirror-status", "500", on(is_package, |_| Answer::new(500, Vec::new()))),
            case(
                "foreign-key",
                "repository-untrusted",
                "in no keyring",
                signed(&self.foreign, str::to_owned),
            ),
            case(
                "changed-release",
                "repository-untrusted",
                "is wrong",
                on(is_release, |answer| {
                    let text =
                        String::from_utf8_lossy(&answer.body).replacen("Origin: Debian", "Origin: debian", 1);
                    Answer::new(200, text.into_bytes())
                }),
            ),
        ];
        let mut expired =
            case("expired-key", "repository-untrusted", "expired on", signed(&self.expired, str::to_owned));
        expired.flags.extend(trusting(&self.expired));
        cases.push(expired);
        let past = |text: &str| -> String {
            let kept = text.lines().filter(|line| !line.starts_with("Valid-Until:"));
            let kept: Vec<&str> = kept.collect();
            kept.join("\n").replacen("\nDate:", "\nValid-Until: Sat, 01 Jan 2000 00:00:00 UTC\nDate:", 1)
                + "\n"
        };
        let mut late =
            case("expired-release", "repository-untrusted", "expired on", signed(&self.ours, past));
        late.flags = trusting(&self.ours);
        cases.push(late);
        cases
    }

    /// Runs one and says what is wrong.
    pub(crate) fn run(&self, case: &Case, row: &mut Row) {
        let folder = self.work.join(format!("hostile-{}", case.name));
        let mirror = Mirror::start(self.upstream.clone(), case.mischief.clone());
        let flags = [&mirror.flags(), &case.flags[..]].concat();
        let output = self.fix(&folder, case.name, &flags);
        row.findings.extend(refused(&output, case.code, case.says));
        row.findings.extend(self.left(&folder, case.name));
        fs::remove_dir_all(folder).unwrap();
    }

    /// The image under a name of its own in the registry.
    pub(crate) fn push(&self, name: &str) -> String {
        let image = format!("{}/hostile/{name}:v1", self.registry.address);
        let mut command = fixing::program(&self.work.join("data"));
        command.args(["image", "copy"]).arg(format!("oci:{}:v1", self.image.layout.display()));
        run(command.arg(&image));
        image
    }

    /// A fix over a data folder that nobody has used.
    pub(crate) fn fix(&self, folder: &Path, name: &str, flags: &[String]) -> Output {
        let image = self.push(name);
        let (data, scratch) = (folder.join("data"), folder.join("tmp"));
        fs::create_dir_all(&scratch).unwrap();
        let mut command: Command = fixing::program(&data);
        command.args(["fix", "--output", "json"]).args(flags).arg(image);
        command.env("TMPDIR", scratch).env(MARK, name).output().unwrap()
    }

    /// What a fix that failed left behind.
    pub(crate) fn left(&self, folder: &Path, name: &str) -> Vec<String> {
        let mut found = self.beside(folder, name);
        // A cache is what stays, and of it what was verified: that is called by its digest.
        for path in files(&folder.join("data")) {
            let name = path.file_name().unwrap().to_string_lossy();
            let verified =
                name.len() >= 32 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b));
            if !path.starts_with("cache") || !verified {
                found.push(format!("left in the data folder: {}", path.display()));
            }
        }
        found
    }

    /// The same beside the data folder: tags, files for work, processes.
    pub(crate) fn beside(&self, folder: &Path, name: &str) -> Vec<String> {
        let mut found = Vec::new();
        let tags = self.tags(name);
        if tags != ["v1"] {
            found.push(format!("the tags are {tags:?}"));
        }
        let scratch = files(&folder.join("tmp"));
        if !scratch.is_empty() {
            found.push(format!("left in the folder for work: {scratch:?}"));
        }
        if !process::until(std::time::Duration::from_secs(5), || inmates(name).is_empty()) {
            found.push(format!("left running: {:?}", inmates(name)));
        }
        found
    }

    /// Tags of a case's repository.
    pub(crate) fn tags(&self, name: &str) -> Vec<String> {
        let client = reqwest::blocking::Client::new();
        let url = format!("http://{}/v2/hostile/{name}/tags/list", self.registry.address);
        let text = client.get(url).send().unwrap().text().unwrap();
        let told: serde_json::Value = serde_json::from_str(&text).unwrap();
        let names = told["tags"].as_array().into_iter().flatten().filter_map(|t| t.as_str());
        names.map(str::to_owned).collect::<BTreeSet<_>>().into_iter().collect()
    }
}

/// Exit code 1, and an error that says what is wrong.
pub(crate) fn refused(output: &Output, code: &str, says: &str) -> Vec<String> {
    let said = String::from_utf8_lossy(&output.stderr);
    let mut found = Vec::new();
    if output.status.code() != Some(1) {
        found.push(format!("it ended with {}", output.status));
    }
    if !said.contains(&format!("error[{code}]")) || !said.contains(says) {
        found.push(format!("not `{code}` with `{says}`, but: {}", said.trim()));
    }
    found
}

/// Files below a folder, relative to it.
fn files(folder: &Path) -> Vec<PathBuf> {
    fn walk(folder: &Path, at: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder.join(at)).into_iter().flatten().flatten() {
            let path = at.join(entry.file_name());
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                walk(folder, &path, found)
            } else {
                found.push(path)
            }
        }
    }
    let mut found = Vec::new();
    walk(folder, Path::new(""), &mut found);
    found
}

/// Processes of a case: what it starts has its mark.
fn inmates(name: &str) -> Vec<String> {
    let mark = format!("{MARK}={name}");
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let environment = fs::read(entry.path().join("environ")).unwrap_or_default();
        if environment.split(|byte| *byte == 0).any(|word| word == mark.as_bytes()) {
            let command = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
            found.push(format!("{} {}", entry.file_name().display(), command.trim()));
        }
    }
    found
}
