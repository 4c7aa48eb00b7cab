//! Findings as a page weighs them: counts by severity, groups by package, the bar.

use std::{cmp::Ordering, collections::BTreeMap};

use askama::{Template, filters::HtmlSafe};
use patchline_scanner::{Finding, Severity, version::Order};

use super::state::{SCALE, severity};
use crate::i18n::{Words, fill};

/// How many of one severity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) class: &'static str,
    pub(crate) word: &'static str,
    pub(crate) count: usize,
    /// Where its piece of the bar begins and how wide it is, of 1,000.
    pub(crate) from: usize,
    pub(crate) width: usize,
}

/// Distinct vulnerabilities by severity, as a bar with its legend.
#[derive(Debug, Clone, Template)]
#[template(path = "scale.html")]
pub(crate) struct Scale {
    pub(crate) counts: Vec<Count>,
    pub(crate) total: usize,
    pub(crate) label: &'static str,
}
impl HtmlSafe for Scale {}

impl Scale {
    pub(crate) fn of<'a>(findings: impl IntoIterator<Item = &'a Finding>, words: &'static Words) -> Self {
        let mut by_id: BTreeMap<&str, Severity> = BTreeMap::new();
        for finding in findings {
            let worst = by_id.entry(&finding.id).or_insert(finding.severity);
            *worst = (*worst).max(finding.severity);
        }
        let total = by_id.len();
        let mut before = 0;
        let mut counts = Vec::new();
        for level in SCALE {
            let count = by_id.values().filter(|s| **s == level).count();
            let (class, word) = severity(level, words);
            // Ends are rounded, not widths: the last piece ends where the bar does.
            let (from, to) = (before * 1_000 / total.max(1), (before + count) * 1_000 / total.max(1));
            counts.push(Count { class, word, count, from, width: to - from });
            before += count;
        }
        let label = if total == 1 { words.finding_word } else { words.findings_word };
        Self { counts, total, label }
    }
}

/// One finding in a list.
#[derive(Debug, Clone)]
pub(crate) struct Line {
    pub(crate) id: String,
    pub(crate) class: &'static str,
    pub(crate) word: &'static str,
    pub(crate) source: String,
    pub(crate) fixed: Option<String>,
    pub(crate) exploited: bool,
    pub(crate) summary: String,
    pub(crate) because: String,
}

impl Line {
    pub(crate) fn new(finding: &Finding, words: &'static Words) -> Self {
        let (class, word) = severity(finding.severity, words);
        Self {
            id: finding.id.clone(),
            class,
            word,
            source: finding.source.clone(),
            fixed: finding.fixed.clone(),
            exploited: finding.known_exploited,
            summary: super::format::cut(finding.summary.as_deref().unwrap_or_default(), 300),
            because: super::format::cut(&finding.because, 500),
        }
    }
}

/// The findings of one source package in one version.
#[derive(Debug, Clone)]
pub(crate) struct Group {
    pub(crate) source: String,
    pub(crate) packages: String,
    pub(crate) installed: String,
    /// The lowest version that mends all of them that can be mended.
    pub(crate) mended_by: Option<String>,
    pub(crate) class: &'static str,
    pub(crate) word: &'static str,
    pub(crate) lines: Vec<Line>,
}

/// Worst first, then by name.
pub(crate) fn group(findings: &[Finding], words: &'static Words) -> Vec<Group> {
    let mut by_source: BTreeMap<(&str, &str), Vec<&Finding>> = BTreeMap::new();
    for finding in findings {
        by_source.entry((&finding.source, &finding.installed)).or_default().push(finding);
    }
    let mut groups: Vec<(Severity, Group)> = by_source
        .into_iter()
        .map(|((source, installed), mut some)| {
            some.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.id.cmp(&b.id)));
            let worst = some.first().map_or(Severity::Unknown, |f| f.severity);
            let (class, word) = severity(worst, words);
            let mut packages: Vec<&str> =
                some.iter().flat_map(|f| f.packages.iter().map(String::as_str)).collect();
            packages.sort_unstable();
            packages.dedup();
            let group = Group {
                source: source.to_owned(),
                packages: packages.join(", "),
                installed: installed.to_owned(),
                mended_by: highest(&some),
                class,
                word,
                lines: some.iter().map(|f| Line::new(f, words)).collect(),
            };
            (worst, group)
        })
        .collect();
    groups.sort_by(|(a, x), (b, y)| b.cmp(a).then_with(|| x.source.cmp(&y.source)));
    groups.into_iter().map(|(_, group)| group).collect()
}

/// The version that mends all of one package's findings.
fn highest(findings: &[&Finding]) -> Option<String> {
    let ecosystem = findings.first().map_or("", |f| f.ecosystem.as_str());
    let order = Order::of_ecosystem(ecosystem).unwrap_or(Order::Dpkg);
    let versions = findings.iter().filter_map(|f| f.fixed.as_deref());
    versions.max_by(|a, b| order.compare(a, b)).map(str::to_owned)
}

