//! .deb archives (deb(5)): the ar envelope, the control files, and the data entries as a stream.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};

use crate::{Error, Result};

const MAX_CONTROL: u64 = 64 << 20;
pub(super) const MAX_DATA: u64 = 8 << 30;
pub(super) const MAX_ENTRIES: usize = 1 << 20;
const MAX_PATH: usize = 4096;
/// xz at its highest preset needs 65 MiB to unpack.
const XZ_MEMORY: u64 = 256 << 20;

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum EntryKind {
    /// With content.
    File,
    /// A folder.
    Directory,
    /// Where it points, as written.
    Symlink(String),
    /// The path inside the same archive, normalised.
    HardLink(String),
    /// Major and minor.
    CharDevice(u32, u32),
    /// Major and minor.
    BlockDevice(u32, u32),
    /// A named pipe.
    Fifo,
}

/// One entry of the data archive.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Normalised: `usr/bin/env`, and the empty text for the root itself.
    pub path: String,
    /// What it is.
    pub kind: EntryKind,
    /// Permission bits, setuid, setgid and sticky.
    pub mode: u32,
    /// Owner.
    pub uid: u64,
    /// Group.
    pub gid: u64,
    /// Owner's name; empty when none is written.
    pub uname: String,
    /// Group's name; empty when none is written.
    pub gname: String,
    /// Seconds since the epoch.
    pub mtime: u64,
    /// Bytes of content.
    pub size: u64,
    /// Extended attributes from pax headers, by name.
    pub xattrs: Vec<(String, Vec<u8>)>,
}

#[derive(Debug, Clone)]
struct Member {
    offset: u64,
    size: u64,
    suffix: String,
}

/// A .deb on disk whose envelope has been read.
#[derive(Debug, Clone)]
pub struct Deb {
    path: PathBuf,
    control: Member,
    data: Member,
}

impl Deb {
    /// Reads the envelope alone.
    pub fn open(path: &Path) -> Result<Self> {
        let mut file = File::open(path).map_err(|e| read_failed(path, e))?;
        let mut magic = [0; 8];
        file.read_exact(&mut magic).map_err(|_| malformed(path, "it is no ar archive"))?;
        if &magic != b"!<arch>\n" {
            return Err(malformed(path, "it is no ar archive"));
        }
        let length = file.metadata().map_err(|e| read_failed(path, e))?.len();
        let mut at = 8;
        let (mut version, mut control, mut data) = (false, None, None);
        while at + 60 <= length && data.is_none() {
            let mut header = [0; 60];
            file.seek(SeekFrom::Start(at))
                .and_then(|_| file.read_exact(&mut header))
                .map_err(|e| read_failed(path, e))?;
            let (name, size) =
                member_header(&header).ok_or_else(|| malformed(path, "an ar header is broken"))?;
            let offset = at + 60;
            if size > length - offset {
                return Err(malformed(path, "it ends early"));
            }
            at = offset + size + size % 2;
            if name == "debian-binary" {
                let mut text = String::new();
                (&mut file).take(size.min(16)).read_to_string(&mut text).map_err(|e| read_failed(path, e))?;
                if !text.starts_with("2.") {
                    return Err(malformed(path, "its format is not 2.x"));
                }
                version = true;
            } else if !version {
                return Err(malformed(path, "debian-binary does not come first"));
            } else if let Some(suffix) = name.strip_prefix("control.tar") {
                control = Some(Member { offset, size, suffix: suffix.to_owned() });
            } else if let Some(suffix) = name.strip_prefix("data.tar") {
                data = Some(Member { offset, size, suffix: suffix.to_owned() });
            } else if !name.starts_with('_') {
                return Err(malformed(path, "it has an unknown member"));
            }
        }
        match (control, data) {
            (Some(control), Some(data)) => Ok(Self { path: path.to_owned(), control, data }),
            _ => Err(malformed(path, "it has no control or no data archive")),
        }
    }

    /// The control files of a .deb: `control`, `md5sums`, `conffiles`, `postinst` …
    pub fn read_control(path: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
        Self::open(path)?.control()
    }

