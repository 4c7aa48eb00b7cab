//! Packages of languages: from files in layers, with who owns them, and matched by their ecosystem's own order.

use patchline_scanner::{Completeness, Package, advisories::AdvisorySet};
use serde_json::json;
use tar::EntryType;

use crate::support::{Image, Tar};

fn wheel(name: &str, version: &str) -> String {
    format!("Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nLicense: MIT\n\nWords.\n")
}

fn module(name: &str, version: &str) -> String {
    json!({"name": name, "version": version, "license": "ISC"}).to_string()
}

fn told(packages: &[Package]) -> Vec<String> {
    let line = |p: &Package| {
        let owner = p.owner.as_deref().map(|o| format!(" of {o}")).unwrap_or_default();
        format!("{} {}{owner}", p.purl, p.path.as_deref().unwrap_or("-"))
    };
    packages.iter().filter(|p| p.kind() != "deb").map(line).collect()
}

const SITE: &str = "usr/local/lib/python3.12/site-packages";

#[tokio::test]
async fn packages_of_languages_stand_beside_the_systems() {
    let status = "Package: python3-requests\nStatus: install ok installed\nArchitecture: all\nVersion: 2.28.1-1\nSource: requests\n\n";
    let base = Tar::new()
        .file("etc/os-release", "ID=debian\nVERSION_ID=12\n")
        .file("var/lib/dpkg/status", status)
        .file(
            "var/lib/dpkg/info/python3-requests.list",
            "/.\n/usr/lib/python3/dist-packages/requests-2.28.1.egg-info/PKG-INFO\n/usr/share/doc/x\n",
        )
        .file("usr/lib/python3/dist-packages/requests-2.28.1.egg-info/PKG-INFO", wheel("requests", "2.28.1"))
        .file(&format!("{SITE}/Flask-2.0.0.dist-info/METADATA"), wheel("Flask", "2.0.0"))
        .file("app/node_modules/@scope/left/package.json", module("@scope/left", "1.2.3"))
        .file("app/node_modules/gone/package.json", module("gone", "1.0.0"));
    let upper = Tar::new()
        .whiteout("app/node_modules/.wh.gone")
        .file(&format!("{SITE}/Flask-2.0.0.dist-info/METADATA"), wheel("Flask", "3.0.0"));
    let image = Image::new(&[base.gzip(), upper.gzip()]).await;
    let inventory = image.inventory().await.expect("inventory");
    assert_eq!(
        told(&inventory.packages),
        [
            "pkg:npm/%40scope/left@1.2.3 app/node_modules/@scope/left/package.json".to_owned(),
            "pkg:pypi/requests@2.28.1 usr/lib/python3/dist-packages/requests-2.28.1.egg-info/PKG-INFO of python3-requests"
                .to_owned(),
            format!("pkg:pypi/flask@3.0.0 {SITE}/Flask-2.0.0.dist-info/METADATA"),
        ]
    );
    let flask = inventory.packages.iter().find(|p| p.name == "Flask").expect("Flask");
    assert_eq!(
        (flask.layer.as_ref(), flask.licenses.as_slice()),
        (Some(&inventory.layers[1].0), &["MIT".to_owned()][..])
    );
    assert!(inventory.incomplete.is_empty() && inventory.unreadable.is_empty(), "{inventory:?}");
}

#[tokio::test]
async fn what_cannot_be_read_is_told_and_the_rest_is_read() {
    let tar = Tar::new()
        .file("app/node_modules/bad/package.json", "{\"name\": ")
        .file("app/node_modules/good/package.json", module("good", "1.0.0"))
        // A link takes the place of a directory.
        .link(EntryType::Symlink, "app/link", "node_modules");
    let inventory = Image::new(&[tar.gzip()]).await.inventory().await.expect("inventory");
    assert_eq!(told(&inventory.packages), ["pkg:npm/good@1.0.0 app/node_modules/good/package.json"]);
    assert_eq!(inventory.unreadable.len(), 1);
    assert!(inventory.unreadable[0].starts_with("app/node_modules/bad/package.json: "), "{inventory:?}");
    // An image of one program: that there is no system under it is said.
    let report = patchline_scanner::report(&inventory, &[&AdvisorySet::empty()]);
    let Completeness::Incomplete { reasons } = report.completeness else { panic!("{report:?}") };
    assert!(reasons[0].contains("only packages of languages"), "{reasons:?}");
}

#[tokio::test]
async fn a_link_in_place_of_a_directory_takes_its_packages_away() {
    let base = Tar::new().file("opt/app/node_modules/a/package.json", module("a", "1.0.0")).gzip();
    let upper = Tar::new().link(EntryType::Symlink, "opt/app", "/srv").gzip();
    let inventory = Image::new(&[base, upper]).await.inventory().await.expect("inventory");
    assert_eq!(told(&inventory.packages), [""; 0]);
}

fn record(
    id: &str,
    ecosystem: &str,
    package: &str,
    fixed: &str,
) -> patchline_scanner::advisories::osv::Record {
    serde_json::from_value(json!({"id": id, "affected": [{
        "package": {"ecosystem": ecosystem, "name": package},
        "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": fixed}]}]}]}))
    .expect("a record")
}

/// Each version is one that another ecosystem's order would take for the later one.
#[tokio::test]
async fn each_package_is_matched_in_its_ecosystems_own_order() {
    let musl = "P:musl-utils\nV:1.2.5_rc1-r0\nA:x86_64\no:musl\n\n";
    let tar = Tar::new()
        .file("etc/os-release", "ID=alpine\nVERSION_ID=3.22.1\n")
        .file("lib/apk/db/installed", musl)
        .file(&format!("{SITE}/Flask-3.0.0rc1.dist-info/METADATA"), wheel("Flask", "3.0.0rc1"))
        .file("app/node_modules/left/package.json", module("left", "1.0.0-beta.2"))
        // The same name in another ecosystem is another package.
        .file("app/node_modules/flask/package.json", module("flask", "0.1.0"))
        // What a lock file names need not be there.
        .file(
            "app/package-lock.json",
            r#"{"lockfileVersion": 3, "packages": {"node_modules/right": {"version": "0.1.0"}}}"#,
        );
    let inventory = Image::new(&[tar.gzip()]).await.inventory().await.expect("inventory");
    let set = AdvisorySet::from_records(
        vec![
            record("CVE-2026-1", "Alpine:v3.22", "musl", "1.2.5-r0"),
            record("CVE-2026-2", "PyPI", "flask", "3.0.0"),
            record("CVE-2026-3", "npm", "left", "1.0.0"),
            record("CVE-2026-4", "npm", "right", "9.0.0"),
            record("CVE-2026-5", "Alpine:v3.21", "musl", "9"),
        ],
        "r",
    );
    let report = patchline_scanner::report(&inventory, &[&set]);
    let mut told: Vec<_> = report
        .findings
        .iter()
        .map(|f| (f.id.as_str(), f.ecosystem.as_str(), f.packages.join(","), f.paths.len()))
        .collect();
    told.sort_unstable();
    assert_eq!(
        told,
        [
            ("CVE-2026-1", "Alpine:v3.22", "musl-utils".to_owned(), 0),
            ("CVE-2026-2", "PyPI", "Flask".to_owned(), 1),
            ("CVE-2026-3", "npm", "left".to_owned(), 1),
        ]
    );
    assert_eq!(report.completeness, Completeness::Complete);
    let because = &report.findings.iter().find(|f| f.id == "CVE-2026-2").expect("found").because;
    assert!(because.starts_with("Flask 3.0.0rc1 < 3.0.0 (pep440 order; CVE-2026-2, PyPI;"), "{because}");
}
