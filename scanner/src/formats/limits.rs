//! How much of what strangers wrote goes into a document.

/// Characters of a summary, or of a reason.
pub(super) const TEXT: usize = 4000;
/// Characters of a name, an id, a path or a title.
pub(super) const NAME: usize = 1024;
/// Characters of a title where GitLab's schema has a bound.
pub(super) const TITLE: usize = 255;
/// Characters of a version: CycloneDX has this bound.
pub(super) const VERSION: usize = 1024;
/// Other ids of one finding; GitLab takes 20 with the first.
pub(super) const ALIASES: usize = 19;
/// Places of one finding: files, packages that it affects.
pub(super) const PLACES: usize = 100;
/// Reasons why a report is not whole.
pub(super) const REASONS: usize = 100;
/// Characters of an id that may stand in an address.
pub(super) const ID_IN_ADDRESS: usize = 64;
