//! What scanners say of packages, as findings of ours: by source package, each vulnerability once, told where from.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, HashMap},
};

use patchline_registry::Digest;

use super::{Error, Result, limits};
use crate::{
    Completeness, Finding, Inventory, Package, Report, Severity,
    formats::clean,
    matching::{BY_BINARY, language},
    packages::os_release::{Release, release},
    version::Order,
};

/// Who says it.
pub(super) struct Origin<'a> {
    /// As configured.
    pub(super) scanner: &'a str,
    /// `Trivy 0.59.1`; a version that it does not tell is left out.
    pub(super) program: String,
    /// When what it knows was made; none: it does not tell.
    pub(super) database: Option<String>,
}

/// One line of a report, as the scanner has it.
#[derive(Debug, Default, Clone)]
pub(super) struct Said {
    /// `CVE-…`, or whatever it goes by.
    pub(super) id: String,
    pub(super) aliases: Vec<String>,
    /// The type of the package's PURL: `deb`, `pypi`; empty: an operating system's, or nobody knows.
    pub(super) kind: String,
    /// As its ecosystem writes it.
    pub(super) package: String,
    pub(super) version: String,
    /// Source package and its version, where the scanner tells.
    pub(super) source: Option<(String, String)>,
    /// Where a language's package lies.
    pub(super) paths: Vec<String>,
    /// Versions that fix it, in no order.
    pub(super) fixed: Vec<String>,
    pub(super) severity: Severity,
    /// Who judged it, where the scanner tells.
    pub(super) severity_source: Option<String>,
    /// A blob or a diff_id.
    pub(super) layer: Option<String>,
    pub(super) summary: Option<String>,
    pub(super) published: Option<String>,
    pub(super) epss: Option<f64>,
    pub(super) known_exploited: bool,
}

/// Vulnerability, ecosystem, source, installed version.
type Key = (String, String, String, String);

/// The findings of one report.
pub(super) struct Findings<'a> {
    inventory: &'a Inventory,
    origin: Origin<'a>,
    /// Of the operating system.
    by_name: HashMap<&'a str, &'a Package>,
    layers: HashMap<&'a str, &'a Digest>,
    ecosystem: Option<String>,
    found: BTreeMap<Key, Finding>,
    count: usize,
}

impl<'a> Findings<'a> {
    pub(super) fn new(inventory: &'a Inventory, origin: Origin<'a>) -> Self {
        let ecosystem = inventory.distro.as_ref().and_then(|distro| match release(distro) {
            Release::Supported(ecosystem) | Release::Unsupported(ecosystem, _) => Some(ecosystem),
            Release::Unknown(_) => None,
        });
        let layers =
            inventory.layers.iter().flat_map(|(blob, diff)| [(blob.as_str(), blob), (diff.as_str(), blob)]);
        Self {
            inventory,
            origin,
            by_name: inventory.of_system().map(|p| (p.name.as_str(), p)).collect(),
            layers: layers.collect(),
            ecosystem,
            found: BTreeMap::new(),
            count: 0,
        }
    }

