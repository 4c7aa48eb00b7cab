//! What of an ecosystem's registry, an archive or an image is read at most.

/// A registry's document on one package: those with thousands of versions have some ten megabytes.
pub(super) const DOCUMENT: u64 = 64 << 20;
/// Versions of one document.
pub(super) const VERSIONS: usize = 20_000;
/// An archive as it comes.
pub(super) const ARCHIVE: u64 = 64 << 20;
/// The same unpacked.
pub(super) const UNPACKED: u64 = 192 << 20;
/// Files of one archive.
pub(super) const FILES: usize = 50_000;
/// Bytes of a path in an archive.
pub(super) const PATH: usize = 1024;
/// All new files of one fix together: they are held until the layer is written.
pub(super) const HELD: u64 = 512 << 20;
/// Packages of one fix.
pub(super) const PACKAGES: usize = 500;
/// Times that what waits for another upgrade is looked at again.
pub(super) const ROUNDS: usize = 10;
/// One file of an image that is read: lock files of large applications have some ten megabytes.
pub(super) const FILE: u64 = 32 << 20;
/// All of them together.
pub(super) const FILES_READ: u64 = 256 << 20;
/// How many of them.
pub(super) const FILES_OF_IMAGE: usize = 100_000;
/// Bytes of a file of this machine's configuration.
pub(super) const CONFIGURATION: u64 = 1 << 20;
/// A checksum file of Maven's: a hash and a name.
pub(super) const CHECKSUM: u64 = 4096;
/// A `pom.xml`.
pub(super) const POM: u64 = 4 << 20;
/// Projects that one inherits from, itself among them.
pub(super) const PARENTS: usize = 12;
/// Projects that are read for what one version needs: its parents, what it imports, and the parents of that.
pub(super) const PROJECTS: usize = 60;
