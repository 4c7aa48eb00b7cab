//! What apt itself would do, told by nothing but a root file system and the security suite.

use std::{collections::BTreeSet, path::Path, process::Command};

use patchline_remediation::apt::Mirrors;

/// The upgrades that apt finds in the security suite for the packages installed below `root`: (package, version). Nothing is
/// changed below `root`; the lists are fetched into a folder of their own, so that what this machine has is not asked.
pub(crate) fn ahead(root: &Path, suite: &str) -> BTreeSet<(String, String)> {
    let state = tempfile::tempdir().unwrap();
    let at = |name: &str| state.path().join(name);
    for folder in ["lists/partial", "cache/archives/partial", "etc/preferences.d"] {
        std::fs::create_dir_all(at(folder)).unwrap();
    }
    let security = Mirrors::from_machine().debian.security.expect("a mirror, or the test was skipped before");
    let signed = "signed-by=/usr/share/keyrings/debian-archive-keyring.gpg";
    let list = format!("deb [arch=amd64 {signed} check-valid-until=no] {security} {suite}-security main\n");
    std::fs::write(at("sources.list"), list).unwrap();
    let apt = |command: &[&str]| {
        let output = Command::new("apt-get")
            .args(["-q", "-o", "APT::Architecture=amd64", "-o", "APT::Architectures=amd64"])
            .args(["-o", "APT::Sandbox::User=root", "-o", "Dir::Etc::sourceparts=-"])
            .arg("-o")
            .arg(format!("Dir::Etc::sourcelist={}", at("sources.list").display()))
            .arg("-o")
            .arg(format!("Dir::Etc::preferencesparts={}", at("etc/preferences.d").display()))
            .arg("-o")
            .arg(format!("Dir::State={}", state.path().display()))
            .arg("-o")
            .arg(format!("Dir::State::status={}", root.join("var/lib/dpkg/status").display()))
            .arg("-o")
            .arg(format!("Dir::Cache={}", at("cache").display()))
            .args(command)
            .env("LC_ALL", "C.UTF-8")
            .output()
            .unwrap();
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "apt-get {command:?}: {out}{err}");
        out.into_owned()
    };
    apt(&["update"]);
    // `Inst NAME [INSTALLED] (VERSION ORIGIN [ARCHITECTURE])`
    let simulated = apt(&["--simulate", "dist-upgrade"]);
    let upgrades = simulated.lines().filter_map(|line| line.strip_prefix("Inst "));
    upgrades
        .map(|line| {
            let name = line.split(' ').next().unwrap();
            let version = line.split_once(" (").and_then(|(_, new)| new.split(' ').next());
            (name.to_owned(), version.unwrap_or_else(|| panic!("no version in {line}")).to_owned())
        })
        .collect()
}