    /// Adds a line; one without an id or a package says nothing and is an error.
    pub(super) fn add(&mut self, said: Said) -> Result<()> {
        self.count += 1;
        if self.count > limits::adapters().findings {
            let (scanner, limit) = (self.origin.scanner.to_owned(), limits::adapters().findings as u64);
            return Err(Error::TooMuch { scanner, what: "the number of its findings", limit });
        }
        let (id, aliases) = named(&said);
        let package = clean(said.package.trim(), limits::adapters().name);
        if id.is_empty() || package.is_empty() {
            let reason = "a finding names no vulnerability, or no package";
            return Err(super::json::unreadable(self.origin.scanner, reason));
        }
        let of_system = language(&said.kind).is_none() && matches!(&*said.kind, "" | "deb" | "apk" | "rpm");
        let ecosystem = match language(&said.kind) {
            Some(ecosystem) => ecosystem.to_owned(),
            None if of_system => self.ecosystem.clone().unwrap_or_default(),
            None => said.kind.clone(),
        };
        let (source, installed) = self.source(&said, of_system, &package);
        let order = Order::of_ecosystem(&ecosystem);
        let fixed = lowest(order, &installed, &said.fixed);
        let origin = &self.origin;
        let key = (id.clone(), ecosystem.clone(), source.clone(), installed.clone());
        let layer = said.layer.as_deref().and_then(|layer| self.layers.get(layer)).map(|l| (*l).clone());
        let new = !self.found.contains_key(&key);
        let finding = self.found.entry(key).or_insert_with(|| Finding {
            because: because(origin, &source, &installed, fixed.as_deref()),
            id,
            aliases: Vec::new(),
            ecosystem,
            packages: Vec::new(),
            paths: Vec::new(),
            source,
            installed,
            fixed,
            severity: said.severity,
            severity_source: match (&said.severity_source, said.severity) {
                (_, Severity::Unknown) => "none".to_owned(),
                (Some(source), _) => clean(source, 40),
                (None, _) => clean(origin.scanner, 40),
            },
            mendable: None,
            known_exploited: false,
            epss: None,
            layer: layer.clone(),
            summary: None,
            published: None,
        });
        insert(&mut finding.packages, package, limits::adapters().places);
        for path in &said.paths {
            insert(
                &mut finding.paths,
                clean(path.trim_start_matches('/'), limits::adapters().name),
                limits::adapters().places,
            );
        }
        for alias in aliases {
            insert(&mut finding.aliases, alias, limits::adapters().aliases);
        }
        // Of packages of one source in several layers nobody can say which brought it.
        if !new && finding.layer != layer {
            finding.layer = None;
        }
        finding.severity = finding.severity.max(said.severity);
        finding.known_exploited |= said.known_exploited;
        let likely = said.epss.filter(|p| (0.0..=1.0).contains(p));
        finding.epss = [finding.epss, likely].into_iter().flatten().reduce(f64::max);
        let summary = || said.summary.as_deref().map(|text| clean(text.trim(), limits::adapters().summary));
        finding.summary = finding.summary.take().or_else(summary);
        let at = said.published.as_deref().and_then(|text| text.parse().ok());
        finding.published = [finding.published, at].into_iter().flatten().min();
        Ok(())
    }

    /// What the advisories are about: our inventory knows the source of a system's package; else as the scanner has it.
    fn source(&self, said: &Said, of_system: bool, package: &str) -> (String, String) {
        let version = clean(said.version.trim(), limits::adapters().version);
        if !of_system {
            return (package.to_owned(), version);
        }
        let family = self.ecosystem.as_deref().and_then(|e| e.split(':').next()).unwrap_or_default();
        let by_binary = BY_BINARY.contains(&family);
        match (self.by_name.get(package), &said.source) {
            (Some(known), _) if by_binary => (known.name.clone(), known.version.clone()),
            (Some(known), _) => (known.source.clone(), known.source_version.clone()),
            (None, Some((source, at))) if !by_binary => {
                let at = if at.is_empty() { version } else { clean(at.trim(), limits::adapters().version) };
                (clean(source.trim(), limits::adapters().name), at)
            }
            (None, _) => (package.to_owned(), version),
        }
    }

    /// Highest severity first, then by id.
    pub(super) fn report(self, completeness: Completeness) -> Report {
        let mut findings: Vec<Finding> = self.found.into_values().collect();
        findings.sort_by(|a, b| {
            b.severity.cmp(&a.severity).then_with(|| a.id.cmp(&b.id)).then_with(|| a.source.cmp(&b.source))
        });
        Report {
            version: 1,
            image: self.inventory.image.clone(),
            distro: self.inventory.distro.clone(),
            packages: self.inventory.packages.len(),
            // A comma would part it: see `Report::advisory_revision`.
            advisory_revision: told(&self.origin).replace(',', ";"),
            completeness,
            findings,
        }
    }
}

