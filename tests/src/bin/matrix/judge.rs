//! What a fixed image must be, asked from the outside and from the inside.

use std::{fs, path::Path};

use patchline_tests::image::Layout;
use serde_json::Value;

use crate::{
    assemble::Image,
    distroless, fixing,
    fixing::Fixed,
    inside::{Root, Said},
    unpack,
    variant::Variant,
};

/// One fixed image.
pub(crate) struct Case<'a> {
    pub(crate) variant: &'a Variant,
    pub(crate) image: &'a Image,
    pub(crate) fixed: &'a Fixed,
    pub(crate) tag: &'a str,
    /// Its merged tree.
    pub(crate) root: Root<'a>,
    /// The tree that the distribution's own upgrade leaves; none: it cannot be run here.
    pub(crate) distro: Option<Root<'a>>,
    pub(crate) data: &'a Path,
    /// For the mirrors of a scan.
    pub(crate) flags: &'a [String],
}

impl Case<'_> {
    /// Everything that is wrong with it.
    pub(crate) fn wrong(&self) -> Vec<String> {
        let mut found = Vec::new();
        self.outside(&mut found);
        self.database(&mut found);
        self.programs(&mut found);
        self.libraries(&mut found);
        self.promises(&mut found);
        found.extend(self.image.stays.broken(&self.image.tree, self.root.path, self.fixed.refused()));
        found
    }

    /// The original's layers and configuration, and one layer more.
    fn outside(&self, found: &mut Vec<String>) {
        let layout = Layout::open(&self.image.layout);
        let (before, after) = (unpack::manifest(&layout, "v1"), unpack::manifest(&layout, self.tag));
        let layers = |manifest: &Value| manifest["layers"].as_array().cloned().unwrap_or_default();
        let (old, new) = (layers(&before), layers(&after));
        if new.len() != old.len() + 1 || new[..old.len()] != old[..] {
            found.push("the original's layers and one more are not its layers".into());
        }
        let config = |manifest: &Value| -> Value {
            let digest = manifest["config"]["digest"].as_str().unwrap();
            serde_json::from_slice(&layout.blob(digest)).unwrap()
        };
        let (old, new) = (config(&before), config(&after));
        for key in ["config", "architecture", "os", "created"] {
            if old[key] != new[key] {
                found.push(format!("the configuration's `{key}` became {}", new[key]));
            }
        }
        let entries = |config: &Value| config["history"].as_array().map_or(0, Vec::len);
        if entries(&new) != entries(&old) + 1 {
            found.push(format!("{} entries of history", entries(&new)));
        }
    }

    /// The package manager's own checks.
    fn database(&self, found: &mut Vec<String>) {
        if self.variant.distroless {
            return found.extend(distroless::broken(self.root.path));
        }
        let audit = self.root.dpkg("--audit");
        if !audit.well || !audit.text.is_empty() {
            found.push(format!("dpkg --audit: {}", audit.text));
        }
        // What somebody changed or left out, dpkg tells of before and after: the distribution's own upgrade says what is right.
        let verify = self.root.dpkg("--verify");
        let expected = match &self.distro {
            Some(distro) => distro.dpkg("--verify"),
            None => Root { path: &self.image.tree, architecture: self.root.architecture }.dpkg("--verify"),
        };
        for line in verify.text.lines().filter(|line| !has(&expected, line)) {
            found.push(format!("dpkg --verify: {line}"));
        }
        if self.root.is_native() {
            let check = self.root.sh("apt-get check");
            if !check.well {
                found.push(format!("apt-get check: {}", check.text));
            }
        }
    }

    fn programs(&self, found: &mut Vec<String>) {
        let openssl: &[&[&str]] = &[&["/usr/bin/openssl", "version"]];
        let all = if self.variant.distroless { openssl } else { self.variant.set.programs() };
        for words in all {
            let Some(program) = only(self.root.path, words[0]) else {
                found.push(format!("{} is not there", words[0]));
                continue;
            };
            let call: Vec<&str> = [program.as_str()].into_iter().chain(words[1..].iter().copied()).collect();
            let said = self.root.run(&call);
            if !said.well {
                found.push(format!("{}: {}", words.join(" "), said.text));
            }
        }
    }

    /// Which libraries the linker knows.
    fn libraries(&self, found: &mut Vec<String>) {
        if self.variant.distroless {
            return;
        }
        let expected = match &self.distro {
            Some(distro) => distro.run(&["/sbin/ldconfig", "-p"]),
            None => {
                let path = &self.image.tree;
                Root { path, architecture: self.root.architecture }.run(&["/sbin/ldconfig", "-p"])
            }
        };
        let there = self.root.run(&["/sbin/ldconfig", "-p"]);
        if there.out != expected.out {
            let only = |a: &Said, b: &Said| -> Vec<String> {
                a.out.lines().filter(|line| !has(b, line)).map(|line| line.trim().to_owned()).collect()
            };
            let (more, less) = (only(&there, &expected), only(&expected, &there));
            found.push(format!("ldconfig -p: {more:?} more, {less:?} less than by the distribution"));
        }
    }

    /// No finding is left that the plan promised to end.
    fn promises(&self, found: &mut Vec<String>) {
        let reference = format!("oci:{}:{}", self.image.layout.display(), self.tag);
        let left = fixing::findings(self.data, &reference, self.flags);
        for upgrade in self.fixed.upgrades() {
            let package = upgrade["package"].as_str().unwrap();
            for id in upgrade["mends"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                if left.iter().any(|(one, packages)| one == id && packages.iter().any(|p| p == package)) {
                    found.push(format!("{id} of {package} was to end, and is left"));
                }
            }
        }
    }
}

fn has(said: &Said, line: &str) -> bool {
    said.text.lines().any(|other| other == line)
}

/// The path that a pattern with at most one star, for one name, stands for.
fn only(root: &Path, pattern: &str) -> Option<String> {
    let Some((folder, rest)) = pattern.split_once("/*/") else {
        return Some(pattern.to_owned());
    };
    let mut names: Vec<String> = fs::read_dir(root.join(folder.trim_start_matches('/')))
        .ok()?
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| root.join(folder.trim_start_matches('/')).join(name).join(rest).exists())
        .collect();
    names.sort();
    names.first().map(|name| format!("{folder}/{name}/{rest}"))
}
