//! Who is believed where several sources speak of one package.
//!
//! Fix versions, in this order:
//! 1. `debian-tracker` about Debian, `alpine-secdb` about Alpine: the distribution's own state of every vulnerability,
//!    also of those without a fix. Where one of them names a vulnerability of a package, every other source is silent
//!    about this vulnerability there, be it that it names a fix, that it knows of none, or that the package is not
//!    affected;
//! 2. the bucket's export of the ecosystem itself (`osv/npm` about npm);
//! 3. exports of other ecosystems, whose records name packages of several: only where the ecosystem's own was not loaded.
//!
//! Inside one rank every record counts, and matching takes the lowest fix. Severity has an order of its own
//! ([`super::severity`]): a source of the first rank that says none has that of the source that it silences ([`lend`]).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::{advisory::Advisory, names};
use crate::Severity;

/// What speaks for a whole distribution: the source, or what its name begins with, and the ecosystem.
const AUTHORITIES: [(&str, &str); 2] = [("debian-tracker", "Debian"), ("alpine-secdb", "Alpine")];

/// Rank of a source about an ecosystem, the highest first: 0, 1, 2 as above. Sets in memory have no sources and rank first.
fn rank(source: &str, ecosystem: &str) -> u8 {
    let base = names::base(ecosystem);
    let speaks = |(name, of): &(&str, &str)| base == *of && source.split('/').next() == Some(*name);
    if source.is_empty() || AUTHORITIES.iter().any(speaks) {
        0
    } else if source.strip_prefix("osv/") == Some(base) {
        1
    } else {
        2
    }
}

/// Sets aside what a source of higher rank makes void, and says which ecosystems are covered. May be repeated: what was
/// overruled before and is not any more speaks again.
pub(super) fn reconcile(advisories: &mut Vec<Advisory>) -> BTreeSet<String> {
    let exports: BTreeSet<String> =
        advisories.iter().filter_map(|a| a.source.strip_prefix("osv/")).map(str::to_owned).collect();
    advisories.retain(|a| rank(&a.source, &a.ecosystem) < 2 || !exports.contains(names::base(&a.ecosystem)));
    let covered = advisories.iter().filter(|a| rank(&a.source, &a.ecosystem) < 2);
    let covered = covered.map(|a| a.ecosystem.to_string()).collect();

    let mut spoken: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
    for a in advisories.iter().filter(|a| !a.source.is_empty() && rank(&a.source, &a.ecosystem) == 0) {
        let about = spoken.entry((&a.ecosystem, &a.package)).or_default();
        about.extend(a.record.vulnerabilities.iter().map(String::as_str));
    }
    let overruled: Vec<Vec<String>> = advisories
        .iter()
        .map(|a| {
            let lower = rank(&a.source, &a.ecosystem) > 0;
            let about = spoken.get(&(&*a.ecosystem, &*a.package)).filter(|_| lower);
            let of = |id: &&String| about.is_some_and(|about| about.contains(id.as_str()));
            a.record.vulnerabilities.iter().filter(of).cloned().collect()
        })
        .collect();
    for (advisory, overruled) in advisories.iter_mut().zip(overruled) {
        advisory.overruled = overruled;
    }
    covered
}

/// Gives the severity of a silenced advisory to the one that silenced it, where that one has none of its own.
/// `about`: all that is said about one package.
pub(super) fn lend(about: &mut [Advisory]) {
    let mut known: BTreeMap<String, (Severity, Arc<str>)> = BTreeMap::new();
    for a in about.iter().filter(|a| a.severity != Severity::Unknown) {
        for id in &a.overruled {
            let worst = known.entry(id.clone()).or_insert_with(|| (a.severity, a.severity_source.clone()));
            if a.severity > worst.0 {
                *worst = (a.severity, a.severity_source.clone());
            }
        }
    }
    for a in about.iter_mut().filter(|a| a.severity == Severity::Unknown && a.overruled.is_empty()) {
        // Sources of the first rank speak of one vulnerability at a time.
        let Some((severity, source)) = a.record.vulnerabilities.first().and_then(|id| known.get(id)) else {
            continue;
        };
        (a.severity, a.severity_source) = (*severity, source.clone());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::advisories::advisory::{Record, Step, Turn};

    fn says(source: &str, ecosystem: &str, vulnerabilities: &[&str], fixed: Option<&str>) -> Advisory {
        let step = |turn, version: &str| Step { turn, version: version.to_owned() };
        let range = |f: &str| vec![step(Turn::Introduced, "0"), step(Turn::Fixed, f)];
        Advisory {
            record: Arc::new(Record {
                id: format!("of {source}"),
                vulnerabilities: vulnerabilities.iter().map(|v| (*v).to_owned()).collect(),
                ..Record::default()
            }),
            source: source.into(),
            ecosystem: ecosystem.into(),
            package: "a".into(),
            ranges: fixed.map(range).into_iter().collect(),
            versions: Vec::new(),
            severity: Severity::Unknown,
            severity_source: "none".into(),
            standing: None,
            overruled: Vec::new(),
        }
    }

    fn speak(of: &[Advisory]) -> Vec<(&str, Vec<&str>)> {
        of.iter().map(|a| (&*a.source, a.vulnerabilities().collect())).collect()
    }

    #[test]
    fn the_tracker_silences_others_about_what_it_names_and_nothing_else() {
        let mut all = vec![
            says("osv/Debian", "Debian:12", &["CVE-2024-0001", "CVE-2024-0002"], Some("2")),
            says("debian-tracker", "Debian:12", &["CVE-2024-0001"], None),
            says("debian-tracker", "Debian:13", &["CVE-2024-0002"], None),
        ];
        let covered = reconcile(&mut all);
        assert_eq!(
            speak(&all),
            [
                ("osv/Debian", vec!["CVE-2024-0002"]),
                ("debian-tracker", vec!["CVE-2024-0001"]),
                ("debian-tracker", vec!["CVE-2024-0002"]),
            ]
        );
        assert_eq!(covered.into_iter().collect::<Vec<_>>(), ["Debian:12", "Debian:13"]);
        all.remove(1);
        reconcile(&mut all);
        assert_eq!(speak(&all)[0].1, ["CVE-2024-0001", "CVE-2024-0002"], "it speaks again");
    }

    #[test]
    fn other_exports_count_until_the_ecosystems_own_is_there() {
        let mut all = vec![says("osv/Maven", "npm", &["CVE-2024-0001"], None)];
        assert!(reconcile(&mut all).is_empty(), "a few records do not cover an ecosystem");
        assert_eq!(all.len(), 1);
        all.push(says("osv/npm", "npm", &["CVE-2024-0002"], None));
        assert_eq!(reconcile(&mut all).len(), 1);
        assert_eq!(speak(&all), [("osv/npm", vec!["CVE-2024-0002"])]);
    }
}
