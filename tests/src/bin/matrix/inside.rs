//! Looking at an unpacked image from the inside: in a chroot where its programs run here, by qemu-user-static where not.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use patchline_tests::machine;

/// Debian's qemu-user-static, which starts programs of arm64.
pub(crate) const QEMU: &str = "qemu-aarch64-static";

/// The emulator's name inside of a tree. It is taken away again before anybody looks at the tree's files.
const EMULATOR: &str = "matrix-qemu";

/// What a command said, standard output and error together, and whether it went well.
pub(crate) struct Said {
    pub(crate) text: String,
    pub(crate) out: String,
    pub(crate) well: bool,
}

impl Said {
    fn of(output: &Output) -> Self {
        let out = String::from_utf8_lossy(&output.stdout).into_owned();
        let text = format!("{out}{}", String::from_utf8_lossy(&output.stderr));
        Self { text, out, well: output.status.success() }
    }
}

/// An unpacked image.
pub(crate) struct Root<'a> {
    pub(crate) path: &'a Path,
    /// dpkg's name of its architecture.
    pub(crate) architecture: &'a str,
}

impl Root<'_> {
    /// Whether its programs run on this machine as they are.
    pub(crate) fn is_native(&self) -> bool {
        self.architecture == "amd64" && cfg!(target_arch = "x86_64")
    }

    /// Runs a program with arguments in the tree: no shell, for an image may have none.
    pub(crate) fn run(&self, words: &[&str]) -> Said {
        // Namespaces of its own: a proc of its own, and nothing that stays behind.
        let mut command = Command::new("unshare");
        let (proc, null) = (self.path.join("proc"), self.path.join("dev/null"));
        for folder in [&proc, &self.path.join("dev")] {
            fs::create_dir_all(folder).unwrap();
        }
        if !null.exists() {
            machine::run(Command::new("mknod").args(["-m", "666"]).arg(&null).args(["c", "1", "3"]));
        }
        command.args(["--mount", "--pid", "--fork", "--kill-child"]);
        command.arg(format!("--mount-proc={}", proc.display()));
        command.arg("chroot").arg(self.path);
        if !self.is_native() {
            let emulator = machine::find(QEMU).unwrap();
            fs::copy(emulator, self.path.join(EMULATOR)).unwrap();
            command.arg(format!("/{EMULATOR}"));
        }
        let output = command
            .args(words)
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .env("LC_ALL", "C")
            .env("HOME", "/root")
            .env("DEBIAN_FRONTEND", "noninteractive")
            .output()
            .unwrap();
        if !self.is_native() {
            fs::remove_file(self.path.join(EMULATOR)).unwrap();
        }
        Said::of(&output)
    }

    /// The same with a shell's line.
    pub(crate) fn sh(&self, line: &str) -> Said {
        self.run(&["/bin/sh", "-c", line])
    }

    /// A shell's line that must go well.
    pub(crate) fn ok(&self, line: &str) -> String {
        let said = self.sh(line);
        assert!(said.well, "`{line}`: {}", said.text);
        said.out
    }

    /// What the image's own dpkg says of its database. It starts no other program for that.
    pub(crate) fn dpkg(&self, argument: &str) -> Said {
        self.run(&["/usr/bin/dpkg", argument])
    }
}
