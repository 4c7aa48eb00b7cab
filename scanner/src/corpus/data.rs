//! The shared data folder, as archives or unpacked.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::Read as _,
    path::{Path, PathBuf},
};

use super::Fault;

/// Where it usually lies, seen from the repository and from its crates and worktrees.
const ROOTS: [&str; 3] = ["../shared/data", "../../shared/data", "../../../shared/data"];
/// Bytes of one file: the largest fixture has one megabyte, the largest export of records seven.
const FILE: u64 = 64 << 20;

/// Files by their paths.
pub(super) type Files = BTreeMap<String, Vec<u8>>;

/// A data folder.
#[derive(Debug)]
pub struct Data {
    root: PathBuf,
}

impl Data {
    /// This one; none: it is no folder.
    pub fn of(folder: &Path) -> Option<Self> {
        folder.is_dir().then(|| Self { root: folder.to_owned() })
    }
    /// The one that is near.
    pub fn at_hand() -> Option<Self> {
        ROOTS.iter().find_map(|root| Self::of(Path::new(root)))
    }
    /// A file or folder in it.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.root.join(name)
    }
    /// Members of `fixtures`, `payloads` and the like whose paths (`fixtures/…`) are wanted.
    pub(super) fn members(&self, set: &str, wanted: impl Fn(&str) -> bool) -> Result<Files, Fault> {
        let packed = self.path(&format!("{set}.tar.zst"));
        let found = if packed.is_file() { archive(&packed, wanted) } else { folder(&self.root, set, wanted) };
        let found = found.map_err(|e| format!("{set} in {}: {e}", self.root.display()))?;
        if found.is_empty() { Err(format!("{set} has none of what is looked for")) } else { Ok(found) }
    }
}

fn archive(path: &Path, wanted: impl Fn(&str) -> bool) -> std::io::Result<Files> {
    let mut archive = tar::Archive::new(zstd::Decoder::new(File::open(path)?)?);
    let mut found = Files::new();
    for entry in archive.entries()? {
        let entry = entry?;
        let path = String::from_utf8_lossy(&entry.path_bytes()).trim_start_matches("./").to_owned();
        if entry.header().entry_type().is_file() && wanted(&path) {
            let mut bytes = Vec::new();
            entry.take(FILE).read_to_end(&mut bytes)?;
            found.insert(path, bytes);
        }
    }
    Ok(found)
}

fn folder(root: &Path, set: &str, wanted: impl Fn(&str) -> bool) -> std::io::Result<Files> {
    let (mut open, mut found) = (vec![root.join(set)], Files::new());
    while let Some(at) = open.pop() {
        for entry in fs::read_dir(at)? {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
                continue;
            }
            let name = path.strip_prefix(root).unwrap_or(&path).to_string_lossy().into_owned();
            if wanted(&name) {
                found.insert(name, fs::read(&path)?);
            }
        }
    }
    Ok(found)
}

/// JSON of a file that must be there.
pub(super) fn json(files: &Files, path: &str) -> Result<serde_json::Value, Fault> {
    let bytes = files.get(path).ok_or_else(|| format!("{path} is not there"))?;
    serde_json::from_slice(bytes).map_err(|e| format!("{path}: {e}"))
}