/// `Trivy 0.59.1 with its database of 2026-05-01T00:00:00Z`
fn told(origin: &Origin<'_>) -> String {
    let program = clean(&origin.program, 60);
    match &origin.database {
        Some(date) => format!("{program} with its database of {}", clean(date, 40)),
        None => format!("{program} with a database of unknown date"),
    }
}

fn because(origin: &Origin<'_>, source: &str, installed: &str, fixed: Option<&str>) -> String {
    match fixed {
        Some(fixed) => format!("{source} {installed} < {fixed}, says {}", told(origin)),
        None => format!("{source} {installed} is affected and no version fixes it, says {}", told(origin)),
    }
}

/// The CVE, where there is one, and the other names, which never hold it.
fn named(said: &Said) -> (String, Vec<String>) {
    let all = || {
        let names = std::iter::once(&said.id).chain(&said.aliases);
        names.map(|id| clean(id.trim(), limits::adapters().version)).filter(|id| !id.is_empty())
    };
    // The CVE counts wherever it stands; only how many others are kept is bounded.
    let id = all().find(|id| id.starts_with("CVE-")).or(all().next()).unwrap_or_default();
    let aliases = all().filter(|other| *other != id).take(limits::adapters().aliases).collect();
    (id, aliases)
}

/// The lowest version that is above what is installed; where versions cannot be compared, the first.
fn lowest(order: Option<Order>, installed: &str, fixed: &[String]) -> Option<String> {
    let mut all = fixed.iter().map(|v| clean(v.trim(), limits::adapters().version)).filter(|v| !v.is_empty());
    let Some(order) = order else { return all.next() };
    let all: Vec<String> = all.collect();
    let above = all.iter().filter(|v| order.compare(v, installed) == Ordering::Greater);
    above.min_by(|a, b| order.compare(a, b)).or(all.first()).cloned()
}

/// Keeps a short list sorted and without repetition.
fn insert(list: &mut Vec<String>, one: String, most: usize) {
    if let Err(at) = list.binary_search(&one)
        && list.len() < most
    {
        list.insert(at, one);
    }
}

/// What a scanner's severity means; what is no word of it stays unknown.
pub(super) fn severity(word: &str) -> Severity {
    match word.trim().to_ascii_lowercase().as_str() {
        "negligible" => Severity::Negligible,
        "low" => Severity::Low,
        "medium" | "moderate" => Severity::Medium,
        "high" | "important" => Severity::High,
        "critical" => Severity::Critical,
        _ => Severity::Unknown,
    }
}

/// Type and name of a package URL, the name as its ecosystem writes it: `maven`, `org.slf4j:slf4j-api`. None: it is none.
pub(super) fn of_purl(purl: &str) -> Option<(String, String)> {
    let rest = purl.strip_prefix("pkg:")?;
    let rest = rest.split(['?', '#']).next()?;
    let (kind, path) = rest.split_once('/')?;
    // An `@` that is not escaped stands before the version, but some writers leave that of an npm scope as it is.
    let path = match path.rfind('@') {
        Some(at) if at > 0 => &path[..at],
        _ => path,
    };
    let parts: Vec<String> = path.split('/').map(decoded).filter(|p| !p.is_empty()).collect();
    let kind = kind.to_ascii_lowercase();
    let name = match kind.as_str() {
        // The namespace is the distribution.
        "deb" | "apk" | "rpm" | "alpm" => parts.last()?.clone(),
        "maven" => parts.join(":"),
        _ => parts.join("/"),
    };
    (!name.is_empty()).then_some((kind, name))
}

/// RFC 3986, section 2.1; what is no UTF-8 then stays as it was.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let hex = |at: usize| after.get(at).and_then(|b| char::from(*b).to_digit(16));
        match (first, hex(0), hex(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push((high * 16 + low) as u8);
                rest = &after[2..];
            }
            _ => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
#[path = "findings_tests.rs"]
mod tests;
