//! Loading OSV records from a folder, a zip or the public bucket's layout into the advisory folder.

use std::path::{Path, PathBuf};

use serde::Serialize;
use url::Url;

use crate::Result;

/// Where records come from.
#[derive(Debug, Clone)]
pub enum Origin {
    /// A folder in the bucket's layout (`<Ecosystem>/all.zip`, or `<Ecosystem>/*.json`), or one `all.zip`.
    Folder(PathBuf),
    /// The base address of the bucket's layout: `<url>/<Ecosystem>/all.zip`.
    Bucket(Url),
}

/// One line of `advisories status`.
#[derive(Debug, Clone, Serialize)]
pub struct SourceStatus {
    /// `osv/Debian`
    pub source: String,
    /// Records.
    pub advisories: usize,
    /// Newest `modified` among them, RFC 3339.
    pub newest: Option<String>,
    /// When they were loaded, RFC 3339.
    pub loaded: String,
}

/// Loads and compiles; written aside and renamed; never leaves less than it found when something fails.
/// `now`: RFC 3339.
pub async fn update(_folder: &Path, _origin: &Origin, _now: &str) -> Result<Vec<SourceStatus>> {
    todo!()
}

/// What the folder holds.
pub fn status(_folder: &Path) -> Result<Vec<SourceStatus>> {
    todo!()
}
