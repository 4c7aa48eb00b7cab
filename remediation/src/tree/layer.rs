//! One layer read as a stream: what stands at each path, with hashes, and the small files that plans are made from.

use std::{
    cell::Cell,
    collections::BTreeMap,
    io::{Error as IoError, Read},
    rc::Rc,
};

use patchline_registry::Digest;
use patchline_scanner::packages::rpm::Form;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::{Hasher, Hashes, Known};
use crate::{Error, Result};

const MAX_ENTRIES: usize = 4_000_000;
const MAX_UNPACKED: u64 = 64 << 30;
const MAX_PATH: usize = 4096;
const MAX_CAPTURED: usize = 16 << 20;
/// The same of a database of rpm's headers: a large server's has some tens of megabytes.
const MAX_HEADERS_CAPTURED: usize = 128 << 20;
const MAX_CAPTURED_ALL: usize = 384 << 20;
/// Names, links and extended attributes of one entry as the tar reader holds them.
const MAX_HEADERS: u64 = 16 << 20;
/// The same of all entries together.
const MAX_NAMES: usize = 512 << 20;
/// The version of what [`LayerTree::encode`] writes: facts of another version are read anew.
pub const ANALYSER: &str = "remediation-tree-2";

/// Whose package database a tree is read for: what is kept of it, and under which name its facts lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Flavour {
    /// dpkg's: [`ANALYSER`].
    #[default]
    Dpkg,
    /// apk's, which knows files by SHA-1.
    Apk,
    /// rpm's, of text or of headers.
    Rpm,
}

impl Flavour {
    /// The name of its facts.
    pub fn analyser(self) -> &'static str {
        match self {
            Self::Dpkg => ANALYSER,
            Self::Apk => "remediation-tree-apk-1",
            Self::Rpm => "remediation-tree-rpm-2",
        }
    }
    fn captures(self, path: &str) -> bool {
        match self {
            Self::Dpkg => is_captured(path),
            Self::Apk => is_captured_for_apk(path),
            Self::Rpm => is_captured_for_rpm(path),
        }
    }
    /// Bytes of one file that are kept: a database of rpm's headers is one file with everything in it.
    fn most(self, path: &str) -> usize {
        match self {
            Self::Rpm if Form::of_path(path).is_some() => MAX_HEADERS_CAPTURED,
            _ => MAX_CAPTURED,
        }
    }
}

/// What stands at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Kind {
    /// With content; also a hard link, whose `link` names its first name.
    File,
    /// A folder.
    Dir,
    /// `link` is its target.
    Symlink,
    /// Devices and pipes.
    Special,
}

/// One entry of a layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// What it is.
    pub kind: Kind,
    /// Permission bits with setuid, setgid, sticky.
    pub mode: u32,
    /// Owner.
    pub uid: u64,
    /// Group.
    pub gid: u64,
    /// Seconds since the epoch.
    pub mtime: u64,
    /// Bytes of content.
    pub size: u64,
    /// A symbolic link's target as written, or a hard link's first name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link: Option<Box<str>>,
    /// Of content.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hashes: Option<Hashes>,
    /// Begins with ELF's magic.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub elf: bool,
    /// Extended attributes by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub xattrs: Vec<(String, Vec<u8>)>,
}

/// Everything that one layer says.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct LayerTree {
    /// By path; a path that came twice stands as it came last.
    pub entries: BTreeMap<Box<str>, Entry>,
    /// Paths that it removes from the layers under it.
    pub removed: Vec<Box<str>>,
    /// Folders whose lower content it hides.
    pub opaque: Vec<Box<str>>,
    /// Content of the files that plans are made from.
    pub contents: BTreeMap<Box<str>, Vec<u8>>,
}

/// Whether a plan may need the content of this file.
fn is_captured(path: &str) -> bool {
    const FOLDERS: &[&str] = &[
        "var/lib/dpkg/info/",
        "var/lib/dpkg/status.d/",
        "var/lib/dpkg/triggers/",
        "etc/dpkg/",
        "etc/apt/preferences.d/",
        "usr/share/ca-certificates/",
        "usr/local/share/ca-certificates/",
        "etc/ca-certificates/update.d/",
        "etc/ld.so.conf.d/",
    ];
    const FILES: &[&str] = &[
        "var/lib/dpkg/status",
        "var/lib/dpkg/diversions",
        "var/lib/dpkg/statoverride",
        "var/lib/dpkg/arch",
        "etc/apt/preferences",
        "etc/ca-certificates.conf",
        "etc/ssl/certs/ca-certificates.crt",
        "etc/os-release",
        "usr/lib/os-release",
        "etc/passwd",
        "etc/group",
        "etc/ld.so.conf",
        "var/cache/debconf/config.dat",
    ];
    FILES.contains(&path) || FOLDERS.iter().any(|folder| path.starts_with(folder))
}

