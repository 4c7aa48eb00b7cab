//! Advisories derived from a Debian security suite's own packages: the
//! changelog entries above the installed version name what an upload fixes.
//! An entry without a CVE id still makes a finding of unknown severity.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use async_trait::async_trait;

use super::{
    Advisory, AdvisorySet,
    advisory::{Record, Step, Turn},
    changelog::{self, Entry},
    compile::one_line,
    ids,
};
use crate::{
    Inventory, Severity,
    packages::os_release::{self, Release},
    version::compare_debian,
};

/// One source upload of the security suite that is newer than what is installed.
#[derive(Debug, Clone)]
pub struct Upload {
    /// Source package.
    pub source: String,
    /// Its version in the suite.
    pub version: String,
    /// `bookworm-security`
    pub suite: String,
    /// Text of `changelog.Debian` as shipped in a verified package; newest entry first.
    pub changelog: String,
}

/// Who can list the uploads: `remediation`'s verified apt repositories. A narrow trait, owned here.
#[async_trait]
pub trait SecurityUploads: Send + Sync {
    /// Uploads newer than installed for the packages of an inventory, and a
    /// revision that names the repository state that was read.
    async fn uploads(
        &self,
        inventory: &Inventory,
    ) -> Result<(Vec<Upload>, String), Box<dyn std::error::Error + Send + Sync>>;
}

/// Derives the advisories that hold for this inventory.
pub fn derive(inventory: &Inventory, uploads: &[Upload], revision: &str) -> AdvisorySet {
    let release = inventory.distro.as_ref().map(os_release::release);
    let Some(Release::Supported(ecosystem) | Release::Unsupported(ecosystem, _)) = release else {
        return AdvisorySet::new(Vec::new(), revision.to_owned(), []);
    };
    let mut by_source: BTreeMap<&str, Vec<&Upload>> = BTreeMap::new();
    for upload in uploads {
        by_source.entry(&upload.source).or_default().push(upload);
    }
    let mut advisories = BTreeMap::new();
    for (source, mut uploads) in by_source {
        uploads.sort_by(|a, b| compare_debian(&a.version, &b.version));
        uploads.dedup_by(|a, b| a.version == b.version);
        let installed: BTreeSet<&str> =
            inventory.of_system().filter(|p| p.source == source).map(|p| p.source_version.as_str()).collect();
        for installed in installed {
            for advisory in of_source(source, installed, &uploads, &ecosystem) {
                // Two installed versions of one source may lead to the same fix.
                let key = (advisory.record.clone(), advisory.package.clone());
                advisories.insert(key, advisory);
            }
        }
    }
    AdvisorySet::new(advisories.into_values().collect(), revision.to_owned(), [ecosystem])
}

/// What an upload is found to fix.
#[derive(Default)]
struct Fixes {
    /// With one line about each.
    cves: BTreeMap<String, Option<String>>,
    /// Bulletins and GitHub ids of the same entries.
    others: BTreeSet<String>,
}

/// Goes through the suite's uploads from the lowest: what an earlier one has
/// fixed is not counted again, so each id gets the first version that has it.
fn of_source(source: &str, installed: &str, uploads: &[&Upload], ecosystem: &str) -> Vec<Advisory> {
    let mut advisories = Vec::new();
    let mut base = installed;
    for upload in uploads.iter().filter(|u| compare_debian(&u.version, installed) == Ordering::Greater) {
        let entries = changelog::parse(&upload.changelog);
        let (new, old) = entries.split_at(known_from(&entries, base, upload));
        let fixes = fixes(new, old);
        let id = format!("changelog of {}, {}", upload.version, upload.suite);
        let step = |turn, version: &str| Step { turn, version: version.to_owned() };
        let advisory = |vulnerability: &str, aliases: Vec<String>, summary: Option<String>| Advisory {
            record: Arc::new(Record {
                id: id.clone(),
                vulnerabilities: vec![vulnerability.to_owned()],
                aliases,
                summary,
                published: None,
            }),
            source: "".into(),
            ecosystem: ecosystem.into(),
            package: source.into(),
            ranges: vec![vec![step(Turn::Introduced, "0"), step(Turn::Fixed, &upload.version)]],
            versions: Vec::new(),
            severity: Severity::Unknown,
            severity_source: "none".into(),
            standing: None,
            overruled: Vec::new(),
        };
        if fixes.cves.is_empty() {
            let name = format!("UPLOAD-{source}-{}", upload.version);
            let text = new.iter().flat_map(|e| &e.items).find(|i| telling(i)).and_then(|i| one_line(i));
            advisories.push(advisory(&name, fixes.others.into_iter().collect(), text));
        } else {
            let bulletins: Vec<String> =
                fixes.others.into_iter().filter(|id| !id.starts_with("GHSA-")).collect();
            for (cve, summary) in fixes.cves {
                advisories.push(advisory(&cve, bulletins.clone(), summary));
            }
        }
        base = &upload.version;
    }
    advisories
}

