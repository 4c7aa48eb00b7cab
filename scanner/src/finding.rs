//! One vulnerability in one image, and why we say so.

use patchline_registry::Digest;
use serde::{Deserialize, Serialize};

use crate::version::Order;

/// The one ordered scale. `Unknown` never matches a `>=` rule.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nobody has said.
    #[default]
    Unknown,
    /// As Debian's "unimportant".
    Negligible,
    /// Low.
    Low,
    /// Medium.
    Medium,
    /// High.
    High,
    /// Critical.
    Critical,
}

impl Severity {
    /// All, lowest first.
    pub const ALL: [Self; 6] =
        [Self::Unknown, Self::Negligible, Self::Low, Self::Medium, Self::High, Self::Critical];
}

/// A distinct vulnerability of one installed source package (aliases merged).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// `CVE-…` where there is one, else `DSA-…`/`GHSA-…`, else `UPLOAD-<source>-<version>` for a security upload that names no CVE.
    pub id: String,
    /// Every other id of it.
    pub aliases: Vec<String>,
    /// OSV's ecosystem: `Debian:12`, `PyPI`; empty: Debian's, as before there were others.
    #[serde(default)]
    pub ecosystem: String,
    /// Binary packages that carry it, sorted; a language's package itself.
    pub packages: Vec<String>,
    /// Files that tell of a language's package, sorted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub paths: Vec<String>,
    /// Source package, or whatever the ecosystem's advisories are about.
    pub source: String,
    /// Its installed version.
    pub installed: String,
    /// Lowest version of it that fixes it, where an advisory names one.
    pub fixed: Option<String>,
    /// Severity.
    pub severity: Severity,
    /// Who said the severity: `debian`, `ghsa`, `nvd`, … or `none`.
    pub severity_source: String,
    /// A verified repository that we can reach has the fix; none: not asked.
    pub mendable: Option<bool>,
    /// In CISA's list.
    pub known_exploited: bool,
    /// EPSS probability, 0 to 1.
    pub epss: Option<f64>,
    /// The layer that brought the package.
    pub layer: Option<Digest>,
    /// One line about the vulnerability.
    pub summary: Option<String>,
    /// When the first advisory about it came out; none: nobody has said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub published: Option<jiff::Timestamp>,
    /// Why it matches: comparator, range, advisory, revision.
    pub because: String,
}

impl Finding {
    /// An advisory names a fixed version.
    pub fn fixable(&self) -> bool {
        self.fixed.is_some()
    }
    /// dpkg's packages carry it, by its own database: what a document claims stands with its path.
    pub fn is_deb(&self) -> bool {
        let dpkg = self.ecosystem.is_empty() || Order::of_ecosystem(&self.ecosystem) == Some(Order::Dpkg);
        dpkg && self.paths.is_empty()
    }
}
