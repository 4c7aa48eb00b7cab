//! Who knows the images of a chain. The engine does not.

use async_trait::async_trait;
use patchline_chains::Plan;

use super::Firing;
use crate::{Problem, Subject};

/// Finds what a firing starts, a page at a time.
#[async_trait]
pub trait Launch: Send + Sync + 'static {
    /// Which advisories are loaded; none: none are. Asked every few seconds.
    async fn revision(&self) -> Result<Option<String>, LaunchError>;
    /// What `firing` of `plan` starts from `cursor` on, which an earlier page of it gave; none: from the beginning.
    /// May be asked twice for the same page, also by another process.
    async fn page(&self, plan: &Plan, firing: &Firing, cursor: Option<&str>) -> Result<Page, LaunchError>;
}

/// A part of what a firing starts; about 50 images.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Page {
    /// What gets a run each.
    pub subjects: Vec<Subject>,
    /// Images that were looked at and need no run.
    pub left_out: u64,
    /// Images, or repositories, that could not be read: (which, why).
    pub failed: Vec<(String, Problem)>,
    /// Where the next page begins; none: this was the last.
    pub next: Option<String>,
}

/// A page that could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct LaunchError {
    /// Stable, kebab-case.
    pub code: String,
    /// The whole chain of causes, without any secret.
    pub message: String,
    /// Whether it may well work later.
    pub retry: bool,
}
