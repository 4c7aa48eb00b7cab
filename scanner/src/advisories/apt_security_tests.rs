use super::*;
use crate::{Completeness, Distro, Package};

fn inventory(source: &str, version: &str) -> Inventory {
    Inventory {
        image: patchline_registry::Digest::of(b"image"),
        platform: patchline_registry::Platform {
            architecture: "amd64".into(),
            os: "linux".into(),
            variant: None,
        },
        distro: Some(Distro {
            id: "debian".into(),
            version_id: Some("12".into()),
            codename: Some("bookworm".into()),
            pretty_name: None,
        }),
        packages: vec![Package {
            name: format!("lib{source}"),
            version: version.into(),
            architecture: "amd64".into(),
            source: source.into(),
            source_version: version.into(),
            held: false,
            layer: None,
            purl: String::new(),
            licenses: Vec::new(),
            ..Package::default()
        }],
        database: Some("dpkg".into()),
        unread: vec![],
        incomplete: Vec::new(),
        unreadable: Vec::new(),
        layers: vec![],
    }
}

fn entry(version: &str, items: &[&str]) -> String {
    let items: String = items.iter().map(|i| format!("  * {i}\n")).collect();
    format!(
        "demo ({version}) bookworm-security; urgency=high\n\n{items}\n -- A <a@example.org>  Mon, 01 Jan 2024 00:00:00 +0000\n\n"
    )
}

fn upload(entries: &[(&str, &[&str])]) -> Upload {
    Upload {
        source: "demo".into(),
        version: entries[0].0.into(),
        suite: "bookworm-security".into(),
        changelog: entries.iter().map(|(v, i)| entry(v, i)).collect(),
    }
}

/// `id fixed` of each finding.
fn found(installed: &str, uploads: &[Upload]) -> Vec<String> {
    let inventory = inventory("demo", installed);
    let report = crate::report(&inventory, &[&derive(&inventory, uploads, "rev")]);
    assert_eq!(report.completeness, Completeness::Complete);
    report.findings.iter().map(|f| format!("{} {}", f.id, f.fixed.as_deref().unwrap_or("-"))).collect()
}

#[test]
fn entries_above_the_installed_version_name_what_is_fixed() {
    let uploads = [upload(&[
        ("1.0-1+deb12u3", &["Fix overflow (CVE-2024-1003)", "d/p/cve-2024-1004.patch: bound check"]),
        ("1.0-1+deb12u2", &["Fix CVE-2024-1002"]),
        ("1.0-1+deb12u1", &["Fix CVE-2024-1001"]),
        ("1.0-1", &["Fix CVE-2020-1000"]),
    ])];
    assert_eq!(
        found("1.0-1+deb12u1", &uploads),
        ["CVE-2024-1002 1.0-1+deb12u3", "CVE-2024-1003 1.0-1+deb12u3", "CVE-2024-1004 1.0-1+deb12u3"]
    );
    assert_eq!(found("1.0-1+deb12u3", &uploads), [""; 0]);
}

#[test]
fn each_id_gets_the_first_upload_of_the_suite_that_has_it() {
    let second = upload(&[("1-3", &["Fix CVE-2024-1003"]), ("1-2", &["CVE-2024-1002"]), ("1-1", &[])]);
    let first = upload(&[("1-2", &["CVE-2024-1002"]), ("1-1", &[])]);
    assert_eq!(found("1-1", &[second, first]), ["CVE-2024-1002 1-2", "CVE-2024-1003 1-3"]);
}

#[test]
fn a_backport_sorts_below_the_entry_it_was_made_from() {
    let entries: &[(&str, &[&str])] = &[
        ("590-2.1~deb12u2", &["Rebuild for bookworm"]),
        ("590-2.1", &["Fix CVE-2024-1001"]),
        ("590-2", &["Fix CVE-2023-1001"]),
        ("580-1", &[]),
    ];
    assert_eq!(
        found("580-1", &[upload(entries)]),
        ["CVE-2023-1001 590-2.1~deb12u2", "CVE-2024-1001 590-2.1~deb12u2"]
    );
    // An earlier backport without an entry of its own has what it was made from.
    assert_eq!(found("590-2.1~deb12u1", &[upload(entries)]), ["UPLOAD-demo-590-2.1~deb12u2 590-2.1~deb12u2"]);
}

