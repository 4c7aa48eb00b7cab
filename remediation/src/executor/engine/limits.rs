//! How much a daemon may be asked for and may answer, and how long it may take.

use std::time::Duration;

use crate::executor::sandbox::{
    Limits,
    limits::{GRACE_SECONDS, LAYING_SECONDS},
};

/// The oldest API that is spoken: of Docker 20.10, and of any Podman since 4.
pub(super) const OLDEST: (u32, u32) = (1, 41);
/// The label of our containers and images: the fix's id.
pub(super) const LABEL: &str = "dev.patchline.fix";
/// The label of our containers and images: seconds since the epoch after which nobody works with them.
pub(super) const UNTIL: &str = "dev.patchline.until";
/// Bytes of an answer that is no archive.
pub(super) const ANSWER: usize = 4 << 20;
/// Bytes of one image as it is sent, unpacked.
pub(super) const IMAGE: u64 = 64 << 30;
/// Bytes of an export that stand for one entry beside its content.
pub(super) const ENTRY: u64 = 8 << 10;
/// How long a question may take that needs little work.
pub(super) const QUESTION: Duration = Duration::from_secs(60);
/// How long the last word on an image may take once it is sent, and the first byte of an export.
pub(super) const WORK: Duration = Duration::from_secs(LAYING_SECONDS);
/// How long the daemon may be silent in the middle of an archive.
pub(super) const IDLE: Duration = Duration::from_secs(120);
/// How long removing something may take.
pub(super) const REMOVAL: Duration = Duration::from_secs(120);
/// Between two looks at a container, and between two that count its bytes.
pub(super) const LOOK: Duration = Duration::from_millis(150);
/// See [`LOOK`].
pub(super) const WEIGH: Duration = Duration::from_secs(2);
/// Open files of a process: daemons give so many that tools which close them all take minutes.
pub(super) const OPEN_FILES: u64 = 4_096;
/// Leftovers that are looked at in one go.
pub(super) const LEFTOVERS: usize = 1_000;

/// The longest that a fix works with what it put into a daemon, in seconds.
pub(super) fn whole_seconds(limits: &Limits) -> i64 {
    let parts = [LAYING_SECONDS, limits.seconds, LAYING_SECONDS, GRACE_SECONDS];
    parts.iter().fold(0_i64, |all, part| all.saturating_add_unsigned(*part))
}
