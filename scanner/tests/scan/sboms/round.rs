//! An image's own SBOM says as much about what is wrong with it as the image.

use patchline_scanner::{
    Inventory, Package,
    advisories::AdvisorySet,
    formats::{Scanned, cyclonedx, spdx},
    inventory::Evidence,
    sbom,
};
use proptest::{collection::btree_map, prelude::*};
use serde_json::json;

use super::record;
use crate::support::{Image, OS_RELEASE, Tar};

/// Both documents of an inventory, read again.
fn again(inventory: &Inventory, set: &AdvisorySet) -> [Inventory; 2] {
    let report = patchline_scanner::report(inventory, &[set]);
    let at = "2026-01-02T03:04:05Z".parse().expect("a time");
    let scanned =
        Scanned { inventory, report: &report, name: "registry.example/web:v1", version: "1.2.3", at };
    [
        serde_json::to_vec(&cyclonedx::document(&scanned)).expect("JSON"),
        serde_json::to_vec(&spdx::document(&scanned)).expect("JSON"),
    ]
    .map(|bytes| sbom::inventory(&bytes, "bom.json").expect("an inventory"))
}

fn same_findings(inventory: &Inventory, set: &AdvisorySet) -> usize {
    let wanted = patchline_scanner::report(inventory, &[set]);
    for (form, read) in ["CycloneDX", "SPDX"].into_iter().zip(again(inventory, set)) {
        let found = patchline_scanner::report(&read, &[set]);
        assert_eq!(found.findings, wanted.findings, "{form}");
        assert_eq!(found.completeness, wanted.completeness, "{form}");
        assert_eq!(
            (read.packages.len(), &read.database),
            (inventory.packages.len(), &inventory.database),
            "{form}"
        );
    }
    wanted.findings.len()
}

/// Versions of a name: `libssl3` of `openssl`.
type Packages = std::collections::BTreeMap<String, (String, String, bool)>;

fn packages() -> impl Strategy<Value = Packages> {
    let version = "([0-9]:)?[0-9]{1,2}\\.[0-9]{1,2}(\\+[a-z]{1,3}|~rc[0-9])?-[0-9]";
    btree_map("[a-z][a-z0-9+.-]{1,9}", (version, "[a-z][a-z0-9+-]{1,9}", any::<bool>()), 1..8)
}

