//! How much another scanner may cost and say: every bound of this module, in one place.

use std::time::Duration;

/// One scan, unless something else is configured.
pub const TIME: Duration = Duration::from_secs(600);
/// The longest that may be configured.
pub const LONGEST: Duration = Duration::from_secs(2 * 3600);
/// Bytes of one report.
pub(super) const REPORT: usize = 128 << 20;
/// Bytes of every other answer.
pub(super) const ANSWER: usize = 4 << 20;
/// Findings of one report, before equal ones merge.
pub(super) const FINDINGS: usize = 200_000;
/// Other names of one finding.
pub(super) const ALIASES: usize = 50;
/// Packages, and files, of one finding.
pub(super) const PLACES: usize = 200;
/// Characters of a name or a path.
pub(super) const NAME: usize = 500;
/// Characters of a version.
pub(super) const VERSION: usize = 200;
/// Characters of a summary.
pub(super) const SUMMARY: usize = 500;
/// Bytes kept of what a program says on its standard error: the last ones.
pub(super) const SAID: usize = 16 << 10;
/// Characters of it that are shown.
pub(super) const SHOWN: usize = 400;
/// Compressed bytes of an image that is handed over.
pub(super) const IMAGE: u64 = 64 << 30;
/// Bytes of a program that is pinned.
pub(super) const PROGRAM: u64 = 2 << 30;
/// To connect, and between two pieces of an answer.
pub(super) const WAITS: [Duration; 2] = [Duration::from_secs(10), Duration::from_secs(120)];
/// Between two questions whether it is done: at first, and at most.
pub(super) const POLLS: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(15)];
/// How long a token of ours is good.
pub(super) const TOKEN: Duration = Duration::from_secs(300);