/// The same for apk's plans.
fn is_captured_for_apk(path: &str) -> bool {
    const FOLDERS: &[&str] = &[
        "lib/apk/db/",
        "usr/lib/apk/db/",
        "etc/apk/",
        "lib/apk/protected_paths.d/",
        "usr/lib/apk/repositories.d/",
        "lib/apk/repositories.d/",
        "usr/share/apk/keys/",
        "etc/busybox-paths.d/",
        "usr/share/ca-certificates/",
        "usr/local/share/ca-certificates/",
        "etc/ca-certificates/update.d/",
    ];
    const FILES: &[&str] = &[
        "etc/ca-certificates.conf",
        "etc/ssl/certs/ca-certificates.crt",
        "etc/os-release",
        "usr/lib/os-release",
        "etc/passwd",
        "etc/group",
    ];
    FILES.contains(&path) || FOLDERS.iter().any(|folder| path.starts_with(folder))
}

/// The same for rpm's plans.
fn is_captured_for_rpm(path: &str) -> bool {
    const FOLDERS: &[&str] = &["var/lib/rpmmanifest/", "etc/yum.repos.d/", "etc/ld.so.conf.d/"];
    const FILES: &[&str] =
        &["etc/os-release", "usr/lib/os-release", "etc/passwd", "etc/group", "etc/ld.so.conf"];
    Form::of_path(path).is_some()
        || FILES.contains(&path)
        || FOLDERS.iter().any(|folder| path.starts_with(folder))
}

/// Unpacks by magic: gzip, zstd, or a bare tar.
pub(crate) fn decoder<'a>(mut raw: impl std::io::BufRead + 'a) -> std::io::Result<Box<dyn Read + 'a>> {
    let head = raw.fill_buf()?;
    Ok(match head {
        [0x1f, 0x8b, ..] => Box::new(flate2::bufread::MultiGzDecoder::new(raw)),
        [0x28, 0xb5, 0x2f, 0xfd, ..] => Box::new(zstd::stream::read::Decoder::with_buffer(raw)?),
        _ => Box::new(raw),
    })
}

/// The contents of these files of one layer, as they stand in it last; one that is longer than `most` is left out. Reads to
/// the end, so that the stream's own check of size and digest takes place.
pub(super) fn read_files(
    blob: &Digest,
    raw: impl Read,
    names: &std::collections::BTreeSet<String>,
    most: u64,
) -> Result<BTreeMap<String, Vec<u8>>> {
    let broken = |e: IoError| -> Error {
        patchline_scanner::Error::Layer { layer: blob.clone(), reason: e.to_string() }.into()
    };
    let mut raw = std::io::BufReader::with_capacity(256 << 10, raw);
    let mut found = BTreeMap::new();
    let plain = decoder(&mut raw).map_err(broken)?;
    let headers = Rc::new(Cell::new(u64::MAX));
    let mut archive =
        tar::Archive::new(Limited { inner: plain, all: MAX_UNPACKED, headers: headers.clone() });
    let mut entries = archive.entries().map_err(broken)?;
    let mut skipped = 0_u64;
    loop {
        headers.set(MAX_HEADERS.saturating_add(skipped));
        let next = entries.next();
        headers.set(u64::MAX);
        let Some(entry) = next else { break };
        let mut entry = entry.map_err(broken)?;
        let path = normalise(&entry.path_bytes());
        if let Some(path) = path.filter(|path| names.contains(path))
            && entry.header().entry_type().is_file()
        {
            let content = super::contents::bounded(&mut entry, most).map_err(broken)?;
            content.and_then(|content| found.insert(path, content));
        }
        // As in a tree: a sparse file's holes are not read through, and all else is, before the next header.
        skipped = match entry.header().entry_type().is_gnu_sparse() {
            true => entry.header().entry_size().map_err(broken)?,
            false => std::io::copy(&mut entry, &mut std::io::sink()).map(|_| 0).map_err(broken)?,
        };
    }
    std::io::copy(&mut archive.into_inner(), &mut std::io::sink()).map_err(broken)?;
    std::io::copy(&mut raw, &mut std::io::sink()).map_err(broken)?;
    Ok(found)
}

