//! Inventories against advisories: one finding for each vulnerability of whatever advisories speak about.

use std::{
    cmp::Ordering,
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use jiff::Timestamp;
use patchline_registry::Digest;

use crate::{
    Completeness, Finding, Inventory, Package, Report, Severity,
    advisories::{Advisory, AdvisorySet, Threat, Verdict},
    packages::os_release::{self, Release},
    version::Order,
    windows,
};

/// What advisories speak about: an ecosystem, a name in it, and the version that is there.
pub(crate) type Subject<'a> = (&'a str, &'a str, &'a str);

/// See [`crate::report`].
pub(crate) fn report(inventory: &Inventory, sets: &[&AdvisorySet]) -> Report {
    report_by(inventory, sets, |subject| known(subject, sets).into())
}

/// A report by what somebody has worked out of each subject with [`known`].
pub(crate) fn report_by(
    inventory: &Inventory,
    sets: &[&AdvisorySet],
    mut known: impl FnMut(Subject<'_>) -> Arc<[Finding]>,
) -> Report {
    let system = system(inventory);
    let mut completeness = completeness(inventory, sets);
    let mut findings: Vec<Finding> = Vec::new();
    for ((subject, _), packages) in subjects(inventory, system.as_deref()) {
        findings.extend(carried(&known(subject), &packages));
    }
    // Asked last: a damaged set shows where it is read.
    let faults: Vec<String> = sets.iter().filter_map(|s| s.fault().map(str::to_owned)).collect();
    match &mut completeness {
        _ if faults.is_empty() => {}
        Completeness::Complete => completeness = Completeness::Incomplete { reasons: faults },
        Completeness::Incomplete { reasons } => reasons.extend(faults),
        Completeness::Undetermined { .. } => {}
    }
    findings.sort_by(|a, b| {
        b.severity
            .cmp(&a.severity)
            .then_with(|| (&a.id, &a.source, &a.installed).cmp(&(&b.id, &b.source, &b.installed)))
    });
    let revisions: Vec<&str> = sets.iter().map(|s| s.revision()).collect();
    Report {
        version: 1,
        image: inventory.image.clone(),
        distro: inventory.distro.clone(),
        packages: inventory.packages.len(),
        advisory_revision: if revisions.is_empty() { "none".to_owned() } else { revisions.join(",") },
        completeness,
        findings,
    }
}

/// Ecosystems of languages by the type of their package URLs (purl-spec, and the OSV schema, "Defined ecosystems").
const LANGUAGES: [(&str, &str); 14] = [
    ("bitnami", "Bitnami"),
    ("cargo", "crates.io"),
    ("composer", "Packagist"),
    ("conan", "ConanCenter"),
    ("cran", "CRAN"),
    ("gem", "RubyGems"),
    ("golang", "Go"),
    ("hex", "Hex"),
    ("maven", "Maven"),
    ("npm", "npm"),
    ("nuget", "NuGet"),
    ("pub", "Pub"),
    ("pypi", "PyPI"),
    ("swift", "SwiftURL"),
];

/// The ecosystem of a package of a language; none: it is an operating system's, or of none that has advisories.
pub(crate) fn language(kind: &str) -> Option<&'static str> {
    LANGUAGES.iter().find(|(of, _)| *of == kind).map(|(_, ecosystem)| *ecosystem)
}

/// Distributions whose advisories name binary packages of rpm; the others' name the source.
pub(crate) const BY_BINARY: [&str; 4] = ["AlmaLinux", "Rocky Linux", "Red Hat", "Photon OS"];

/// The ecosystem of its operating system's packages, `Debian:12`; none: it has no such packages, or nobody knows of which.
pub(crate) fn system(inventory: &Inventory) -> Option<String> {
    inventory.database.as_ref()?;
    match os_release::release(inventory.distro.as_ref()?) {
        Release::Unknown(_) => None,
        Release::Unsupported(ecosystem, _) | Release::Supported(ecosystem) => Some(ecosystem),
    }
}

