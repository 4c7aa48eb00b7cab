//! The same plan for apk: versions by its own order, `world`'s pins, relations, scripts and triggers.

pub(crate) mod busybox;
mod choose;
pub(crate) mod eol;
pub(crate) mod scripts;
pub(crate) mod shadow;
mod solve;

use std::sync::Arc;

pub(crate) use choose::{Want, exactly, wanted, world_tag};
pub(crate) use solve::Solver;

use crate::apk::IndexEntry;

/// A version chosen for an installed package.
#[derive(Debug, Clone)]
pub(crate) struct Pick {
    /// What it goes to.
    pub(crate) entry: Arc<IndexEntry>,
}
