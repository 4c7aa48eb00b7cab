//! What a person sees of a scan.

use patchline_chains::columns::width;
use patchline_registry::Platform;
use patchline_scanner::{Package, inventory::Evidence};

use super::*;

const HOSTILE: &str = "a\u{1b}[31m\u{9b}2J\r\n\u{202e}b";

fn finding(id: &str, source: &str, severity: Severity, fixed: Option<&str>) -> Finding {
    Finding {
        id: id.into(),
        aliases: vec!["DSA-1-1".into()],
        ecosystem: "Debian:12".into(),
        packages: vec![source.into(), format!("{source}-dev")],
        paths: Vec::new(),
        source: source.into(),
        installed: "1.0-1".into(),
        fixed: fixed.map(Into::into),
        severity,
        severity_source: "debian".into(),
        mendable: None,
        known_exploited: false,
        epss: None,
        layer: Some(Digest::of(b"one")),
        summary: Some("something that is wrong ".repeat(8)),
        published: None,
        because: "1.0-1 < 1.1-1 (dpkg order)".into(),
    }
}

fn made() -> (Inventory, Report) {
    let packages = vec![
        Package { name: "zlib1g".into(), purl: "pkg:deb/debian/zlib1g@1".into(), ..Package::default() },
        Package {
            name: "lodash".into(),
            purl: "pkg:npm/lodash@4".into(),
            path: Some("app/package.json".into()),
            evidence: Some(Evidence::Installed),
            ..Package::default()
        },
    ];
    let inventory = Inventory {
        image: Digest::of(b"image"),
        platform: Platform { os: "linux".into(), architecture: "amd64".into(), variant: None },
        distro: None,
        packages,
        database: Some("dpkg".into()),
        unread: Vec::new(),
        incomplete: Vec::new(),
        unreadable: Vec::new(),
        layers: vec![(Digest::of(b"one"), Digest::of(b"1")), (Digest::of(b"two"), Digest::of(b"2"))],
    };
    let report = Report {
        version: 1,
        image: inventory.image.clone(),
        distro: None,
        packages: 2,
        advisory_revision: "none".into(),
        completeness: Completeness::Complete,
        findings: vec![
            Finding {
                paths: vec!["app/package.json".into()],
                ecosystem: "npm".into(),
                layer: Some(Digest::of(b"two")),
                ..finding("CVE-2", "lodash", Severity::Critical, Some("4.17.21"))
            },
            finding("CVE-1", "zlib", Severity::High, Some("1.1-1")),
            finding("CVE-3", "zlib", Severity::Unknown, None),
        ],
    };
    (inventory, report)
}

fn printed((inventory, report): &(Inventory, Report), columns: usize, explain: bool) -> String {
    let name = "registry.example/shop/web:v1";
    let findings = &report.findings;
    text(&Shown { name, inventory, whole: report, findings, explain, denied: None, columns })
}

#[test]
fn the_systems_groups_stand_before_files_and_each_row_has_its_layer() {
    let expected = "\
registry.example/shop/web:v1  6105d6cc76af
unknown system, linux/amd64, 2 packages: 1 dpkg, 1 npm
1 critical, 1 high, 1 unknown; 2 with a fix

layer   digest        critical  high  medium  low  others  with a fix
1 of 2  7692c3ad3540         –     1       –    –       1           1
2 of 2  3fc4ccfe7458         1     –       –    –       –           1

severity  id     package    installed  fixed in    layer

zlib: 2 findings
high      CVE-1  zlib +1    1.0-1      1.1-1       1 of 2
unknown   CVE-3  zlib +1    1.0-1      no fix yet  1 of 2

app/package.json: 1 finding
critical  CVE-2  lodash +1  1.0-1      4.17.21     2 of 2";
    assert_eq!(printed(&made(), 100, false), expected);
}

#[test]
fn doubts_stand_at_the_top_and_at_the_bottom() {
    let mut made = made();
    made.1.completeness =
        Completeness::Incomplete { reasons: vec!["app.jar is too deep".into(), "b".into()] };
    let text = printed(&made, 100, false);
    assert_eq!(text.matches("INCOMPLETE: app.jar is too deep").count(), 2, "{text}");
    assert!(
        text.lines().nth(1).unwrap().starts_with("INCOMPLETE") && text.ends_with("INCOMPLETE: b"),
        "{text}"
    );
    made.1.findings.clear();
    made.1.completeness = Completeness::Undetermined { reason: "the image has no package database".into() };
    let text = printed(&made, 100, false);
    assert!(text.contains("UNDETERMINED: the image has no package database"), "{text}");
    assert!(text.ends_with("no findings, which says nothing here"), "{text}");
}

#[test]
fn an_explanation_says_why_who_and_where() {
    let text = printed(&made(), 80, true);
    for part in [
        "    because   1.0-1 < 1.1-1 (dpkg order)",
        "    also      DSA-1-1",
        "    severity  high, as debian has it",
        "    file      app/package.json",
        "    layer     2 of 2\n    digest    3fc4ccfe745870e2",
    ] {
        assert!(text.contains(part), "no `{part}` in\n{text}");
    }
    assert!(text.lines().all(|line| width(line) <= 80), "{text}");
}

#[test]
fn nothing_hostile_reaches_the_terminal() {
    let (mut inventory, mut report) = made();
    for package in &mut inventory.packages {
        package.purl = format!("pkg:{HOSTILE}/x@1");
    }
    for finding in &mut report.findings {
        (finding.id, finding.source, finding.installed) = (HOSTILE.into(), HOSTILE.into(), HOSTILE.into());
        (finding.fixed, finding.because) = (Some(HOSTILE.into()), HOSTILE.into());
        (finding.packages, finding.aliases) = (vec![HOSTILE.into()], vec![HOSTILE.repeat(500); 1000]);
        (finding.summary, finding.severity_source) = (Some(HOSTILE.repeat(1000)), HOSTILE.into());
        if !finding.paths.is_empty() {
            finding.paths = vec![HOSTILE.into(); 1000];
        }
    }
    inventory.unreadable = vec![HOSTILE.into(); 1000];
    report.completeness = Completeness::Incomplete { reasons: vec![HOSTILE.into(); 1000] };
    let text = printed(&(inventory, report), 80, true);
    assert!(!text.contains(|c: char| (c.is_control() && c != '\n') || c == '\u{202e}'), "{text:?}");
    assert!(text.len() < 100_000, "{}", text.len());
}
