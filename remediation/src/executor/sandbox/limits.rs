//! What one sandbox may take.

use serde::{Deserialize, Serialize};

/// Longest message between the two sides without its content, in bytes.
pub(super) const MESSAGE: usize = 1 << 20;
/// Longest piece of a content, in bytes.
pub(super) const PIECE: usize = 256 << 10;
/// Paths that a sandbox may say it changed.
pub(in crate::executor) const CHANGES: usize = 2_000_000;
/// What is kept of the words of the tools and scripts, in bytes: the last ones.
pub(in crate::executor) const WORDS: u64 = 4 << 10;
/// What of the words of a tool is looked through for those that are a failure, in bytes: the last ones.
pub(in crate::executor) const JUDGED: u64 = 4 << 20;
/// Ids of a sandbox, from 0: what images number their users in.
pub(super) const IDS: u32 = 65_536;
/// Room beside the image's own bytes for what an upgrade unpacks.
pub(super) const ROOM: u64 = 512 << 20;
/// Free bytes below which the disk counts as full.
pub(super) const FULL: u64 = 1 << 20;
/// Files of one sandbox's disk.
pub(in crate::executor) const FILES: u64 = 4_000_000;
/// Processes beyond the limit that the kernel still gives: more than are made between two looks, so that a look sees them.
pub(in crate::executor) const BURST: u64 = 4_096;
/// How long what a script left running may take to end by itself.
pub(super) const LEAVING_MS: u64 = 1_000;
/// Beyond the sandbox's own time: until its parent ends it from outside.
pub(in crate::executor) const GRACE_SECONDS: u64 = 60;
/// Laying an image and reading it back, beside the tools' time.
pub(in crate::executor) const LAYING_SECONDS: u64 = 1_200;

/// Limits of one run; a run that reaches one ends with everything in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Wall time of the tools together, in seconds.
    pub seconds: u64,
    /// Memory of all processes together, in bytes; each alone may ask for twice as much.
    pub memory: u64,
    /// Processes at once.
    pub processes: u64,
    /// Bytes of the tree, the image's own included. It lies in memory (tmpfs), so that it goes with the sandbox
    /// whatever ends it; no more than three quarters of what the machine has free are taken.
    pub disk: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { seconds: 900, memory: 2 << 30, processes: 512, disk: 4 << 30 }
    }
}

impl Limits {
    /// The disk that this machine can give now, in bytes.
    pub(in crate::executor) fn disk_here(&self) -> u64 {
        let free = std::fs::read_to_string("/proc/meminfo").ok().and_then(|text| available(&text));
        free.map_or(self.disk, |free| self.disk.min(free / 4 * 3))
    }
}

/// `MemAvailable` in bytes (proc(5)).
fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn free_memory_is_read() {
        assert_eq!(available("MemTotal: 9 kB\nMemAvailable:   2048 kB\n"), Some(2 << 20));
        assert_eq!(available("MemTotal: 9 kB\n"), None);
        assert_eq!(available("MemAvailable: 99999999999999999999 kB\n"), None);
    }
}
