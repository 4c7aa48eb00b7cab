//! Which of apk's scripts and triggers an upgrade would run, and whether leaving them out changes nothing.
//!
//! An upgrade runs the new package's `pre-upgrade` and `post-upgrade`, and every trigger whose folders it touches
//! (apk-package(5), "scripts" and "triggers"). What is not understood is refused by name.

use std::collections::{BTreeMap, BTreeSet};

use super::busybox;
use crate::{
    apk::{Database, Installed, Package, glob},
    deb::EntryKind,
    tree::Tree,
};

/// In the order in which they run.
const RUN: [&str; 2] = ["pre-upgrade", "post-upgrade"];

/// Commands that work on files which may change under them: a script that was identical yesterday acts anew.
pub(in crate::plan) const ACTING: &[&str] = &[
    "update-ca-certificates",
    "mkinitfs",
    "depmod",
    "grub-install",
    "grub-mkconfig",
    "update-extlinux",
    "extlinux",
    "glib-compile-schemas",
    "gio-querymodules",
    "gdk-pixbuf-query-loaders",
    "gtk-update-icon-cache",
    "update-mime-database",
    "update-desktop-database",
    "fc-cache",
    "ldconfig",
    "setcap",
    "install-info",
    "rc-update",
];

/// Scripts that were read and do nothing that matters on an upgrade of an image: package, script, why.
const ALLOWED: &[(&str, &str, &str)] = &[
    ("busybox", "post-upgrade", "makes its applets' links, which are made natively"),
    ("busybox", "pre-upgrade", "makes way for its applets' links"),
];

/// What the judge may look at.
pub(crate) struct Case<'a> {
    pub(crate) tree: &'a Tree,
    pub(crate) database: &'a Database,
    pub(crate) installed: &'a Installed,
    pub(crate) to: &'a str,
    pub(crate) package: &'a Package,
    /// The installed package's scripts by name.
    pub(crate) old: BTreeMap<String, Vec<u8>>,
}

/// What comes, goes or changes in content: (path, whether it goes).
pub(crate) fn changed(installed: &Installed, package: &Package) -> BTreeSet<(String, bool)> {
    use crate::apk::Checksum;
    let old: BTreeMap<&str, Option<Checksum>> =
        installed.files.iter().map(|file| (file.path.as_str(), file.checksum)).collect();
    let mut found = BTreeSet::new();
    let mut there = BTreeSet::new();
    for one in package.listed.iter().filter(|one| one.kind != EntryKind::Directory) {
        there.insert(one.path.as_str());
        // Of another kind they cannot be compared.
        let same = old.get(one.path.as_str()).is_some_and(|old| old.is_some() && *old == one.sum);
        if !same {
            found.insert((one.path.clone(), false));
        }
    }
    found.extend(old.keys().filter(|path| !there.contains(*path)).map(|path| ((*path).to_owned(), true)));
    found
}

/// Why nothing needs to run; or why not: the script and line, or the trigger.
pub(crate) fn judge(case: &Case<'_>) -> Result<String, String> {
    let mut reasons = BTreeSet::new();
    for name in RUN {
        let Some(new) = case.package.scripts.get(name) else { continue };
        let allowed =
            ALLOWED.iter().find(|(package, script, _)| *package == case.installed.name && *script == name);
        if let Some((_, _, reason)) = allowed {
            reasons.insert(format!("allow-listed: {reason}"));
        } else if case.old.get(name) == Some(new) {
            acts(name, new)?;
            reasons.insert("byte-identical scripts".to_owned());
        } else {
            accounts(case.tree, name, new)?;
            reasons.insert("scripts that make accounts which are there".to_owned());
        }
    }
    triggers(case, &mut reasons)?;
    if reasons.is_empty() {
        return Ok("no scripts".to_owned());
    }
    Ok(reasons.into_iter().collect::<Vec<_>>().join("; "))
}

fn lines(script: &[u8]) -> Vec<(usize, String)> {
    String::from_utf8_lossy(script)
        .lines()
        .enumerate()
        .map(|(number, line)| (number + 1, line.trim().to_owned()))
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .collect()
}

fn refused(name: &str, number: usize, line: &str, why: &str) -> String {
    let shown: String = line.chars().take(100).collect();
    format!("{name}, line {number}: {shown} ({why})")
}

/// Fails where an identical script works on what changes.
fn acts(name: &str, script: &[u8]) -> Result<(), String> {
    for (number, line) in lines(script) {
        let mut words = line.split(|c: char| !(c.is_ascii_alphanumeric() || "-_.".contains(c)));
        if words.any(|word| ACTING.contains(&word)) {
            return Err(refused(name, number, &line, "it works on files that change"));
        }
    }
    Ok(())
}

