//! One `patchline fix` from a tag in a registry to the fixed tag beside it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

use crate::{
    contents::{bootstrap, done},
    image::{self, Made},
    process::{self, Measured},
};

/// An image that its main suite alone made, and that the security suite has since left behind.
pub(crate) struct Outdated {
    name: &'static str,
    make: fn(&Path),
    /// How many of its packages go up.
    upgrades: usize,
}

/// openssl, nginx, perl and python3.11 among 25 packages that go up.
pub(crate) const BOOKWORM: Outdated = Outdated { name: "bookworm", make: bookworm, upgrades: 25 };
/// libc6, dpkg, perl and PAM among 65 of them; ucf is refused, for its script. In a sandbox it goes up, too.
pub(crate) const BULLSEYE: Outdated = Outdated { name: "bullseye", make: bullseye, upgrades: 65 };

fn bookworm(to: &Path) {
    bootstrap(to, "bookworm", Some("openssl,curl,nginx-light,python3,perl,ca-certificates,xz-utils"));
}

fn bullseye(to: &Path) {
    bootstrap(to, "bullseye", Some("openssl,curl,nginx,python3,perl,ca-certificates,xz-utils,gpg,gpg-agent"));
}

/// What is kept of the image before it is fixed.
#[derive(Clone, Copy)]
pub(crate) enum Facts {
    /// Nothing.
    None,
    /// What is in its layers; of the layer that comes of it, nothing.
    OfTheImage,
    /// Nothing, and no package was ever unpacked.
    NoneAndPacked,
}

/// Who lays the new files: where nothing is said, the sandbox once a single package asks for one.
#[derive(Clone, Copy)]
pub(crate) enum Executor {
    /// Nothing is run.
    Native,
    /// The image's own dpkg.
    Sandbox,
}

/// An image, and a data folder whose cache has its packages.
pub(crate) struct Place {
    pub(crate) layout: PathBuf,
    name: &'static str,
    work: PathBuf,
    registry: String,
    filled: PathBuf,
}

/// What a fix took, and what it said.
pub(crate) struct Done {
    pub(crate) measured: Measured,
    /// `host/repository:tag@digest`
    pub(crate) reference: String,
    pub(crate) digest: String,
    /// (package, version).
    pub(crate) upgrades: Vec<(String, String)>,
}

impl Place {
    /// Builds the image where it is not there yet, and has a plan made of it: that fills the cache and the facts.
    pub(crate) fn prepare(folder: &Path, work: &Path, registry: &str, outdated: &Outdated) -> Self {
        let place = Self {
            layout: image::kept(folder, outdated.name, &[("system", Made::Archive(outdated.make))]),
            name: outdated.name,
            work: work.to_owned(),
            registry: registry.to_owned(),
            filled: folder.join(format!("{}-data", outdated.name)),
        };
        // One fix keeps the packages as they unpack; what it learned of layers goes. Then two plans fill the facts, with
        // the image's layers alone, and the cache with what a sandbox takes besides.
        let image = place.push("filled");
        let by = |executor| place.command(&place.filled, None, executor);
        done(by(Executor::Native).args(["--output", "json"]).arg(&image));
        let facts = place.filled.join("cache/facts");
        if facts.exists() {
            fs::remove_dir_all(facts).unwrap();
        }
        let image = place.push("planned-for");
        for executor in [Executor::Native, Executor::Sandbox] {
            done(by(executor).args(["--dry-run", "--output", "json"]).arg(&image));
        }
        let plan = place.fix("counted", Facts::None, None);
        if plan.upgrades.len() != outdated.upgrades {
            // The suite goes on; the image stands still.
            eprintln!("{}: {} packages go up, not {}", place.name, plan.upgrades.len(), outdated.upgrades);
        }
        place
    }

    /// The image in a repository of its own, so that nothing of its fix is there yet.
    pub(crate) fn push(&self, repository: &str) -> String {
        let to = format!("{}/{}-{repository}:v1", self.registry, self.name);
        let mut command = Command::new(env!("CARGO_BIN_EXE_patchline"));
        command.args(["image", "copy"]).arg(format!("oci:{}:latest", self.layout.display())).arg(&to);
        done(&mut command);
        to
    }

    /// The packages, each under its SHA-256.
    pub(crate) fn packages(&self) -> PathBuf {
        self.filled.join("cache/apt/packages")
    }

    /// `cpu`: on that one alone.
    fn command(&self, data: &Path, cpu: Option<usize>, executor: Executor) -> Command {
        let binary = env!("CARGO_BIN_EXE_patchline");
        let mut command = match cpu {
            None => Command::new(binary),
            Some(cpu) => {
                let mut command = Command::new("taskset");
                command.args(["--cpu-list", &cpu.to_string(), binary]);
                command
            }
        };
        // A mirror may keep what has expired.
        command.arg("--data").arg(data).args(["fix", "--allow-expired", "--executor"]);
        command.arg(match executor {
            Executor::Native => "native",
            Executor::Sandbox => "sandbox",
        });
        command
    }

    /// Fixes it in a repository of its own, over a data folder that has the packages and nobody has used yet.
    pub(crate) fn fix(&self, repository: &str, facts: Facts, cpu: Option<usize>) -> Done {
        self.fix_by(Executor::Native, repository, facts, cpu)
    }

    /// The same by either executor.
    pub(crate) fn fix_by(
        &self,
        executor: Executor,
        repository: &str,
        facts: Facts,
        cpu: Option<usize>,
    ) -> Done {
        let image = self.push(repository);
        let data = self.work.join(format!("{}-{repository}", self.name));
        fs::create_dir_all(data.join("cache")).unwrap();
        let mut kept = vec!["apt"];
        kept.extend(matches!(facts, Facts::OfTheImage).then_some("facts"));
        for cache in kept {
            let from = self.filled.join("cache").join(cache);
            done(Command::new("cp").args(["--archive", "--link"]).arg(from).arg(data.join("cache")));
        }
        if matches!(facts, Facts::NoneAndPacked) {
            fs::remove_dir_all(data.join("cache/apt/unpacked")).unwrap();
        }
        let said = self.work.join("said.json");
        let measured = process::run(
            self.command(&data, cpu, executor).args(["--output", "json"]).arg(image),
            Some(&said),
        );
        fs::remove_dir_all(data).unwrap();
        let said: Value = serde_json::from_slice(&fs::read(said).unwrap()).unwrap();
        let reference = said["fixed"].as_str().unwrap().to_owned();
        let word = |upgrade: &Value, key: &str| upgrade[key].as_str().unwrap().to_owned();
        let upgrades = said["plan"]["upgrades"].as_array().unwrap();
        Done {
            measured,
            digest: reference.rsplit_once('@').unwrap().1.to_owned(),
            reference,
            upgrades: upgrades.iter().map(|u| (word(u, "package"), word(u, "to"))).collect(),
        }
    }
}
