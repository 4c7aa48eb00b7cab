//! Packages whose scripts do harm, out of a signed repository that is made here: a clear error, nothing tagged, nothing
//! left running, nothing left on disk. What a sandbox keeps them from is shown one by one in `remediation/tests/sandbox.rs`.

use std::{
    fs,
    net::TcpListener,
    path::{Path, PathBuf},
    process::Command,
};

use patchline_tests::{machine, process};

use crate::{
    archive,
    assemble::{self, Image},
    hostile::{Yard, refused},
    image_case::Ground,
    inside::Root,
    rootfs::Set,
    table::Row,
};

/// A package that nobody else has.
const PACKAGE: &str = "matrix-harm";
/// What a script must never get to see.
const SECRET: &str = "what-the-host-alone-knows";

/// One of them.
pub(crate) struct Case {
    pub(crate) name: &'static str,
    /// `@PORT@` is one that this machine listens on, `@SECRET@` a file of it.
    postinst: &'static str,
    /// What the fixed image is to show.
    smoke: Option<&'static str>,
    code: &'static str,
}

pub(crate) const CASES: &[Case] = &[
    Case { name: "forks", postinst: "while :; do sleep 50 & done", smoke: None, code: "sandbox-processes" },
    Case {
        name: "fills-the-disk",
        postinst: "cat /dev/zero > /var/lib/fill",
        smoke: None,
        code: "sandbox-disk",
    },
    Case {
        name: "opens-a-socket",
        postinst: "perl -MIO::Socket::INET -e 'IO::Socket::INET->new(PeerAddr => \"127.0.0.1:@PORT@\") or exit 3' || \
                   bash -c 'exec 3<>/dev/tcp/127.0.0.1/@PORT@' || exit 3",
        smoke: None,
        code: "sandbox-tool-failed",
    },
    Case {
        name: "leaves-the-sandbox",
        postinst: "cat @SECRET@ /proc/1/root@SECRET@ ../../../../../..@SECRET@ >&2; mount -t tmpfs x /mnt; exit 3",
        smoke: None,
        code: "sandbox-tool-failed",
    },
    Case {
        name: "stays",
        postinst: "setsid sleep 300 </dev/null >/dev/null 2>&1 &",
        smoke: None,
        code: "sandbox-left-running",
    },
    // The package is no harm; what becomes of the image is not what it was to show.
    Case {
        name: "cannot-show-it",
        postinst: "exit 0",
        smoke: Some("sh -c 'sleep 300 & exit 3'"),
        code: "smoke-failed",
    },
    Case { name: "fails", postinst: "exit 7", smoke: None, code: "sandbox-tool-failed" },
];

/// A minbase image that has the package's first version.
pub(crate) fn image(ground: &Ground, folder: &Path) -> Image {
    let rootfs = ground.rootfs("bookworm", "amd64", Set::Minbase);
    let tree = folder.join("tree");
    machine::run(Command::new("cp").args(["--archive", "--reflink=auto"]).arg(&rootfs.tree).arg(&tree));
    fs::copy(deb(folder, "1.0", "exit 0"), tree.join("made.deb")).unwrap();
    let root = Root { path: &tree, architecture: "amd64" };
    root.ok("dpkg --install /made.deb && rm /made.deb && rm -f /var/lib/dpkg/*-old");
    assemble::edited(&rootfs, tree, folder)
}

