//! Sandboxes of the tests' own, and what must not be left of them.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use patchline_remediation::{Sandbox, executor::sandbox::Limits};
use tokio::sync::Mutex;

/// One at a time: each looks for what others would leave behind.
pub(crate) static ALONE: Mutex<()> = Mutex::const_new(());

pub(crate) fn sandbox(limits: Limits) -> Sandbox {
    Sandbox::new(PathBuf::from(env!("CARGO_BIN_EXE_patchline-sandbox-init")), &[]).with_limits(limits)
}

/// Ids of all processes that have a sandbox's ids.
pub(crate) fn inmates() -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir("/proc").unwrap().flatten() {
        let Ok(status) = fs::read_to_string(entry.path().join("status")) else { continue };
        let uid = status.lines().find_map(|line| line.strip_prefix("Uid:")).unwrap_or_default();
        let inside = uid.split_whitespace().any(|id| id.parse::<u32>().is_ok_and(|id| id >= 0x7000_0000));
        if inside {
            found.push(status.lines().next().unwrap_or_default().to_owned());
        }
    }
    found
}

/// What is mounted where a sandbox mounts; others on this machine may mount elsewhere meanwhile.
pub(crate) fn mounts() -> Vec<String> {
    let all = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let here = |line: &&str| line.split(' ').nth(4).is_some_and(|place| place.starts_with("/proc"));
    all.lines().filter(here).map(str::to_owned).collect()
}

/// Until nobody is left; panics when somebody stays.
#[expect(clippy::disallowed_methods, reason = "how long a test waits for others to end")]
pub(crate) fn everybody_is_gone() {
    let until = Instant::now() + Duration::from_secs(10);
    while !inmates().is_empty() {
        assert!(Instant::now() < until, "still there: {:?}", inmates());
        std::thread::sleep(Duration::from_millis(20));
    }
}
