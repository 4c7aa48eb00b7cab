//! What of an rpm repository or package is read at most.

/// `repomd.xml` as it comes: a few kilobytes.
pub(super) const REPOMD: u64 = 4 << 20;
/// Its detached signature.
pub(super) const SIGNATURE: u64 = 256 << 10;
/// `primary.xml` as it comes, compressed: a distribution's has some tens of megabytes.
pub(super) const PRIMARY_PACKED: u64 = 512 << 20;
/// The same unpacked.
pub(super) const PRIMARY: u64 = 8 << 30;
/// `updateinfo.xml` as it comes.
pub(super) const UPDATES_PACKED: u64 = 64 << 20;
/// The same unpacked.
pub(super) const UPDATES: u64 = 2 << 30;
/// Advisories of one `updateinfo.xml`.
pub(super) const UPDATE_COUNT: usize = 200_000;
/// Identifiers and packages of all advisories together.
pub(super) const UPDATE_LINES: usize = 5_000_000;
/// Packages of one index that are kept: those of the names that an image has, and what they name.
pub(super) const ENTRIES: usize = 500_000;
/// Relations of one package: a kernel provides some thousand symbols.
pub(super) const RELATIONS: usize = 200_000;
/// Relations of all packages of one index.
pub(super) const ALL_RELATIONS: usize = 20_000_000;
/// Elements that are open at once; primary's are seven deep.
pub(super) const XML_DEPTH: usize = 32;
/// Bytes of one tag, with its attributes.
pub(super) const XML_TAG: usize = 64 << 10;
/// Bytes of one piece of text: descriptions are long.
pub(super) const XML_TEXT: usize = 4 << 20;
/// Attributes of one element.
pub(super) const XML_ATTRIBUTES: usize = 64;
/// A package as it comes.
pub(super) const PACKAGE: u64 = 4 << 30;
/// Bytes of the signature header's store; rpm itself refuses more.
pub(super) const SIGNATURE_STORE: usize = 64 << 20;
/// Bytes of the main header's store; rpm itself refuses more than 256 MiB.
pub(super) const HEADER_STORE: usize = 128 << 20;
/// Entries of a header's index; rpm itself refuses more.
pub(super) const HEADER_ENTRIES: usize = 1 << 16;
/// Files, folders and links of one package.
pub(super) const FILES: usize = 1_000_000;
/// Bytes of the paths of one package together.
pub(super) const PATHS: usize = 256 << 20;
/// Bytes of one path, and of a link's target.
pub(super) const PATH: usize = 4096;
/// The payload unpacked.
pub(super) const PAYLOAD: u64 = 16 << 30;
/// Bytes of all scripts of one package.
pub(super) const SCRIPTS: usize = 16 << 20;
/// Scripts of triggers of one package.
pub(super) const TRIGGERS: usize = 10_000;
/// Repositories of one image.
pub(super) const SOURCES: usize = 64;
/// Bytes of the files that name an image's repositories, together.
pub(crate) const SOURCE_TEXT: usize = 1 << 20;
/// Bytes of one text manifest.
pub(super) const MANIFEST: usize = 16 << 20;