    /// The control files by name, regular files at the top alone.
    pub fn control(&self) -> Result<BTreeMap<String, Vec<u8>>> {
        let mut files = BTreeMap::new();
        self.entries(&self.control, MAX_CONTROL, |entry, content| {
            if entry.kind == EntryKind::File {
                if entry.path.contains('/') {
                    return Err(malformed(&self.path, "a control file lies in a folder"));
                }
                let mut bytes = Vec::with_capacity(entry.size.min(1 << 20) as usize);
                content.read_to_end(&mut bytes).map_err(|e| self.broken(&e))?;
                files.insert(entry.path.clone(), bytes);
            }
            Ok(())
        })?;
        if files.contains_key("control") {
            Ok(files)
        } else {
            Err(malformed(&self.path, "it has no control file"))
        }
    }

    /// Every data entry in the archive's order, with a reader of its content.
    pub fn data(&self, each: impl FnMut(&Entry, &mut dyn Read) -> Result<()>) -> Result<()> {
        self.entries(&self.data, MAX_DATA, each)
    }

    fn entries(
        &self,
        member: &Member,
        limit: u64,
        mut each: impl FnMut(&Entry, &mut dyn Read) -> Result<()>,
    ) -> Result<()> {
        let mut file = File::open(&self.path).map_err(|e| read_failed(&self.path, e))?;
        file.seek(SeekFrom::Start(member.offset)).map_err(|e| read_failed(&self.path, e))?;
        let raw = BufReader::with_capacity(128 << 10, file.take(member.size));
        let plain = decoder(&member.suffix, raw).map_err(|e| self.broken(&e))?;
        let mut archive = tar::Archive::new(Bounded { inner: plain, left: limit });
        let mut count = 0;
        for entry in archive.entries().map_err(|e| self.broken(&e))? {
            let mut entry = entry.map_err(|e| self.broken(&e))?;
            count += 1;
            if count > MAX_ENTRIES {
                return Err(malformed(&self.path, "it has too many entries"));
            }
            if let Some(read) = read_entry(&self.path, &mut entry)? {
                each(&read, &mut entry)?;
            }
        }
        Ok(())
    }

    fn broken(&self, error: &io::Error) -> Error {
        malformed(&self.path, &error.to_string())
    }
}

/// One entry of a package's tar archive; `file` names the package in errors. None: it is a header for others.
pub(crate) fn read_entry<R: Read>(file: &Path, entry: &mut tar::Entry<'_, R>) -> Result<Option<Entry>> {
    let path = normalise(&entry.path_bytes()).ok_or_else(|| malformed(file, "a path leaves its root"))?;
    let xattrs = xattrs(entry).map_err(|e| malformed(file, &e.to_string()))?;
    let link = |entry: &tar::Entry<'_, R>| {
        let bytes = entry.link_name_bytes().unwrap_or_default();
        (!bytes.is_empty() && bytes.len() <= MAX_PATH).then(|| bytes.into_owned())
    };
    let header = entry.header();
    let device = || {
        let number = |n: io::Result<Option<u32>>| n.ok().flatten().unwrap_or(0);
        (number(header.device_major()), number(header.device_minor()))
    };
    let kind = match header.entry_type() {
        tar::EntryType::Regular | tar::EntryType::Continuous | tar::EntryType::GNUSparse => EntryKind::File,
        tar::EntryType::Directory => EntryKind::Directory,
        tar::EntryType::Symlink => EntryKind::Symlink(
            link(entry)
                .and_then(|bytes| String::from_utf8(bytes).ok())
                .ok_or_else(|| malformed(file, "a symbolic link has no target"))?,
        ),
        tar::EntryType::Link => EntryKind::HardLink(
            link(entry)
                .and_then(|bytes| normalise(&bytes))
                .filter(|target| !target.is_empty())
                .ok_or_else(|| malformed(file, "a hard link leaves its root"))?,
        ),
        tar::EntryType::Char => EntryKind::CharDevice(device().0, device().1),
        tar::EntryType::Block => EntryKind::BlockDevice(device().0, device().1),
        tar::EntryType::Fifo => EntryKind::Fifo,
        tar::EntryType::XGlobalHeader => return Ok(None),
        _ => return Err(malformed(file, "an entry is of an unknown type")),
    };
    let name =
        |bytes: Option<&[u8]>| bytes.map(|b| String::from_utf8_lossy(b).into_owned()).unwrap_or_default();
    Ok(Some(Entry {
        path,
        kind,
        mode: header.mode().map_err(|e| malformed(file, &e.to_string()))? & 0o7777,
        uid: header.uid().map_err(|e| malformed(file, &e.to_string()))?,
        gid: header.gid().map_err(|e| malformed(file, &e.to_string()))?,
        uname: name(header.username_bytes()),
        gname: name(header.groupname_bytes()),
        mtime: header.mtime().map_err(|e| malformed(file, &e.to_string()))?,
        size: entry.size(),
        xattrs,
    }))
}