/// Mends it by the script, which must not go well.
pub(crate) fn run(yard: &Yard<'_>, case: &Case, row: &mut Row) {
    let folder = yard.work.join(format!("script-{}", case.name));
    fs::create_dir_all(&folder).unwrap();
    let host = TcpListener::bind("127.0.0.1:0").unwrap();
    host.set_nonblocking(true).unwrap();
    let secret = folder.join("secret");
    fs::write(&secret, SECRET).unwrap();
    let port = host.local_addr().unwrap().port().to_string();
    let postinst = case.postinst.replace("@PORT@", &port).replace("@SECRET@", secret.to_str().unwrap());
    let archive = repository(yard, &folder, &postinst);
    let before = mounts();
    let address = format!("file://{}/", archive.display());
    let mut flags = vec!["--executor".to_owned(), "sandbox".to_owned()];
    for flag in ["--mirror", "--security-mirror"] {
        flags.extend([flag.to_owned(), address.clone()]);
    }
    flags.extend(["--keyring".to_owned(), yard.ours.keyring.display().to_string()]);
    flags.extend(case.smoke.into_iter().flat_map(|command| ["--smoke".to_owned(), command.to_owned()]));
    let output = yard.fix(&folder, case.name, &flags);
    row.findings.extend(refused(&output, case.code, ""));
    if String::from_utf8_lossy(&output.stderr).contains(SECRET) {
        row.findings.push("it saw a file of the host".into());
    }
    if host.accept().is_ok() {
        row.findings.push("somebody came out of the sandbox".into());
    }
    row.findings.extend(yard.left(&folder, case.name));
    if !process::until(std::time::Duration::from_secs(10), || inmates().is_empty()) {
        row.findings.push(format!("left running: {:?}", inmates()));
    }
    if mounts() != before {
        row.findings.push("something is left mounted".into());
    }
    fs::remove_dir_all(folder).unwrap();
}

/// The package in a version, with a postinst and a changelog that names what it fixes.
fn deb(folder: &Path, version: &str, postinst: &str) -> PathBuf {
    let root = folder.join(format!("deb-{version}"));
    let docs = root.join("usr/share/doc").join(PACKAGE);
    fs::create_dir_all(root.join("DEBIAN")).unwrap();
    fs::create_dir_all(&docs).unwrap();
    let control = format!(
        "Package: {PACKAGE}\nVersion: {version}\nArchitecture: amd64\nMaintainer: The matrix <matrix@example.org>\n\
         Description: made by a test\n"
    );
    fs::write(root.join("DEBIAN/control"), control).unwrap();
    let script = root.join("DEBIAN/postinst");
    fs::write(&script, format!("#!/bin/sh\n{postinst}\n")).unwrap();
    machine::run(Command::new("chmod").arg("755").arg(&script));
    fs::write(docs.join("version"), format!("{version}\n")).unwrap();
    let entry = |version: &str, what: &str| {
        format!(
            "{PACKAGE} ({version}) bookworm-security; urgency=high\n\n  * {what}\n\n \
             -- The matrix <matrix@example.org>  Sat, 01 Jun 2024 12:00:00 +0000\n\n"
        )
    };
    let log = entry("2.0", "CVE-2024-99999: harm.") + &entry("1.0", "First.");
    fs::write(docs.join("changelog.Debian"), log).unwrap();
    machine::run(Command::new("gzip").args(["-n", "-f"]).arg(docs.join("changelog.Debian")));
    let archive = folder.join(format!("{PACKAGE}_{version}_amd64.deb"));
    machine::run(Command::new("dpkg-deb").args(["--root-owner-group", "--build"]).arg(&root).arg(&archive));
    fs::remove_dir_all(root).unwrap();
    archive
}

/// A security suite of that one package, signed by the key that is believed.
fn repository(yard: &Yard<'_>, folder: &Path, postinst: &str) -> PathBuf {
    let place = folder.join("archive");
    let pool = place.join("pool");
    fs::create_dir_all(&pool).unwrap();
    let made = deb(folder, "2.0", postinst);
    let name = made.file_name().unwrap().to_owned();
    fs::rename(&made, pool.join(&name)).unwrap();
    let file = pool.join(&name);
    let index = archive::stanza(&file);
    archive::suites(&place, "amd64", &yard.ours, &[("bookworm-security", &index), ("bookworm", "")]);
    place
}

/// What is mounted where a sandbox mounts; others on this machine may mount elsewhere meanwhile.
fn mounts() -> Vec<String> {
    let all = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let here = |line: &&str| line.split(' ').nth(4).is_some_and(|place| place.starts_with("/proc"));
    all.lines().filter(here).map(str::to_owned).collect()
}

/// Processes that have a sandbox's ids, which are nobody else's: but a second matrix beside this one would be taken for ours.
fn inmates() -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(status) = fs::read_to_string(entry.path().join("status")) else { continue };
        let ids = status.lines().find_map(|line| line.strip_prefix("Uid:")).unwrap_or_default();
        if ids.split_whitespace().any(|id| id.parse::<u32>().is_ok_and(|id| id >= 0x7000_0000)) {
            found.push(status.lines().next().unwrap_or_default().to_owned());
        }
    }
    found
}
