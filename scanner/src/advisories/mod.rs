//! What is known: OSV records compiled to an immutable set, and sets derived from a security suite itself.

pub mod apt_security;
pub mod update;

use std::path::Path;

use crate::Result;

/// An immutable set of advisories; cheap to clone, many readers, no lock.
#[derive(Debug, Clone)]
pub struct AdvisorySet {}

impl AdvisorySet {
    /// Opens the newest revision in an advisory folder; none: nothing has been loaded yet.
    pub fn open(_folder: &Path) -> Result<Option<Self>> {
        todo!()
    }
    /// A set without any advisory.
    pub fn empty() -> Self {
        todo!()
    }
    /// Content hash of the set.
    pub fn revision(&self) -> &str {
        todo!()
    }
    /// How many advisories.
    pub fn len(&self) -> usize {
        todo!()
    }
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
