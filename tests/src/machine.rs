//! What this machine can do, and where our program is.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// The program under test. `cargo xtask test` builds it first.
pub fn patchline() -> PathBuf {
    let mut folder = std::env::current_exe().expect("a test knows its own path");
    folder.pop();
    if folder.ends_with("deps") {
        folder.pop();
    }
    let program = folder.join("patchline");
    assert!(program.is_file(), "{} is not built: run `cargo xtask test`", program.display());
    program
}

/// A program on the path or where Debian puts programs for root.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.is_file())
}

/// Says that a test is skipped; under `CI=true` that is a failure.
pub fn skip(why: &str) {
    assert!(std::env::var("CI").as_deref() != Ok("true"), "under CI=true nothing is skipped: {why}");
    println!("skipped: {why}");
}

/// Whether every program is there; else the test is skipped.
pub fn needs(programs: &[&str]) -> bool {
    let missing: Vec<&str> = programs.iter().copied().filter(|p| find(p).is_none()).collect();
    if !missing.is_empty() {
        skip(&format!("no {} on this machine", missing.join(", ")));
    }
    missing.is_empty()
}

/// Whether this is root: chroot and mmdebstrap want it.
pub fn root() -> bool {
    let root = std::fs::metadata("/proc/self").is_ok_and(|m| std::os::unix::fs::MetadataExt::uid(&m) == 0);
    if !root {
        skip("not root");
    }
    root
}

/// (main, security) as the machine's apt has them; else the test is skipped. Never printed.
pub fn mirrors() -> Option<(String, String)> {
    let mirrors = patchline_remediation::apt::Mirrors::from_machine();
    match (mirrors.debian.main, mirrors.debian.security) {
        (Some(main), Some(security)) => Some((main.to_string(), security.to_string())),
        _ => {
            skip("no Debian mirror in this machine's apt configuration");
            None
        }
    }
}

/// Runs a program; a failure shows what it printed.
pub fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|e| panic!("{command:?}: {e}"));
    assert!(
        output.status.success(),
        "{} ended with {}\n{}\n{}",
        Path::new(command.get_program()).display(),
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// The standard output as text.
pub fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}