/// What advisories may speak about in an inventory, each with the packages that carry it: what is claimed, the second
/// of the key, apart from what was found, which alone can be upgraded. `system`: see [`system`].
pub(crate) fn subjects<'a>(
    inventory: &'a Inventory,
    system: Option<&'a str>,
) -> BTreeMap<(Subject<'a>, bool), Vec<&'a Package>> {
    let mut subjects: BTreeMap<(Subject<'_>, bool), Vec<&Package>> = BTreeMap::new();
    for package in &inventory.packages {
        if let Some(subject) = subject(package, system) {
            subjects.entry((subject, package.is_claimed())).or_default().push(package);
        }
    }
    subjects
}

/// None: nothing speaks about it, or something else does for it.
pub(crate) fn subject<'a>(package: &'a Package, system: Option<&'a str>) -> Option<Subject<'a>> {
    // The distribution mends what is its own under the version that it has, and says so in its own advisories.
    if !package.stands_alone() {
        return None;
    }
    let subject = match (language(package.kind()), package.kind()) {
        (Some(ecosystem), _) => (ecosystem, package.name.as_str(), package.version.as_str()),
        (None, "rpm") if BY_BINARY.contains(&system?.split(':').next().unwrap_or_default()) => {
            (system?, package.name.as_str(), package.version.as_str())
        }
        (None, "deb" | "apk" | "rpm" | "") => {
            (system?, package.source.as_str(), package.source_version.as_str())
        }
        _ => return None,
    };
    (!subject.2.is_empty()).then_some(subject)
}

/// How far the report can be trusted. What is known against an end-of-life release is listed; that it is whole is not
/// claimed.
fn completeness(inventory: &Inventory, sets: &[&AdvisorySet]) -> Completeness {
    let undetermined = |reason: String| Completeness::Undetermined { reason };
    let unread = inventory.unread.join(" and ");
    // What a document that came with the image claims makes nothing of it known.
    let of_languages = |p: &Package| language(p.kind()).is_some() && !p.is_claimed();
    if windows::is(inventory) && inventory.database.is_none() && unread.is_empty() {
        let reasons = match inventory.incomplete.is_empty() {
            true => vec![windows::not_covered(None)],
            false => inventory.incomplete.clone(),
        };
        return Completeness::Incomplete { reasons };
    }
    if inventory.database.is_none() && unread.is_empty() && inventory.packages.iter().any(of_languages) {
        // An image of one program has no system under it.
        let reason = "there is no package database: only packages of languages were looked at".to_owned();
        let reasons = std::iter::once(reason).chain(inventory.incomplete.iter().cloned()).collect();
        return Completeness::Incomplete { reasons };
    }
    if inventory.database.is_none() {
        let reason = if unread.is_empty() {
            "the image has no package database".to_owned()
        } else {
            format!("its packages are in a database that cannot be read yet: {unread}")
        };
        return undetermined(reason);
    }
    let Some(distro) = &inventory.distro else {
        return undetermined("the image has no os-release that names its distribution".to_owned());
    };
    let ecosystem = match os_release::release(distro) {
        Release::Unknown(reason) => return undetermined(reason),
        Release::Unsupported(_, reason) => return undetermined(reason),
        Release::Supported(ecosystem) => ecosystem,
    };
    if !sets.iter().any(|s| s.covers(&ecosystem)) {
        let reason = format!("no advisories for {ecosystem} have been loaded");
        return undetermined(reason);
    }
    let mut reasons = inventory.incomplete.clone();
    if !unread.is_empty() {
        reasons.push(format!("a database of {unread} packages was not read"));
    }
    match reasons.is_empty() {
        true => Completeness::Complete,
        false => Completeness::Incomplete { reasons },
    }
}

/// What several advisories say about one vulnerability of one source.
struct Known<'a> {
    aliases: BTreeSet<&'a str>,
    fixed: Option<String>,
    severity: Severity,
    severity_source: &'a str,
    summary: Option<&'a str>,
    /// The first, in seconds since 1970.
    published: Option<i64>,
    /// Advisory and revision of the version that is named as the fix.
    because: (&'a str, &'a str),
}

/// What is known of one version of whatever advisories speak about: findings that no package carries yet.
pub(crate) fn known(subject: Subject<'_>, sets: &[&AdvisorySet]) -> Vec<Finding> {
    let (ecosystem, name, installed) = subject;
    let Some(order) = Order::of_ecosystem(ecosystem) else { return Vec::new() };
    let about: Vec<(Advisory, &str)> = sets
        .iter()
        .flat_map(|set| set.about(ecosystem, name).map(|advisory| (advisory, set.revision())))
        .collect();
    let mut known: BTreeMap<&str, Known<'_>> = BTreeMap::new();
    for (advisory, revision) in &about {
        let Some(verdict) = advisory.affects(installed) else { continue };
        for id in advisory.vulnerabilities() {
            add(&mut known, id, advisory, &verdict, revision, order);
        }
    }
    absorb(&mut known);
    let finding = |(id, mut known): (&str, Known<'_>)| {
        let threat = threat(sets, id, &known.aliases);
        if let (Severity::Unknown, Some((severity, source))) = (known.severity, &threat.severity) {
            (known.severity, known.severity_source) = (*severity, source);
        }
        Finding {
            id: id.to_owned(),
            aliases: known.aliases.iter().filter(|a| **a != id).map(|a| (*a).to_owned()).collect(),
            ecosystem: ecosystem.to_owned(),
            packages: Vec::new(),
            paths: Vec::new(),
            source: name.to_owned(),
            installed: installed.to_owned(),
            because: because(subject, order, &known),
            fixed: known.fixed,
            severity: known.severity,
            severity_source: known.severity_source.to_owned(),
            mendable: None,
            known_exploited: threat.known_exploited,
            // Published with five digits: no more are said.
            epss: threat.epss.map(|p| (f64::from(p) * 1e5).round() / 1e5),
            layer: None,
            summary: known.summary.map(str::to_owned),
            published: known.published.and_then(|at| Timestamp::from_second(at).ok()),
        }
    };
    known.into_iter().map(finding).collect()
}

/// The same findings, carried by these packages.
fn carried<'a>(known: &'a [Finding], packages: &[&Package]) -> impl Iterator<Item = Finding> + use<'a> {
    let all = |of: BTreeSet<&str>| of.into_iter().map(str::to_owned).collect::<Vec<_>>();
    // Of most subjects nothing is known.
    let packages = if known.is_empty() { &[] } else { packages };
    let names = all(packages.iter().map(|p| p.name.as_str()).collect());
    let paths = all(packages.iter().filter_map(|p| p.path.as_deref()).collect());
    let layer = layer(packages);
    known.iter().map(move |finding| Finding {
        packages: names.clone(),
        paths: paths.clone(),
        layer: layer.clone(),
        ..finding.clone()
    })
}

