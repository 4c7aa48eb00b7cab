//! OSV records, schema 1.7, as far as matching reads them. Unknown fields are left alone.

use serde::{Deserialize, Deserializer};
use serde_json::Value;

/// One record.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Record {
    /// `DSA-5764-1`, `DEBIAN-CVE-2024-6119`, `CVE-…`, `GHSA-…`.
    pub id: String,
    /// RFC 3339.
    #[serde(default)]
    pub modified: String,
    /// RFC 3339.
    #[serde(default)]
    pub published: Option<String>,
    /// RFC 3339; set: the record no longer holds.
    #[serde(default)]
    pub withdrawn: Option<String>,
    /// The same vulnerability under other names.
    #[serde(default, deserialize_with = "nullable")]
    pub aliases: Vec<String>,
    /// Vulnerabilities that this record passes on.
    #[serde(default, deserialize_with = "nullable")]
    pub upstream: Vec<String>,
    /// Close, and not the same.
    #[serde(default, deserialize_with = "nullable")]
    pub related: Vec<String>,
    /// One line.
    #[serde(default)]
    pub summary: Option<String>,
    /// Many lines.
    #[serde(default)]
    pub details: Option<String>,
    /// Of all affected packages.
    #[serde(default, deserialize_with = "nullable")]
    pub severity: Vec<Score>,
    /// Which packages, in which versions.
    #[serde(default, deserialize_with = "nullable")]
    pub affected: Vec<Affected>,
    /// What the database adds.
    #[serde(default)]
    pub database_specific: Value,
}

/// A severity in somebody's scheme.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Score {
    /// `CVSS_V3`
    #[serde(rename = "type")]
    pub kind: String,
    /// The vector.
    pub score: String,
}

/// One affected package.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Affected {
    /// None in records about Git alone.
    #[serde(default)]
    pub package: Option<Package>,
    /// Version ranges.
    #[serde(default, deserialize_with = "nullable")]
    pub ranges: Vec<Range>,
    /// Versions by name.
    #[serde(default, deserialize_with = "nullable")]
    pub versions: Vec<String>,
    /// Of this package.
    #[serde(default, deserialize_with = "nullable")]
    pub severity: Vec<Score>,
    /// `{"urgency": "unimportant"}`
    #[serde(default)]
    pub ecosystem_specific: Value,
    /// What the database adds.
    #[serde(default)]
    pub database_specific: Value,
}

/// Which package.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Package {
    /// `Debian:12`
    pub ecosystem: String,
    /// The source package, for Debian.
    pub name: String,
}

/// A range of versions.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Range {
    /// `ECOSYSTEM`, `SEMVER`, `GIT`.
    #[serde(rename = "type")]
    pub kind: String,
    /// In any order.
    #[serde(default, deserialize_with = "nullable")]
    pub events: Vec<Event>,
}

/// One event; a well-formed one has exactly one of its fields.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, serde::Serialize)]
pub struct Event {
    /// From here on affected; `0`: from the beginning.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub introduced: Option<String>,
    /// From here on no longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fixed: Option<String>,
    /// The last that is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_affected: Option<String>,
    /// Nothing from here on belongs to the range; `*`: there is no such version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
}

/// Some exporters write `null` for an empty list.
fn nullable<'de, D: Deserializer<'de>, T: Deserialize<'de>>(d: D) -> Result<Vec<T>, D::Error> {
    Ok(Option::<Vec<T>>::deserialize(d)?.unwrap_or_default())
}