/// Index of the first entry that the base version already has.
///
/// Order in the file is the truth: a backport (`590-2.1~deb12u1`) sorts below
/// the entry it was made from (`590-2.1`), which still is older. Where the
/// base has no entry of its own, the first that is not above it counts, or
/// the one that it is itself a backport of.
fn known_from(entries: &[Entry<'_>], base: &str, upload: &Upload) -> usize {
    let position = |test: &dyn Fn(&str) -> bool| entries.iter().position(|e| test(e.version));
    let same = |version: &str| compare_debian(version, base) == Ordering::Equal;
    position(&same)
        .or_else(|| {
            position(&|version| {
                compare_debian(version, base) == Ordering::Less
                    || base.strip_prefix(version).is_some_and(|rest| rest.starts_with('~'))
            })
        })
        // A changelog that was cut above the base: everything in it is new. One
        // without any entry leaves an upload that says nothing, which is one without a CVE.
        .unwrap_or_else(|| {
            if entries.is_empty() {
                tracing::warn!(
                    source = upload.source,
                    version = upload.version,
                    "an upload has no changelog"
                );
            }
            entries.len()
        })
}

/// From the oldest new entry to the newest, so that a later revert takes its fix away again.
fn fixes(new: &[Entry<'_>], old: &[Entry<'_>]) -> Fixes {
    let mut fixes = Fixes::default();
    let mut had: Option<BTreeSet<String>> = None;
    for entry in new.iter().rev().filter(|e| !e.binary_only) {
        let mut reverted = BTreeSet::new();
        for item in &entry.items {
            fixes.others.extend(ids::debian_advisories(item));
            fixes.others.extend(ids::ghsas(item));
            let cves = named(item);
            match mention(item) {
                Mention::Fix => {
                    fixes.cves.extend(cves.into_iter().map(|cve| (cve, one_line(item))));
                }
                Mention::Revert => reverted.extend(cves),
                Mention::Patch => {
                    // A patch that goes because upstream has it: the fix is old if its patch was.
                    let had = had.get_or_insert_with(|| {
                        old.iter().flat_map(|e| &e.items).flat_map(|i| ids::cves(i)).collect()
                    });
                    let first = cves.into_iter().filter(|cve| !had.contains(cve));
                    fixes.cves.extend(first.map(|cve| (cve, one_line(item))));
                }
            }
        }
        // The same entry may revert a fix and bring a better one.
        let again: BTreeSet<String> =
            entry.items.iter().filter(|i| mention(i) == Mention::Fix).flat_map(|i| named(i)).collect();
        fixes.cves.retain(|cve, _| !reverted.contains(cve) || again.contains(cve));
    }
    fixes
}

/// What an item does with the vulnerabilities that it names.
#[derive(Debug, PartialEq, Eq)]
enum Mention {
    Fix,
    Revert,
    Patch,
}

fn mention(item: &str) -> Mention {
    let text = item.to_lowercase();
    let has = |words: &[&str]| words.iter().any(|w| text.contains(w));
    let starts = |words: &[&str]| words.iter().any(|w| text.starts_with(w));
    if starts(&["revert", "back out", "temporarily revert", "temporarily disable"])
        || has(&["revert the fix", "revert fix", "reverting the fix", "reverted the fix", "revert patch"])
    {
        Mention::Revert
    } else if starts(&["drop", "remove", "refresh", "rebase", "delete", "rename", "update patch"])
        || has(&["applied upstream", "merged upstream", "included upstream", "fixed upstream already"])
    {
        Mention::Patch
    } else {
        Mention::Fix
    }
}

/// The vulnerabilities of an item, without those that it only speaks about. The
/// sentence decides: a long item may go on to say who is not affected.
fn named(item: &str) -> BTreeSet<String> {
    const ASIDE: [&str; 16] = [
        "not affected",
        "not vulnerable",
        "not-affected",
        "unaffected",
        "does not affect",
        "doesn't affect",
        "do not affect",
        "not exploitable",
        "not applicable",
        "regression",
        "false positive",
        "still vulnerable",
        "not fixed",
        "remains unfixed",
        "remain unfixed",
        "not yet fixed",
    ];
    let mut found = BTreeSet::new();
    for sentence in item.split_inclusive(". ") {
        let cves = ids::cves(sentence);
        if !cves.is_empty() {
            let text = sentence.to_lowercase();
            if !ASIDE.iter().any(|words| text.contains(words)) {
                found.extend(cves);
            }
        }
    }
    found
}

/// Not the formula that opens most uploads.
fn telling(item: &str) -> bool {
    let text = item.to_lowercase();
    !text.is_empty() && !text.starts_with("non-maintainer upload") && !text.starts_with("team upload")
}

#[cfg(test)]
#[path = "apt_security_tests.rs"]
mod tests;
