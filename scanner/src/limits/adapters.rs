//! How much another scanner may cost and say.

use super::room::limits;

limits! {
    /// Other scanners.
    pub struct Adapters {
        /// Bytes of one report.
        report: usize = 128 << 20;
        /// Bytes of every other answer.
        answer: usize = 4 << 20;
        /// Findings of one report, before equal ones merge.
        findings: usize = 200_000;
        /// Other names of one finding.
        aliases: usize = 50;
        /// Packages, and files, of one finding.
        places: usize = 200;
        /// Characters of a name or a path.
        name: usize = 500;
        /// Characters of a version.
        version: usize = 200;
        /// Characters of a summary.
        summary: usize = 500;
        /// Characters of what a program says on its standard error that are shown: the last ones.
        shown: usize = 400;
        /// Compressed bytes of an image that is handed over.
        image: u64 = 64 << 30;
        /// Bytes of a program that is pinned.
        program: u64 = 2 << 30;
        /// Seconds to connect.
        connect_seconds: u64 = 10;
        /// Seconds between two pieces of an answer.
        idle_seconds: u64 = 120;
    }
}
