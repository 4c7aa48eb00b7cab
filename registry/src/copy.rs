//! Copying an image from one repository to another, tag last.

use crate::{Digest, Repository, Result};

/// How to copy.
#[derive(Debug, Clone, Default)]
pub struct CopyOptions {
    /// Take referrers and signature tags along.
    pub referrers: bool,
}

/// What a copy did.
#[derive(Debug, Clone)]
pub struct CopyReport {
    /// Of the manifest or index that was copied.
    pub digest: Digest,
    /// Blobs mounted from another repository of the same registry.
    pub mounted: usize,
    /// Blobs uploaded.
    pub uploaded: usize,
    /// Blobs that were there already.
    pub present: usize,
    /// Bytes uploaded.
    pub bytes: u64,
}

/// Copies the manifest or whole index that `reference` names, blobs first,
/// then children, the tag last. Twice is harmless.
pub async fn copy(
    _source: &dyn Repository,
    _reference: &str,
    _target: &dyn Repository,
    _target_reference: &str,
    _options: &CopyOptions,
) -> Result<CopyReport> {
    todo!()
}
