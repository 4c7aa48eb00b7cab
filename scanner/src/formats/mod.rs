//! Inventories and reports in the forms that other programs read: pure, and the same bytes for the same input.

pub mod cyclonedx;
pub mod gitlab;
mod groups;
pub mod harbor;
pub mod junit;
mod members;
pub mod sarif;
pub(crate) mod schemas;
pub mod spdx;
mod text;

use std::collections::HashMap;

use jiff::Timestamp;
use patchline_registry::Digest;

pub use groups::{Group, groups};
pub use text::clean;

use crate::{Completeness, Inventory, Report, Severity, limits};

/// What every form is made from.
#[derive(Debug, Clone, Copy)]
pub struct Scanned<'a> {
    /// What is in the image.
    pub inventory: &'a Inventory,
    /// What is wrong with it: of this very inventory.
    pub report: &'a Report,
    /// The image as a person named it.
    pub name: &'a str,
    /// Patchline's own version, `1.2.3`.
    pub version: &'a str,
    /// The time that the document bears; seconds are written.
    pub at: Timestamp,
}

impl<'a> Scanned<'a> {
    /// The layers by their digest.
    pub fn layers(&self) -> Layers<'a> {
        Layers::of(self.inventory)
    }
    /// `2026-01-02T03:04:05`, in UTC.
    fn seconds(&self) -> String {
        self.at.strftime("%Y-%m-%dT%H:%M:%S").to_string()
    }
    /// What is not whole, and why; empty: everything was looked at.
    fn reasons(&self) -> Vec<String> {
        reasons(&self.report.completeness)
            .take(limits::documents().reasons)
            .map(|r| clean(r, limits::documents().text))
            .collect()
    }
}

/// Why a report is not whole, in order.
pub fn reasons(completeness: &Completeness) -> impl Iterator<Item = &str> {
    let (many, one) = match completeness {
        Completeness::Complete => (&[][..], None),
        Completeness::Incomplete { reasons } => (reasons.as_slice(), None),
        Completeness::Undetermined { reason } => (&[][..], Some(reason.as_str())),
    };
    many.iter().map(String::as_str).chain(one)
}

/// Where each layer stands.
#[derive(Debug)]
pub struct Layers<'a> {
    number: HashMap<&'a Digest, usize>,
    count: usize,
}

impl<'a> Layers<'a> {
    /// Those of an inventory.
    pub fn of(inventory: &'a Inventory) -> Self {
        let mut number = HashMap::new();
        for (at, (blob, _)) in inventory.layers.iter().enumerate() {
            // One that stands twice has the number of its first place.
            number.entry(blob).or_insert(at + 1);
        }
        Self { number, count: inventory.layers.len() }
    }
    /// The number of a layer, 1 for the lowest; none: the image has no such layer.
    pub fn number(&self, layer: &Digest) -> Option<usize> {
        self.number.get(layer).copied()
    }
    /// How many there are.
    pub fn count(&self) -> usize {
        self.count
    }
    /// `layer 3 of 5`
    fn said(&self, layer: &Digest) -> String {
        match self.number(layer) {
            Some(number) => format!("layer {number} of {}", self.count),
            None => format!("layer {}", layer.short()),
        }
    }
}

/// The severity's word, as it stands in JSON too.
pub fn word(severity: Severity) -> &'static str {
    match severity {
        Severity::Unknown => "unknown",
        Severity::Negligible => "negligible",
        Severity::Low => "low",
        Severity::Medium => "medium",
        Severity::High => "high",
        Severity::Critical => "critical",
    }
}

/// Where people read about an advisory; none: nobody has a page for it, or its id is none that may stand in an address.
fn page(id: &str) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | ':');
    if id.is_empty() || id.len() > schemas::ID_IN_ADDRESS || !id.chars().all(plain) {
        return None;
    }
    let site = match id.split('-').next()? {
        "UPLOAD" => return None,
        "CVE" => "https://nvd.nist.gov/vuln/detail/",
        "GHSA" => "https://github.com/advisories/",
        "DSA" | "DLA" => "https://security-tracker.debian.org/tracker/",
        _ => "https://osv.dev/vulnerability/",
    };
    Some(format!("{site}{id}"))
}

/// The first of a list that strangers made long, and how many more there are.
fn listed(all: &[String]) -> String {
    let shown: Vec<String> =
        all.iter().take(limits::documents().places).map(|one| clean(one, limits::documents().name)).collect();
    match all.len() - shown.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

/// What to do about a finding, in one sentence.
pub fn advice(finding: &crate::Finding) -> String {
    match &finding.fixed {
        Some(fixed) => format!(
            "Upgrade {} from {} to {}.",
            clean(&finding.source, limits::documents().name),
            clean(&finding.installed, schemas::VERSION),
            clean(fixed, schemas::VERSION)
        ),
        None => {
            format!("No version of {} fixes it yet.", clean(&finding.source, limits::documents().name))
        }
    }
}

#[cfg(test)]
mod schema_tests;
#[cfg(test)]
pub(crate) mod testdata;
#[cfg(test)]
mod tests;
