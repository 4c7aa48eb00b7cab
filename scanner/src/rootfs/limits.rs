//! How far a folder is looked into: nobody promises that it is a system's root, or that it ends.

/// Files, folders and links altogether.
pub(super) const ENTRIES: u64 = 2_000_000;
/// Folders in folders; each that is open holds a descriptor.
pub(super) const DEPTH: usize = 128;
/// Bytes of a path, seen from the root.
pub(super) const PATH: usize = 4096;
/// Bytes that are read of all files: as much as a layer may hold.
pub(super) const READ: u64 = 64 << 30;
/// Things that could not be looked at, and are named one by one.
pub(super) const NOTES: usize = 200;