#[test]
fn asides_and_reverts_are_no_fixes() {
    let uploads = [upload(&[
        ("1-5", &["Revert \"Fix CVE-2024-1001\", it breaks everything", "Fix CVE-2024-1005"]),
        (
            "1-4",
            &[
                "bookworm is not affected by CVE-2024-1004",
                "[CVE-2024-1006] check lengths. Plain keys are unaffected.",
                "Fix regression of the fix for CVE-2023-0009",
            ],
        ),
        (
            "1-3",
            &["Drop CVE-2022-0001.patch, applied upstream", "Drop CVE-2024-1003.patch, applied upstream"],
        ),
        ("1-2", &["Fix CVE-2024-1001"]),
        ("1-1", &["Add CVE-2022-0001.patch"]),
    ])];
    assert_eq!(found("1-1", &uploads), ["CVE-2024-1003 1-5", "CVE-2024-1005 1-5", "CVE-2024-1006 1-5"]);
}

#[test]
fn a_better_fix_after_a_revert_is_a_fix() {
    let uploads = [upload(&[
        ("1-3", &["Revert the fix for CVE-2024-1001", "Fix CVE-2024-1001 as upstream does"]),
        ("1-2", &["Fix CVE-2024-1001"]),
        ("1-1", &[]),
    ])];
    assert_eq!(found("1-1", &uploads), ["CVE-2024-1001 1-3"]);
}

#[test]
fn an_upload_without_a_cve_is_a_finding_of_unknown_severity() {
    let uploads = [upload(&[
        ("1-2", &["Non-maintainer upload.", "Harden parsing (GHSA-AAAA-bbbb-cccc), DSA-9999-1"]),
        ("1-1", &[]),
    ])];
    let inventory = inventory("demo", "1-1");
    let set = derive(&inventory, &uploads, "sha256:abc");
    let report = crate::report(&inventory, &[&set]);
    let finding = &report.findings[0];
    assert_eq!((finding.id.as_str(), finding.severity), ("UPLOAD-demo-1-2", Severity::Unknown));
    assert_eq!(finding.aliases, ["DSA-9999-1", "GHSA-aaaa-bbbb-cccc"]);
    assert_eq!(finding.severity_source, "none");
    assert!(finding.summary.as_deref().is_some_and(|s| s.starts_with("Harden")));
    assert_eq!(
        finding.because,
        "demo 1-1 < 1-2 (dpkg order; changelog of 1-2, bookworm-security, Debian:12; revision abc)"
    );
    assert_eq!(report.counts()[&Severity::Unknown], 1);
    let bare = Upload { changelog: String::new(), ..uploads[0].clone() };
    assert_eq!(found("1-1", &[bare]), ["UPLOAD-demo-1-2 1-2"]);
}

