//! What is wrong with one image, as far as a revision of the advisories knows.

use std::collections::BTreeMap;

use patchline_registry::Digest;
use serde::{Deserialize, Serialize};

use crate::{Distro, Finding, Severity};

/// Whether the report can be trusted to be whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum Completeness {
    /// Everything was looked at.
    Complete,
    /// Something was cut; each reason.
    Incomplete {
        /// Why.
        reasons: Vec<String>,
    },
    /// Nothing can be said: no database, an unsupported or end-of-life system.
    Undetermined {
        /// Why.
        reason: String,
    },
}

/// Distinct vulnerabilities by severity.
pub type Counts = BTreeMap<Severity, usize>;

/// The findings of one image manifest.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Format, 1.
    pub version: u32,
    /// The image manifest.
    pub image: Digest,
    /// From os-release.
    pub distro: Option<Distro>,
    /// Installed packages.
    pub packages: usize,
    /// Of all advisory sets used, in order.
    pub advisory_revision: String,
    /// Whole, cut, or unknowable.
    pub completeness: Completeness,
    /// Highest severity first, then by id.
    pub findings: Vec<Finding>,
}

impl Report {
    /// Distinct vulnerabilities by severity (zero where there is none).
    pub fn counts(&self) -> Counts {
        let mut counts: Counts = Severity::ALL.into_iter().map(|severity| (severity, 0)).collect();
        for finding in &self.findings {
            *counts.entry(finding.severity).or_default() += 1;
        }
        counts
    }
    /// Bytes that are equal for equal reports: what a report's id is the digest of.
    pub fn canonical_json(&self) -> Vec<u8> {
        // Fields stand in the order of declaration and no value is a hash map, so serde's
        // writing is canonical already.
        serde_json::to_vec(self).expect("strings, numbers and options alone")
    }
    /// The worst severity; none: no finding.
    pub fn worst(&self) -> Option<Severity> {
        self.findings.iter().map(|f| f.severity).max()
    }
}
