//! `patchline scan` over what is no image: a folder, and an SBOM that it wrote itself.

use std::{fs, path::Path, process::Command};

use patchline_tests::{
    image::{Layout, tar},
    machine,
};
use serde_json::Value;

const STATUS: &str =
    "Package: openssl\nStatus: install ok installed\nArchitecture: amd64\nVersion: 3.0.11-1\n\n";

fn scan(folder: &Path, input: &str, more: &[&str]) -> (i32, String, String) {
    let output = Command::new(machine::patchline())
        .args(["scan", input, "--offline"])
        .args(more)
        .env("PATCHLINE_DATA", folder.join("data"))
        .env("SOURCE_DATE_EPOCH", "1767323045")
        .env_remove("PATCHLINE_CONFIG")
        .current_dir(folder)
        .output()
        .unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// Package URLs of a report in JSON, sorted.
fn packages(json: &str) -> Vec<String> {
    let report: Value = serde_json::from_str(json).unwrap();
    let all = report["inventory"]["packages"].as_array().unwrap();
    let mut purls: Vec<String> = all.iter().map(|p| p["purl"].as_str().unwrap().to_owned()).collect();
    purls.sort();
    purls
}

fn root(folder: &Path) {
    for (path, content) in [
        ("root/etc/os-release", "ID=debian\nVERSION_ID=12\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n"),
        ("root/var/lib/dpkg/status", STATUS),
        ("root/app/node_modules/left/package.json", r#"{"name": "left", "version": "1.0.0"}"#),
    ] {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
}

#[test]
fn a_folders_own_documents_say_what_the_folder_says() {
    let folder = tempfile::tempdir().unwrap();
    root(folder.path());
    let (code, json, error) = scan(folder.path(), "rootfs:root", &["--output", "json"]);
    assert_eq!(code, 0, "{error}");
    let found = packages(&json);
    assert_eq!(found, ["pkg:deb/debian/openssl@3.0.11-1?arch=amd64&distro=debian-12", "pkg:npm/left@1.0.0"]);
    for form in ["spdx", "cyclonedx"] {
        let (code, document, error) = scan(folder.path(), "rootfs:root", &["--output", form]);
        assert_eq!(code, 0, "{error}");
        fs::write(folder.path().join("bom.json"), document).unwrap();
        let (code, json, error) = scan(folder.path(), "sbom:bom.json", &["--output", "json"]);
        assert_eq!(code, 0, "{error}");
        assert_eq!(packages(&json), found, "{form}");
    }
    let (_, table, _) = scan(folder.path(), "sbom:bom.json", &[]);
    assert!(table.starts_with("sbom:bom.json  ") && table.contains("Debian GNU/Linux 12"), "{table}");
}

#[test]
fn what_cannot_be_scanned_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    root(folder.path());
    fs::write(folder.path().join("bom.xml"), "<bom xmlns='http://cyclonedx.org/schema/bom/1.5'/>").unwrap();
    for (input, flags, code, said) in [
        ("rootfs:none", &[][..], 1, "error[scanner-io]"),
        ("rootfs:", &[], 2, "error[path-missing]"),
        ("rootfs:root", &["--platform", "linux/arm64"], 2, "error[flag-without-image]"),
        ("sbom:bom.xml", &[], 1, "error[sbom-form-unsupported]"),
        ("sbom:bom.xml", &["--sbom", "attached"], 2, "error[flag-without-image]"),
    ] {
        let (found, _, error) = scan(folder.path(), input, flags);
        assert!(found == code && error.starts_with(said), "{input}: {found} {error}");
    }
    let output = Command::new(machine::patchline()).args(["scan", "--help"]).output().unwrap();
    let help = String::from_utf8(output.stdout).unwrap();
    for input in ["oci:DIR:v1", "docker-archive:FILE", "docker:app:1", "rootfs:/mnt/root", "sbom:bom.json"] {
        assert!(help.contains(input), "{help}");
    }
}

#[test]
fn limits_are_set_by_the_configuration() {
    let folder = tempfile::tempdir().unwrap();
    root(folder.path());
    let configured = |text: &str| {
        fs::write(folder.path().join("patchline.yaml"), text).unwrap();
        scan(folder.path(), "rootfs:root", &["--output", "json"])
    };
    let (code, _, error) = configured("scanner-limits:\n  facts: {small-file: 10}\n");
    assert!(code == 1 && error.starts_with("error[limit-exceeded]") && error.contains("10"), "{error}");
    let (code, json, error) = configured("scanner-limits:\n  rootfs:\n    depth: 3\n");
    assert_eq!(code, 0, "{error}");
    assert!(json.contains("folders deeper than 3 are not looked into"), "{json}");
    let (code, _, error) = configured("scanner-limits:\n  rootfs:\n    depht: 3\n");
    assert!(code == 2 && error.starts_with("error[config-invalid]"), "{error}");
    assert!(error.contains("no limit is called `depht`") && error.contains("line 3"), "{error}");
    let (code, json, error) = configured("scanner-limits:\n  languages: {whole: 64 MiB}\n");
    assert_eq!((code, packages(&json).len()), (0, 2), "{error}");
}

#[test]
fn two_images_are_compared_by_packages_files_layers_and_size() {
    let folder = tempfile::tempdir().unwrap();
    let layout = Layout::create(&folder.path().join("images"));
    let package = |version: &str| format!(r#"{{"name": "left", "version": "{version}"}}"#);
    let (old, new) = (package("1.0.0"), package("1.0.1"));
    let path = "app/node_modules/left/package.json";
    let below = tar(&[(path, Some(old.as_bytes()), 0o644), ("app/gone", Some(b"1"), 0o644)]);
    let above = tar(&[
        (path, Some(new.as_bytes()), 0o600),
        ("app/.wh.gone", Some(b""), 0o644),
        ("app/new", Some(b"22"), 0o644),
    ]);
    layout.image("v1", std::slice::from_ref(&below));
    layout.image("v2", &[below, above]);
    let diff = |more: &[&str]| {
        let output = Command::new(machine::patchline())
            .args(["diff", "oci:images:v1", "oci:images:v2", "--offline"])
            .args(more)
            .env("PATCHLINE_DATA", folder.path().join("data"))
            .current_dir(folder.path())
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let changes: Value = serde_json::from_str(&diff(&["--output", "json"])).unwrap();
    assert_eq!(changes["packages"], serde_json::json!([["left:", "1.0.0", "1.0.1"]]));
    assert_eq!(
        (&changes["shared"], &changes["before"]["files"]),
        (&serde_json::json!(1), &serde_json::json!(2))
    );
    let files: Vec<String> = changes["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|f| format!("{} {} {}", f["path"].as_str().unwrap(), f["change"].as_str().unwrap(), f["what"]))
        .collect();
    assert_eq!(
        files,
        ["app/gone removed []", "app/new added []", &format!("{path} changed [\"content\",\"mode\"]")][..]
    );
    let table = diff(&["--files"]);
    println!("{table}");
    for said in [
        "1 added, 1 changed, 1 removed",
        "the lowest 1 are the same",
        "/app/gone",
        "content, mode",
        "1 differ",
    ] {
        assert!(table.contains(said), "{table}");
    }
}
