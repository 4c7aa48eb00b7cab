//! The distribution's own upgrade: the same packages, by the image's own apt, in a copy of the image.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use patchline_tests::machine::{run, text};

use crate::{fixing::Fixed, inside::Root};

/// Archives of a plan's upgrades that a cache has, as (file, name of the package).
fn archives(data: &Path, fixed: &Fixed) -> Vec<(PathBuf, String)> {
    let wanted: Vec<(&str, &str)> = fixed
        .upgrades()
        .iter()
        .map(|u| (u["package"].as_str().unwrap(), u["to"].as_str().unwrap()))
        .collect();
    let mut found = Vec::new();
    for entry in fs::read_dir(data.join("cache/apt/packages")).unwrap() {
        let file = entry.unwrap().path();
        let mut asked = Command::new("dpkg-deb");
        asked.args(["--showformat", "${Package} ${Version} ${Architecture}", "--show"]);
        let said = text(&run(asked.arg(&file)));
        let mut words = said.split_whitespace();
        let (Some(name), Some(version), Some(architecture)) = (words.next(), words.next(), words.next())
        else {
            continue;
        };
        let is = |u: &serde_json::Value| u["package"] == name && u["architecture"] == architecture;
        if wanted.contains(&(name, version)) && fixed.upgrades().iter().any(is) {
            found.push((file, name.to_owned()));
        }
    }
    assert_eq!(found.len(), wanted.len(), "the cache lacks a package of the plan");
    found
}

/// Upgrades a tree in place by its own apt, from files alone.
pub(crate) fn upgrade(root: &Root<'_>, data: &Path, fixed: &Fixed) {
    let place = root.path.join("matrix-packages");
    fs::create_dir(&place).unwrap();
    for (file, name) in archives(data, fixed) {
        fs::copy(file, place.join(format!("{name}.deb"))).unwrap();
    }
    // No service of an image is started where it is upgraded.
    let policy = root.path.join("usr/sbin/policy-rc.d");
    fs::write(&policy, "#!/bin/sh\nexit 101\n").unwrap();
    run(Command::new("chmod").arg("755").arg(&policy));
    root.ok("apt-get install --yes --quiet -o APT::Sandbox::User=root -o Dpkg::Options::=--force-confold \
         -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-unsafe-io /matrix-packages/*.deb");
    fs::remove_file(policy).unwrap();
    fs::remove_dir_all(place).unwrap();
}
