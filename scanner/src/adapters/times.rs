//! How long another scanner may take, and how often it is asked.

use std::time::Duration;

/// One scan, unless something else is configured.
pub const TIME: Duration = Duration::from_secs(600);
/// The longest that may be configured.
pub const LONGEST: Duration = Duration::from_secs(2 * 3600);
/// Between two questions whether it is done: at first, and at most.
pub(super) const POLLS: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(15)];
/// How long a token of ours is good.
pub(super) const TOKEN: Duration = Duration::from_secs(300);
