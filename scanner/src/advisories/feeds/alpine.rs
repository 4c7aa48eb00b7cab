//! Alpine's secdb (its JSON: `distroversion`, `reponame`, `packages[].pkg.secfixes`): for each package the version that
//! fixed each vulnerability; version `0`: the package never had it.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::BufRead,
    sync::Arc,
};

use serde::Deserialize;

use super::Heard;
use crate::{
    Severity,
    advisories::{
        advisory::{Advisory, Record, Step, Turn},
        limits,
    },
    version::Order,
};

#[derive(Deserialize)]
struct Database {
    distroversion: String,
    reponame: String,
    #[serde(default)]
    packages: Vec<Entry>,
}

#[derive(Deserialize)]
struct Entry {
    pkg: Package,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    #[serde(default)]
    secfixes: BTreeMap<String, Option<Vec<String>>>,
}

/// The branch and repository (`v3.20/main`), and what it says. An error says line and column, or the package.
pub(super) fn read(from: impl BufRead) -> Result<(String, Heard), String> {
    let database: Database = serde_json::from_reader(from).map_err(|e| e.to_string())?;
    let branch = database.distroversion.trim();
    if branch.is_empty() || !branch.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_".contains(&b)) {
        return Err(format!("`{branch}` is no branch"));
    }
    let source: Arc<str> = format!("alpine-secdb/{branch}/{}", database.reponame).into();
    let ecosystem: Arc<str> = format!("Alpine:{branch}").into();
    let mut heard = Heard::default();
    for Entry { pkg: Package { name, secfixes } } in database.packages {
        let package: Arc<str> = name.as_str().into();
        for (id, versions) in by_vulnerability(&secfixes) {
            // Said twice, the earlier fix was not whole.
            let never = |version: &str| version == "0";
            let real = versions.iter().copied().filter(|v| !never(v));
            let Some(fixed) = real.max_by(|a, b| Order::Apk.compare(a, b)).or(versions.first().copied())
            else {
                continue;
            };
            let step = |turn, version: &str| Step { turn, version: version.to_owned() };
            let range = || vec![step(Turn::Introduced, "0"), step(Turn::Fixed, fixed)];
            heard.advisories.push(Advisory {
                record: Arc::new(Record {
                    id: format!("ALPINE-{id}"),
                    vulnerabilities: vec![id.to_owned()],
                    ..Record::default()
                }),
                source: source.clone(),
                ecosystem: ecosystem.clone(),
                package: package.clone(),
                ranges: if never(fixed) { Vec::new() } else { vec![range()] },
                versions: Vec::new(),
                severity: Severity::Unknown,
                severity_source: "none".into(),
                standing: None,
                overruled: Vec::new(),
            });
        }
        if heard.advisories.len() > limits::advisories().statements {
            return Err(format!(
                "package {name}: there are more than {} statements",
                limits::advisories().statements
            ));
        }
    }
    Ok((format!("{branch}/{}", database.reponame), heard))
}

/// An entry may name several: `CVE-2019-1234 XSA-300`, `CVE-2020-1 (+ regression)`.
fn by_vulnerability(secfixes: &BTreeMap<String, Option<Vec<String>>>) -> BTreeMap<&str, BTreeSet<&str>> {
    let mut found: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for (version, entries) in secfixes {
        for entry in entries.iter().flatten() {
            let words: Vec<&str> = entry.split_whitespace().filter(|w| is_id(w)).collect();
            // Names of the same: the CVE stands for them.
            let cves = words.iter().filter(|w| w.starts_with("CVE-")).count();
            for id in words.into_iter().filter(|w| cves == 0 || w.starts_with("CVE-")) {
                found.entry(id).or_default().insert(version.trim());
            }
        }
    }
    found
}

/// Capitals, a dash, and a number somewhere behind it: `CVE-2019-1234`, `XSA-300`, `GHSA-…`, `ALPINE-13661`.
fn is_id(word: &str) -> bool {
    word.split_once('-').is_some_and(|(prefix, rest)| {
        prefix.len() >= 2
            && prefix.bytes().all(|b| b.is_ascii_uppercase())
            && rest.bytes().any(|b| b.is_ascii_digit())
            && rest.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b))
    })
}
