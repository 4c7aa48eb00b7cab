//! The advisory folder: immutable sets named by their hash, and one pointer to the current one.

use std::{
    fs, io,
    io::{Read, Write},
    path::{Path, PathBuf},
};

use patchline_registry::Digest;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Advisory, update::SourceStatus};
use crate::{Error, Result};

const POINTER: &str = "current.json";
/// Bytes of a set after decompression.
const SET: u64 = 4 << 30;
/// Sets that stay: a plan and its proof use one revision, whatever is loaded meanwhile.
pub(super) const KEPT: usize = 5;
/// Of the pointer and the sets. 2 has the day of publication; a set of 1 is read as one that does not say it.
const FORMAT: u32 = 2;

/// What `current.json` says.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Pointer {
    format: u32,
    /// `sha256:…` of the set's file.
    pub(super) revision: String,
    /// Earlier ones that are still there, newest first.
    #[serde(default)]
    earlier: Vec<String>,
    /// What was loaded.
    pub(super) sources: Vec<SourceStatus>,
    /// Hash of the address, and the ETag, of the last download.
    #[serde(default)]
    pub(super) etag: Option<(String, String)>,
}

#[derive(Serialize, Deserialize)]
struct Set {
    format: u32,
    advisories: Vec<Advisory>,
}

impl Pointer {
    /// None: nothing has been loaded yet.
    pub(super) fn read(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(POINTER);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(io_error("read", &path, e)),
        };
        let pointer: Self = serde_json::from_slice(&bytes).map_err(|e| unreadable(&path, e.to_string()))?;
        if !(1..=FORMAT).contains(&pointer.format) {
            return Err(unreadable(&path, format!("its format {} is not 1 to {FORMAT}", pointer.format)));
        }
        Ok(Some(pointer))
    }

    /// Whether this version would write the same set from the same records.
    pub(super) fn is_current(&self) -> bool {
        self.format == FORMAT
    }

    fn write(&self, folder: &Path) -> Result<()> {
        let json = serde_json::to_vec_pretty(self).expect("strings and numbers alone");
        replace(folder, POINTER, &json)
    }
}

/// Writes the set and points at it. Nothing that was there is touched before the new set stands on disk.
pub(super) fn publish(
    folder: &Path,
    advisories: Vec<Advisory>,
    sources: Vec<SourceStatus>,
    etag: Option<(String, String)>,
) -> Result<()> {
    let json = serde_json::to_vec(&Set { format: FORMAT, advisories }).expect("strings and numbers alone");
    let packed = zstd::encode_all(json.as_slice(), 6).map_err(|e| io_error("compress", folder, e))?;
    let revision = Digest::of(&packed).to_string();
    // A pointer that cannot be read must not stand in the way of a new one.
    let before = Pointer::read(folder).unwrap_or_else(|error| {
        tracing::warn!(%error, "the pointer to the current advisories is replaced");
        None
    });
    let name = file_name(&revision);
    if !folder.join(&name).is_file() || verified(folder, &revision).is_err() {
        replace(folder, &name, &packed)?;
    }
    turn(folder, before, revision, sources, etag)
}

/// Points at a set that stands in the folder already.
pub(super) fn point(folder: &Path, revision: &str, sources: Vec<SourceStatus>) -> Result<()> {
    let before = Pointer::read(folder).unwrap_or_default();
    turn(folder, before, revision.to_owned(), sources, None)
}

fn turn(
    folder: &Path,
    before: Option<Pointer>,
    revision: String,
    sources: Vec<SourceStatus>,
    etag: Option<(String, String)>,
) -> Result<()> {
    let mut earlier: Vec<String> =
        before.into_iter().flat_map(|p| std::iter::once(p.revision).chain(p.earlier)).collect();
    earlier.retain(|r| *r != revision);
    earlier.truncate(KEPT - 1);
    Pointer { format: FORMAT, revision: revision.clone(), earlier: earlier.clone(), sources, etag }
        .write(folder)?;
    earlier.push(revision);
    prune(folder, &earlier);
    Ok(())
}

/// Says again what was loaded, and when, without a new set.
pub(super) fn touch(folder: &Path, mut pointer: Pointer, now: &str) -> Result<Vec<SourceStatus>> {
    for source in &mut pointer.sources {
        now.clone_into(&mut source.loaded);
    }
    pointer.write(folder)?;
    Ok(pointer.sources)
}

/// Reads a set and holds it against its name.
pub(super) fn read_set(folder: &Path, revision: &str) -> Result<Vec<Advisory>> {
    let packed = verified(folder, revision)?;
    let path = folder.join(file_name(revision));
    let mut json = Vec::new();
    zstd::Decoder::new(packed.as_slice())
        .and_then(|d| d.take(SET).read_to_end(&mut json))
        .map_err(|e| unreadable(&path, e.to_string()))?;
    let set: Set = serde_json::from_slice(&json).map_err(|e| unreadable(&path, e.to_string()))?;
    if !(1..=FORMAT).contains(&set.format) {
        return Err(unreadable(&path, format!("its format {} is not 1 to {FORMAT}", set.format)));
    }
    Ok(set.advisories)
}

/// A set's bytes, if they are what its name promises.
pub(super) fn verified(folder: &Path, revision: &str) -> Result<Vec<u8>> {
    let expected: Digest = revision
        .parse()
        .map_err(|_| unreadable(folder, format!("`{revision}` is no revision of a loaded set")))?;
    let path = folder.join(file_name(revision));
    let packed = fs::read(&path).map_err(|e| io_error("read", &path, e))?;
    let actual = Digest::from_sha256(&Sha256::digest(&packed));
    if actual != expected {
        return Err(unreadable(&path, format!("its content has {actual}")));
    }
    Ok(packed)
}

pub(super) fn file_name(revision: &str) -> String {
    format!("{}.osv.zst", revision.strip_prefix("sha256:").unwrap_or(revision))
}

/// Written aside, flushed, renamed.
fn replace(folder: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let path = folder.join(name);
    let write = || -> io::Result<()> {
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        file.write_all(bytes)?;
        file.as_file().sync_all()?;
        file.persist(&path)?;
        Ok(())
    };
    write().map_err(|e| io_error("write", &path, e))
}

/// Old sets go; that one cannot be removed harms nobody.
fn prune(folder: &Path, keep: &[String]) {
    let keep: Vec<String> = keep.iter().map(|r| file_name(r)).collect();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.ends_with(".osv.zst") && !keep.contains(&name) {
            let _ = fs::remove_file(entry.path());
        }
    }
}

pub(super) fn io_error(operation: &str, path: &Path, source: io::Error) -> Error {
    Error::Io { operation: format!("{operation} {}", path.display()), source }
}

pub(super) fn unreadable(origin: &Path, reason: String) -> Error {
    Error::Advisories { origin: origin.display().to_string(), reason }
}

/// Makes the folder when it is not there.
pub(super) fn prepare(folder: &Path) -> Result<PathBuf> {
    fs::create_dir_all(folder).map_err(|e| io_error("create", folder, e))?;
    Ok(folder.to_owned())
}
