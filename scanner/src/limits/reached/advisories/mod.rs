//! What is known about packages.

mod feeds;
mod remote;
mod sets;

use std::{io::Write as _, path::Path};

use super::{Row, wait};
use crate::advisories::update::{Origin, update};

pub(super) fn rows() -> Vec<Row> {
    [sets::rows(), feeds::rows(), remote::rows()].into_iter().flatten().collect()
}

const NOW: &str = "2026-01-01T00:00:00Z";

/// A record about a package of npm.
fn record(id: &str, package: &str) -> String {
    serde_json::json!({"id": id, "modified": "2025-01-02T00:00:00Z", "affected": [{
        "package": {"ecosystem": "npm", "name": package},
        "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "2.0.0"}]}]}]})
    .to_string()
}

/// An archive of records by their ids.
fn zip(records: &[String]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (at, record) in records.iter().enumerate() {
        writer.start_file(format!("{at}.json"), zip::write::SimpleFileOptions::default()).expect("file");
        writer.write_all(record.as_bytes()).expect("content");
    }
    writer.finish().expect("zip").into_inner()
}

/// Loads into a folder; how many advisories each source then has, or why not.
fn load(folder: &Path, origin: &Origin) -> String {
    match wait(update(folder, origin, NOW)) {
        Ok(sources) => {
            let lines = sources.iter().map(|s| {
                let failed = s.failed.as_deref().unwrap_or("well");
                format!("{}={} {failed};", s.source, s.advisories)
            });
            lines.collect()
        }
        Err(error) => error.to_string(),
    }
}

/// Loads records from a folder into an empty one.
fn load_records(records: &[String]) -> String {
    let (from, folder) = folders();
    for (at, record) in records.iter().enumerate() {
        std::fs::write(from.path().join(format!("{at}.json")), record).expect("record");
    }
    load(folder.path(), &Origin::Folder(from.path().to_owned()))
}

fn folders() -> (tempfile::TempDir, tempfile::TempDir) {
    let new = || tempfile::tempdir().expect("folder");
    (new(), new())
}