/// What any set knows of a vulnerability by any of its names: exploited if one says so, the likeliest, the first severity.
fn threat(sets: &[&AdvisorySet], id: &str, aliases: &BTreeSet<&str>) -> Threat {
    let mut all = Threat::default();
    for name in aliases.iter().chain([&id]).filter(|name| name.starts_with("CVE-")) {
        for known in sets.iter().map(|set| set.threat(name)) {
            all.known_exploited |= known.known_exploited;
            all.epss = [all.epss, known.epss].into_iter().flatten().reduce(f32::max);
            all.severity = all.severity.or(known.severity);
        }
    }
    all
}

/// The lowest fix wins, the worst severity, the first summary.
fn add<'a>(
    known: &mut BTreeMap<&'a str, Known<'a>>,
    id: &'a str,
    advisory: &'a Advisory,
    verdict: &Verdict,
    revision: &'a str,
    order: Order,
) {
    let entry = known.entry(id).or_insert_with(|| Known {
        aliases: BTreeSet::new(),
        fixed: verdict.fixed.clone(),
        severity: advisory.severity(),
        severity_source: advisory.severity_source(),
        summary: None,
        published: None,
        because: (advisory.id(), revision),
    });
    entry.aliases.extend(advisory.aliases());
    entry.published = [entry.published, advisory.published()].into_iter().flatten().min();
    entry.summary = entry.summary.or(advisory.summary());
    if advisory.severity() > entry.severity {
        (entry.severity, entry.severity_source) = (advisory.severity(), advisory.severity_source());
    }
    let lower = match (&verdict.fixed, &entry.fixed) {
        (Some(new), Some(old)) => order.compare(new, old) == Ordering::Less,
        (Some(_), None) => true,
        (None, _) => false,
    };
    if lower {
        entry.fixed.clone_from(&verdict.fixed);
        entry.because = (advisory.id(), revision);
    }
}

/// A vulnerability known by no CVE id may be one that another source knows by
/// its CVE: under a shared name, or, for an unnamed upload, as what that very version fixes.
fn absorb<'a>(known: &mut BTreeMap<&'a str, Known<'a>>) {
    let is_cve = |id: &str| id.starts_with("CVE-");
    // One bulletin names many vulnerabilities: two that share it are not the same.
    let bulletin = |id: &str| id.starts_with("DSA-") || id.starts_with("DLA-");
    let others: Vec<&'a str> = known.keys().copied().filter(|id| !is_cve(id)).collect();
    for id in others {
        let Some(other) = known.remove(id) else { continue };
        let upload = id.starts_with("UPLOAD-");
        // Only an upload may give way to another nameless one.
        let may = |at: &str| is_cve(at) || (upload && !at.starts_with("UPLOAD-"));
        let same = |at: &str, k: &Known<'_>| {
            k.aliases.contains(id)
                || other.aliases.contains(at)
                || other.aliases.iter().any(|a| (upload || !bulletin(a)) && k.aliases.contains(a))
                || (upload && k.fixed == other.fixed && k.fixed.is_some())
        };
        let mut absorbed = false;
        for (at, k) in known.iter_mut() {
            if may(at) && same(at, k) {
                k.aliases.insert(id);
                k.published = [k.published, other.published].into_iter().flatten().min();
                absorbed = true;
            }
        }
        if !absorbed {
            known.insert(id, other);
        }
    }
}

/// The layer that brought the source in this version: that of its packages, where they agree.
fn layer(packages: &[&Package]) -> Option<Digest> {
    let first = packages.first()?.layer.as_ref()?;
    packages.iter().all(|p| p.layer.as_ref() == Some(first)).then(|| first.clone())
}

fn because((ecosystem, name, installed): Subject<'_>, order: Order, known: &Known<'_>) -> String {
    let (advisory, revision) = known.because;
    let revision: String = revision.strip_prefix("sha256:").unwrap_or(revision).chars().take(40).collect();
    let told = format!("({} order; {advisory}, {ecosystem}; revision {revision})", order.name());
    match &known.fixed {
        Some(fixed) => format!("{name} {installed} < {fixed} {told}"),
        None => format!("{name} {installed} is affected and no version fixes it {told}"),
    }
}
