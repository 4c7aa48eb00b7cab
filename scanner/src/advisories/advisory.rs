//! An advisory as matching wants it: one package, its ranges, the vulnerabilities it speaks of.

use std::{cmp::Ordering, collections::BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{cvss, ids, osv};
use crate::{Severity, version::compare_debian};

/// One affected package of one record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Advisory {
    /// The record, or a few words on what was derived from where.
    pub(crate) id: String,
    /// One finding each.
    pub(crate) vulnerabilities: Vec<String>,
    /// Other names.
    pub(crate) aliases: Vec<String>,
    /// `Debian:12`
    pub(crate) ecosystem: String,
    /// Source package.
    pub(crate) package: String,
    /// Events of each range.
    pub(crate) ranges: Vec<Vec<osv::Event>>,
    /// Affected versions, where there is no range.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) versions: Vec<String>,
    pub(crate) severity: Severity,
    pub(crate) severity_source: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) summary: Option<String>,
    /// Seconds since 1970: a set has hundreds of thousands of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) published: Option<i64>,
}

/// What an advisory says of one version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// The lowest version above it that is not affected any more.
    pub(crate) fixed: Option<String>,
}

impl Advisory {
    /// OSV schema, "Evaluation"; none: not affected.
    pub(crate) fn affects(&self, installed: &str) -> Option<Verdict> {
        let mut hit = None;
        for events in &self.ranges {
            if !inside(events, installed) {
                continue;
            }
            let fixes = events.iter().filter_map(|e| e.fixed.as_deref());
            let above = fixes.filter(|f| compare_debian(f, installed) == Ordering::Greater);
            let fixed = above.min_by(|a, b| compare_debian(a, b)).map(str::to_owned);
            hit = Some(match hit {
                Some(Verdict { fixed: Some(other) })
                    if fixed.as_ref().is_none_or(|f| compare_debian(&other, f) == Ordering::Less) =>
                {
                    Verdict { fixed: Some(other) }
                }
                _ => Verdict { fixed },
            });
        }
        if hit.is_none() && self.versions.iter().any(|v| compare_debian(v, installed) == Ordering::Equal) {
            hit = Some(Verdict { fixed: None });
        }
        hit
    }
}

/// Events in version order, the last one at or below the version decides.
fn inside(events: &[osv::Event], installed: &str) -> bool {
    let mut sorted: Vec<(&str, Turn)> = events
        .iter()
        .flat_map(|e| {
            [(&e.introduced, Turn::Introduced), (&e.last_affected, Turn::Last), (&e.fixed, Turn::Fixed)]
        })
        .filter_map(|(version, turn)| Some((version.as_deref()?, turn)))
        .collect();
    sorted.sort_by(|a, b| order(a.0, b.0).then(a.1.cmp(&b.1)));
    let mut affected = false;
    for (version, turn) in sorted {
        match (turn, order(version, installed)) {
            (_, Ordering::Greater) => break,
            (Turn::Introduced, _) => affected = true,
            (Turn::Fixed, _) | (Turn::Last, Ordering::Less) => affected = false,
            (Turn::Last, _) => {}
        }
    }
    affected
}

/// At one version, the introduction comes first, so that `fixed` there wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    Introduced,
    Last,
    Fixed,
}

/// `0` lies before every version, `0~x` too.
fn order(event: &str, other: &str) -> Ordering {
    match (event, other) {
        ("0", "0") => Ordering::Equal,
        ("0", _) => Ordering::Less,
        (_, "0") => Ordering::Greater,
        _ => compare_debian(event, other),
    }
}

/// The ecosystems that the scanner can match.
pub(super) fn matched(ecosystem: &str) -> bool {
    ecosystem.strip_prefix("Debian:").is_some_and(|release| !release.is_empty())
}

