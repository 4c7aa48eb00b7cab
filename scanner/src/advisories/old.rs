//! Sets as earlier versions wrote them: format 1 and 2, compressed JSON. Plans name their revisions, so they are read
//! for as long as they lie in a folder.

use std::{collections::BTreeSet, io::Read as _, path::Path, sync::Arc};

use serde::Deserialize;

use super::{
    advisory::{self, Advisory, Record},
    folder::unreadable,
    limits, names, osv,
};
use crate::{Error, Result, Severity, version::Order};

/// The only source that there was.
const SOURCE: &str = "osv/Debian";

#[derive(Deserialize)]
struct Set {
    format: u32,
    advisories: Vec<Old>,
}

#[derive(Deserialize)]
struct Old {
    id: String,
    vulnerabilities: Vec<String>,
    aliases: Vec<String>,
    ecosystem: String,
    package: String,
    ranges: Vec<Vec<osv::Event>>,
    #[serde(default)]
    versions: Vec<String>,
    severity: Severity,
    severity_source: String,
    #[serde(default)]
    summary: Option<String>,
    /// Since format 2.
    #[serde(default)]
    published: Option<i64>,
}

/// The advisories in a set's bytes, and the ecosystems that it covers. `path` is for messages alone.
pub(super) fn read(path: &Path, packed: &[u8]) -> Result<(Vec<Advisory>, BTreeSet<String>)> {
    let limit = limits::advisories().old_set;
    let mut json = Vec::new();
    zstd::Decoder::new(packed)
        .and_then(|d| d.take(limit + 1).read_to_end(&mut json))
        .map_err(|e| unreadable(path, e.to_string()))?;
    if json.len() as u64 > limit {
        return Err(Error::Limit { what: "the size of a set of advisories in the format before", limit });
    }
    let set: Set = serde_json::from_slice(&json).map_err(|e| unreadable(path, e.to_string()))?;
    if !(1..=2).contains(&set.format) {
        return Err(unreadable(path, format!("its format {} is not 1 or 2", set.format)));
    }
    let advisories: Vec<Advisory> = set.advisories.into_iter().filter_map(advisory).collect();
    let covered = advisories.iter().map(|a| a.ecosystem.to_string()).collect();
    Ok((advisories, covered))
}

fn advisory(old: Old) -> Option<Advisory> {
    let order = Order::of_ecosystem(&old.ecosystem)?;
    Some(Advisory {
        record: Arc::new(Record {
            id: old.id,
            vulnerabilities: old.vulnerabilities,
            aliases: old.aliases,
            summary: old.summary,
            published: old.published,
        }),
        source: SOURCE.into(),
        package: names::normal(&old.ecosystem, &old.package).into(),
        ecosystem: old.ecosystem.into(),
        ranges: old.ranges.iter().map(|events| advisory::steps(order, events)).collect(),
        versions: old.versions,
        severity: old.severity,
        severity_source: old.severity_source.into(),
        standing: None,
        overruled: Vec::new(),
    })
}
