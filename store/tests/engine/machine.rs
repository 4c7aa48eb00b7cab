//! What this machine cannot do.

/// Says that a test is skipped; under `CI=true` that is a failure.
#[expect(clippy::print_stdout, reason = "whoever runs the tests reads it")]
pub(crate) fn skip(why: &str) {
    assert!(std::env::var("CI").as_deref() != Ok("true"), "under CI=true nothing is skipped: {why}");
    println!("skipped: {why}");
}
