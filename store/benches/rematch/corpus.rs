//! Names and versions of packages as real advisories have them, and an update of those advisories.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs::File,
    io::{Read as _, Write as _},
    path::Path,
};

use patchline_scanner::advisories::Touched;
use serde_json::{Value, json};
use zip::{CompressionMethod, ZipArchive, ZipWriter, write::SimpleFileOptions};

/// Of which ecosystems images are made: the folder of the export, the ecosystem, the type of a package URL, and how many of
/// [`crate::TOUCHED`] are touched in it, of ten.
pub(crate) const ECOSYSTEMS: [(&str, &str, &str, usize); 5] = [
    ("Debian", "Debian:12", "deb", 5),
    ("PyPI", "PyPI", "pypi", 2),
    ("npm", "npm", "npm", 1),
    ("Go", "Go", "golang", 1),
    ("RubyGems", "RubyGems", "gem", 1),
];
/// Versions of one package, at most.
const VERSIONS: usize = 12;

/// By ecosystem, in the order above: names, and versions of each.
pub(crate) struct Corpus(pub(crate) Vec<Vec<(String, Vec<String>)>>);

impl Corpus {
    /// From a folder in the bucket's layout.
    pub(crate) fn read(data: &Path) -> Self {
        let read = |(folder, ecosystem, ..): &(&str, &str, &str, usize)| {
            let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
            let mut archive =
                ZipArchive::new(File::open(data.join(folder).join("all.zip")).unwrap()).unwrap();
            for at in 0..archive.len() {
                let mut json = Vec::new();
                archive.by_index(at).unwrap().read_to_end(&mut json).unwrap();
                let Ok(record) = serde_json::from_slice::<Value>(&json) else { continue };
                for affected in record["affected"].as_array().into_iter().flatten() {
                    if affected["package"]["ecosystem"] != *ecosystem {
                        continue;
                    }
                    let Some(name) = affected["package"]["name"].as_str() else { continue };
                    let events = affected["ranges"].as_array().into_iter().flatten();
                    let events = events.flat_map(|range| range["events"].as_array().into_iter().flatten());
                    let fixed = events.filter_map(|event| event["fixed"].as_str());
                    let named =
                        affected["versions"].as_array().into_iter().flatten().filter_map(Value::as_str);
                    let versions = found.entry(name.to_owned()).or_default();
                    versions.extend(fixed.chain(named).take(VERSIONS).map(str::to_owned));
                }
            }
            let some = |(name, versions): (String, BTreeSet<String>)| {
                (!versions.is_empty()).then(|| (name, versions.into_iter().take(VERSIONS).collect()))
            };
            found.into_iter().filter_map(some).collect()
        };
        Self(ECOSYSTEMS.iter().map(read).collect())
    }

    /// The same exports with a record more for each of so many packages; half of them speak of some versions alone.
    pub(crate) fn update(&self, data: &Path, touched: usize) -> (tempfile::TempDir, Touched) {
        let folder = tempfile::tempdir().unwrap();
        let mut names = Vec::new();
        for ((export, ecosystem, _, share), packages) in ECOSYSTEMS.iter().zip(&self.0) {
            let count = touched * share / 10;
            std::fs::create_dir_all(folder.path().join(export)).unwrap();
            let mut archive =
                ZipArchive::new(File::open(data.join(export).join("all.zip")).unwrap()).unwrap();
            let mut to = ZipWriter::new(File::create(folder.path().join(export).join("all.zip")).unwrap());
            for at in 0..archive.len() {
                to.raw_copy_file(archive.by_index_raw(at).unwrap()).unwrap();
            }
            let step = packages.len() / count;
            for (n, (name, versions)) in packages.iter().step_by(step.max(1)).take(count).enumerate() {
                let id = format!("BENCH-{export}-{n}");
                let fixed = if n % 2 == 0 { "9999" } else { versions[versions.len() / 2].as_str() };
                let record = json!({"id": id, "modified": "2026-01-02T00:00:00Z",
                    "aliases": [format!("CVE-2099-{:04}", 1000 + n)],
                    "affected": [{"package": {"ecosystem": ecosystem, "name": name},
                        "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": fixed}]}]}],
                    "database_specific": {"severity": "HIGH"}});
                let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
                to.start_file(format!("{id}.json"), options).unwrap();
                to.write_all(record.to_string().as_bytes()).unwrap();
                names.push(((*ecosystem).to_owned(), name.clone()));
            }
            to.finish().unwrap();
        }
        assert_eq!(names.len(), touched, "as many packages as are to be touched");
        (folder, names.into_iter().collect())
    }
}
