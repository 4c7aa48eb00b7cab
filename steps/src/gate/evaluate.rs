//! Whether a rule holds over one platform's findings and facts. Pure.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use patchline_chains::expr;
use patchline_scanner::{Finding, Package, Report, version::compare_debian};
use serde_json::{Value, json};

use super::{
    excepted::Excepted,
    facts::Facts,
    license,
    rule::{PackageRule, Rule},
};
use crate::{severity, summary};

/// An installed package, as rules look at it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Installed<'a> {
    pub(super) name: &'a str,
    pub(super) version: &'a str,
    /// SPDX expressions that all hold.
    pub(super) licenses: &'a [String],
    /// The operating system's, which an upgrade moves.
    pub(super) of_system: bool,
    /// An exception takes it out of what rules say of packages and licences.
    pub(super) excepted: bool,
}

/// What a rule looks at: the image as it is, or as it would be.
#[derive(Clone)]
pub(super) struct View<'a> {
    names: &'a Value,
    findings: Vec<&'a Finding>,
    packages: Vec<Installed<'a>>,
    facts: &'a Facts,
}

impl<'a> View<'a> {
    /// The image as it is, without what exceptions take out.
    pub(super) fn now(
        names: &'a Value,
        report: &'a Report,
        facts: &'a Facts,
        excepted: &mut Excepted<'_>,
    ) -> Self {
        let package = |p: &'a Package, excepted| Installed {
            name: &p.name,
            version: &p.version,
            licenses: &p.licenses,
            of_system: p.is_of_system(),
            excepted,
        };
        Self {
            names,
            findings: report.findings.iter().filter(|f| !excepted.takes(f)).collect(),
            packages: facts
                .packages
                .iter()
                .filter(|p| p.stands_alone())
                .map(|p| package(p, excepted.takes_package(p)))
                .collect(),
            facts,
        }
    }
    /// Some findings, and what is not a finding.
    pub(super) fn without(&self, gone: impl Fn(&Finding) -> bool) -> Self {
        let findings = self.findings.iter().copied().filter(|f| !gone(f)).collect();
        Self { findings, ..self.clone() }
    }
    /// What is mendable is gone, and what carried it stands at its fixed version.
    pub(super) fn after_upgrades(&self) -> Self {
        let (gone, stays): (Vec<&'a Finding>, Vec<&'a Finding>) =
            self.findings.iter().copied().partition(|f| f.mendable == Some(true));
        let mut fixed: BTreeMap<&'a str, &'a str> = BTreeMap::new();
        for finding in &gone {
            let Some(version) = finding.fixed.as_deref() else { continue };
            for package in &finding.packages {
                let best = fixed.entry(package).or_insert(version);
                if compare_debian(version, best).is_gt() {
                    *best = version;
                }
            }
        }
        let raised = |p: &Installed<'a>| match fixed.get(p.name) {
            Some(version) if p.of_system && compare_debian(version, p.version).is_gt() => {
                Installed { version, ..*p }
            }
            _ => *p,
        };
        Self { findings: stays, packages: self.packages.iter().map(raised).collect(), ..self.clone() }
    }
    /// The ids of its findings.
    pub(super) fn ids(&self) -> impl Iterator<Item = &'a str> {
        self.findings.iter().map(|f| f.id.as_str())
    }
    /// Packages whose licences are not all known.
    pub(super) fn unknown_licenses(&self) -> usize {
        license::unknown(&self.packages).count()
    }
}

/// Why a rule holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Hit {
    /// Distinct vulnerabilities that match, worst first.
    pub(super) ids: Vec<String>,
    /// Of those: how many an upgrade removes.
    pub(super) mendable: usize,
    /// What else there is to say.
    pub(super) reasons: Vec<String>,
    /// An expression failed: the rule holds because nobody knows.
    pub(super) broken: bool,
}

impl Hit {
    /// An image of which not everything could be learnt.
    pub(super) fn undetermined(state: &str, reasons: &[String]) -> Self {
        let mut all = vec![format!("the scan is {state}")];
        all.extend(reasons.iter().take(5).map(|r| summary::cut(r, 300)));
        Self { reasons: all, ..Self::default() }
    }
}

/// Tries a rule: none when it does not hold.
pub(super) fn holds(rule: &Rule, view: &View<'_>) -> Option<Hit> {
    let mut hit = Hit::default();
    if rule.counts() {
        let matching: Vec<&Finding> =
            view.findings.iter().copied().filter(|finding| matches(rule, finding)).collect();
        let (ids, mendable) = distinct(&matching);
        // A rule from 0 on holds over any image, as it says.
        if (ids.len() as u64) < rule.count.unwrap_or(1) {
            return None;
        }
        hit.ids = ids;
        hit.mendable = mendable;
    }
    if let Some(packages) = &rule.packages {
        let reasons = package_reasons(packages, &view.packages);
        if reasons.is_empty() {
            return None;
        }
        hit.reasons.extend(reasons);
    }
    if let Some(license) = &rule.license {
        let reasons = license.reasons(&view.packages);
        if reasons.is_empty() {
            return None;
        }
        hit.reasons.extend(reasons);
    }
    if let Some(base) = &rule.base {
        hit.reasons.extend(base.reasons(&view.facts.bases)?);
    }
    if let Some(root) = rule.run_as_root {
        if root != view.facts.run_as_root {
            return None;
        }
        let says = if root { "the image runs as root" } else { "the image does not run as root" };
        hit.reasons.push(says.to_owned());
    }
    if let Some(when) = &rule.when {
        match expr::evaluate(when, &names_with_findings(view)) {
            Ok(false) => return None,
            Ok(true) => hit.reasons.push(format!("`{when}` holds")),
            Err(error) => {
                hit.broken = true;
                hit.reasons.push(summary::cut(&error.to_string(), 1000));
            }
        }
    }
    Some(hit)
}

