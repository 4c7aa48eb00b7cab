//! An advisory as matching wants it: one package, its ranges, the vulnerabilities it speaks of.

use std::{cmp::Ordering, sync::Arc};

use super::osv;
use crate::{Severity, version::Order};

/// What all affected packages of a record share.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Record {
    /// The record's own, or a few words on what was derived from where.
    pub(super) id: String,
    /// One finding each.
    pub(super) vulnerabilities: Vec<String>,
    /// Other names.
    pub(super) aliases: Vec<String>,
    pub(super) summary: Option<String>,
    /// Seconds since 1970.
    pub(super) published: Option<i64>,
}

/// One affected package of one record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Advisory {
    pub(super) record: Arc<Record>,
    /// Who was read: `osv/Debian`, `debian-tracker`. Empty in sets that are made in memory.
    pub(super) source: Arc<str>,
    /// `Debian:12`
    pub(super) ecosystem: Arc<str>,
    /// As [`super::names::normal`] writes it.
    pub(super) package: Arc<str>,
    /// Steps of each range, in version order.
    pub(super) ranges: Vec<Vec<Step>>,
    /// Affected versions that no range covers.
    pub(super) versions: Vec<String>,
    pub(super) severity: Severity,
    pub(super) severity_source: Arc<str>,
    pub(super) standing: Option<Standing>,
    /// Vulnerabilities of the record about which a source of higher rank speaks.
    pub(super) overruled: Vec<String>,
}

/// Why a distribution leaves an affected package as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Standing {
    /// No bulletin of its own; a point release may bring the fix.
    NoBulletin,
    /// Will not be fixed.
    Ignored,
    /// Later, together with others.
    Postponed,
    /// The package is no longer supported.
    EndOfLife,
}

impl Standing {
    /// All of them, in the order of their numbers in a set's file.
    pub(super) const ALL: [Self; 4] = [Self::NoBulletin, Self::Ignored, Self::Postponed, Self::EndOfLife];
}

/// What an advisory says of one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// The lowest version above it that is not affected any more.
    pub(crate) fixed: Option<String>,
}

/// One event of a range.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Step {
    pub(super) turn: Turn,
    pub(super) version: String,
}

/// At one version, the introduction comes first, so that `fixed` there wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Turn {
    /// From here on affected.
    Introduced,
    /// The last that is.
    Last,
    /// From here on no longer.
    Fixed,
    /// Nothing from here on belongs to the range.
    Limit,
}

impl Turn {
    /// All of them, in the order of their numbers in a set's file.
    pub(super) const ALL: [Self; 4] = [Self::Introduced, Self::Last, Self::Fixed, Self::Limit];
}

impl Advisory {
    /// The record that says it.
    pub(crate) fn id(&self) -> &str {
        &self.record.id
    }
    /// What it speaks of, without what a source of higher rank speaks of; one finding each.
    pub(crate) fn vulnerabilities(&self) -> impl Iterator<Item = &str> {
        let own = self.record.vulnerabilities.iter();
        own.filter(|id| !self.overruled.contains(id)).map(String::as_str)
    }
    /// Other names of the same.
    pub(crate) fn aliases(&self) -> impl Iterator<Item = &str> {
        self.record.aliases.iter().map(String::as_str)
    }
    /// How bad, as [`super::severity::of`] decides.
    pub(crate) fn severity(&self) -> Severity {
        self.severity
    }
    /// Who said how bad: `debian`, `ghsa`, … or `none`.
    pub(crate) fn severity_source(&self) -> &str {
        &self.severity_source
    }
    /// One line.
    pub(crate) fn summary(&self) -> Option<&str> {
        self.record.summary.as_deref()
    }
    /// Seconds since 1970.
    pub(crate) fn published(&self) -> Option<i64> {
        self.record.published
    }
    /// Why the distribution leaves it, where it said so.
    #[expect(dead_code, reason = "reports will say it: the tracker's word is kept until they do")]
    pub(crate) fn standing(&self) -> Option<Standing> {
        self.standing
    }
    /// OSV schema, "Evaluation"; none: not affected. A version by name counts beside the ranges.
    pub(crate) fn affects(&self, installed: &str) -> Option<Verdict> {
        let order = Order::of_ecosystem(&self.ecosystem)?;
        let mut hit: Option<Verdict> = None;
        for steps in self.ranges.iter().filter(|steps| inside(order, steps, installed)) {
            let fixed = steps
                .iter()
                .filter(|s| s.turn == Turn::Fixed)
                .find(|s| order.compare(&s.version, installed) == Ordering::Greater)
                .map(|s| s.version.clone());
            hit = Some(match hit.and_then(|h| h.fixed) {
                Some(other) if fixed.as_ref().is_none_or(|f| order.compare(&other, f) == Ordering::Less) => {
                    Verdict { fixed: Some(other) }
                }
                _ => Verdict { fixed },
            });
        }
        let named = |v: &String| order.compare(v, installed) == Ordering::Equal;
        if hit.is_none() && self.versions.iter().any(named) {
            let fixes = self.ranges.iter().flatten().filter(|s| s.turn == Turn::Fixed);
            let above = fixes.filter(|s| order.compare(&s.version, installed) == Ordering::Greater);
            let lowest = above.min_by(|a, b| order.compare(&a.version, &b.version));
            hit = Some(Verdict { fixed: lowest.map(|s| s.version.clone()) });
        }
        hit
    }
}

/// A range's events in version order.
pub(super) fn steps(order: Order, events: &[osv::Event]) -> Vec<Step> {
    let turns = |e: &osv::Event| {
        let step = |turn, version: &Option<String>| Some(Step { turn, version: version.clone()? });
        [
            step(Turn::Introduced, &e.introduced),
            step(Turn::Last, &e.last_affected),
            step(Turn::Fixed, &e.fixed),
            step(Turn::Limit, &e.limit),
        ]
    };
    let mut steps: Vec<Step> = events.iter().flat_map(turns).flatten().collect();
    steps.sort_by(|a, b| at(order, &a.version, &b.version).then(a.turn.cmp(&b.turn)));
    steps
}

/// OSV schema, "Evaluation": the last step at or below the version decides, and a limit, where there are any, lies above it.
pub(super) fn inside(order: Order, steps: &[Step], installed: &str) -> bool {
    let (mut affected, mut limited, mut below) = (false, false, false);
    for step in steps {
        match (step.turn, at(order, &step.version, installed)) {
            (Turn::Limit, place) => {
                limited = true;
                below |= step.version == "*" || place == Ordering::Greater;
            }
            (_, Ordering::Greater) => {}
            (Turn::Introduced, _) => affected = true,
            (Turn::Fixed, _) | (Turn::Last, Ordering::Less) => affected = false,
            (Turn::Last, _) => {}
        }
    }
    affected && (below || !limited)
}

/// `0` lies before every version, `0~x` too.
fn at(order: Order, event: &str, other: &str) -> Ordering {
    match (event, other) {
        ("0", "0") => Ordering::Equal,
        ("0", _) => Ordering::Less,
        (_, "0") => Ordering::Greater,
        _ => order.compare(event, other),
    }
}

#[cfg(test)]
#[path = "advisory_tests.rs"]
mod tests;
