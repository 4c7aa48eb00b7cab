//! Reading OSV records from folders and zips, with caps on everything.

use std::{
    collections::{BTreeMap, HashMap},
    fs::{self, File},
    io::Read,
    path::{Path, PathBuf},
};

use super::{
    Advisory,
    advisory::{compile, matched},
    folder::{io_error, unreadable},
    osv,
};
use crate::{Error, Result};

/// Records of one origin.
const RECORDS: u64 = 2_000_000;
/// Bytes of one record: the kernel's list every version.
const RECORD: u64 = 32 << 20;
/// Bytes of all records.
const ALL: u64 = 32 << 30;

/// Collects records: the newest of each id, compiled at once, so that memory holds only what matching needs.
#[derive(Default)]
pub(super) struct Collector {
    by_id: HashMap<String, (String, Vec<Advisory>)>,
    records: u64,
    bytes: u64,
}

/// What one ecosystem gave.
#[derive(Debug, Default, Clone)]
pub(super) struct Tally {
    pub(super) records: usize,
    pub(super) newest: Option<String>,
}

impl Collector {
    /// Advisories in a stable order, and a tally by ecosystem (`Debian`).
    pub(super) fn finish(self) -> (Vec<Advisory>, BTreeMap<String, Tally>) {
        let mut tallies: BTreeMap<String, Tally> = BTreeMap::new();
        let mut records: Vec<_> = self.by_id.into_iter().collect();
        records.sort_by(|a, b| a.0.cmp(&b.0));
        let mut advisories = Vec::new();
        for (_, (modified, compiled)) in records {
            if let Some(first) = compiled.first() {
                let ecosystem = first.ecosystem.split(':').next().unwrap_or_default();
                let tally = tallies.entry(ecosystem.to_owned()).or_default();
                tally.records += 1;
                if tally.newest.as_ref().is_none_or(|n| *n < modified) {
                    tally.newest = Some(modified).filter(|m| !m.is_empty());
                }
            }
            advisories.extend(compiled);
        }
        (advisories, tallies)
    }

    fn add(&mut self, origin: &Path, name: &str, json: &[u8]) -> Result<()> {
        let record: osv::Record = serde_json::from_slice(json).map_err(|e| Error::Advisories {
            origin: format!("{}, {name}", origin.display()),
            reason: e.to_string(),
        })?;
        self.records += 1;
        self.bytes += json.len() as u64;
        if self.records > RECORDS {
            return Err(Error::Limit { what: "the number of advisory records", limit: RECORDS });
        }
        if self.bytes > ALL {
            return Err(Error::Limit { what: "the size of all advisory records", limit: ALL });
        }
        let newer = self.by_id.get(&record.id).is_none_or(|(modified, _)| *modified < record.modified);
        if newer {
            // A withdrawn record stays as an empty one, so that it displaces an older copy of itself.
            let compiled = compile(&record);
            self.by_id.insert(record.id, (record.modified, compiled));
        }
        Ok(())
    }

    fn read(&mut self, origin: &Path, name: &str, from: impl Read) -> Result<()> {
        let mut json = Vec::new();
        let read = from.take(RECORD + 1).read_to_end(&mut json);
        read.map_err(|e| unreadable(origin, format!("{name}: {e}")))?;
        if json.len() as u64 > RECORD {
            return Err(Error::Limit { what: "the size of an advisory record", limit: RECORD });
        }
        self.add(origin, name, &json)
    }

    /// Every `.json` of a zip.
    pub(super) fn zip(&mut self, path: &Path) -> Result<()> {
        let file = File::open(path).map_err(|e| io_error("open", path, e))?;
        let broken = |e: zip::result::ZipError| unreadable(path, e.to_string());
        let mut archive = zip::ZipArchive::new(std::io::BufReader::new(file)).map_err(broken)?;
        for index in 0..archive.len() {
            let entry = archive.by_index(index).map_err(broken)?;
            let name = entry.name().map_err(broken)?.into_owned();
            if !entry.is_dir() && name.ends_with(".json") {
                self.read(path, &name, entry)?;
            }
        }
        Ok(())
    }

    /// A folder in the bucket's layout, one ecosystem's folder, or one zip.
    pub(super) fn folder(&mut self, path: &Path) -> Result<()> {
        let kind = fs::metadata(path).map_err(|e| io_error("read", path, e))?;
        if kind.is_file() {
            return self.zip(path);
        }
        if self.ecosystem(path)? {
            return Ok(());
        }
        let mut found = false;
        for inner in children(path)? {
            let name = inner.file_name().map(|n| n.to_string_lossy().into_owned()).unwrap_or_default();
            if inner.is_dir() && (name == "Debian" || matched(&name)) {
                found |= self.ecosystem(&inner)?;
            }
        }
        if found {
            Ok(())
        } else {
            Err(unreadable(path, "there is no Debian/all.zip and no Debian/*.json in it".to_owned()))
        }
    }

    /// `all.zip`, else `*.json`; false: neither is there.
    fn ecosystem(&mut self, path: &Path) -> Result<bool> {
        let all = path.join("all.zip");
        if all.is_file() {
            self.zip(&all)?;
            return Ok(true);
        }
        let mut found = false;
        for file in children(path)?.into_iter().filter(|p| p.extension().is_some_and(|e| e == "json")) {
            let name = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let open = File::open(&file).map_err(|e| io_error("open", &file, e))?;
            self.read(path, &name, open)?;
            found = true;
        }
        Ok(found)
    }
}

fn children(path: &Path) -> Result<Vec<PathBuf>> {
    let list = || -> std::io::Result<Vec<PathBuf>> { fs::read_dir(path)?.map(|e| Ok(e?.path())).collect() };
    let mut found = list().map_err(|e| io_error("list", path, e))?;
    found.sort();
    Ok(found)
}