/// A path of a layer or an archive without what says nothing; none: it leaves its root, or is longer than Linux has any.
pub(crate) fn normalise(path: &[u8]) -> Option<String> {
    if path.len() > MAX_PATH {
        return None;
    }
    let text = String::from_utf8_lossy(path);
    let mut parts = Vec::new();
    for part in text.split('/') {
        match part {
            "" | "." => {}
            ".." => return None,
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

/// The plain archive with two ends that are errors: of all of it, and of what may lie between two entries,
/// which the tar reader keeps in memory.
struct Limited<R> {
    inner: R,
    all: u64,
    headers: Rc<Cell<u64>>,
}

impl<R: Read> Read for Limited<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.all == 0 {
            return Err(IoError::other("it unpacks to more than is read of a layer"));
        }
        if self.headers.get() == 0 {
            return Err(IoError::other("its headers are too large"));
        }
        let most = self.all.min(self.headers.get()).min(buffer.len() as u64);
        let count = self.inner.read(&mut buffer[..most as usize])?;
        self.all -= count as u64;
        if self.headers.get() != u64::MAX {
            self.headers.set(self.headers.get() - count as u64);
        }
        Ok(count)
    }
}

/// What a layer's tree takes of memory.
#[derive(Default)]
struct Spent<'a> {
    flavour: Flavour,
    captured: usize,
    names: usize,
    /// Where everything must be that has content; none: hashes are made.
    known: Option<&'a Known>,
    /// Told of each content that is kept, as it comes.
    told: Option<&'a Told<'a>>,
}

/// Path and content of a file.
pub(crate) type Told<'a> = dyn Fn(&str, &[u8]) + 'a;

impl Spent<'_> {
    fn sums(&self) -> Sums {
        match self.known {
            Some(_) => Sums::One(Sha256::new()),
            None => Sums::All(Hasher::for_flavour(self.flavour)),
        }
    }
    fn finish(&self, sums: Sums) -> std::io::Result<Hashes> {
        match sums {
            Sums::All(hasher) => Ok(hasher.finish()),
            Sums::One(sha256) => self
                .known
                .and_then(|known| known.find(&sha256.finalize().into()))
                .ok_or_else(|| IoError::other("it holds content that nobody put into it")),
        }
    }
    fn capture(&mut self, bytes: usize) -> std::io::Result<()> {
        self.captured = self.captured.saturating_add(bytes);
        if self.captured > MAX_CAPTURED_ALL {
            return Err(IoError::other("its package database is too large"));
        }
        Ok(())
    }
    fn name(&mut self, path: &str, entry: &Entry) -> std::io::Result<()> {
        let xattrs: usize = entry.xattrs.iter().map(|(name, value)| name.len() + value.len()).sum();
        let bytes = path.len() + entry.link.as_deref().map_or(0, str::len) + xattrs;
        self.names = self.names.saturating_add(bytes);
        if self.names > MAX_NAMES {
            return Err(IoError::other("its names and attributes are too large together"));
        }
        Ok(())
    }
}

/// The hashes of one file on their way.
enum Sums {
    All(Hasher),
    One(Sha256),
}

impl Sums {
    fn update(&mut self, bytes: &[u8]) {
        match self {
            Self::All(hasher) => hasher.update(bytes),
            Self::One(sha256) => sha256.update(bytes),
        }
    }
}

impl LayerTree {
    /// Reads a whole layer; `blob` names it in errors. Reads to the end, so that the stream's own check of
    /// size and digest takes place.
    pub fn read(blob: &Digest, raw: impl Read) -> Result<Self> {
        Self::read_for(Flavour::Dpkg, blob, raw)
    }

    /// The same, for one package database or another.
    pub fn read_for(flavour: Flavour, blob: &Digest, raw: impl Read) -> Result<Self> {
        Self::read_within(flavour, blob, raw, MAX_UNPACKED)
    }