#[test]
fn uploads_that_explain_themselves_elsewhere_are_not_counted_twice() {
    let inventory = inventory("demo", "1-1");
    let derived = derive(&inventory, &[upload(&[("1-2", &["Security update"]), ("1-1", &[])])], "a");
    let record =
        serde_json::from_value(serde_json::json!({"id": "DSA-1-1", "upstream": ["CVE-2024-1", "CVE-2024-2"],
        "affected": [{"package": {"ecosystem": "Debian:12", "name": "demo"},
        "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "1-2"}]}]}]}));
    let osv = AdvisorySet::from_records(vec![record.expect("record")], "b");
    let report = crate::report(&inventory, &[&derived, &osv]);
    assert_eq!(
        report.findings.iter().map(|f| f.id.as_str()).collect::<Vec<_>>(),
        ["CVE-2024-1", "CVE-2024-2"]
    );
    assert_eq!(report.findings[0].aliases, ["DSA-1-1", "UPLOAD-demo-1-2"]);
    assert_eq!(report.advisory_revision, "a,b");
}

#[test]
fn a_source_that_is_not_debians_has_no_derived_advisories() {
    let mut inventory = inventory("demo", "1-1");
    inventory.distro.as_mut().expect("distro").id = "ubuntu".into();
    let set = derive(&inventory, &[upload(&[("1-2", &["Fix CVE-2024-1001"])])], "r");
    assert!(set.is_empty() && !set.covers("Debian:12"));
}

/// This machine's packages and their changelogs, where it keeps them.
fn machine() -> Vec<(crate::packages::dpkg::Installed, String)> {
    let Ok(status) = std::fs::read("/var/lib/dpkg/status") else { return Vec::new() };
    let installed = crate::packages::dpkg::installed(&status, true).expect("parses");
    let read = |name: &str| {
        let file = std::fs::File::open(format!("/usr/share/doc/{name}/changelog.Debian.gz")).ok()?;
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut flate2::read::MultiGzDecoder::new(file), &mut bytes).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    };
    installed.into_iter().filter_map(|p| Some((p.clone(), read(&p.name)?))).collect()
}

#[test]
fn real_changelogs_open_with_the_version_that_is_installed() {
    let machine = machine();
    if machine.is_empty() {
        println!("skipped: this machine keeps no changelogs");
        return;
    }
    let right = machine.iter().filter(|(package, text)| {
        let newest =
            changelog::parse(text).into_iter().find(|e| !e.binary_only).map(|e| e.version.to_owned());
        newest.as_deref() == Some(package.source_version.as_str())
            || newest.as_deref() == Some(package.version.as_str())
    });
    let (right, all) = (right.count(), machine.len());
    // A few sources (glibc's locales, gcc's defaults) number their binaries otherwise.
    assert!(right * 100 >= all * 97, "{right} of {all}");
}

/// The changelog-derived records of the shared data folder name nothing that we do not find.
#[test]
fn shared_derived_records_are_found_in_real_changelogs() {
    let zips = ["../shared/data", "../../shared/data", "../../../shared/data"]
        .map(|root| std::path::Path::new(root).join("osv-changelog/Debian/all.zip"));
    let (Some(zip), machine) = (zips.iter().find(|p| p.is_file()), machine()) else {
        println!("skipped: the shared advisories are not at hand");
        return;
    };
    let mut archive = zip::ZipArchive::new(std::fs::File::open(zip).expect("opens")).expect("zip");
    let mut known: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for index in 0..archive.len() {
        let record: super::super::osv::Record =
            serde_json::from_reader(archive.by_index(index).expect("entry")).expect("record");
        for advisory in super::super::compile::compile(&record, &"".into()) {
            let fixed =
                advisory.ranges[0].iter().find(|s| s.turn == Turn::Fixed).expect("a fix").version.clone();
            let cve = advisory.record.vulnerabilities[0].clone();
            known.entry(advisory.package.to_string()).or_default().push((fixed, cve));
        }
    }
    let (mut expected, mut missed, mut sources) = (0, Vec::new(), BTreeSet::new());
    for (package, text) in machine.into_iter().filter(|(p, _)| !p.held) {
        let Some(records) = known.get(&package.source).filter(|_| sources.insert(package.source.clone()))
        else {
            continue;
        };
        let upload = Upload {
            source: package.source.clone(),
            version: package.source_version.clone(),
            suite: "bookworm-security".into(),
            changelog: text,
        };
        let text = upload.changelog.to_ascii_uppercase();
        let named: BTreeSet<String> = of_source(&package.source, "0~", &[&upload], "Debian:12")
            .into_iter()
            .flat_map(|a| a.record.vulnerabilities.clone())
            .collect();
        let here = |fixed: &str| compare_debian(fixed, &package.source_version) != Ordering::Greater;
        // The machine may have the package from elsewhere, with a changelog that tells nothing.
        for (_, cve) in records.iter().filter(|(fixed, cve)| here(fixed) && text.contains(cve.as_str())) {
            expected += 1;
            if !named.contains(cve) {
                missed.push(format!("{} {cve}", package.source));
            }
        }
    }
    println!("{expected} expected of {} sources, missed: {missed:?}", sources.len());
    assert!(missed.len() * 20 <= expected, "missed {missed:?} of {expected}");
}
