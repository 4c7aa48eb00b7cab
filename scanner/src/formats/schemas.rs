//! Bounds that the formats themselves have, and no configuration moves.

/// Characters of a title in GitLab's schema.
pub(super) const TITLE: usize = 255;
/// Characters of a version in CycloneDX's.
pub(super) const VERSION: usize = 1024;
/// Other ids of one finding; GitLab takes 20 with the first.
pub(super) const ALIASES: usize = 19;
/// Characters of an id that may stand in an address.
pub(super) const ID_IN_ADDRESS: usize = 64;