fn modules() -> impl Strategy<Value = Packages> {
    btree_map(
        "(@[a-z]{1,4}/)?[a-z][a-z0-9._-]{1,9}",
        ("[0-9]{1,2}\\.[0-9]\\.[0-9](-rc\\.1)?", "x", any::<bool>()),
        0..6,
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn of_debian_with_languages(debs in packages(), modules in modules(), flask in "[Ff]lask[._-]?[a-z]{0,3}") {
        let stanza = |(name, (version, source, own)): (&String, &(String, String, bool))| {
            let source = if *own { format!("Source: {source} ({version}.1)\n") } else { String::new() };
            format!("Package: {name}\nStatus: install ok installed\nArchitecture: amd64\n{source}Version: {version}\n\n")
        };
        let status: String = debs.iter().map(stanza).collect();
        let owner = debs.keys().next().expect("one");
        let egg = "usr/lib/python3/dist-packages/owned-1.0.egg-info/PKG-INFO";
        let mut tar = Tar::new()
            .file("etc/os-release", OS_RELEASE)
            .file("var/lib/dpkg/status", status)
            .file(&format!("var/lib/dpkg/info/{owner}.list"), format!("/{egg}\n"))
            .file(egg, "Metadata-Version: 1.1\nName: owned\nVersion: 1.0\n\n")
            .file("opt/a b; owned by x/f.dist-info/METADATA", format!("Metadata-Version: 2.1\nName: {flask}\nVersion: 2.0.0\n\n"))
            .file("app/package-lock.json",
                r#"{"lockfileVersion": 3, "packages": {"node_modules/locked": {"version": "0.1.0"}}}"#);
        let mut records = vec![
            record("CVE-2026-0001", "PyPI", "owned", "9"),
            record("CVE-2026-0002", "PyPI", &flask, "9"),
            record("CVE-2026-0003", "npm", "locked", "9.0.0"),
        ];
        for (at, (name, (version, source, own))) in debs.iter().enumerate() {
            let source = if *own { source } else { name };
            records.push(record(&format!("CVE-2026-1{at:03}"), "Debian:12", source, &format!("{version}.9")));
        }
        for (at, (name, (version, _, _))) in modules.iter().enumerate() {
            tar = tar.file(&format!("app/node_modules/{name}/package.json"), json!({"name": name, "version": version}).to_string());
            records.push(record(&format!("CVE-2026-2{at:03}"), "npm", name, "99.0.0"));
        }
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let inventory = runtime.block_on(async { Image::new(&[tar.gzip()]).await.inventory().await }).expect("an inventory");
        let set = AdvisorySet::from_records(records, "r");
        prop_assert!(same_findings(&inventory, &set) > 0);
    }

    #[test]
    fn of_alpine(apks in packages()) {
        let entry = |(name, (version, source, own)): (&String, &(String, String, bool))| {
            let version = version.split([':', '-', '+', '~']).find(|part| part.contains('.')).unwrap_or("1.0");
            format!("P:{name}\nV:{version}-r0\nA:x86_64\no:{}\n\n", if *own { source } else { name })
        };
        let tar = Tar::new()
            .file("etc/os-release", "ID=alpine\nVERSION_ID=3.22.1\n")
            .file("lib/apk/db/installed", apks.iter().map(entry).collect::<String>());
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let inventory = runtime.block_on(async { Image::new(&[tar.gzip()]).await.inventory().await }).expect("an inventory");
        let named = |p: &Package| record(&format!("CVE-{}", p.source), "Alpine:v3.22", &p.source, "999-r0");
        let set = AdvisorySet::from_records(inventory.packages.iter().map(named).collect(), "r");
        prop_assert!(same_findings(&inventory, &set) > 0);
    }
}

#[tokio::test]
async fn of_rpm_and_of_what_is_not_whole() {
    let tar = Tar::new()
        .file("etc/os-release", "ID=almalinux\nVERSION_ID=9.4\n")
        .file("lib/apk/db/installed", "P:a\nV:1-r0\nA:x\n\n");
    let mut inventory = Image::new(&[tar.gzip()]).await.inventory().await.expect("an inventory");
    inventory.packages = [("bind-libs", "32:9.16.23-1.el9", "&epoch=32"), ("bash", "5.1.8-9.el9", "")]
        .map(|(name, version, epoch)| Package {
            name: name.into(),
            version: version.into(),
            architecture: "x86_64".into(),
            source: if name == "bash" { "bash".into() } else { "bind".into() },
            source_version: version.into(),
            purl: format!(
                "pkg:rpm/almalinux/{name}@{}?arch=x86_64&distro=almalinux-9.4{epoch}",
                version.trim_start_matches("32:")
            ),
            layer: Some(inventory.layers[0].0.clone()),
            ..Package::default()
        })
        .into();
    inventory.packages.reverse();
    inventory.database = Some("rpm".to_owned());
    inventory.incomplete = vec!["app/a.jar: it has more than 5 bytes".to_owned()];
    let records = vec![
        record("CVE-2026-1", "AlmaLinux:9", "bind-libs", "32:9.16.24-1.el9"),
        record("CVE-2026-2", "AlmaLinux:9", "bash", "5.1.9-1.el9"),
    ];
    assert_eq!(same_findings(&inventory, &AdvisorySet::from_records(records, "r")), 2);
}

#[tokio::test]
async fn what_a_document_claimed_stays_a_claim() {
    let tar = crate::support::debian(&[("bash", "5.2-1")]);
    let mut inventory = Image::new(&[tar.gzip()]).await.inventory().await.expect("an inventory");
    inventory.packages.push(Package {
        name: "left".into(),
        version: "1.0.0".into(),
        source: "left".into(),
        source_version: "1.0.0".into(),
        purl: "pkg:npm/left@1.0.0".into(),
        path: Some("sbom:sha256:0!/app/package.json".into()),
        evidence: Some(Evidence::Sbom),
        ..Package::default()
    });
    let set = AdvisorySet::from_records(vec![record("CVE-2026-1", "npm", "left", "2.0.0")], "r");
    for read in again(&inventory, &set) {
        assert!(read.packages.iter().any(|p| p.is_claimed() && p.name == "left"), "{read:?}");
    }
}
