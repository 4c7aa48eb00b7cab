//! `cargo xtask test`

use std::{collections::BTreeSet, path::Path, process::Command};

use crate::{
    programs, say,
    suites::{SUITES, Suite, present},
};

/// Install what the suites need, where that can be done, and run every test
#[derive(Debug, clap::Args)]
pub(crate) struct Test {
    /// Install nothing
    #[arg(long)]
    no_install: bool,
    /// How many of the suites' programs run at a time
    #[arg(long, value_name = "N", default_value_t = 2)]
    together: usize,
    /// What is handed on to each program of tests
    #[arg(last = true)]
    rest: Vec<String>,
}

impl Test {
    pub(crate) fn run(self) -> Result<(), String> {
        if !self.no_install {
            install(&missing());
        }
        let left_out: Vec<&Suite> =
            SUITES.iter().filter(|s| s.needs.iter().any(|(p, _)| !present(p))).collect();
        for suite in &left_out {
            let programs: Vec<&str> = suite.needs.iter().map(|(p, _)| *p).filter(|p| !present(p)).collect();
            say(&format!("left out: suite {} ({}): no {}", suite.name, suite.shows, programs.join(", ")));
        }
        if !left_out.is_empty() && ci() {
            return Err("under CI=true a suite that is left out is a failure".into());
        }
        // The end-to-end suites run the program itself, as it is now. Built with the tests: alone it would ask for
        // other features, and every dependency would be built twice.
        cargo(&["build", "--locked", "--workspace", "--bins", "--tests"], &[])?;
        let programs = programs::built(&["--locked", "--workspace"])?;
        let examples = cargo(&["test", "--locked", "--workspace", "--doc"], &self.rest);
        programs::run(programs, self.together, &self.rest).and(examples)?;
        // Last, because it leaves a program with the feature behind: a dozen small crates and the binary once more.
        cargo(
            &["test", "--locked", "--workspace", "--features", "patchline/otel", "--test", "traces"],
            &self.rest,
        )
    }
}

/// Whether this is a CI run: then nothing may be left out.
fn ci() -> bool {
    std::env::var("CI").is_ok_and(|v| v == "true")
}

/// Debian packages that would bring what is missing.
fn missing() -> BTreeSet<&'static str> {
    SUITES
        .iter()
        .flat_map(|s| s.needs)
        .filter(|(program, _)| !present(program))
        .map(|(_, package)| *package)
        .collect()
}

/// Root on Debian or Ubuntu gets what is missing; anybody else is told.
fn install(packages: &BTreeSet<&str>) {
    if packages.is_empty() {
        return;
    }
    let list: Vec<&str> = packages.iter().copied().collect();
    let root = std::fs::metadata("/proc/self").is_ok_and(|m| std::os::unix::fs::MetadataExt::uid(&m) == 0);
    if !root || !Path::new("/etc/debian_version").exists() || !present("apt-get") {
        say(&format!("not installed (needs root on Debian or Ubuntu): apt-get install {}", list.join(" ")));
        return;
    }
    say(&format!("installing {}", list.join(" ")));
    let apt = |arguments: &[&str]| {
        let status = Command::new("apt-get")
            .args(["-qq", "-o", "DPkg::Lock::Timeout=120"])
            .args(arguments)
            .env("DEBIAN_FRONTEND", "noninteractive")
            .status();
        if !status.as_ref().is_ok_and(std::process::ExitStatus::success) {
            say(&format!("apt-get {} failed: {status:?}", arguments.join(" ")));
        }
    };
    apt(&["update"]);
    let mut arguments = vec!["install", "-y", "--no-install-recommends"];
    arguments.extend(list);
    apt(&arguments);
}

fn cargo(arguments: &[&str], rest: &[String]) -> Result<(), String> {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    command.args(arguments);
    if !rest.is_empty() {
        command.arg("--").args(rest);
    }
    let status = command.status().map_err(|e| format!("cargo {}: {e}", arguments.join(" ")))?;
    if status.success() { Ok(()) } else { Err(format!("cargo {} ended with {status}", arguments.join(" "))) }
}
