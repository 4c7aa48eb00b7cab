//! Records, and the sets that are made of them.

use super::{Row, folders, load, load_records, record};
use crate::{
    Distro, Inventory, Severity,
    advisories::{
        AdvisorySet,
        apt_security::{Upload, derive},
        update::Origin,
    },
    limits::reached::row,
};

pub(super) fn rows() -> Vec<Row> {
    vec![
        row(("advisories", "records"), 1, "the number of advisory records exceeds the limit of 1", two),
        row(("advisories", "record"), 40, "the size of an advisory record exceeds the limit of 40", two),
        row(("advisories", "all"), 300, "the size of all advisory records exceeds the limit of 300", two),
        row(("advisories", "unreadable"), 1, "1 of 121 records are none", unreadable),
        row(("advisories", "coverage"), 100, "versions that a range covers: kept;", coverage),
        row(("advisories", "vector"), 40, "level=Unknown;", vector),
        row(("advisories", "changelog"), 300, "found=CVE-2024-1003;", changelog),
        row(("advisories", "changelog-entries"), 1, "found=CVE-2024-1003;", changelog),
        row(("advisories", "changelog-lines"), 2, "found=CVE-2024-1003;", changelog),
        row(("advisories", "old-set"), 50, "in the format before exceeds the limit of 50", old_set),
        row(
            ("advisories", "pointer"),
            50,
            "the size of the pointer to the advisories exceeds the limit of 50",
            two,
        ),
        row(("advisories", "pointer"), 50, "not opened: the size of the pointer", written_elsewhere),
        row(("advisories", "set"), 300, "the size of a set of advisories exceeds the limit of 300", two),
        row(("advisories", "set"), 300, "bytes is no set", written_elsewhere),
        row(("advisories", "answer"), 60, "too much is named here", answer),
    ]
}

fn two() -> String {
    load_records(&[record("GHSA-1", "a"), record("GHSA-2", "b")])
}

/// One in 120 is more than one in a thousand, and fewer than ten.
fn unreadable() -> String {
    let mut records: Vec<String> = (0..120).map(|n| record(&format!("GHSA-{n}"), "a")).collect();
    records.push("{}".to_owned());
    load_records(&records)
}

/// A thousand versions by name, all within the range: looked at, none of them is kept.
fn coverage() -> String {
    let (from, folder) = folders();
    let mut of: serde_json::Value = serde_json::from_str(&record("GHSA-1", "a")).expect("record");
    let versions: Vec<String> = (0..1000).map(|n| format!("1.0.{n}")).collect();
    of["affected"][0]["versions"] = versions.into();
    std::fs::write(from.path().join("a.json"), of.to_string()).expect("record");
    load(folder.path(), &Origin::Folder(from.path().to_owned()));
    let files = std::fs::read_dir(folder.path()).expect("folder").map(|e| e.expect("entry"));
    let set = files.filter(|e| e.path().extension().is_some_and(|e| e == "advisories"));
    let size: u64 = set.map(|e| e.metadata().expect("size").len()).sum();
    format!("versions that a range covers: {};", if size > 4000 { "kept" } else { "gone" })
}

fn vector() -> String {
    let mut of: serde_json::Value = serde_json::from_str(&record("GHSA-1", "a")).expect("record");
    let vector = "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:H/A:H/E:X/RL:X";
    of["severity"] = serde_json::json!([{"type": "CVSS_V3", "score": vector}]);
    let set = AdvisorySet::from_records(vec![serde_json::from_value(of).expect("record")], "1");
    let levels: Vec<Severity> = set.about("npm", "a").map(|a| a.severity()).collect();
    levels.iter().map(|level| format!("level={level:?};")).collect()
}

/// An upload that mends three vulnerabilities, the second of them below other lines, the third one entry earlier.
fn changelog() -> String {
    let entry = |version: &str, items: &str| {
        format!(
            "demo ({version}) bookworm-security; urgency=high\n\n{items}\n -- A <a@example.org>  Mon, 01 Jan 2024 00:00:00 +0000\n\n"
        )
    };
    let upload = Upload {
        source: "demo".into(),
        version: "1.0-3".into(),
        suite: "bookworm-security".into(),
        changelog: entry("1.0-3", "  * Fix CVE-2024-1003\n")
            + &entry("1.0-2", &format!("  * {}\n  * Fix CVE-2024-1002\n", "word ".repeat(40))),
    };
    let inventory = debian();
    let set = derive(&inventory, &[upload], "1");
    let found: Vec<String> = set
        .about("Debian:12", "demo")
        .flat_map(|a| a.vulnerabilities().map(str::to_owned).collect::<Vec<_>>())
        .collect();
    format!("found={};", found.join(","))
}

fn debian() -> Inventory {
    let mut inventory = crate::adapters::testdata::inventory(&patchline_registry::Digest::of(b"image"));
    inventory.distro = Some(Distro {
        id: "debian".into(),
        version_id: Some("12".into()),
        codename: Some("bookworm".into()),
        pretty_name: None,
    });
    let package = &mut inventory.packages[0];
    (package.source, package.source_version) = ("demo".into(), "1.0-1".into());
    inventory
}

fn old_set() -> String {
    let (_, folder) = folders();
    let json = serde_json::json!({"format": 2, "advisories": [{"id": "DSA-1-1", "vulnerabilities": ["CVE-2025-1"],
        "aliases": [], "ecosystem": "Debian:12", "package": "a", "severity": "high", "severity_source": "debian",
        "ranges": [[{"introduced": "0"}, {"fixed": "2"}]]}]});
    let packed = zstd::encode_all(json.to_string().as_bytes(), 1).expect("zstd");
    let revision = patchline_registry::Digest::of(&packed).to_string();
    std::fs::write(folder.path().join(format!("{}.osv.zst", &revision[7..])), packed).expect("set");
    AdvisorySet::open_revision(folder.path(), &revision)
        .map_or_else(|error| error.to_string(), |set| format!("advisories={};", set.known("Debian:12", "a")))
}

/// A folder that another process wrote under higher limits: a set that is none, by its name, and what points at it.
fn written_elsewhere() -> String {
    let (_, folder) = folders();
    let bytes = vec![0; 400];
    let revision = patchline_registry::Digest::of(&bytes).to_string();
    std::fs::write(folder.path().join(format!("{}.advisories", &revision[7..])), bytes).expect("set");
    let pointer = serde_json::json!({"format": 3, "revision": revision, "sources": []});
    std::fs::write(folder.path().join("current.json"), pointer.to_string()).expect("pointer");
    match AdvisorySet::open(folder.path()) {
        Ok(_) => "opened".to_owned(),
        Err(error) => format!("not opened: {error}"),
    }
}

fn answer() -> String {
    let mut of: serde_json::Value = serde_json::from_str(&record("GHSA-1", "a")).expect("record");
    of["summary"] = "words ".repeat(20).into();
    let set = AdvisorySet::from_records(vec![serde_json::from_value(of).expect("record")], "1");
    let known = set.known("npm", "a");
    format!("known={known}; {}", set.fault().unwrap_or("sound"))
}