/// "12 findings, 7 packages, mendable".
pub(crate) fn bar(findings: &[Finding], words: &'static Words) -> String {
    let distinct = |wanted: &dyn Fn(&Finding) -> bool| {
        let mut ids: Vec<&str> = findings.iter().filter(|f| wanted(f)).map(|f| f.id.as_str()).collect();
        ids.sort_unstable();
        ids.dedup();
        ids.len()
    };
    let mut packages: Vec<&str> =
        findings.iter().flat_map(|f| f.packages.iter().map(String::as_str)).collect();
    packages.sort_unstable();
    packages.dedup();
    let all = distinct(&|_| true);
    let mendable = distinct(&|f| f.mendable.unwrap_or(f.fixable()));
    // What is fixed and goes up only where somebody asks for it.
    let asked_for = distinct(&|f| f.fixed.is_some() && !f.paths.is_empty());
    let last = match mendable.cmp(&all) {
        Ordering::Equal => words.bar_all_mendable.to_owned(),
        _ if mendable == 0 && asked_for > 0 => fill(words.bar_languages, asked_for),
        _ if mendable == 0 => words.bar_none_mendable.to_owned(),
        _ => fill(words.bar_mendable, mendable),
    };
    let some = |one, many, count| fill(if count == 1 { one } else { many }, count);
    [
        some(words.bar_finding, words.bar_findings, all),
        some(words.bar_package, words.bar_packages, packages.len()),
        last,
    ]
    .join(words.comma)
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::i18n::{EN, ZH};

    pub(crate) fn finding(id: &str, source: &str, level: Severity, fixed: Option<&str>) -> Finding {
        Finding {
            id: id.into(),
            aliases: vec![],
            ecosystem: "Debian:12".into(),
            paths: Vec::new(),
            packages: vec![source.into(), format!("lib{source}")],
            source: source.into(),
            installed: "1.0-1".into(),
            fixed: fixed.map(str::to_owned),
            severity: level,
            severity_source: "debian".into(),
            mendable: None,
            known_exploited: false,
            epss: None,
            layer: None,
            summary: None,
            published: None,
            because: "test".into(),
        }
    }

    #[test]
    fn the_bar_counts_distinct_vulnerabilities_and_packages() {
        let some = [
            finding("CVE-1", "openssl", Severity::High, Some("1.0-2")),
            finding("CVE-2", "openssl", Severity::Low, Some("1.0-3")),
            finding("CVE-2", "curl", Severity::Low, Some("1.0-3")),
        ];
        assert_eq!(bar(&some, &EN), "2 findings, 4 packages, mendable");
        assert_eq!(bar(&some[..1], &ZH), "1 个漏洞，2 个软件包，均可修复");
        let none = [finding("CVE-1", "tar", Severity::Unknown, None)];
        assert_eq!(bar(&none, &EN), "1 finding, 2 packages, no fix can be had yet");
        let mut of_language = finding("CVE-1", "left", Severity::High, Some("1.2.3"));
        of_language.paths = vec!["app/node_modules/left/package.json".into()];
        of_language.mendable = Some(false);
        let said = bar(&[of_language], &EN);
        assert_eq!(said, "1 finding, 2 packages, 1 mendable with packages of languages");
    }

    #[test]
    fn a_group_is_mended_by_the_version_that_mends_all_of_it() {
        let some = [
            finding("CVE-2", "curl", Severity::Low, Some("1.0-10")),
            finding("CVE-1", "curl", Severity::Medium, Some("1.0-9")),
            finding("CVE-3", "zlib", Severity::Critical, None),
        ];
        let groups = group(&some, &EN);
        assert_eq!(groups[0].source, "zlib");
        assert_eq!(groups[1].mended_by.as_deref(), Some("1.0-10"));
        assert_eq!(groups[1].lines[0].id, "CVE-1");
        assert_eq!(groups[1].packages, "curl, libcurl");
    }

    #[test]
    fn the_scale_is_ordered_and_counts_each_vulnerability_once() {
        let some = [
            finding("CVE-1", "a", Severity::Low, None),
            finding("CVE-1", "b", Severity::High, None),
            finding("CVE-2", "b", Severity::Unknown, None),
        ];
        let scale = Scale::of(&some, &EN);
        assert_eq!((scale.total, scale.label), (2, "findings"));
        assert_eq!(Scale::of(&some[..2], &EN).label, "finding");
        let counts: Vec<_> = scale.counts.iter().map(|c| (c.class, c.count)).collect();
        assert_eq!(
            counts,
            [("critical", 0), ("high", 1), ("medium", 0), ("low", 0), ("negligible", 0), ("unknown", 1)]
        );
    }
}
