//! How much is taken of what is known about packages.

use super::room::limits;

limits! {
    /// Advisories.
    pub struct Advisories {
        /// Records of one origin.
        records: u64 = 2_000_000;
        /// Bytes of one record: the kernel's list every version.
        record: u64 = 32 << 20;
        /// Bytes of all records of one origin.
        all: u64 = 32 << 30;
        /// Unreadable records for each thousand that can be read; with more of them the whole origin is.
        unreadable: usize = 10, to 1000;
        /// Comparisons that may be spent on finding which versions of a record its ranges already cover.
        coverage: usize = 4_000_000;
        /// Bytes of a download.
        download: u64 = 4 << 30;
        /// Bytes of a bucket's list of ecosystems.
        ecosystem_list: usize = 1 << 20;
        /// Bytes of a bucket's list of changes.
        change_list: usize = 64 << 20;
        /// Ecosystems of one bucket.
        ecosystems: usize = 128;
        /// Records that are fetched one by one before the whole archive is.
        changes: usize = 1_000;
        /// Seconds to connect.
        connect_seconds: u64 = 15;
        /// Seconds between two pieces of an answer.
        idle_seconds: u64 = 60;
        /// Seconds of one download in all.
        seconds: u64 = 1800;
        /// Bytes of a feed after decompression.
        feed: u64 = 2 << 30;
        /// Bytes of one line of a feed.
        line: u64 = 1 << 16;
        /// Vulnerabilities that a feed rates.
        rated: usize = 4_000_000;
        /// Statements of a distribution's feed.
        statements: usize = 8_000_000;
        /// Files of a folder of feeds.
        feed_files: usize = 1_000;
        /// Bytes of a CVSS vector.
        vector: usize = 256;
        /// Bytes of one changelog; what is older than that is not read.
        changelog: usize = 16 << 20;
        /// Entries of one changelog.
        changelog_entries: usize = 20_000;
        /// Lines of one entry.
        changelog_lines: usize = 5_000;
        /// Bytes of a set in the format before, after decompression.
        old_set: u64 = 4 << 30;
        /// Bytes of the pointer to the current set.
        pointer: u64 = 16 << 20;
        /// Bytes of a set's file.
        set: u64 = 16 << 30;
        /// Bytes of text in all that is said about one package.
        answer: u64 = 256 << 20;
    }
}
