//! A part of the matrix: bookworm on amd64, one image with all edits together, and mirrors that lie, break or hang.
//! `cargo xtask matrix fix` is the whole of it.

use std::{
    process::{Command, Stdio},
    time::Duration,
};

use patchline_tests::process;
use serde_json::Value;

/// It takes a few minutes; a machine that is busy with other suites may take several times as long.
const LIMIT: Duration = Duration::from_secs(2_400);

#[test]
fn bookworm_on_amd64_is_mended_in_every_shape() {
    let mut matrix = Command::new(env!("CARGO_BIN_EXE_patchline-matrix"));
    matrix.args(["--suite", "bookworm", "--arch", "amd64", "--ci"]).stdout(Stdio::piped());
    let mut child = matrix.spawn().unwrap();
    assert!(process::ended(&mut child, LIMIT), "it does not end within {LIMIT:?}");
    let ended = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stdout).into_owned();
    let told: Value = serde_json::from_str(said.lines().last().unwrap_or_default()).unwrap();
    for row in told["rows"].as_array().unwrap() {
        println!("{row}");
    }
    assert!(ended.status.success(), "{} of {} cases are wrong", told["wrong"], told["cases"]);
    assert_eq!(told["reissued"], 0, "a release that lives lacks nothing");
    // Without root or a mirror nothing runs, loudly; with them, all of it does.
    let cases = told["cases"].as_u64().unwrap();
    assert!(cases == 0 || cases >= 15, "{cases} cases");
}
