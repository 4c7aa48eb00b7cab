//! Debian's formats: control stanzas, relations, .deb archives, the status database's stanza.

pub mod archive;
pub mod control;
pub(crate) mod kept;
mod record;
pub mod relations;
pub mod status;

pub use archive::{Deb, Entry, EntryKind};
pub use control::{Fields, Stanza};
pub use record::PackageRecord;
pub use relations::{Clause, Operator, Relation};
