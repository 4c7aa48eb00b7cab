//! The peer: the same packages, from files that are there already, by the image's own apt in buildah.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};

use crate::{changed, contents::done, fixing};

/// buildah with a storage of its own, and packages under names that apt takes.
pub(crate) struct Peer {
    storage: PathBuf,
    packages: PathBuf,
}

/// Seconds of each of its commands.
pub(crate) struct Done {
    pub(crate) from: f64,
    pub(crate) run: f64,
    pub(crate) commit: f64,
    pub(crate) push: f64,
}

impl Done {
    pub(crate) fn seconds(&self) -> f64 {
        self.from + self.run + self.commit + self.push
    }
}

impl Peer {
    /// The packages of our plan, as apt would have downloaded them.
    pub(crate) fn prepare(work: &Path, place: &fixing::Place) -> Self {
        let peer = Self { storage: work.join("buildah"), packages: work.join("packages") };
        fs::create_dir_all(&peer.packages).unwrap();
        let plan = place.fix("planned", fixing::Facts::None, None);
        for file in fs::read_dir(place.packages()).unwrap() {
            let file = file.unwrap().path();
            let mut asked = Command::new("dpkg-deb");
            let said =
                asked.args(["--showformat", "${Package} ${Version}", "--show"]).arg(&file).output().unwrap();
            let said = String::from_utf8(said.stdout).unwrap();
            let Some((name, version)) = said.split_once(' ') else { continue };
            if plan.upgrades.contains(&(name.to_owned(), version.to_owned())) {
                fs::copy(&file, peer.packages.join(format!("{name}.deb"))).unwrap();
            }
        }
        let there = fs::read_dir(&peer.packages).unwrap().count();
        assert_eq!(there, plan.upgrades.len(), "the cache lacks a package of the plan");
        peer
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("buildah");
        command.env("BUILDAH_ISOLATION", "chroot").arg("--root").arg(self.storage.join("root"));
        command.arg("--runroot").arg(self.storage.join("run")).args(["--storage-driver", "overlay"]);
        command.args(arguments);
        command
    }

    fn timed(&self, arguments: &[&str]) -> f64 {
        let started = Instant::now();
        done(&mut self.command(arguments));
        started.elapsed().as_secs_f64()
    }

    fn said(&self, arguments: &[&str]) -> String {
        let output = self.command(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    /// From the tag to the pushed fixed one; nothing is there from an earlier time.
    pub(crate) fn upgrade(&self, place: &fixing::Place, n: usize) -> Done {
        let image = place.push(&format!("buildah-{n}"));
        let volume = format!("{}:/packages:ro", self.packages.display());
        let mut run = vec!["run", "--volume", &volume, "--env", "DEBIAN_FRONTEND=noninteractive", "it", "--"];
        run.extend(["sh", "-c"]);
        // Neither lists nor anything from a mirror: what apt needs lies in the folder.
        run.push("apt-get install --yes --quiet -o Dpkg::Options::=--force-confold /packages/*.deb");
        let measured = Done {
            from: self.timed(&["from", "--tls-verify=false", "--name", "it", &image]),
            run: self.timed(&run),
            commit: self.timed(&["commit", "--quiet", "it", "upgraded"]),
            push: self.timed(&[
                "push",
                "--quiet",
                "--tls-verify=false",
                "upgraded",
                &format!("{image}_fixed"),
            ]),
        };
        self.clear();
        measured
    }

    fn clear(&self) {
        done(&mut self.command(&["rm", "--all"]));
        done(&mut self.command(&["rmi", "--all", "--force"]));
    }

    /// Bytes of our patch layer, and of the files that differ in what this peer makes of both images.
    pub(crate) fn weigh(&self, place: &fixing::Place, fixed: &fixing::Done) -> (u64, u64) {
        let original = place.push("weighed");
        let mut roots = Vec::new();
        for (name, image) in [("before", original.as_str()), ("after", &fixed.reference)] {
            let (repository, digest) = image.rsplit_once('@').unwrap_or((image, ""));
            let by_digest = format!("{}@{digest}", repository.rsplit_once(':').unwrap().0);
            let image: &str = if digest.is_empty() { image } else { &by_digest };
            self.said(&["from", "--tls-verify=false", "--name", name, image]);
            roots.push(PathBuf::from(self.said(&["mount", name])));
        }
        let changed = changed::bytes(&roots[0], &roots[1]);
        let manifest = self.said(&["inspect", "--format", "{{.Manifest}}", "after"]);
        let manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
        let layer = manifest["layers"].as_array().unwrap().last().unwrap()["size"].as_u64().unwrap();
        done(&mut self.command(&["umount", "--all"]));
        self.clear();
        (layer, changed)
    }
}