/// Fails unless every line makes an account that is there already, or ends the script.
fn accounts(tree: &Tree, name: &str, script: &[u8]) -> Result<(), String> {
    let named = |file: &str| -> BTreeSet<String> {
        let text = tree.text(file).unwrap_or_default();
        text.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name.to_owned()).collect()
    };
    let (users, groups) = (named("etc/passwd"), named("etc/group"));
    for (number, line) in lines(script) {
        let bare = line.replace("2>/dev/null", "").replace(">/dev/null", "");
        let bare = bare.trim().trim_end_matches("|| true").trim_end_matches("|| :").trim();
        let quiet = !bare.contains([';', '&', '|', '$', '`', '>', '<']);
        let words: Vec<&str> = bare.split_whitespace().collect();
        let known = match words.as_slice() {
            ["exit", "0"] | ["true"] | [":"] => true,
            // `addgroup GROUP` or `addgroup USER GROUP`; `adduser … USER`: the last word is what is made.
            ["addgroup", .., last] => quiet && groups.contains(*last),
            ["adduser", .., last] => quiet && users.contains(*last),
            _ => false,
        };
        if !known {
            return Err(refused(name, number, &line, "nobody knows what it would do"));
        }
    }
    Ok(())
}

/// Whether a trigger's pattern names a folder: part by part, a star within one.
fn fires(pattern: &str, folder: &str) -> bool {
    let pattern = pattern.trim_start_matches('+').trim_matches('/');
    let (mut patterns, mut parts) = (pattern.split('/'), folder.split('/'));
    loop {
        match (patterns.next(), parts.next()) {
            (None, None) => return true,
            (Some(pattern), Some(part)) if glob(pattern, part) => {}
            _ => return false,
        }
    }
}

fn triggers(case: &Case<'_>, reasons: &mut BTreeSet<String>) -> Result<(), String> {
    let changed = changed(case.installed, case.package);
    let by_build: BTreeMap<&str, &str> =
        case.database.packages.values().map(|p| (p.build.as_str(), p.name.as_str())).collect();
    let others = case.database.triggers.iter().filter_map(|(build, patterns)| {
        let name = by_build.get(build.as_str()).copied().unwrap_or("a package that is gone");
        (name != case.installed.name).then_some((name, patterns))
    });
    let own = (case.installed.name.as_str(), &case.package.info.triggers);
    for (name, patterns) in others.chain([own]) {
        let fired = changed.iter().find(|(path, _)| {
            let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
            patterns.iter().any(|pattern| fires(pattern, folder))
        });
        let Some((path, _)) = fired else { continue };
        if name == "busybox" && !path.starts_with("lib/modules/") && !path.starts_with("usr/lib/modules/") {
            reasons.insert(busybox_trigger(case, &changed)?);
            continue;
        }
        return Err(format!("the trigger of {name} must run, for /{path} changes"));
    }
    Ok(())
}

fn busybox_trigger(case: &Case<'_>, changed: &BTreeSet<(String, bool)>) -> Result<String, String> {
    if case.installed.name == "busybox" {
        return busybox::links_are_known(case.installed, case.to, case.package);
    }
    // Where a program goes, busybox puts a link to its own again.
    let gone = changed.iter().filter(|(_, goes)| *goes).find(|(path, _)| {
        path.rsplit_once('/').is_some_and(|(folder, _)| busybox::FOLDERS.contains(&folder))
    });
    match gone {
        Some((path, _)) if case.tree.under(busybox::PATHS.trim_end_matches('/')).next().is_none() => {
            Err(format!("the trigger of busybox must run, for /{path} goes and may be one of its applets"))
        }
        _ => Ok("busybox's links stand".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_name_folders_part_by_part() {
        assert!(fires("/usr/share/icons/*", "usr/share/icons/hicolor"));
        assert!(!fires("/usr/share/icons/*", "usr/share/icons"));
        assert!(!fires("/usr/share/icons/*", "usr/share/icons/a/b"));
        assert!(fires("/bin", "bin") && fires("+/bin", "bin") && !fires("/bin", "usr/bin"));
    }

    #[test]
    fn accounts_that_are_there_are_made_by_nobody() {
        let tree = Tree::default();
        let ok = |script: &str| accounts(&tree, "pre-upgrade", script.as_bytes());
        assert!(ok("#!/bin/sh\n\n# nothing\nexit 0\n").is_ok());
        assert!(ok("#!/bin/sh\naddgroup -S x 2>/dev/null\n").unwrap_err().contains("line 2"));
        assert!(ok("#!/bin/sh\nrm -rf /\n").is_err());
        assert!(acts("post-upgrade", b"#!/bin/sh\n/usr/sbin/update-ca-certificates --fresh\n").is_err());
        assert!(acts("post-upgrade", b"#!/bin/sh\necho done\n").is_ok());
    }
}
