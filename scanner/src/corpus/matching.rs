//! Matching: what each OSV record says of versions, in its own words, against the verdict of a compiled set.
//!
//! A record claims that the versions that it names are affected, that those at which a range begins or that are its
//! last are, and that those which mend it are not (OSV schema, "affected[].ranges[].events", "Evaluation"). Where its
//! parts contradict each other, a second evaluation, kept as plain as the schema's own, says so.

use std::{cmp::Ordering, collections::BTreeMap, fs::File, io::Read as _};

use super::{Fault, Figures, data::Data};
use crate::{
    advisories::{Advisory, AdvisorySet, osv},
    version::Order,
};

/// Bytes of one record.
const RECORD: u64 = 32 << 20;

/// Every ecosystem of the folder, and the records that were derived from changelogs.
pub(super) fn judge(data: &Data) -> Result<Vec<Figures>, Fault> {
    let folder = data.path("osv");
    let names = std::fs::read_dir(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    let mut names: Vec<String> =
        names.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    let mut all = names.iter().map(|name| ecosystem(data, name)).collect::<Result<Vec<_>, _>>()?;
    all.push(export(data, "osv-changelog/Debian")?);
    Ok(all)
}

/// One ecosystem.
pub(super) fn ecosystem(data: &Data, name: &str) -> Result<Figures, Fault> {
    export(data, &format!("osv/{name}"))
}

/// What a claim rests on.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Says {
    Named,
    Introduced,
    Last,
    Fixed,
}

fn export(data: &Data, folder: &str) -> Result<Figures, Fault> {
    let mut figures = Figures::new(folder);
    let records = records(data, folder, &mut figures)?;
    let set = AdvisorySet::from_records(records.clone(), "of a corpus");
    let mut by_package: BTreeMap<(&str, &str), Vec<&osv::Record>> = BTreeMap::new();
    for record in &records {
        for package in record.affected.iter().filter_map(|a| a.package.as_ref()) {
            let about = by_package.entry((&package.ecosystem, &package.name)).or_default();
            if about.last().is_none_or(|last| last.id != record.id) {
                about.push(record);
            }
        }
    }
    for ((ecosystem, name), records) in by_package {
        let about: Vec<Advisory> = set.about(ecosystem, name).collect();
        let mut of: BTreeMap<&str, Vec<&Advisory>> = BTreeMap::new();
        for advisory in &about {
            of.entry(advisory.id()).or_default().push(advisory);
        }
        figures.packages += 1;
        for record in records {
            let advisories = of.get(record.id.as_str()).map_or(&[][..], Vec::as_slice);
            one(&mut figures, record, (ecosystem, name), advisories);
        }
    }
    if let Some(fault) = set.fault() {
        figures.misses.push(fault.to_owned());
    }
    Ok(figures)
}

/// Records that can be read; one that breaks the schema is a miss with that reason, as an update passes it over.
fn records(data: &Data, folder: &str, figures: &mut Figures) -> Result<Vec<osv::Record>, Fault> {
    let path = data.path(&format!("{folder}/all.zip"));
    let failed = |e: &dyn std::fmt::Display| format!("{}: {e}", path.display());
    let mut archive =
        zip::ZipArchive::new(File::open(&path).map_err(|e| failed(&e))?).map_err(|e| failed(&e))?;
    let mut records = Vec::new();
    for index in 0..archive.len() {
        let entry = archive.by_index(index).map_err(|e| failed(&e))?;
        if entry.is_dir() {
            continue;
        }
        let name = entry.name().map_err(|e| failed(&e))?.into_owned();
        let mut json = Vec::new();
        entry.take(RECORD).read_to_end(&mut json).map_err(|e| failed(&e))?;
        match serde_json::from_slice(&json) {
            Ok(record) => records.push(record),
            Err(error) => figures.judge(name, 0, Some(error.to_string()), || {
                error.is_data().then_some("breaks the OSV schema, and is passed over and told of")
            }),
        }
    }
    Ok(records)
}

/// What one record says of one package.
fn one(figures: &mut Figures, record: &osv::Record, package: (&str, &str), advisories: &[&Advisory]) {
    let (ecosystem, name) = package;
    let order = Order::of_ecosystem(ecosystem);
    let affected: Vec<&osv::Affected> = record
        .affected
        .iter()
        .filter(|a| a.package.as_ref().is_some_and(|p| (p.ecosystem.as_str(), p.name.as_str()) == package))
        .collect();
    for (says, version) in claims(&affected) {
        let expected = record.withdrawn.is_none() && says != Says::Fixed;
        let found = advisories.iter().any(|a| a.affects(version).is_some());
        let difference = (found != expected).then(|| format!("affected: {found}"));
        let case = format!("{} {ecosystem} {name} {version} ({says:?})", record.id);
        figures.judge(case, 0, difference, || {
            let Some(order) = order else { return Some("nobody defines an order of its versions") };
            if bug(record) {
                return Some("an erratum about a bug is no vulnerability");
            }
            if without_release(ecosystem) {
                return Some("an ecosystem of releases says nothing without one");
            }
            contradicted(order, &affected, says, version, found)
        });
    }
}

