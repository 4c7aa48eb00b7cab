//! Writing files so that they are whole and on the disk, or not there at all.

use std::{
    fs::{self, File, Permissions},
    io::{self, Read, Write},
    os::unix::fs::PermissionsExt,
    path::Path,
};

use tempfile::NamedTempFile;

use crate::{Error, Result};

/// What unfinished files are called, so that a later sweep knows them.
pub(crate) const TEMP_PREFIX: &str = ".patchline-";

/// A file in `dir` that vanishes unless it is persisted.
pub(crate) fn temp_in(dir: &Path) -> io::Result<NamedTempFile> {
    tempfile::Builder::new()
        .prefix(TEMP_PREFIX)
        // Images are shared between users; the umask still has its say.
        .permissions(Permissions::from_mode(0o644))
        .tempfile_in(dir)
}

/// Moves a written file to its name; both survive a power cut after this.
pub(crate) fn persist(temp: NamedTempFile, to: &Path) -> io::Result<()> {
    temp.as_file().sync_all()?;
    temp.persist(to).map_err(|e| e.error)?;
    sync_parent(to)
}

/// Replaces the file at `path` in one step.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let dir = path.parent().unwrap_or(Path::new("."));
    let mut temp = temp_in(dir)?;
    temp.write_all(bytes)?;
    persist(temp, path)
}

/// Makes the entry of `path` in its folder durable.
pub(crate) fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(dir) if !dir.as_os_str().is_empty() => File::open(dir)?.sync_all(),
        _ => File::open(".")?.sync_all(),
    }
}

/// Makes a folder and those above it, each durable.
pub(crate) fn create_dir(path: &Path) -> io::Result<()> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent().filter(|p| !p.as_os_str().is_empty()) {
        create_dir(parent)?;
    }
    match fs::create_dir(path) {
        Err(e) if e.kind() != io::ErrorKind::AlreadyExists => Err(e),
        _ => sync_parent(path),
    }
}

/// Opens a regular file: a pipe would block, a device never end.
pub(crate) fn open_regular(path: &Path) -> io::Result<File> {
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidData, "not a regular file"));
    }
    File::open(path)
}

/// Reads a file of at most `limit` bytes.
pub(crate) fn read_bounded(path: &Path, limit: u64) -> Result<Vec<u8>> {
    let failed = || Error::io(format!("read {}", path.display()));
    let file = open_regular(path).map_err(failed())?;
    let mut bytes = Vec::new();
    file.take(limit + 1).read_to_end(&mut bytes).map_err(failed())?;
    if bytes.len() as u64 > limit {
        return Err(Error::invalid(path.display().to_string(), format!("larger than {limit} bytes")));
    }
    Ok(bytes)
}
