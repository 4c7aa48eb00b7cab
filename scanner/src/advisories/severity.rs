//! How bad a record says it is.
//!
//! Who is believed, in this order:
//! 1. the distribution that calls it unimportant: its word about its own package stands above every score;
//! 2. CVSS vectors of the affected package, else of the record: the newest version of CVSS that is given and can be
//!    read, the worst of several in that version;
//! 3. words: in place of a vector, of the affected package, of the record, the word that opens an erratum's summary
//!    (`Important: …`), the distribution's urgency;
//! 4. a bare CVSS number in what the database adds.
//!
//! Where all of that is silent, what is known of the CVE apart from any package ([`super::Threat`]) is left to say.

use serde_json::Value;

use super::{cvss, osv};
use crate::Severity;

/// The level, and who said it: `none` where nobody did.
pub(super) fn of(record: &osv::Record, affected: &osv::Affected) -> (Severity, &'static str) {
    let origin = origin(&record.id);
    let urgency =
        at(&affected.ecosystem_specific, "urgency").or_else(|| at(&affected.database_specific, "urgency"));
    if urgency == Some(Severity::Negligible) {
        return (Severity::Negligible, "debian");
    }
    let scores = if affected.severity.is_empty() { &record.severity } else { &affected.severity };
    let newest = scores.iter().filter_map(|s| cvss::level(&s.score)).max();
    if let Some((_, level)) = newest {
        return (level, origin);
    }
    // Ubuntu's scores are words.
    let scored = scores.iter().find_map(|s| word(&s.score));
    let words = [
        (scored, origin),
        (at(&affected.database_specific, "severity"), origin),
        (at(&affected.ecosystem_specific, "severity"), origin),
        (at(&record.database_specific, "severity"), origin),
        (opening(record), origin),
        (urgency, "debian"),
        (number(&record.database_specific), origin),
    ];
    words.into_iter().find_map(|(level, from)| Some((level?, from))).unwrap_or((Severity::Unknown, "none"))
}

/// What a word means, in any database; none: it is no level.
pub(super) fn word(text: &str) -> Option<Severity> {
    match text.trim().trim_end_matches('*').to_ascii_lowercase().as_str() {
        "unimportant" | "negligible" | "none" => Some(Severity::Negligible),
        "low" => Some(Severity::Low),
        "medium" | "moderate" => Some(Severity::Medium),
        "high" | "important" => Some(Severity::High),
        "critical" => Some(Severity::Critical),
        _ => None,
    }
}

fn at(value: &Value, key: &str) -> Option<Severity> {
    value.get(key)?.as_str().and_then(word)
}

/// Red Hat's errata, and those of its rebuilds, open their summary with the level.
fn opening(record: &osv::Record) -> Option<Severity> {
    let erratum = ["ALSA-", "RLSA-", "RXSA-", "RHSA-"].iter().any(|p| record.id.starts_with(p));
    let (first, _) = record.summary.as_deref().filter(|_| erratum)?.split_once(':')?;
    word(first)
}

/// Some databases give a score without its vector.
fn number(specific: &Value) -> Option<Severity> {
    let keys = ["cvss_v4", "cvss_v3", "cvss_score", "cvss_v2"];
    keys.iter().find_map(|key| {
        let value = specific.get(*key)?;
        let score = value.as_f64().or_else(|| value.as_str()?.trim().parse().ok())?;
        cvss::rated(score)
    })
}

fn origin(id: &str) -> &'static str {
    match id.split_once('-').map_or("", |(prefix, _)| prefix) {
        "DEBIAN" | "DSA" | "DLA" => "debian",
        "UBUNTU" | "USN" | "LSN" => "ubuntu",
        "ALPINE" => "alpine",
        "ALSA" | "ALBA" | "ALEA" => "almalinux",
        "RLSA" | "RXSA" => "rocky",
        "RHSA" | "RHBA" | "RHEA" => "redhat",
        "SUSE" | "openSUSE" => "suse",
        "GHSA" => "ghsa",
        "PYSEC" => "pysec",
        "RUSTSEC" => "rustsec",
        "BIT" => "bitnami",
        "CVE" => "nvd",
        _ => "osv",
    }
}
