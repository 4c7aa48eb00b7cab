//! The files of a verified archive, in memory and within bounds; a path that leaves its root is refused.

use std::{
    collections::BTreeMap,
    io::{Cursor, Error as IoError, Read},
};

use super::limits;
use crate::{Error, Result};

/// One file of an archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Packed {
    pub(super) bytes: Vec<u8>,
    pub(super) executable: bool,
    /// Seconds since the epoch.
    pub(super) mtime: u64,
}

/// By path.
pub(super) type Files = BTreeMap<String, Packed>;

/// What files have together.
pub(super) fn bytes_of(files: &Files) -> u64 {
    files.values().map(|file| file.bytes.len() as u64).sum()
}

/// What all archives of a fix have unpacked: they are held until the layer is written.
#[derive(Debug, Default)]
pub(super) struct Held(u64);

impl Held {
    /// So many bytes more; `name`: the package that they are of.
    pub(super) fn add(&mut self, name: &str, bytes: u64) -> Result<()> {
        self.0 += bytes;
        if self.0 > limits::HELD {
            let reason = format!("with it, all archives have more than {} MiB", limits::HELD >> 20);
            return Err(Error::Malformed { file: name.to_owned(), reason });
        }
        Ok(())
    }
}

/// An npm package: a tar, in gzip, with everything in one folder that is called anything.
pub(super) fn tarball(name: &str, bytes: &[u8]) -> Result<Files> {
    let broken = |reason: String| Error::Malformed { file: name.to_owned(), reason };
    let io = |error: IoError| broken(error.to_string());
    let plain = Most { inner: flate2::read::MultiGzDecoder::new(bytes), left: limits::UNPACKED };
    let mut archive = tar::Archive::new(plain);
    let mut files = Files::new();
    for (count, entry) in archive.entries().map_err(io)?.enumerate() {
        let mut entry = entry.map_err(io)?;
        if count >= limits::FILES {
            return Err(broken(format!("it has more than {} files", limits::FILES)));
        }
        match entry.header().entry_type() {
            tar::EntryType::Directory | tar::EntryType::XGlobalHeader => continue,
            tar::EntryType::Regular | tar::EntryType::Continuous => {}
            // npm packs none, and installs none.
            _ => return Err(broken("it holds something that is neither a file nor a folder".to_owned())),
        }
        let whole = entry.path_bytes().into_owned();
        let path = std::str::from_utf8(&whole)
            .ok()
            .and_then(|path| path.trim_start_matches("./").split_once('/'))
            .map(|(_, path)| path)
            .filter(|path| is_safe(path))
            .ok_or_else(|| broken(format!("{:.80} is no path in it", String::from_utf8_lossy(&whole))))?
            .to_owned();
        let header = entry.header();
        let executable = header.mode().map_err(io)? & 0o111 != 0;
        let mtime = header.mtime().map_err(io)?;
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes).map_err(io)?;
        files.insert(path, Packed { bytes, executable, mtime });
    }
    Ok(files)
}

/// A wheel: a zip, with everything where it is to lie.
pub(super) fn wheel(name: &str, bytes: &[u8]) -> Result<Files> {
    let broken = |reason: String| Error::Malformed { file: name.to_owned(), reason };
    let zip = |error: zip::result::ZipError| broken(error.to_string());
    let mut archive = zip::ZipArchive::new(Cursor::new(bytes)).map_err(zip)?;
    if archive.len() > limits::FILES {
        return Err(broken(format!("it has more than {} files", limits::FILES)));
    }
    let (mut files, mut left) = (Files::new(), limits::UNPACKED);
    for index in 0..archive.len() {
        let mut entry = archive.by_index(index).map_err(zip)?;
        let path = entry.name().map_err(zip)?.into_owned();
        if entry.is_dir() {
            continue;
        }
        let mode = entry.unix_mode().unwrap_or(0o644);
        // Of a link pip would make a file with the link's text; nobody packs one.
        if !matches!(mode & 0o170_000, 0 | 0o100_000) {
            return Err(broken("it holds something that is neither a file nor a folder".to_owned()));
        }
        if !is_safe(&path) {
            return Err(broken(format!("{path:.80} is no path in it")));
        }
        let mut bytes = Vec::new();
        (&mut entry).take(left + 1).read_to_end(&mut bytes).map_err(|error| broken(error.to_string()))?;
        left = left
            .checked_sub(bytes.len() as u64)
            .ok_or_else(|| broken("it unpacks to more than an archive may hold".to_owned()))?;
        files.insert(path, Packed { bytes, executable: mode & 0o111 != 0, mtime: 0 });
    }
    Ok(files)
}

/// A path below a folder that means the same in an image's layer, where `.wh.` removes what it names.
pub(super) fn is_safe(path: &str) -> bool {
    !path.is_empty()
        && path.len() <= limits::PATH
        && path.split('/').all(|part| !matches!(part, "" | "." | "..") && !part.starts_with(".wh."))
        && !path.contains(|c: char| c.is_control() || c == '\\')
}

/// A stream with an end that is an error.
struct Most<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Most<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.left = self
            .left
            .checked_sub(count as u64)
            .ok_or_else(|| IoError::other("it unpacks to more than an archive may hold"))?;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_leaves_its_root_or_removes_is_unsafe() {
        for path in ["a", "a/b.js", "lib/..a", "@x/y"] {
            assert!(is_safe(path), "{path}");
        }
        for path in ["", "/a", "../a", "a/../b", "a//b", "./a", "a/.wh.b", ".wh..wh..opq", "a\\b", "a\nb"] {
            assert!(!is_safe(path), "{path:?}");
        }
    }
}