/// Each version that the record says something of.
fn claims<'r>(affected: &[&'r osv::Affected]) -> Vec<(Says, &'r str)> {
    let mut claims = Vec::new();
    for a in affected {
        claims.extend(a.versions.iter().map(|v| (Says::Named, v.as_str())));
        for event in ranges(a).flat_map(|r| &r.events) {
            let pairs = [
                (Says::Introduced, &event.introduced),
                (Says::Last, &event.last_affected),
                (Says::Fixed, &event.fixed),
            ];
            claims.extend(pairs.into_iter().filter_map(|(says, v)| Some((says, v.as_deref()?))));
        }
    }
    claims
}

fn ranges(affected: &osv::Affected) -> impl Iterator<Item = &osv::Range> {
    affected.ranges.iter().filter(|r| r.kind != "GIT")
}

fn bug(record: &osv::Record) -> bool {
    let all = record.upstream.iter().chain(&record.aliases).chain(&record.related);
    let named = all.into_iter().any(|id| id.starts_with("CVE-"))
        || record.details.as_ref().is_some_and(|text| text.contains("CVE-"));
    !named && ["ALBA-", "ALEA-"].iter().any(|p| record.id.starts_with(p))
}

fn without_release(ecosystem: &str) -> bool {
    matches!(ecosystem, "Debian" | "Ubuntu" | "Alpine" | "AlmaLinux" | "Rocky Linux")
}

/// Why the record's parts do not agree about a version, where they do not and the verdict is the schema's.
fn contradicted(
    order: Order,
    affected: &[&osv::Affected],
    says: Says,
    version: &str,
    found: bool,
) -> Option<&'static str> {
    let same = |v: &String| order.compare(v, version) == Ordering::Equal;
    let named = affected.iter().any(|a| a.versions.iter().any(same));
    let within = affected.iter().flat_map(|a| ranges(a)).any(|r| inside(order, r, version));
    if found != (named || within) {
        return None;
    }
    match says {
        Says::Fixed if named => Some("the record names what is fixed among what is affected"),
        Says::Fixed => Some("another range of the record covers the fixed version"),
        Says::Introduced | Says::Last | Says::Named => Some("the range ends where it begins, or before"),
    }
}

/// OSV schema, "Evaluation", as plain as it stands there.
fn inside(order: Order, range: &osv::Range, version: &str) -> bool {
    let compare = |a: &str, b: &str| match (a, b) {
        (a, b) if a == b => Ordering::Equal,
        ("0", _) => Ordering::Less,
        (_, "0") => Ordering::Greater,
        _ => order.compare(a, b),
    };
    // 0: introduced, 1: no longer. At one version what ends wins.
    let mut turns: Vec<(&str, u8, bool)> = Vec::new();
    for event in &range.events {
        turns.extend(event.introduced.as_deref().map(|v| (v, 0, true)));
        turns.extend(event.fixed.as_deref().map(|v| (v, 1, true)));
        turns.extend(event.last_affected.as_deref().map(|v| (v, 1, false)));
    }
    turns.sort_by(|a, b| compare(a.0, b.0).then(a.1.cmp(&b.1)));
    let mut affected = false;
    for (at, turn, with) in turns {
        match (compare(at, version), turn) {
            (Ordering::Less, 0) | (Ordering::Equal, 0) => affected = true,
            (Ordering::Less, 1) => affected = false,
            (Ordering::Equal, 1) if with => affected = false,
            _ => {}
        }
    }
    let mut limits = range.events.iter().filter_map(|e| e.limit.as_deref()).peekable();
    let limited = limits.peek().is_some();
    affected && (!limited || limits.any(|l| l == "*" || compare(version, l) == Ordering::Less))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_that_contradicts_itself_is_told_from_a_verdict_that_is_wrong() {
        let affected: osv::Affected = serde_json::from_value(serde_json::json!({
            "ranges": [
                {"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1.5"}]},
                {"type": "ECOSYSTEM", "events": [{"introduced": "1.4"}, {"last_affected": "2"}, {"limit": "9"}]},
            ],
            "versions": ["3"],
        }))
        .expect("a part of a record");
        let judge = |says, version, found| contradicted(Order::SemVer, &[&affected], says, version, found);
        assert_eq!(
            judge(Says::Fixed, "1.5", true),
            Some("another range of the record covers the fixed version")
        );
        assert_eq!(
            judge(Says::Fixed, "1.5", false),
            None,
            "it is affected: our verdict would be the wrong one"
        );
        assert_eq!(judge(Says::Named, "3", false), None);
        assert!(judge(Says::Last, "2.0.0", false).is_none());
        assert_eq!(claims(&[&affected]).len(), 5);
    }
}
