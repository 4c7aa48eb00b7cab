//! Other scanners as inputs: Trivy and Grype as programs, Clair and whatever speaks Harbor's pluggable scanner API over
//! the network.
//!
//! None of them is trusted with more than the image. A program is pinned by its SHA-256 where that is configured, starts
//! with an empty environment, and gets the image as an OCI layout in a folder that goes with it: no registry credential
//! is ever handed over. What fetches images itself gets a token for pulling one repository, never a password. What any of
//! them answers is a stranger's: bounded, and read into our own [`Report`].

pub mod clair;
mod error;
mod findings;
pub mod grype;
pub mod harbor;
mod json;
mod place;
mod process;
pub mod times;
pub mod trivy;
mod web;

use std::{collections::BTreeMap, path::PathBuf, sync::Arc, time::Duration};

use async_trait::async_trait;
use jiff::Timestamp;
use patchline_registry::Repository;

pub use error::{Error, Result};

use crate::{Inventory, Report, limits};

/// The name of our own scanner, which no other may have.
pub const BUILTIN: &str = "builtin";

/// What a scan is about.
#[derive(Clone, Copy)]
pub struct Subject<'a> {
    /// Where the image is.
    pub repository: &'a dyn Repository,
    /// What we found in it: by it, what a scanner says of a package is told of the package's source, as we tell it.
    pub inventory: &'a Inventory,
}

/// One scanner that is not ours.
#[async_trait]
pub trait Adapter: Send + Sync {
    /// As configured.
    fn name(&self) -> &str;
    /// What it says of the image, within its time.
    async fn scan(&self, subject: &Subject<'_>) -> Result<Report>;
}

/// What time it is: tokens of ours bear it.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// A program of this machine.
#[derive(Debug, Clone)]
pub struct Program {
    /// The file, absolute.
    pub path: PathBuf,
    /// SHA-256 of the file in lower-case hexadecimal digits, compared before every start; none: whatever is there runs.
    pub sha256: Option<String>,
    /// For one scan.
    pub time: Duration,
}

/// The scanners of a configuration by name; cheap to clone.
#[derive(Clone, Default)]
pub struct Scanners {
    by_name: Arc<BTreeMap<String, Arc<dyn Adapter>>>,
}

impl Scanners {
    /// By their own names; a later one of the same name takes the place of the earlier.
    pub fn new(all: impl IntoIterator<Item = Arc<dyn Adapter>>) -> Self {
        Self { by_name: Arc::new(all.into_iter().map(|one| (one.name().to_owned(), one)).collect()) }
    }
    /// One of them.
    pub fn get(&self, name: &str) -> Option<&Arc<dyn Adapter>> {
        self.by_name.get(name)
    }
    /// [`BUILTIN`] and their names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        std::iter::once(BUILTIN).chain(self.by_name.keys().map(String::as_str))
    }
}

impl std::fmt::Debug for Scanners {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.by_name.keys()).finish()
    }
}

#[cfg(test)]
pub(crate) mod testdata;
#[cfg(test)]
mod tests;