fn xattrs<R: Read>(entry: &mut tar::Entry<'_, R>) -> io::Result<Vec<(String, Vec<u8>)>> {
    let mut found = Vec::new();
    if let Some(extensions) = entry.pax_extensions()? {
        for extension in extensions {
            let extension = extension?;
            if let Some(name) = extension.key().ok().and_then(|key| key.strip_prefix("SCHILY.xattr.")) {
                found.push((name.to_owned(), extension.value_bytes().to_vec()));
            }
        }
    }
    found.sort();
    Ok(found)
}

fn member_header(header: &[u8; 60]) -> Option<(String, u64)> {
    if &header[58..] != b"`\n" {
        return None;
    }
    let name = std::str::from_utf8(&header[..16]).ok()?.trim_end().trim_end_matches('/');
    let size = std::str::from_utf8(&header[48..58]).ok()?.trim_end().parse().ok()?;
    Some((name.to_owned(), size))
}

/// `./usr/bin/env` → `usr/bin/env`; none when it is absolute, climbs, or is not UTF-8.
pub(crate) fn normalise(path: &[u8]) -> Option<String> {
    let path = std::str::from_utf8(path).ok().filter(|p| p.len() <= MAX_PATH && !p.contains('\0'))?;
    if path.starts_with('/') {
        return None;
    }
    let mut parts = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => return None,
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// Unpacks by the name's ending: none, `.gz`, `.xz`, `.zst`.
pub(crate) fn decoder<'a>(suffix: &str, raw: impl io::BufRead + 'a) -> io::Result<Box<dyn Read + 'a>> {
    Ok(match suffix {
        "" => Box::new(raw),
        ".gz" => Box::new(flate2::bufread::MultiGzDecoder::new(raw)),
        ".xz" => {
            // Its own check would be one more walk over all bytes: packages and indices are held against SHA-256 first.
            let flags = liblzma::stream::CONCATENATED | liblzma::stream::IGNORE_CHECK;
            let stream =
                liblzma::stream::Stream::new_stream_decoder(XZ_MEMORY, flags).map_err(io::Error::other)?;
            Box::new(liblzma::bufread::XzDecoder::new_stream(raw, stream))
        }
        ".zst" => Box::new(zstd::stream::read::Decoder::with_buffer(raw)?),
        _ => return Err(io::Error::other(format!("compression `{suffix}` is not supported"))),
    })
}

/// Fails, rather than ends, when more than `left` bytes come.
pub(crate) struct Bounded<R> {
    pub(crate) inner: R,
    pub(crate) left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.left =
            self.left.checked_sub(read as u64).ok_or_else(|| io::Error::other("it unpacks to too much"))?;
        Ok(read)
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

fn malformed(path: &Path, reason: &str) -> Error {
    Error::Malformed { file: file_name(path), reason: reason.to_owned() }
}

fn read_failed(path: &Path, source: io::Error) -> Error {
    Error::Io { operation: format!("read {}", path.display()), source }
}

#[cfg(test)]
#[path = "archive_tests.rs"]
mod tests;
