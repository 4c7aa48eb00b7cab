//! Images with rpm's own database: the root of a small Debian that has `rpm` in it, called Rocky Linux, with a database and
//! packages that the host's rpm lays there. The programs in it are real; only the packages are made by the test.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use patchline_remediation::apt::Mirrors;

use crate::{
    layers::{run, tar, untar},
    rpms::{Entries, Spec},
};

/// Whether a root can be made here; else the test skips, and says so. Gives its archive.
pub(crate) fn root(test: &str) -> Option<PathBuf> {
    let skipped = |why: &str| {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{test}: {why}");
        println!("skipped: {test}: {why}");
        None
    };
    let root = Command::new("id").arg("-u").output().is_ok_and(|o| o.stdout == b"0\n");
    if !root || Command::new("mmdebstrap").arg("--version").output().is_err() {
        return skipped("it needs root and mmdebstrap");
    }
    let Some(mirror) = Mirrors::from_machine().debian.main else {
        return skipped("this machine's apt names no Debian mirror");
    };
    let to = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("bookworm-with-rpm.tar");
    let lock = std::fs::File::create(to.with_extension("lock")).unwrap();
    lock.lock().unwrap();
    if !to.exists() {
        let made = to.with_extension("part.tar");
        let status = Command::new("mmdebstrap")
            .args(["--quiet", "--variant=minbase", "--components=main", "--include=rpm"])
            // Nothing of dpkg's: the image has one database, and it is rpm's.
            .arg("--customize-hook=rm -rf \"$1\"/var/lib/dpkg \"$1\"/var/lib/apt \"$1\"/var/cache \"$1\"/usr/share/locale")
            .args(["bookworm", made.to_str().unwrap(), mirror.as_str()])
            .status()
            .unwrap();
        if !status.success() {
            return skipped("no root could be made from the mirror");
        }
        std::fs::rename(made, &to).unwrap();
    }
    Some(to)
}

/// Where the database lies in the images.
pub(crate) const FOLDER: &str = "/usr/lib/sysimage/rpm";
/// Its file, as a layer has it.
pub(crate) const DATABASE: &str = "usr/lib/sysimage/rpm/rpmdb.sqlite";

pub(crate) const OS_RELEASE: &str = "NAME=\"Rocky Linux\"\nID=\"rocky\"\nID_LIKE=\"rhel centos fedora\"\nVERSION_ID=\"9.3\"\n\
    PRETTY_NAME=\"Rocky Linux 9.3 (Blue Onyx)\"\n";

/// rpm of the host's over a root.
pub(crate) fn rpm(root: &Path) -> Command {
    let mut command = Command::new("rpm");
    command.arg("--root").arg(root).args(["--dbpath", FOLDER]).env("SOURCE_DATE_EPOCH", "1700000000");
    command
}

/// The first layer: the root with these packages.
pub(crate) fn base(archive: &Path, installed: &[Spec], more: &[&str]) -> Vec<u8> {
    let work = tempfile::tempdir().unwrap();
    let root = work.path().join("root");
    std::fs::create_dir(&root).unwrap();
    untar(archive, &root);
    let release = root.join("usr/lib/os-release");
    std::fs::write(release, OS_RELEASE).unwrap();
    // As distributions have it since the database moved under /usr.
    std::fs::create_dir_all(root.join("usr/lib/sysimage/rpm")).unwrap();
    let _ = std::fs::remove_dir_all(root.join("var/lib/rpm"));
    std::os::unix::fs::symlink("../../usr/lib/sysimage/rpm", root.join("var/lib/rpm")).unwrap();
    let packages = work.path().join("packages");
    std::fs::create_dir(&packages).unwrap();
    let files: Vec<PathBuf> = installed.iter().map(|spec| spec.build(&packages, None)).collect();
    run(rpm(&root).arg("--initdb"));
    run(rpm(&root).arg("--install").args(more).args(&files));
    tar(&root, &work.path().join("root.tar"))
}

/// A file, for a later layer.
pub(crate) fn put(path: &str, content: &str) -> Entries {
    vec![(path.to_owned(), 0o644, Some(content.to_owned()))]
}
