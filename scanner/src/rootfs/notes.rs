//! What could not be looked at, named one by one as far as it is useful.

use super::limits;

/// Paths with reasons, and how many more there are.
#[derive(Default)]
pub(super) struct Notes {
    told: Vec<String>,
    more: u64,
}

impl Notes {
    /// `path` was not looked at, or not to its end.
    pub(super) fn add(&mut self, path: &str, reason: impl std::fmt::Display) {
        if self.told.len() < limits::rootfs().notes {
            self.told.push(if path.is_empty() { reason.to_string() } else { format!("{path}: {reason}") });
        } else {
            self.more += 1;
        }
    }

    /// In the order in which they came.
    pub(super) fn finish(mut self) -> Vec<String> {
        if self.more > 0 {
            self.told.push(format!("and {} more places that could not be looked at", self.more));
        }
        self.told
    }
}
