//! What reading a stranger's files may cost: every bound of this module stands here.

/// One file that is read whole: the longest lock files of large repositories have about ten megabytes.
pub(crate) const WHOLE: u64 = 32 << 20;
/// One table of a TOML file: its reader keeps a multiple of the text.
pub(crate) const TABLE: usize = 1 << 20;
/// One description of a single package: `METADATA` holds a whole README at times.
pub(crate) const DESCRIPTION: u64 = 4 << 20;
/// Values of a JSON, YAML or TOML document, keys not counted.
pub(crate) const VALUES: usize = 1_000_000;
/// Nesting of a YAML or XML document; `serde_json` stops at 128 by itself.
pub(crate) const DEPTH: usize = 100;
/// Documents of a YAML file; pnpm writes two.
pub(crate) const DOCUMENTS: usize = 100;
/// Attributes of an XML element.
pub(crate) const ATTRIBUTES: usize = 100;
/// Components of one file.
pub(crate) const COMPONENTS: usize = 200_000;
/// Notes on what was cut in one file.
pub(crate) const NOTES: usize = 100;
/// Bytes of a name or a namespace; Go's import paths are the longest.
pub(crate) const NAME: usize = 512;
/// Bytes of a version.
pub(crate) const VERSION: usize = 256;
/// Bytes of a licence as it is stated; what is longer is a licence's text and not its name.
pub(crate) const LICENSE: usize = 200;
/// Licences of one component.
pub(crate) const LICENSES: usize = 50;

/// Bytes of all Java archives of one file that are held at once; larger ones are read as streams.
pub(crate) const ARCHIVES_HELD: u64 = 48 << 20;
/// One Java archive that is held: reading its directory then costs less than reading all of its entries.
pub(crate) const ARCHIVE_HELD: u64 = 32 << 20;
/// Bytes that come out of all compressed entries of one file: about three seconds of work.
pub(crate) const INFLATED: u64 = 2 << 30;
/// Archives in archives: an EAR with a WAR with a JAR has three.
pub(crate) const ARCHIVE_DEPTH: usize = 8;
/// Archives in one file, at any depth.
pub(crate) const ARCHIVES: usize = 20_000;
/// Entries of all archives in one file.
pub(crate) const ENTRIES: usize = 2_000_000;
/// Entries that are read of one archive: a shaded one has hundreds of descriptions, a large WAR as many archives.
pub(crate) const DESCRIBED: usize = 5_000;
/// Licences of one `pom.xml`.
pub(crate) const POM_LICENSES: usize = 10;
/// `pom.properties`, `pom.xml`, `PKG-INFO` in an archive.
pub(crate) const ENTRY: u64 = 1 << 20;
/// As much of a manifest as is read: what follows its first section are hashes of entries.
pub(crate) const MANIFEST: u64 = 256 << 10;
/// What may stand before a zip archive's first entry: a shell script that starts it.
pub(crate) const PREFIX: usize = 60 << 10;

/// Bytes of a binary that are looked at together.
pub(crate) const WINDOW: usize = 256 << 10;
/// What is looked at again with the next window: the longest string that is searched for at once.
pub(crate) const OVERLAP: usize = 1 << 10;
/// Bytes that are held from where something begins to where it ends: Kubernetes' list of modules has 40 KiB.
pub(crate) const CAPTURE: usize = 4 << 20;
/// Beginnings whose end has not come yet.
pub(crate) const PENDING: usize = 4;
/// Beginnings that are followed in one binary: it has one or two of them.
pub(crate) const BEGINNINGS: usize = 64;
/// Places in a binary that could be compressed data and are tried, at most: chance makes a few thousand.
pub(crate) const TRIES: usize = 200_000;
/// Bytes of a binary that allow one more try: some have many small compressed files in them.
pub(crate) const TRY_EVERY: usize = 256;
/// Bytes at the beginning of a binary, with the table of its segments.
pub(crate) const HEAD: usize = 4 << 10;
/// Segments of a binary.
pub(crate) const SEGMENTS: usize = 100;
/// Places where an old Go version could stand.
pub(crate) const GO_VERSIONS: usize = 10_000;
/// Bytes of a list of crates, unpacked.
pub(crate) const CRATES: u64 = 16 << 20;
