//! How much of a package database is read: all of it comes from strangers.

/// Packages of one database; a whole distribution has fewer.
pub(crate) const PACKAGES: usize = 200_000;
/// Files that the packages of one database own; a full workstation has less than half of it.
pub(crate) const FILES: usize = 1_000_000;
/// Bytes of one path: what Linux calls PATH_MAX.
pub(crate) const PATH: usize = 4096;
/// Bytes of all paths together: a folder is written once and stands in each.
pub(crate) const PATHS: usize = 64 << 20;
/// Bytes of a name, a version, a release, an architecture or an origin.
pub(crate) const WORD: usize = 512;
/// Bytes of a licence, a vendor or a modularity label.
pub(crate) const TEXT: usize = 16 << 10;
/// Dependencies, provided and replaced names of all packages together.
pub(crate) const RELATIONS: usize = 1_000_000;
/// Entries in the index of one header; rpm itself refuses more.
pub(crate) const HEADER_ENTRIES: usize = 1 << 16;
/// Folders of one package in an rpm database.
pub(crate) const FOLDERS: usize = 200_000;
