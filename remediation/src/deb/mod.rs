//! Debian's formats: control stanzas, relations, .deb archives.

use std::collections::BTreeMap;

/// One stanza of a `Packages` index or a `control` file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageRecord {
    /// Binary package.
    pub name: String,
    /// Version.
    pub version: String,
    /// Architecture.
    pub architecture: String,
    /// Source package.
    pub source: String,
    /// Source version.
    pub source_version: String,
    /// `Filename`, relative to the archive's base.
    pub filename: String,
    /// `Size` in bytes.
    pub size: u64,
    /// `SHA256` in hexadecimal digits.
    pub sha256: String,
    /// Whether it lies in the security archive (another base address).
    pub security: bool,
    /// Every field as written, for the status database and relations.
    pub fields: BTreeMap<String, String>,
}
