//! Documents as syft and Trivy write them, in the words that they have for what package URLs do not hold.

use std::{collections::BTreeMap, io::Read as _, path::Path};

use patchline_scanner::sbom;
use serde_json::{Value, json};

use super::{read, told};

fn component(kind: &str, name: &str, version: &str, purl: &str, properties: &[(&str, &str)]) -> Value {
    let properties: Vec<Value> = properties.iter().map(|(n, v)| json!({"name": n, "value": v})).collect();
    json!({"type": kind, "name": name, "version": version, "purl": purl, "properties": properties})
}

fn cyclonedx(components: &[Value]) -> Value {
    json!({"bomFormat": "CycloneDX", "specVersion": "1.5", "version": 1, "components": components})
}

#[test]
fn trivys_words_for_sources_epochs_and_files_are_known() {
    let found = read(&cyclonedx(&[
        component("operating-system", "debian", "12.15", "", &[("aquasecurity:trivy:Class", "os-pkgs")]),
        component(
            "application",
            "app/package-lock.json",
            "",
            "",
            &[("aquasecurity:trivy:Class", "lang-pkgs")],
        ),
        component(
            "library",
            "libgcc-s1",
            "12.2.0-14+deb12u1",
            "pkg:deb/debian/libgcc-s1@12.2.0-14+deb12u1?arch=amd64&distro=debian-12.15",
            &[
                ("aquasecurity:trivy:SrcName", "gcc-12"),
                ("aquasecurity:trivy:SrcVersion", "12.2.0"),
                ("aquasecurity:trivy:SrcRelease", "14+deb12u1"),
            ],
        ),
        component(
            "library",
            "zlib1g",
            "1:1.2.13.dfsg-1",
            "pkg:deb/debian/zlib1g@1.2.13.dfsg-1?arch=amd64&epoch=1&distro=debian-12.15",
            &[
                ("aquasecurity:trivy:SrcName", "zlib"),
                ("aquasecurity:trivy:SrcEpoch", "1"),
                ("aquasecurity:trivy:SrcVersion", "1.2.13.dfsg"),
                ("aquasecurity:trivy:SrcRelease", "1"),
            ],
        ),
        component(
            "library",
            "activesupport",
            "6.0.2.1",
            "pkg:gem/activesupport@6.0.2.1",
            &[("aquasecurity:trivy:FilePath", "var/lib/gems/specifications/activesupport-6.0.2.1.gemspec")],
        ),
    ]));
    assert_eq!(
        told(&found.packages),
        [
            "libgcc-s1 12.2.0-14+deb12u1 gcc-12 12.2.0-14+deb12u1",
            "zlib1g 1:1.2.13.dfsg-1 zlib 1:1.2.13.dfsg-1",
            "activesupport 6.0.2.1 activesupport 6.0.2.1",
        ]
    );
    assert_eq!(
        found.packages[2].path.as_deref(),
        Some("var/lib/gems/specifications/activesupport-6.0.2.1.gemspec")
    );
    let distro = found.distro.expect("a system");
    assert_eq!((distro.id.as_str(), distro.codename.as_deref()), ("debian", Some("bookworm")));
    assert_eq!((found.database.as_deref(), found.platform.architecture.as_str()), (Some("dpkg"), "amd64"));
    assert!(
        found.incomplete.is_empty() && found.unreadable.is_empty(),
        "what is no package needs no package URL"
    );
}

