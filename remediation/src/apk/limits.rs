//! What of an apk repository, package or database is read at most.

/// `APKINDEX.tar.gz` as it comes: main's has about one megabyte.
pub(super) const INDEX_PACKED: u64 = 64 << 20;
/// The same unpacked.
pub(super) const INDEX: u64 = 512 << 20;
/// Packages of one index.
pub(super) const INDEX_ENTRIES: usize = 500_000;
/// A package as it comes.
pub(super) const PACKAGE: u64 = 4 << 30;
/// The member of signatures, unpacked: a few hundred bytes each.
pub(super) const SIGNATURES: u64 = 1 << 20;
/// Signatures of one index or package.
pub(super) const SIGNATURE_COUNT: usize = 16;
/// The control member as it comes: the signature is over these bytes, so they are held.
pub(super) const CONTROL_PACKED: u64 = 16 << 20;
/// The control member unpacked: `.PKGINFO` and scripts.
pub(super) const CONTROL: u64 = 64 << 20;
/// The data member unpacked.
pub(super) const DATA: u64 = 16 << 30;
/// Files, folders and links of one package.
pub(super) const ENTRIES: usize = 1_000_000;
/// Paths of one package together, in bytes.
pub(super) const NAMES: usize = 256 << 20;
/// Relations of one package: linux-firmware's meta package has some hundred.
pub(super) const RELATIONS: usize = 20_000;
/// Bytes of one key file.
pub(super) const KEY: u64 = 64 << 10;
/// Keys of one folder, or of an image.
pub(super) const KEYS: usize = 256;
/// Lines of an image's repositories that are looked at.
pub(super) const SOURCES: usize = 256;
/// Installed packages.
pub(super) const PACKAGES: usize = 200_000;
/// Scripts of the installed packages, unpacked.
pub(super) const SCRIPTS: u64 = 64 << 20;
/// One signature of apk 3's.
pub(super) const SIGNATURE: u64 = 2048;
/// What is read of the values of one of apk 3's files, in bytes, each as often as it stands somewhere.
pub(super) const VALUES: u64 = 512 << 20;
/// The values of a package of apk 3's: its paths and scripts.
pub(super) const PACKAGE_VALUES: u64 = 256 << 20;
