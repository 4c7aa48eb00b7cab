//! What a layer may cost, and what may be kept of it.

use super::room::limits;

limits! {
    /// A layer's archive.
    pub struct Layer {
        /// Entries of the archive.
        entries: u64 = 2_000_000;
        /// Bytes after decompression.
        uncompressed: u64 = 64 << 30;
        /// Bytes after decompression that no ratio forbids.
        free: u64 = 100 << 20;
        /// Beyond `free`: bytes out for one byte in.
        ratio: u64 = 1000;
        /// Bytes of one path.
        path: usize = 4096;
        /// Bytes of names and extended headers between two entries.
        headers: u64 = 4 << 20;
    }
}

impl Layer {
    /// What a blob of `size` bytes may become.
    pub(crate) fn cap(&self, size: u64) -> u64 {
        self.uncompressed.min(self.free.max(size.saturating_mul(self.ratio)))
    }
}

limits! {
    /// What is kept of a layer.
    pub struct Facts {
        /// Bytes of one wanted file.
        file: u64 = 64 << 20;
        /// Bytes of os-release and its like.
        small_file: u64 = 64 << 10;
        /// Bytes of the list of one package's files; the kernel's headers have about one MiB.
        list: u64 = 16 << 20;
        /// Packages of languages in one layer: what is beyond is told of as left out.
        components: usize = 500_000;
        /// Files that cannot be read, and files that packages own, which a layer is remembered for.
        remembered: usize = 200_000;
        /// Bytes of all wanted files of a layer.
        files: u64 = 256 << 20;
        /// Links from one wanted file to another; what a longer way leads to stays unknown.
        links: usize = 8, to 40;
        /// Bytes of facts after decompression: what we wrote ourselves, but bytes at rest rot.
        unpacked: u64 = 512 << 20;
        /// Bytes of all facts that a folder keeps: those of some ten thousand layers.
        folder: u64 = 2 << 30, to 1 << 40;
    }
}

limits! {
    /// Copyright files; what is beyond stays unknown, a scan does not fail over it.
    pub struct Licenses {
        /// Bytes of one file: the longest that Debian has is Boost's, of two megabytes.
        file: u64 = 4 << 20;
        /// Bytes of all of a layer: a desktop has about 50 MiB.
        files: u64 = 128 << 20;
        /// Files and links of a layer.
        count: usize = 50_000;
        /// Bytes of what is understood and kept: a desktop has less than one MiB.
        kept: usize = 16 << 20;
        /// Distinct licences of one package that are kept.
        names: usize = 500;
        /// Bytes of one expression.
        expression: usize = 500;
        /// Bytes before the name of a common licence in which its conditions stand.
        conditions: usize = 1500;
        /// Brackets inside each other.
        depth: usize = 8, to 64;
        /// Words and signs of one `License` line.
        tokens: usize = 400;
    }
}