    /// Reads a bare tar as somebody else writes or reads it. `known`: contents that it may hold, and no others; their hashes
    /// need not be made again.
    pub(crate) fn read_written(
        flavour: Flavour,
        known: Option<&Known>,
        plain: impl Read,
    ) -> std::io::Result<Self> {
        Self::entries(plain, MAX_UNPACKED, Spent { flavour, known, ..Spent::default() })
    }

    /// The same, with its hashes made; `told` of what is kept of it, before its end is reached.
    pub(crate) fn read_telling(flavour: Flavour, told: &Told<'_>, plain: impl Read) -> std::io::Result<Self> {
        Self::entries(plain, MAX_UNPACKED, Spent { flavour, told: Some(told), ..Spent::default() })
    }

    fn read_within(flavour: Flavour, blob: &Digest, raw: impl Read, unpacked: u64) -> Result<Self> {
        let broken = |e: IoError| -> Error {
            patchline_scanner::Error::Layer { layer: blob.clone(), reason: e.to_string() }.into()
        };
        let mut raw = std::io::BufReader::with_capacity(256 << 10, raw);
        let plain = decoder(&mut raw).map_err(broken)?;
        let tree = Self::entries(plain, unpacked, Spent { flavour, ..Spent::default() }).map_err(broken)?;
        std::io::copy(&mut raw, &mut std::io::sink()).map_err(broken)?;
        Ok(tree)
    }

    /// Of a bare tar, to its very end.
    fn entries(plain: impl Read, most: u64, mut spent: Spent<'_>) -> std::io::Result<Self> {
        let mut tree = Self::default();
        let headers = Rc::new(Cell::new(u64::MAX));
        let mut archive = tar::Archive::new(Limited { inner: plain, all: most, headers: headers.clone() });
        let mut entries = archive.entries()?;
        let mut buffer = vec![0; 128 << 10];
        let (mut count, mut skipped) = (0, 0);
        loop {
            headers.set(MAX_HEADERS.saturating_add(skipped));
            let next = entries.next();
            headers.set(u64::MAX);
            let Some(entry) = next else { break };
            let mut entry = entry?;
            count += 1;
            if count > MAX_ENTRIES {
                return Err(IoError::other(format!("it has more than {MAX_ENTRIES} entries")));
            }
            let path =
                normalise(&entry.path_bytes()).ok_or_else(|| IoError::other("a path leaves its root"))?;
            skipped = tree.add(path, &mut entry, &mut buffer, &mut spent)?;
            if skipped == 0 {
                std::io::copy(&mut entry, &mut std::io::sink())?;
            }
        }
        std::io::copy(&mut archive.into_inner(), &mut std::io::sink())?;
        Ok(tree)
    }