/// What a rule that denies only warns of, whether it holds or not.
pub(super) fn aside(rule: &Rule, view: &View<'_>) -> Option<Hit> {
    let reasons = rule.license.as_ref()?.warnings(&view.packages);
    (!reasons.is_empty()).then(|| Hit { reasons, ..Hit::default() })
}

fn matches(rule: &Rule, finding: &Finding) -> bool {
    let named = |ids: &Vec<String>| {
        ids.iter().any(|id| {
            finding.id.eq_ignore_ascii_case(id) || finding.aliases.iter().any(|a| a.eq_ignore_ascii_case(id))
        })
    };
    rule.severity.is_none_or(|s| s.matches(finding.severity))
        && rule.fixable.is_none_or(|f| f == finding.fixable())
        && rule.known_exploited.is_none_or(|k| k == finding.known_exploited)
        && rule.ids.as_ref().is_none_or(named)
}

/// One id may stand in several source packages: it counts once, and is
/// mendable when it is everywhere.
fn distinct(findings: &[&Finding]) -> (Vec<String>, usize) {
    let mut seen = HashSet::new();
    let mut ids = Vec::new();
    for finding in findings {
        if seen.insert(finding.id.as_str()) {
            ids.push(finding.id.clone());
        }
    }
    let stuck: HashSet<&str> =
        findings.iter().filter(|f| f.mendable != Some(true)).map(|f| f.id.as_str()).collect();
    let mendable = ids.iter().filter(|id| !stuck.contains(id.as_str())).count();
    (ids, mendable)
}

fn package_reasons(rule: &PackageRule, packages: &[Installed<'_>]) -> Vec<String> {
    let mut reasons = Vec::new();
    for Installed { name, version, .. } in packages.iter().filter(|p| !p.excepted) {
        if rule.forbidden.is_match(name) && !rule.spared.is_match(name) {
            reasons.push(format!("{name} is forbidden"));
        }
        if let Some(minimum) = rule.minimum.get(*name)
            && compare_debian(version, minimum).is_lt()
        {
            reasons.push(format!("{name} {version} is below {minimum}"));
        }
    }
    for name in &rule.required {
        if !packages.iter().any(|p| p.name == name) {
            reasons.push(format!("{name} is not installed"));
        }
    }
    reasons.sort_unstable();
    reasons.dedup();
    reasons
}

/// What an expression sees. `epss` is 0 where nobody has said, so that a
/// comparison does not fail over a missing value.
fn names_with_findings(view: &View<'_>) -> Value {
    let findings: Vec<Value> = view
        .findings
        .iter()
        .map(|f| {
            json!({
                "id": f.id,
                "aliases": f.aliases,
                "severity": severity::name(f.severity),
                "fixable": f.fixable(),
                "mendable": f.mendable == Some(true),
                "package": f.packages.first().unwrap_or(&f.source),
                "packages": f.packages,
                "source": f.source,
                "installed": f.installed,
                "fixed": f.fixed.as_deref().unwrap_or(""),
                "known_exploited": f.known_exploited,
                "epss": f.epss.unwrap_or(0.0),
                "published": f.published.map(|at| at.to_string()).unwrap_or_default(),
            })
        })
        .collect();
    let mut names = view.names.as_object().cloned().unwrap_or_default();
    names.insert("findings".into(), Value::Array(findings));
    Value::Object(names)
}

/// One rule that held.
#[derive(Debug, Clone)]
pub(super) struct Denial {
    /// In words.
    pub(super) rule: String,
    /// As the chain's author put it.
    pub(super) message: Option<String>,
    /// Named when there are several.
    pub(super) platform: Option<String>,
    /// Why.
    pub(super) hit: Hit,
    /// Upgrades alone would make it pass.
    pub(super) mendable: bool,
    /// How many make it hold; none: it does not count.
    pub(super) count: Option<u64>,
}

/// All rules that held, over all platforms.
#[derive(Debug, Default)]
pub(super) struct Decision {
    /// Distinct vulnerabilities that some rule counts, whether it holds or not; none: no rule counts.
    pub(super) matched: Option<BTreeSet<String>>,
    pub(super) denied: Vec<Denial>,
    pub(super) warned: Vec<Denial>,
    /// Vulnerabilities that only warn because they are new.
    pub(super) graced: BTreeSet<String>,
    /// The most on one platform; none: no rule asks for licences.
    pub(super) unknown_licenses: Option<usize>,
}

impl Decision {
    /// Remembers what a rule that may deny counts.
    pub(super) fn count(&mut self, rule: &Rule, view: &View<'_>) {
        if rule.counts() {
            let ids = view.findings.iter().filter(|f| matches(rule, f)).map(|f| f.id.clone());
            self.matched.get_or_insert_default().extend(ids);
        }
    }
    pub(super) fn deny(&mut self, platform: Option<&str>, rule: Option<&Rule>, hit: Hit, mendable: bool) {
        self.denied.push(denial(platform, rule, hit, mendable));
    }
    pub(super) fn warn(&mut self, platform: Option<&str>, rule: Option<&Rule>, hit: Hit) {
        self.warned.push(denial(platform, rule, hit, false));
    }
}

fn denial(platform: Option<&str>, rule: Option<&Rule>, hit: Hit, mendable: bool) -> Denial {
    Denial {
        rule: rule.map_or_else(|| "undetermined".to_owned(), Rule::describe),
        message: rule.and_then(|r| r.message.clone()),
        platform: platform.map(str::to_owned),
        hit,
        mendable,
        count: rule.filter(|r| r.counts()).map(|r| r.count.unwrap_or(1)),
    }
}