#[test]
fn syfts_words_are_known_and_the_system_is_told_by_package_urls_where_nothing_else_tells() {
    let rpm = "pkg:rpm/almalinux/bind-libs@9.16.23-1.el9?arch=x86_64&distro=almalinux-9.4&epoch=32&upstream=bind-9.16.23-1.el9.src.rpm";
    let found = read(&cyclonedx(&[
        component("library", "bind-libs", "32:9.16.23-1.el9", rpm, &[]),
        component("file", "/etc/passwd", "", "", &[]),
    ]));
    assert_eq!(told(&found.packages), ["bind-libs 32:9.16.23-1.el9 bind 32:9.16.23-1.el9"]);
    assert_eq!(found.distro.map(|d| (d.id, d.version_id)), Some(("almalinux".into(), Some("9.4".into()))));
    assert_eq!(found.database.as_deref(), Some("rpm"));

    let deb = "pkg:deb/debian/bash@5.2.15-2%2Bb13?arch=amd64&distro=debian-12&upstream=bash%405.2.15-2";
    let properties = [("syft:distro:id", "debian"), ("syft:distro:versionID", "12")];
    let found = read(&cyclonedx(&[
        component("operating-system", "debian", "12", "", &properties),
        component(
            "library",
            "bash",
            "5.2.15-2+b13",
            deb,
            &[("syft:location:0:path", "/var/lib/dpkg/status")],
        ),
        component(
            "library",
            "golang.org/X/Net",
            "v0.1.0",
            "pkg:golang/golang.org/x/net@v0.1.0",
            &[("syft:location:0:path", "/usr/bin/app")],
        ),
    ]));
    assert_eq!(told(&found.packages)[0], "bash 5.2.15-2+b13 bash 5.2.15-2");
    let net = &found.packages[1];
    assert_eq!((net.name.as_str(), net.path.as_deref()), ("golang.org/X/Net", Some("usr/bin/app")));
    assert!(found.packages[0].is_of_system(), "where a database lies is no file of its own");

    let apk = "pkg:apk/alpine/libssl3@3.3.2-r0?arch=x86_64&distro=alpine-3.20.3&upstream=openssl";
    let found = read(&cyclonedx(&[component("library", "libssl3", "3.3.2-r0", apk, &[])]));
    assert_eq!(told(&found.packages), ["libssl3 3.3.2-r0 openssl 3.3.2-r0"]);
}