    /// Gives how many bytes of it the tar reader shall skip by itself, for they must not be read through.
    fn add<R: Read>(
        &mut self,
        mut path: String,
        entry: &mut tar::Entry<'_, R>,
        buffer: &mut [u8],
        spent: &mut Spent<'_>,
    ) -> std::io::Result<u64> {
        // Read through, a sparse file's holes would become real zeros, terabytes where it pleases them.
        let skip =
            if entry.header().entry_type().is_gnu_sparse() { entry.header().entry_size()?.max(1) } else { 0 };
        let mut sparse = skip > 0;
        let mut xattrs = Vec::new();
        if let Some(extensions) = entry.pax_extensions()? {
            for extension in extensions {
                let extension = extension?;
                if extension.key_bytes().starts_with(b"GNU.sparse.") {
                    sparse = true;
                    if extension.key_bytes() == b"GNU.sparse.name" {
                        path = normalise(extension.value_bytes())
                            .ok_or_else(|| IoError::other("a path leaves its root"))?;
                    }
                }
                if let Some(name) = extension.key().ok().and_then(|key| key.strip_prefix("SCHILY.xattr.")) {
                    xattrs.push((name.to_owned(), extension.value_bytes().to_vec()));
                }
            }
        }
        xattrs.sort();
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", &path));
        if name == ".wh..wh..opq" {
            self.opaque.push(parent.into());
            return Ok(skip);
        }
        if let Some(name) = name.strip_prefix(".wh.") {
            let removed = if parent.is_empty() { name.to_owned() } else { format!("{parent}/{name}") };
            self.removed.push(removed.into());
            return Ok(skip);
        }
        let link = |entry: &tar::Entry<'_, R>| -> Option<String> {
            entry.link_name_bytes().map(|b| String::from_utf8_lossy(&b).into_owned())
        };
        let (kind, link) = match entry.header().entry_type() {
            tar::EntryType::Directory => (Kind::Dir, None),
            tar::EntryType::Symlink => (Kind::Symlink, link(entry)),
            tar::EntryType::Link => (Kind::File, link(entry).and_then(|l| normalise(l.as_bytes()))),
            tar::EntryType::Char | tar::EntryType::Block | tar::EntryType::Fifo => (Kind::Special, None),
            tar::EntryType::XGlobalHeader => return Ok(skip),
            _ => (Kind::File, None),
        };
        let header = entry.header();
        let mut made = Entry {
            kind,
            mode: header.mode()? & 0o7777,
            uid: header.uid()?,
            gid: header.gid()?,
            mtime: header.mtime()?,
            size: if kind == Kind::File { entry.size() } else { 0 },
            link: link.map(Into::into),
            hashes: None,
            elf: false,
            xattrs,
        };
        if path.is_empty() {
            return Ok(skip);
        }
        if made.kind != Kind::File || sparse {
            self.contents.remove(path.as_str());
        } else if let Some(first) = made.link.as_deref() {
            let content = self.contents.get(first).filter(|_| spent.flavour.captures(&path)).cloned();
            if let Some(first) = self.entries.get(first) {
                made = Entry { link: made.link, ..first.clone() };
            }
            match content {
                Some(content) => {
                    spent.capture(content.len())?;
                    self.contents.insert(path.as_str().into(), content);
                }
                None => {
                    self.contents.remove(path.as_str());
                }
            }
        } else {
            let keep = spent.flavour.captures(&path) && made.size <= spent.flavour.most(&path) as u64;
            if keep {
                spent.capture(made.size as usize)?;
            }
            let mut content = Vec::new();
            let mut sums = spent.sums();
            let mut first = true;
            loop {
                let read = entry.read(buffer)?;
                if read == 0 {
                    break;
                }
                if first {
                    made.elf = buffer[..read].starts_with(b"\x7fELF");
                    first = false;
                }
                sums.update(&buffer[..read]);
                if keep {
                    content.extend_from_slice(&buffer[..read]);
                }
            }
            made.hashes = Some(spent.finish(sums)?);
            if keep {
                if let Some(told) = spent.told {
                    told(&path, &content);
                }
                self.contents.insert(path.as_str().into(), content);
            }
        }
        spent.name(&path, &made)?;
        self.entries.insert(path.into(), made);
        Ok(skip)
    }

    /// For the store of layer facts.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let index: Vec<(&str, usize)> = self.contents.iter().map(|(p, c)| (&**p, c.len())).collect();
        let head = serde_json::to_vec(&(&self.entries, &self.removed, &self.opaque, index))
            .map_err(|e| Error::Malformed { file: "layer facts".into(), reason: e.to_string() })?;
        let mut plain = (head.len() as u64).to_le_bytes().to_vec();
        plain.extend_from_slice(&head);
        self.contents.values().for_each(|content| plain.extend_from_slice(content));
        zstd::bulk::compress(&plain, 1)
            .map_err(|source| Error::Io { operation: "compress layer facts".into(), source })
    }

    /// What [`Self::encode`] wrote; none: it is not that.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        type Head = (BTreeMap<Box<str>, Entry>, Vec<Box<str>>, Vec<Box<str>>, Vec<(Box<str>, usize)>);
        let mut plain = Vec::new();
        zstd::stream::read::Decoder::new(bytes).ok()?.take(2 << 30).read_to_end(&mut plain).ok()?;
        let length = u64::from_le_bytes(plain.get(..8)?.try_into().ok()?) as usize;
        let head_end = length.checked_add(8)?;
        let (entries, removed, opaque, index): Head = serde_json::from_slice(plain.get(8..head_end)?).ok()?;
        let mut contents = BTreeMap::new();
        let mut at = head_end;
        for (path, size) in index {
            let end = at.checked_add(size)?;
            contents.insert(path, plain.get(at..end)?.to_vec());
            at = end;
        }
        Some(Self { entries, removed, opaque, contents })
    }
}

#[cfg(test)]
#[path = "layer_tests.rs"]
mod tests;
