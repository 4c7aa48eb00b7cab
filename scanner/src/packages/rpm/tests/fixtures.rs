//! Databases of real images against the lists that rpm itself made of them.

use std::time::Instant;

use serde_json::Value;

use super::*;
use crate::packages::testdata;

pub(super) fn go_rpmdb() -> Option<std::collections::BTreeMap<String, Vec<u8>>> {
    let members = testdata::members("fixtures", |path| path.starts_with("fixtures/go-rpmdb/"))?;
    let short = |path: &String| path.trim_start_matches("fixtures/go-rpmdb/").to_owned();
    Some(members.iter().map(|(path, bytes)| (short(path), bytes.clone())).collect())
}

fn json(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).expect("json")
}

#[expect(clippy::disallowed_methods, reason = "a test prints how long a database takes")]
fn timed(name: &str, bytes: &[u8], form: Form) -> Vec<Installed> {
    let start = Instant::now();
    let packages = installed(bytes, form).unwrap_or_else(|e| panic!("{name}: {e}"));
    let files: usize = packages.iter().map(|p| p.files.len()).sum();
    println!(
        "{name}: {} packages, {files} files, {} bytes in {:?}",
        packages.len(),
        bytes.len(),
        start.elapsed()
    );
    packages
}

fn ours(p: &Installed) -> String {
    let text = |text: &Option<String>| text.clone().unwrap_or_default();
    let epoch = p.epoch.map(|e| e.to_string()).unwrap_or_default();
    let [source, license, vendor, label] = [&p.source_rpm, &p.license, &p.vendor, &p.modularity].map(text);
    [&p.name, &epoch, &p.version, &p.release, &p.architecture, &source, &license, &vendor, &label]
        .map(String::as_str)
        .join("|")
}

fn theirs(p: &Value) -> String {
    let keys =
        ["name", "epoch", "version", "release", "arch", "sourcerpm", "license", "vendor", "modularitylabel"];
    let word = |key: &str| match &p[key] {
        Value::String(text) if text == "(none)" => String::new(),
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    };
    keys.map(word).join("|")
}

/// Prints how long a database of a usual size takes in each form; says nothing of a machine.
#[test]
fn five_hundred_packages() {
    let blobs: Vec<_> = (0..500).map(|n| writers::package(&format!("package{n}"), 100, 2000)).collect();
    let forms = [
        ("ndb", Form::Ndb, writers::ndb(&blobs)),
        ("sqlite", Form::Sqlite, writers::Sqlite::of(&blobs, 4096).bytes()),
        ("bdb", Form::BerkeleyDb, writers::bdb(&blobs, bytes::Order::Little, 4096)),
    ];
    for (name, form, bytes) in forms {
        for _ in 0..4 {
            assert_eq!(timed(name, &bytes, form).len(), 500);
        }
    }
}

#[test]
fn suse_in_ndb() {
    let Some(files) = go_rpmdb() else { return };
    let found = timed("sle15-bci", &files["sle15-bci/Packages.db"], Form::Ndb);
    let expected = json(&files["expected-lists.json"]);
    let expected = expected["SLE15WithNDB"].as_array().expect("a list");
    let (mut ours, mut theirs): (Vec<_>, Vec<_>) =
        (found.iter().map(ours).collect(), expected.iter().map(theirs).collect());
    ours.sort();
    theirs.sort();
    assert_eq!(ours, theirs);
    assert!(found.iter().any(|p| p.files.iter().any(|f| f.path == "usr/bin/bash" && f.digest.is_some())));
}

#[test]
fn mariner_in_sqlite() {
    let Some(files) = go_rpmdb() else { return };
    let bytes = zstd::decode_all(files["cbl-mariner-2.0/rpmdb.sqlite.zst"].as_slice()).expect("zstd");
    let found = timed("cbl-mariner-2.0", &bytes, Form::Sqlite);
    assert_eq!(ours(expect(&found, "curl")), table(&files, "curl"));
    let path = tempfile::tempdir().expect("a folder");
    let path = path.path().join("rpmdb.sqlite");
    std::fs::write(&path, &bytes).expect("written");
    let query = "select count(*) from Packages";
    match std::process::Command::new("sqlite3").arg(&path).arg(query).output() {
        Ok(output) => assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), found.len().to_string()),
        Err(_) => println!("skipped: this machine has no sqlite3 to count them"),
    }
}

#[test]
fn red_hat_in_berkeley_db() {
    let Some(files) = go_rpmdb() else { return };
    let found = timed("libuuid", &files["libuuid/Packages"], Form::BerkeleyDb);
    assert_eq!(ours(expect(&found, "libuuid")), table(&files, "libuuid"));
    assert!(expect(&found, "libuuid").files.iter().any(|f| f.path == "usr/lib64/libuuid.so.1"));
}

/// Of a header that was damaged on purpose: the last of four files is in a fifth folder.
#[test]
fn a_header_whose_folders_lie() {
    let Some(files) = go_rpmdb() else { return };
    let mut blob = files["blob.bin"].clone();
    let read = |blob: &[u8]| package(blob, &mut Budget::default());
    assert_eq!(read(&blob), Err("has files without folders in its rpm header"));
    let numbers = [0, 1, 2, 4u32].map(u32::to_be_bytes).concat();
    let at = blob.windows(16).position(|w| w == numbers).expect("the numbers of folders");
    blob[at + 15] = 3;
    let found = read(&blob).expect("a package");
    assert_eq!((found.name.as_str(), found.evr().as_str()), ("publicsuffix-list-dafsa", "20210518-2.fc35"));
    assert_eq!(found.files[1].path, "usr/share/licenses/publicsuffix-list-dafsa/COPYING");
}

fn expect<'p>(found: &'p [Installed], name: &str) -> &'p Installed {
    found.iter().find(|p| p.name == name).unwrap_or_else(|| panic!("{name} is not there"))
}

/// A row of the other reader's own table of single packages.
fn table(files: &std::collections::BTreeMap<String, Vec<u8>>, package: &str) -> String {
    let tables = json(&files["rpmdb_test.tables.json"]);
    let rows = tables["tests_2"].as_array().expect("rows");
    let row = rows.iter().find(|row| row["pkgName"] == package).expect("the package");
    let keys =
        ["Name", "Epoch", "Version", "Release", "Arch", "SourceRpm", "License", "Vendor", "Modularitylabel"];
    keys.map(|key| row["want"][key].as_str().unwrap_or_default()).join("|")
}
