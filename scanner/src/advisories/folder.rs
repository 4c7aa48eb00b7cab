//! The advisory folder: immutable sets named by their hash, and one pointer to the current one.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Read as _, Write},
    path::{Path, PathBuf},
};

use patchline_registry::Digest;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{
    limits, old,
    set::{self, Image, Reader},
    threat::Threats,
    update::SourceStatus,
};
use crate::{Error, Result};

const POINTER: &str = "current.json";
const LOCK: &str = "update.lock";
/// Sets that stay: a plan and its proof use one revision, whatever is loaded meanwhile.
pub(super) const KEPT: usize = 5;
/// Of the pointer. 1 and 2 point at sets of compressed JSON; from 3 on there are several sources.
const FORMAT: u32 = 3;
/// How the files of sets end: now, and before.
const ENDINGS: [&str; 2] = [".advisories", ".osv.zst"];

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
    /// By the hash of an address, what it said of itself when it was last read.
    #[serde(default)]
    pub(super) seen: BTreeMap<String, Seen>,
}

/// An address that was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Seen {
    /// Which source was read there: once it is loaded whole from elsewhere, what the address said means nothing.
    pub(super) source: String,
    pub(super) etag: String,
    /// When, RFC 3339.
    pub(super) at: String,
}

impl Pointer {
    /// None: nothing has been loaded yet.
    pub(super) fn read(folder: &Path) -> Result<Option<Self>> {
        let path = folder.join(POINTER);
        let mut bytes = Vec::new();
        let most = limits::advisories().pointer;
        match File::open(&path).and_then(|f| f.take(most + 1).read_to_end(&mut bytes)) {
            Ok(_) => fits(&bytes)?,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(e) => return Err(io_error("read", &path, e)),
        }
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
        // What nobody would read again must not take the place of what everybody can.
        fits(&json)?;
        replace(folder, POINTER, |mut file| file.write_all(&json))
    }
}

/// Whether a pointer of these bytes is read.
fn fits(pointer: &[u8]) -> Result<()> {
    let limit = limits::advisories().pointer;
    let what = "the size of the pointer to the advisories";
    if pointer.len() as u64 > limit { Err(Error::Limit { what, limit }) } else { Ok(()) }
}

/// Held by who loads: two that load different sources would each leave out what the other brings. Readers never wait.
pub(super) fn lock(folder: &Path) -> Result<File> {
    let path = folder.join(LOCK);
    let open = || -> io::Result<File> {
        let file = fs::OpenOptions::new().create(true).truncate(false).write(true).open(&path)?;
        file.lock()?;
        Ok(file)
    };
    open().map_err(|e| io_error("lock", &path, e))
}

/// Writes the set and points at it. Nothing that was there is touched before the new set stands on disk.
pub(super) fn publish(
    folder: &Path,
    image: &Image,
    before: Option<Pointer>,
    sources: Vec<SourceStatus>,
    seen: BTreeMap<String, Seen>,
) -> Result<()> {
    let limit = limits::advisories().set;
    if image.size() > limit {
        return Err(Error::Limit { what: "the size of a set of advisories", limit });
    }
    let mut hash = Hashing(Sha256::new());
    image.write_to(&mut hash).map_err(|e| io_error("hash", folder, e))?;
    let revision = Digest::from_sha256(&hash.0.finalize()).to_string();
    if verified(folder, &revision).is_err() {
        replace(folder, &file_name(&revision), |file| image.write_to(io::BufWriter::new(file)))?;
    }
    turn(folder, before, revision, sources, seen)
}

struct Hashing(Sha256);

