//! Version orders of the ecosystems.

use std::cmp::Ordering;

/// Debian's order (deb-version(7)): epoch, upstream, revision; `~` sorts before everything.
/// Total over any two strings.
pub fn compare_debian(_a: &str, _b: &str) -> Ordering {
    todo!()
}