/// What matching needs of a record: one advisory for each package that we can match.
pub(crate) fn compile(record: &osv::Record) -> Vec<Advisory> {
    if record.withdrawn.is_some() {
        return Vec::new();
    }
    let vulnerabilities = vulnerabilities(record);
    let aliases: BTreeSet<&String> =
        record.aliases.iter().chain([&record.id]).filter(|id| !vulnerabilities.contains(id)).collect();
    let aliases: Vec<String> = aliases.into_iter().cloned().collect();
    let published =
        record.published.as_ref().and_then(|at| at.parse::<Timestamp>().ok()).map(Timestamp::as_second);
    let affected = record.affected.iter().filter_map(|a| Some((a, a.package.as_ref()?)));
    affected
        .filter(|(_, package)| matched(&package.ecosystem))
        .map(|(affected, package)| {
            let ranges: Vec<_> =
                affected.ranges.iter().filter(|r| r.kind == "ECOSYSTEM").map(|r| r.events.clone()).collect();
            let (severity, severity_source) = severity(record, affected);
            Advisory {
                id: record.id.clone(),
                vulnerabilities: vulnerabilities.clone(),
                aliases: aliases.clone(),
                ecosystem: package.ecosystem.clone(),
                package: package.name.clone(),
                // Debian's own records repeat every version of a range by name.
                versions: if ranges.is_empty() { affected.versions.clone() } else { Vec::new() },
                ranges,
                severity,
                severity_source: severity_source.to_owned(),
                summary: summary(record),
                published,
            }
        })
        .collect()
}

fn is_cve(id: &str) -> bool {
    id.starts_with("CVE-")
}

/// The CVEs of a record, else the record itself. A DSA or DLA lists its CVEs
/// as upstream or related; elsewhere `related` is another vulnerability.
fn vulnerabilities(record: &osv::Record) -> Vec<String> {
    let bulletin = record.id.starts_with("DSA-") || record.id.starts_with("DLA-");
    let mut named: BTreeSet<String> =
        record.upstream.iter().chain(&record.aliases).filter(|id| is_cve(id)).cloned().collect();
    if bulletin {
        named.extend(record.related.iter().filter(|id| is_cve(id)).cloned());
        if named.is_empty() {
            named.extend(ids::cves(record.details.as_deref().unwrap_or_default()));
        }
    } else if is_cve(&record.id) {
        return vec![record.id.clone()];
    } else if let Some(own) = record.id.strip_prefix("DEBIAN-").filter(|id| is_cve(id)) {
        return vec![own.to_owned()];
    }
    if named.is_empty() { vec![record.id.clone()] } else { named.into_iter().collect() }
}

/// The distribution's word for what it finds unimportant, then a CVSS vector, then words.
fn severity(record: &osv::Record, affected: &osv::Affected) -> (Severity, &'static str) {
    let word = |value: &serde_json::Value, key: &str| {
        let text = value.get(key)?.as_str()?.to_ascii_lowercase();
        match text.trim_end_matches('*') {
            "unimportant" | "negligible" => Some(Severity::Negligible),
            "low" => Some(Severity::Low),
            "medium" | "moderate" => Some(Severity::Medium),
            "high" | "important" => Some(Severity::High),
            "critical" => Some(Severity::Critical),
            _ => None,
        }
    };
    let origin = match record.id.split_once('-').map_or("", |(prefix, _)| prefix) {
        "DEBIAN" | "DSA" | "DLA" => "debian",
        "GHSA" => "ghsa",
        "CVE" => "nvd",
        _ => "osv",
    };
    let urgency = word(&affected.ecosystem_specific, "urgency")
        .or_else(|| word(&affected.database_specific, "urgency"));
    if urgency == Some(Severity::Negligible) {
        return (Severity::Negligible, "debian");
    }
    let scores = if affected.severity.is_empty() { &record.severity } else { &affected.severity };
    if let Some(level) = scores.iter().filter_map(|s| cvss::level(&s.score)).max() {
        return (level, origin);
    }
    let words = [
        (word(&affected.database_specific, "severity"), origin),
        (word(&record.database_specific, "severity"), origin),
        (urgency, "debian"),
    ];
    words.into_iter().find_map(|(level, from)| Some((level?, from))).unwrap_or((Severity::Unknown, "none"))
}

fn summary(record: &osv::Record) -> Option<String> {
    let text = record.summary.as_deref().or(record.details.as_deref())?;
    one_line(text)
}

/// White space collapsed, controls dropped, at most 240 characters.
pub(super) fn one_line(text: &str) -> Option<String> {
    let mut line = String::new();
    for word in text.split_whitespace() {
        if line.chars().count() + word.chars().count() > 240 {
            line.push('…');
            break;
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line.extend(word.chars().filter(|c| !c.is_control()));
    }
    (!line.is_empty()).then_some(line)
}

#[cfg(test)]
#[path = "advisory_tests.rs"]
mod tests;
