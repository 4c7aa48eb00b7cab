//! From an OSV record to what matching needs of it.

use std::{collections::BTreeSet, sync::Arc};

use jiff::Timestamp;

use super::{
    advisory::{Advisory, Record, Step, inside, steps},
    ids, limits, names, osv, severity,
};
use crate::version::Order;

/// Erratum prefixes whose records list the vulnerabilities that they mend, as upstream or as related.
const BULLETINS: [&str; 17] = [
    "DSA-",
    "DLA-",
    "ALSA-",
    "ALBA-",
    "ALEA-",
    "RLSA-",
    "RXSA-",
    "RHSA-",
    "RHBA-",
    "RHEA-",
    "SUSE-",
    "openSUSE-",
    "USN-",
    "LSN-",
    "MGASA-",
    "OESA-",
    "PHSA-",
];
/// Errata about bugs and enhancements: one that names no vulnerability is no finding.
const OTHER_ERRATA: [&str; 4] = ["ALBA-", "ALEA-", "RHBA-", "RHEA-"];
/// Prefixes under which a distribution repeats a CVE.
const REPEATED: [&str; 5] = ["DEBIAN-", "ALPINE-", "UBUNTU-", "MINI-", "ECHO-"];

/// One advisory for each package that can be matched; none of a withdrawn record. `source`: who was read.
pub(super) fn compile(record: &osv::Record, source: &Arc<str>) -> Vec<Advisory> {
    if record.withdrawn.is_some() {
        return Vec::new();
    }
    let vulnerabilities = vulnerabilities(record);
    let nameless = vulnerabilities.first() == Some(&record.id);
    if nameless && OTHER_ERRATA.iter().any(|p| record.id.starts_with(p)) {
        return Vec::new();
    }
    let aliases: BTreeSet<&String> =
        record.aliases.iter().chain([&record.id]).filter(|id| !vulnerabilities.contains(id)).collect();
    let shared = Arc::new(Record {
        id: record.id.clone(),
        aliases: aliases.into_iter().cloned().collect(),
        vulnerabilities,
        summary: record.summary.as_deref().or(record.details.as_deref()).and_then(one_line),
        published: record.published.as_ref().and_then(|at| seconds(at)),
    });
    let affected = record.affected.iter().filter_map(|a| Some((a, a.package.as_ref()?)));
    affected
        .filter(|(_, package)| names::matched(&package.ecosystem))
        .filter_map(|(affected, package)| {
            let order = Order::of_ecosystem(&package.ecosystem)?;
            let ranges: Vec<Vec<Step>> = affected
                .ranges
                .iter()
                .filter(|r| matches!(r.kind.as_str(), "ECOSYSTEM" | "SEMVER"))
                .map(|r| steps(order, &r.events))
                .collect();
            let (severity, severity_source) = severity::of(record, affected);
            Some(Advisory {
                record: shared.clone(),
                source: source.clone(),
                package: names::normal(&package.ecosystem, &package.name).into(),
                ecosystem: package.ecosystem.as_str().into(),
                versions: beyond(order, &ranges, &affected.versions),
                ranges,
                severity,
                severity_source: severity_source.into(),
                standing: None,
                overruled: Vec::new(),
            })
        })
        .collect()
}

/// RFC 3339 in seconds since 1970. Go's records without a date bear its zero time, which is none.
pub(super) fn seconds(at: &str) -> Option<i64> {
    at.parse::<Timestamp>().ok().map(Timestamp::as_second).filter(|s| *s > 0)
}

/// The versions by name that no range covers: most exporters repeat every version of a range.
fn beyond(order: Order, ranges: &[Vec<Step>], versions: &[String]) -> Vec<String> {
    let all: usize = ranges.iter().map(Vec::len).sum();
    if all.saturating_mul(versions.len()) > limits::advisories().coverage {
        return versions.to_vec();
    }
    let covered = |v: &String| ranges.iter().any(|steps| inside(order, steps, v));
    versions.iter().filter(|v| !covered(v)).cloned().collect()
}

fn is_cve(id: &str) -> bool {
    id.starts_with("CVE-")
}

/// The CVEs of a record, else the record itself. A bulletin lists its CVEs
/// as upstream or related; elsewhere `related` is another vulnerability.
fn vulnerabilities(record: &osv::Record) -> Vec<String> {
    let bulletin = BULLETINS.iter().any(|p| record.id.starts_with(p));
    let mut named: BTreeSet<String> =
        record.upstream.iter().chain(&record.aliases).filter(|id| is_cve(id)).cloned().collect();
    if bulletin {
        named.extend(record.related.iter().filter(|id| is_cve(id)).cloned());
        if named.is_empty() {
            named.extend(ids::cves(record.details.as_deref().unwrap_or_default()));
        }
    } else if is_cve(&record.id) {
        return vec![record.id.clone()];
    } else if let Some(own) = REPEATED.iter().find_map(|p| record.id.strip_prefix(p)).filter(|id| is_cve(id))
    {
        return vec![own.to_owned()];
    }
    if named.is_empty() { vec![record.id.clone()] } else { named.into_iter().collect() }
}

/// White space collapsed, controls dropped, at most 240 characters.
pub(super) fn one_line(text: &str) -> Option<String> {
    let (mut line, mut length) = (String::new(), 0);
    for word in text.split_whitespace() {
        let more = word.chars().take(241).count();
        if length + more > 240 {
            line.push('…');
            break;
        }
        if !line.is_empty() {
            line.push(' ');
            length += 1;
        }
        line.extend(word.chars().filter(|c| !c.is_control()));
        length += more;
    }
    (!line.is_empty()).then_some(line)
}

#[cfg(test)]
#[path = "compile_tests.rs"]
mod tests;
