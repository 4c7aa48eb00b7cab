//! Looking at an unpacked image from the inside. Needs root.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

/// Runs a shell line inside the tree.
pub fn sh(root: &Path, line: &str) -> Output {
    let null = root.join("dev/null");
    if !null.exists() {
        fs::create_dir_all(root.join("dev")).unwrap();
        let status =
            Command::new("mknod").args(["-m", "666"]).arg(&null).args(["c", "1", "3"]).status().unwrap();
        assert!(status.success());
    }
    Command::new("chroot")
        .arg(root)
        .args(["/bin/sh", "-c", line])
        .env_clear()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("LC_ALL", "C")
        .env("DEBIAN_FRONTEND", "noninteractive")
        .output()
        .unwrap()
}

/// Runs a line that must succeed; gives its standard output.
pub fn ok(root: &Path, line: &str) -> String {
    let output = sh(root, line);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "`{line}` ended with {}\n{out}\n{err}", output.status);
    out.into_owned()
}

/// Runs a line that must succeed and print nothing at all.
pub fn silent(root: &Path, line: &str) {
    let output = sh(root, line);
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(
        output.status.success() && out.is_empty() && err.is_empty(),
        "`{line}` {}\n{out}\n{err}",
        output.status
    );
}

/// What a mended Debian image must be able to do.
pub fn healthy(root: &Path) {
    silent(root, "dpkg --audit");
    silent(root, "dpkg --verify");
    ok(root, "apt-get check");
    ok(root, "nginx -t");
    ok(root, "curl --version");
    ok(root, "openssl version");
    ok(root, "python3 -c 'import ssl; ssl.create_default_context()'");
}

/// Names of the packages that `apt-get -s dist-upgrade` would upgrade with the security suite.
pub fn upgradable(root: &Path, main: &str, security: &str) -> Vec<String> {
    let sources = format!("deb {main} bookworm main\ndeb {security} bookworm-security main\n");
    fs::create_dir_all(root.join("etc/apt/sources.list.d")).unwrap();
    fs::write(root.join("etc/apt/sources.list"), sources).unwrap();
    fs::copy("/etc/resolv.conf", root.join("etc/resolv.conf")).unwrap();
    ok(root, "apt-get -qq -o APT::Sandbox::User=root update");
    let plan = ok(root, "apt-get -s dist-upgrade");
    plan.lines()
        .filter_map(|l| l.strip_prefix("Inst "))
        .map(|l| l.split(' ').next().unwrap().to_owned())
        .collect()
}
