//! What an image, or a folder in its place, may cost as a whole.

use super::room::limits;

limits! {
    /// One image.
    pub struct Image {
        /// Layers that are read at once: reading is one core's work each.
        at_once: usize = 3, to 64;
        /// Layers of one image; container runtimes stop at 127.
        layers: usize = 1000;
        /// Bytes of an image configuration.
        config: u64 = 4 << 20;
    }
}

limits! {
    /// How far a folder is looked into: nobody promises that it is a system's root, or that it ends.
    pub struct Rootfs {
        /// Files, folders and links altogether.
        entries: u64 = 2_000_000;
        /// Folders in folders; each that is open holds a descriptor.
        depth: usize = 128, to 512;
        /// Bytes of a path, seen from the root.
        path: usize = 4096;
        /// Bytes that are read of all files: as much as a layer may hold.
        read: u64 = 64 << 30;
        /// Things that could not be looked at, and are named one by one.
        notes: usize = 200;
    }
}

limits! {
    /// How much is remembered while many inventories are matched again; beyond that it begins anew.
    pub struct Rematch {
        /// Versions of packages.
        versions: usize = 500_000;
        /// Findings of all of them, of about a kilobyte each.
        findings: usize = 100_000;
    }
}