impl Write for Hashing {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Points at a set that stands in the folder already.
pub(super) fn point(folder: &Path, revision: &str, sources: Vec<SourceStatus>) -> Result<()> {
    let before = Pointer::read(folder).unwrap_or_default();
    turn(folder, before, revision.to_owned(), sources, BTreeMap::new())
}

fn turn(
    folder: &Path,
    before: Option<Pointer>,
    revision: String,
    sources: Vec<SourceStatus>,
    seen: BTreeMap<String, Seen>,
) -> Result<()> {
    let mut earlier: Vec<String> =
        before.into_iter().flat_map(|p| std::iter::once(p.revision).chain(p.earlier)).collect();
    earlier.retain(|r| *r != revision);
    earlier.truncate(KEPT - 1);
    Pointer { format: FORMAT, revision: revision.clone(), earlier: earlier.clone(), sources, seen }
        .write(folder)?;
    earlier.push(revision);
    prune(folder, &earlier);
    Ok(())
}

/// Says again what was loaded, and when, without a new set.
pub(super) fn touch(folder: &Path, pointer: &Pointer) -> Result<()> {
    pointer.write(folder)
}

/// Opens a set. That its content is what its name promises was checked when it was written or fetched; what is read of
/// it is checked again, block by block.
pub(super) fn read_set(folder: &Path, revision: &str) -> Result<Reader> {
    let path = path(folder, revision)?;
    if is_old(&path) {
        return read_whole(folder, revision);
    }
    let file = File::open(&path).map_err(|e| io_error("read", &path, e))?;
    let opened = Reader::open(file).map_err(|e| io_error("read", &path, e))?;
    opened.map_err(|rot| unreadable(&path, rot.to_string()))
}

/// A set in memory, held against its name: to make another one from it.
pub(super) fn read_whole(folder: &Path, revision: &str) -> Result<Reader> {
    let path = path(folder, revision)?;
    let bytes = verified(folder, revision)?;
    if is_old(&path) {
        let (advisories, covered) = old::read(&path, &bytes)?;
        return Ok(Reader::memory(set::write(advisories, &Threats::new(), &covered)));
    }
    Reader::whole(bytes).map_err(|rot| unreadable(&path, rot.to_string()))
}

/// A set's bytes, if they are what its name promises.
pub(super) fn verified(folder: &Path, revision: &str) -> Result<Vec<u8>> {
    let path = path(folder, revision)?;
    let bytes = fs::read(&path).map_err(|e| io_error("read", &path, e))?;
    let actual = Digest::from_sha256(&Sha256::digest(&bytes)).to_string();
    if actual != revision {
        return Err(unreadable(&path, format!("its content has {actual}")));
    }
    Ok(bytes)
}

/// Whether a set stands in the folder.
pub(super) fn has(folder: &Path, revision: &str) -> bool {
    path(folder, revision).is_ok_and(|path| path.is_file())
}

/// Where a set stands, in the format before too; where it would, if it is not there.
fn path(folder: &Path, revision: &str) -> Result<PathBuf> {
    let _: Digest = revision
        .parse()
        .map_err(|_| unreadable(folder, format!("`{revision}` is no revision of a loaded set")))?;
    let now = folder.join(file_name(revision));
    let before = folder.join(old_file_name(revision));
    Ok(if !now.is_file() && before.is_file() { before } else { now })
}

fn is_old(path: &Path) -> bool {
    path.to_string_lossy().ends_with(ENDINGS[1])
}

pub(super) fn file_name(revision: &str) -> String {
    format!("{}{}", revision.strip_prefix("sha256:").unwrap_or(revision), ENDINGS[0])
}

/// As sets were called that were compressed JSON.
pub(super) fn old_file_name(revision: &str) -> String {
    format!("{}{}", revision.strip_prefix("sha256:").unwrap_or(revision), ENDINGS[1])
}

/// Written aside, flushed, renamed.
fn replace(folder: &Path, name: &str, write: impl FnOnce(&File) -> io::Result<()>) -> Result<()> {
    let path = folder.join(name);
    let replace = || -> io::Result<()> {
        let file = tempfile::NamedTempFile::new_in(folder)?;
        write(file.as_file())?;
        file.as_file().sync_all()?;
        file.persist(&path)?;
        Ok(())
    };
    replace().map_err(|e| io_error("write", &path, e))
}

/// Old sets go; that one cannot be removed harms nobody.
fn prune(folder: &Path, keep: &[String]) {
    let keep: Vec<String> = keep.iter().flat_map(|r| [file_name(r), old_file_name(r)]).collect();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        if ENDINGS.iter().any(|e| name.ends_with(e)) && !keep.contains(&name) {
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