#[test]
fn spdx_tells_of_sources_in_a_sentence_and_of_the_system_as_a_package() {
    let package = |id: &str, name: &str, version: &str, purl: &str, info: &str, purpose: &str| {
        json!({"SPDXID": id, "name": name, "versionInfo": version, "sourceInfo": info,
            "primaryPackagePurpose": purpose, "licenseDeclared": "MIT",
            "externalRefs": [{"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}]})
    };
    let document = json!({"spdxVersion": "SPDX-2.3", "packages": [
        {"SPDXID": "SPDXRef-ContainerImage-1", "name": "app", "primaryPackagePurpose": "CONTAINER"},
        {"SPDXID": "SPDXRef-OperatingSystem-1", "name": "centos", "versionInfo": "7.6.1810"},
        {"SPDXID": "SPDXRef-Application-1", "name": "pom.xml"},
        {"SPDXID": "SPDXRef-Root", "name": "app"},
        package("SPDXRef-1", "openssl-libs", "1:1.0.2k-16.el7",
            "pkg:rpm/centos/openssl-libs@1.0.2k-16.el7?arch=x86_64&epoch=1&distro=centos-7.6.1810",
            "built package from: openssl 1:1.0.2k-16.el7", "LIBRARY"),
        package("SPDXRef-2", "app", "v1", "pkg:oci/app@sha256%3Aabc", "", "CONTAINER"),
        {"SPDXID": "SPDXRef-3", "name": "nobody knows"}],
        "relationships": [{"relationshipType": "DESCRIBES", "relatedSpdxElement": "SPDXRef-Root"}]});
    let found = read(&document);
    assert_eq!(told(&found.packages), ["openssl-libs 1:1.0.2k-16.el7 openssl 1:1.0.2k-16.el7"]);
    assert_eq!(found.packages[0].licenses, ["MIT"]);
    assert_eq!(found.distro.map(|d| d.id).as_deref(), Some("centos"));
    assert_eq!(found.incomplete, ["1 component without a package URL"]);
}

#[test]
fn what_is_not_understood_is_counted_and_said() {
    let found = read(&cyclonedx(&[
        component("library", "a", "1", "", &[]),
        component("framework", "b", "1", "", &[]),
        component("library", "c", "1", "npm/c@1", &[]),
        component("library", "d", "1", "pkg:k8s/d@1", &[]),
        component("library", "e", "1", "pkg:npm/e@1", &[]),
        component("operating-system", "debian", "12", "", &[]),
        component("operating-system", "ubuntu", "22.04", "", &[]),
        json!({"type": "library", "name": "f", "purl": "PKG://NPM/f@1",
            "components": [component("library", "g", "2", "pkg:npm/g@2", &[])]}),
    ]));
    assert_eq!(told(&found.packages), ["d 1 d 1", "e 1 e 1", "f 1 f 1", "g 2 g 2"]);
    assert!(found.packages[1..].iter().all(|p| p.kind() == "npm" && p.path.as_deref() == Some("bom.json")));
    assert_eq!(
        found.incomplete,
        [
            "it lists debian 12 and ubuntu 22.04: all packages are taken for debian 12's",
            "2 components without a package URL",
            "1 component with a package URL that is none",
            "1 component of type k8s, of which nothing is known",
        ]
    );
    assert_eq!(found.unreadable, ["bom.json: c 1: it does not begin with `pkg:`"]);
    let mut cut = cyclonedx(&[]);
    cut["compositions"] = json!([{"aggregate": "incomplete_first_party_only"}]);
    assert_eq!(read(&cut).incomplete, ["the document says itself that it is not whole"]);
}

/// Another scanner's own documents by their names, where the shared data folder is at hand.
fn documents() -> Option<BTreeMap<String, Vec<u8>>> {
    let found = ["../shared/data", "../../shared/data", "../../../shared/data"]
        .map(|folder| Path::new(folder).join("payloads.tar.zst"));
    let file = std::fs::File::open(found.into_iter().find(|p| p.is_file())?).ok()?;
    let mut archive = tar::Archive::new(zstd::Decoder::new(file).expect("zstd"));
    let mut documents = BTreeMap::new();
    for entry in archive.entries().expect("tar") {
        let mut entry = entry.expect("entry");
        let path = entry.path().expect("path").to_string_lossy().into_owned();
        if let Some((_, name)) = path.split_once("trivy-e2e/fixtures/sbom/") {
            let mut content = Vec::new();
            entry.read_to_end(&mut content).expect("content");
            documents.insert(name.to_owned(), content);
        }
    }
    Some(documents)
}

#[test]
fn documents_of_trivys_tests_are_understood() {
    let Some(documents) = documents() else {
        println!("skipped: no documents of another scanner on this machine");
        return;
    };
    let read = |name: &str| sbom::inventory(&documents[name], name);
    let centos = [
        "bash 4.2.46-31.el7 bash 4.2.46-31.el7".to_owned(),
        "openssl-libs 1:1.0.2k-16.el7 openssl 1:1.0.2k-16.el7".to_owned(),
    ];
    for name in ["centos-7-cyclonedx.json", "centos-7-spdx.json", "centos-7-cyclonedx.intoto.jsonl"] {
        let found = read(name).expect(name);
        let mut told = told(&found.packages);
        if name == "centos-7-spdx.json" {
            // This one says of each package that it was built from itself.
            told[1] = told[1].replace("16.el7 openssl-libs 1", "16.el7 openssl 1");
        }
        assert_eq!(told, centos, "{name}");
        assert_eq!(found.distro.map(|d| d.id).as_deref(), Some("centos"), "{name}");
    }
    assert_eq!(read("centos-7-spdx.txt").expect_err("no JSON").code(), "sbom-form-unsupported");
    let fluentd = read("fluentd-multiple-lockfiles-cyclonedx.json").expect("fluentd");
    assert_eq!(
        told(&fluentd.packages),
        [
            "bash 5.0-4 bash 5.0-4",
            "libidn2-0 2.0.5-1 libidn2 2.0.5-1",
            "activesupport 6.0.2.1 activesupport 6.0.2.1"
        ]
    );
}
