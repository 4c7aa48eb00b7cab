//! How much of what strangers wrote is taken: every bound of this module, in one place.

use std::time::Duration;

/// Records of one origin.
pub(super) const RECORDS: u64 = 2_000_000;
/// Bytes of one record: the kernel's list every version.
pub(super) const RECORD: u64 = 32 << 20;
/// Bytes of all records of one origin.
pub(super) const ALL: u64 = 32 << 30;
/// Comparisons that may be spent on finding which versions of a record its ranges already cover.
pub(super) const COVERAGE: usize = 4_000_000;
/// Of how many records one may be unreadable before the whole origin is.
pub(super) const UNREADABLE: usize = 100;
/// Threads that compile.
pub(super) const COMPILERS: usize = 4;

/// Bytes of a download.
pub(super) const DOWNLOAD: u64 = 4 << 30;
/// Bytes of a bucket's list of ecosystems.
pub(super) const ECOSYSTEM_LIST: usize = 1 << 20;
/// Bytes of a bucket's list of changes.
pub(super) const CHANGE_LIST: usize = 64 << 20;
/// Ecosystems of one bucket.
pub(super) const ECOSYSTEMS: usize = 128;
/// Records that are fetched one by one before the whole archive is.
pub(super) const CHANGES: usize = 1_000;
/// Requests at one time.
pub(super) const AT_ONCE: usize = 8;
/// Archives at one time.
pub(super) const ARCHIVES_AT_ONCE: usize = 2;
/// How long changes are added to an archive before it is loaded whole again: what was deleted then goes too.
pub(super) const YOUNG: Duration = Duration::from_secs(7 * 24 * 3600);
/// To connect, between two pieces, and in all.
pub(super) const WAITS: [Duration; 3] =
    [Duration::from_secs(15), Duration::from_secs(60), Duration::from_secs(1800)];

/// Bytes of a feed after decompression.
pub(super) const FEED: u64 = 2 << 30;
/// Bytes of one line of a feed.
pub(super) const LINE: u64 = 1 << 16;
/// Vulnerabilities that a feed rates.
pub(super) const RATED: usize = 4_000_000;
/// Statements of a distribution's feed.
pub(super) const STATEMENTS: usize = 8_000_000;
/// Files of a folder of feeds.
pub(super) const FEED_FILES: usize = 1_000;

/// Bytes of a set in the format before, after decompression.
pub(super) const OLD_SET: u64 = 4 << 30;
/// Bytes of the pointer to the current set.
pub(super) const POINTER: u64 = 16 << 20;
/// Bytes of a set's file.
pub(super) const SET: u64 = 16 << 30;
/// Blocks of a set that stay in memory once they were read: 24 MiB.
pub(super) const BLOCKS: usize = 1_536;
/// Places for blocks beyond those: 8 MiB. A block stays until another one needs its place.
pub(super) const RECENT_BLOCKS: usize = 512;
/// Bytes of text in all that is said about one package.
pub(super) const ANSWER: u64 = 256 << 20;
