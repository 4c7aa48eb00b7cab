//! What reading a stranger's SBOM may cost: every bound of this module stands here.

/// Bytes of a document, unpacked; one over an image of thousands of packages with all of its files has about fifty MiB.
pub(super) const SIZE: u64 = 128 << 20;
/// Values of its JSON, keys not counted; nesting ends at 128, where `serde_json` stops.
pub(super) const VALUES: usize = 4_000_000;
/// Components, at any depth.
pub(super) const COMPONENTS: usize = 200_000;
/// Envelopes around a document: a bundle, a signature's, a statement.
pub(super) const ENVELOPES: usize = 3;
/// Bytes of a package URL.
pub(super) const PURL: usize = 4096;
/// Qualifiers of a package URL.
pub(super) const QUALIFIERS: usize = 50;
/// Bytes of a name.
pub(super) const NAME: usize = 512;
/// Bytes of a version or an architecture.
pub(super) const VERSION: usize = 256;
/// Characters of a path, or of a reason.
pub(super) const TEXT: usize = 1000;
/// Licences of one package.
pub(super) const LICENSES: usize = 50;
/// Components that cannot be understood and are told of one by one.
pub(super) const UNREADABLE: usize = 100;
/// Reasons that a document gives itself for not being whole.
pub(super) const REASONS: usize = 100;

/// Documents that are read of one image.
pub(super) const ATTACHED: usize = 20;
/// Manifests that are looked at for them.
pub(super) const MANIFESTS: usize = 50;
/// Bytes of one of them, as it lies in the registry.
pub(super) const ATTACHED_SIZE: u64 = 64 << 20;
