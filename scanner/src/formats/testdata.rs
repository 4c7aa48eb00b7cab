//! One small image with findings of a system and of languages, and one that means harm.

use patchline_registry::{Digest, Platform};

use crate::{
    Completeness, Distro, Finding, Inventory, Package, Report, Severity, formats::Scanned,
    inventory::Evidence,
};

/// What upsets terminals, XML, JSON and Markdown at once.
pub(crate) const HOSTILE: &str =
    "a\u{1b}[31m\u{9b}2J\u{0}\u{b}<&>\"'\\]]>\r\n\t\u{202e}\u{2028}\u{fffe}\u{ffff}`|![x](y) %00 {{a}}";

pub(crate) struct Made {
    pub(crate) inventory: Inventory,
    pub(crate) report: Report,
    pub(crate) name: String,
}

impl Made {
    pub(crate) fn scanned(&self) -> Scanned<'_> {
        Scanned {
            inventory: &self.inventory,
            report: &self.report,
            name: &self.name,
            version: "1.2.3",
            at: "2026-01-02T03:04:05.678Z".parse().unwrap(),
        }
    }
}

fn package(name: &str, version: &str, kind: &str, layer: &Digest) -> Package {
    Package {
        name: name.into(),
        version: version.into(),
        source: name.into(),
        source_version: version.into(),
        purl: format!("pkg:{kind}/{name}@{version}"),
        layer: Some(layer.clone()),
        ..Package::default()
    }
}

fn finding(id: &str, source: &str, installed: &str, severity: Severity) -> Finding {
    Finding {
        id: id.into(),
        aliases: Vec::new(),
        ecosystem: "Debian:12".into(),
        packages: vec![source.into()],
        paths: Vec::new(),
        source: source.into(),
        installed: installed.into(),
        fixed: None,
        severity,
        severity_source: "debian".into(),
        mendable: None,
        known_exploited: false,
        epss: None,
        layer: None,
        summary: None,
        published: None,
        because: format!("{source} {installed} is affected"),
    }
}

pub(crate) fn plain() -> Made {
    let layers: Vec<Digest> = ["one", "two"].map(|l| Digest::of(l.as_bytes())).into();
    let ssl = Package {
        source: "openssl".into(),
        architecture: "amd64".into(),
        licenses: vec!["Apache-2.0".into(), "MIT OR LicenseRef-Artistic".into()],
        ..package("libssl3", "3.0.11-1~deb12u2", "deb/debian", &layers[0])
    };
    let base = Package {
        licenses: vec!["NOASSERTION".into()],
        ..package("base-files", "12", "deb/debian", &layers[0])
    };
    let at = |path: &str| Package {
        path: Some(path.into()),
        evidence: Some(Evidence::Installed),
        ..package("lodash", "4.17.20", "npm", &layers[1])
    };
    let locked = Package { evidence: Some(Evidence::LockFile), ..at("app/package-lock.json") };
    let findings = vec![
        Finding {
            packages: vec!["lodash".into()],
            ecosystem: "npm".into(),
            paths: vec!["app/a/package.json".into(), "app/b/package.json".into()],
            aliases: vec!["GHSA-35jh-r3h4-6jhm".into()],
            fixed: Some("4.17.21".into()),
            layer: Some(layers[1].clone()),
            summary: Some("Command injection in lodash".into()),
            published: Some("2021-05-06T16:05:51Z".parse().unwrap()),
            ..finding("CVE-2021-23337", "lodash", "4.17.20", Severity::Critical)
        },
        Finding {
            packages: vec!["libssl3".into()],
            fixed: Some("3.0.13-1~deb12u1".into()),
            layer: Some(layers[0].clone()),
            known_exploited: true,
            ..finding("CVE-2024-0727", "openssl", "3.0.11-1~deb12u2", Severity::Medium)
        },
        finding("UPLOAD-base-files-13", "base-files", "12", Severity::Negligible),
        finding("CVE-2024-0001", "base-files", "12", Severity::Unknown),
    ];
    let image = Digest::of(b"image");
    let distro = Distro {
        id: "debian".into(),
        version_id: Some("12".into()),
        codename: Some("bookworm".into()),
        pretty_name: Some("Debian GNU/Linux 12 (bookworm)".into()),
    };
    let inventory = Inventory {
        image: image.clone(),
        platform: Platform { os: "linux".into(), architecture: "amd64".into(), variant: None },
        distro: Some(distro.clone()),
        packages: vec![base, ssl, at("app/a/package.json"), at("app/b/package.json"), locked],
        database: Some("dpkg".into()),
        unread: Vec::new(),
        incomplete: Vec::new(),
        unreadable: Vec::new(),
        layers: layers.iter().map(|l| (l.clone(), Digest::of(l.as_str().as_bytes()))).collect(),
    };
    let report = Report {
        version: 1,
        image,
        distro: Some(distro),
        packages: inventory.packages.len(),
        advisory_revision: "sha256:abc".into(),
        completeness: Completeness::Complete,
        findings,
    };
    Made { inventory, report, name: "registry.example/shop/web:v1".into() }
}

/// Every text that a stranger may choose is one that means harm.
pub(crate) fn hostile() -> Made {
    let mut made = plain();
    let bad = || HOSTILE.to_owned();
    for package in &mut made.inventory.packages {
        (package.name, package.version, package.architecture) = (bad(), bad(), bad());
        (package.source, package.source_version, package.licenses) =
            (bad(), bad(), vec!["NOASSERTION".into()]);
        package.path = package.path.as_ref().map(|_| bad());
        package.owner = Some(bad());
    }
    for finding in &mut made.report.findings {
        (finding.id, finding.source, finding.installed) = (bad(), bad(), bad());
        (finding.ecosystem, finding.severity_source, finding.because) = (bad(), bad(), bad());
        (finding.summary, finding.fixed) = (Some(HOSTILE.repeat(1000)), Some(bad()));
        (finding.aliases, finding.packages) = (vec![bad(); 1000], vec![bad(); 1000]);
        if !finding.paths.is_empty() {
            finding.paths = vec![bad(); 1000];
        }
    }
    let distro =
        Distro { id: bad(), version_id: Some(bad()), codename: Some(bad()), pretty_name: Some(bad()) };
    (made.inventory.distro, made.report.distro) = (Some(distro.clone()), Some(distro));
    made.report.completeness = Completeness::Incomplete { reasons: vec![bad(); 1000] };
    (made.report.advisory_revision, made.name) = (bad(), bad());
    made
}

/// Nothing in it, and nothing known.
pub(crate) fn empty() -> Made {
    let mut made = plain();
    made.inventory.packages.clear();
    made.inventory.layers.clear();
    (made.inventory.distro, made.inventory.database) = (None, None);
    (made.report.distro, made.report.packages) = (None, 0);
    made.report.findings.clear();
    made.report.completeness =
        Completeness::Undetermined { reason: "the image has no package database".into() };
    made
}
