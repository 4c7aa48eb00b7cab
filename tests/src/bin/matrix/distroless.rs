//! An image without a package manager, as distroless ones are: the files of a few packages, and `status.d`.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use patchline_tests::machine::run;

/// What is taken, where the release calls it so. libssl's name changes with every release.
const PACKAGES: &[&str] = &[
    "base-files",
    "libc6",
    "libgcc-s1",
    "gcc-12-base",
    "gcc-10-base",
    "gcc-14-base",
    "libssl1.1",
    "libssl3",
    "libssl3t64",
    "openssl",
    "openssl-provider-legacy",
    "zlib1g",
    "libzstd1",
    "libexpat1",
    "netbase",
];
/// What packages' scripts, and not packages, put there.
const BESIDE: &[&str] = &["etc/passwd", "etc/group", "etc/os-release", "usr/lib/os-release"];
/// Links of a merged `/usr`.
const MERGED: &[&str] = &["bin", "lib", "lib32", "lib64", "libx32", "sbin"];

/// Lays such a tree out of a whole one.
pub(crate) fn lay(from: &Path, to: &Path) {
    let status = fs::read_to_string(from.join("var/lib/dpkg/status")).unwrap();
    let stanzas: BTreeMap<&str, &str> =
        status.split("\n\n").filter_map(|s| Some((field(s, "Package")?, s))).collect();
    let records = to.join("var/lib/dpkg/status.d");
    fs::create_dir_all(&records).unwrap();
    let mut paths: Vec<String> = Vec::new();
    for name in MERGED {
        let Ok(target) = fs::read_link(from.join(name)) else { continue };
        paths.extend(["usr".to_owned(), target.display().to_string(), (*name).to_owned()]);
    }
    paths.extend(BESIDE.iter().map(|path| (*path).to_owned()));
    for package in PACKAGES {
        let Some(stanza) = stanzas.get(package) else { continue };
        let info = from.join("var/lib/dpkg/info");
        let architecture = field(stanza, "Architecture").unwrap();
        let member = |kind: &str| -> PathBuf {
            let plain = info.join(format!("{package}.{kind}"));
            if plain.exists() { plain } else { info.join(format!("{package}:{architecture}.{kind}")) }
        };
        let list = fs::read_to_string(member("list")).unwrap();
        paths.extend(list.lines().map(|line| line.trim_start_matches('/').to_owned()));
        fs::write(records.join(package), record(stanza)).unwrap();
        fs::copy(member("md5sums"), records.join(format!("{package}.md5sums"))).unwrap();
    }
    // Documentation is what such images leave out first, but for what the licences ask.
    paths.retain(|path| {
        let kept = !path.starts_with("usr/share/man/") && !path.starts_with("usr/share/lintian/");
        kept && !path.is_empty() && path != "." && from.join(path).symlink_metadata().is_ok()
    });
    let list = to.with_extension("list");
    fs::write(&list, paths.join("\n")).unwrap();
    let line = "tar --numeric-owner --no-recursion -C \"$1\" -cf - -T \"$2\" | \
                tar --numeric-owner --keep-directory-symlink -xpf - -C \"$3\"";
    run(Command::new("sh").args(["-ec", line, "sh"]).arg(from).arg(&list).arg(to));
    fs::remove_file(list).unwrap();
}

fn field<'s>(stanza: &'s str, name: &str) -> Option<&'s str> {
    stanza.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':').map(str::trim))
}

/// A package's own control file: without what dpkg alone writes.
fn record(stanza: &str) -> String {
    let mut kept = String::new();
    let mut skipping = false;
    for line in stanza.lines() {
        if !line.starts_with(' ') {
            skipping = line.starts_with("Status:") || line.starts_with("Conffiles:");
        }
        if !skipping {
            kept.push_str(line);
            kept.push('\n');
        }
    }
    kept
}

/// Files that are not what the `md5sums` of `status.d` say; the image's own check, for it has no dpkg.
pub(crate) fn broken(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root.join("var/lib/dpkg/status.d")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_none_or(|ending| ending != "md5sums") {
            continue;
        }
        let output =
            Command::new("md5sum").args(["--check", "--quiet"]).arg(&path).current_dir(root).output();
        let output = output.unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        // What was never laid is not missed.
        let wrong = said.lines().filter(|line| line.ends_with(": FAILED"));
        found.extend(wrong.map(|line| format!("{}: {line}", path.file_name().unwrap().display())));
    }
    found
}
