//! A short chaos: twenty `kill -9` on each store under load. `cargo xtask chaos engine --kills 1000` is the long one.

use std::{
    process::{Command, Stdio},
    time::Duration,
};

use patchline_tests::process;
use serde_json::Value;

/// Twenty kills take about a minute; a machine that is busy with other suites may take several.
const LIMIT: Duration = Duration::from_secs(900);

fn twenty(store: &str) {
    let mut chaos = Command::new(env!("CARGO_BIN_EXE_patchline-chaos"));
    chaos.args(["engine", "--kills", "20", "--store", store]).stdout(Stdio::piped());
    let mut child = chaos.spawn().unwrap();
    assert!(process::ended(&mut child, LIMIT), "it does not end within {LIMIT:?}");
    let ended = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stdout).into_owned();
    let figures: Value = serde_json::from_str(said.lines().last().unwrap_or_default()).unwrap();
    println!("{figures}");
    let Some(found) = figures.get(store) else { return };
    for none in
        ["lost_runs", "duplicated_successors", "leaked_limits", "exceeded_limits", "duplicate_effects"]
    {
        assert_eq!(found[none], 0, "{none}: {found}");
    }
    assert_eq!(found["kills"], 20);
    assert!(ended.status.success(), "{found}");
}

#[test]
fn twenty_kills_over_sqlite_lose_nothing() {
    twenty("sqlite");
}

#[test]
fn twenty_kills_over_postgresql_lose_nothing() {
    twenty("postgres");
}
