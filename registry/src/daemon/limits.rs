//! How much a daemon on this machine may send, and how long it may take.

use std::time::Duration;

/// Bytes of one exported image, as a plain archive: what a layer may become, too.
pub(super) const EXPORT: u64 = 64 << 30;
/// Bytes of an answer that is no image.
pub(super) const ANSWER: usize = 4 << 20;
/// Bytes of an error's text, and characters of it that are shown.
pub(super) const ERROR: usize = 16 << 10;
/// See [`ERROR`].
pub(super) const SHOWN: usize = 300;
/// Bytes of a name.
pub(super) const NAME: usize = 512;
/// How long a question may take that needs no work.
pub(super) const QUESTION: Duration = Duration::from_secs(30);
/// How long the first byte of an export may take: the daemon writes all layers aside before it sends one.
pub(super) const FIRST: Duration = Duration::from_secs(15 * 60);
/// How long it may be silent after that.
pub(super) const IDLE: Duration = Duration::from_secs(120);
/// How long an export may take altogether.
pub(super) const WHOLE: Duration = Duration::from_secs(2 * 60 * 60);
