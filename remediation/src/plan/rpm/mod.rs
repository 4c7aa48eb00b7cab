//! The same plan for rpm: versions by its own order, what updates need and exclude, scriptlets and triggers.

mod choose;
pub(crate) mod scripts;
pub(crate) mod shadow;
mod solve;

use std::sync::Arc;

pub(crate) use choose::{Want, wanted};
pub(crate) use solve::Solver;

use crate::rpm::Entry;

/// A version chosen for an installed package.
#[derive(Debug, Clone)]
pub(crate) struct Pick {
    /// What it goes to.
    pub(crate) entry: Arc<Entry>,
}
