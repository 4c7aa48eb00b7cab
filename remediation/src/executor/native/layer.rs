//! The patch layer's file: a tar of sorted paths, gzip with pinned settings, so that equal content is equal bytes.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom, Write},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::atomic::{AtomicU64, Ordering},
};

use patchline_registry::Digest;
use sha2::Digest as _;

use super::gzip;
use crate::{Error, Result};

/// What lies at a path of the layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// A folder.
    Dir,
    /// Its target, as written.
    Symlink(String),
    /// The path of its first name, in this layer.
    HardLink(String),
    /// In memory: small ones.
    Bytes(Vec<u8>),
    /// In the spool.
    Spooled {
        /// Where it begins.
        offset: u64,
        /// Bytes.
        size: u64,
    },
}

/// One entry of the layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Laid {
    /// What it is.
    pub content: Content,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u64,
    /// Group.
    pub gid: u64,
    /// Seconds since the epoch.
    pub mtime: u64,
    /// Extended attributes.
    pub xattrs: Vec<(String, Vec<u8>)>,
}

/// Contents on their way from packages to the layer: on disk, never all in memory. Several threads may add to it.
pub struct Spool {
    file: File,
    path: PathBuf,
    end: AtomicU64,
}

impl Spool {
    /// An empty one in the scratch folder.
    pub fn create(scratch: &Path) -> Result<Self> {
        let path = scratch.join("spool");
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&path);
        Ok(Self { file: file.map_err(|e| failed("create the spool", e))?, path, end: AtomicU64::new(0) })
    }
    /// Takes in at most `size` bytes; the place, and the hashes of what was read. More than that is an error.
    pub fn add(&self, size: u64, from: &mut dyn Read) -> Result<(Content, crate::tree::Hashes)> {
        // The room is taken before it is filled: whoever comes next begins behind it.
        let offset = self.end.fetch_add(size, Ordering::Relaxed);
        let (size, hashes) = self.copy(offset, size, from)?;
        Ok((Content::Spooled { offset, size }, hashes))
    }
    /// The same of what nobody knows the length of: it is bounded where it comes from.
    pub(in crate::executor) fn append(
        &mut self,
        from: &mut dyn Read,
    ) -> Result<(Content, crate::tree::Hashes)> {
        let offset = *self.end.get_mut();
        let (size, hashes) = self.copy(offset, u64::MAX - offset, from)?;
        *self.end.get_mut() = offset + size;
        Ok((Content::Spooled { offset, size }, hashes))
    }
    fn copy(&self, offset: u64, most: u64, from: &mut dyn Read) -> Result<(u64, crate::tree::Hashes)> {
        let mut hasher = crate::tree::Hasher::new();
        let mut buffer = [0; 64 << 10];
        let mut count = 0;
        loop {
            let read = from.read(&mut buffer).map_err(|e| failed("unpack a package", e))?;
            if read == 0 {
                return Ok((count, hasher.finish()));
            }
            if count + read as u64 > most {
                let more = io::Error::other("an entry is longer than its header says");
                return Err(failed("unpack a package", more));
            }
            hasher.update(&buffer[..read]);
            self.file
                .write_all_at(&buffer[..read], offset + count)
                .map_err(|e| failed("write the spool", e))?;
            count += read as u64;
        }
    }
    /// Something of it, back in memory: for small files alone.
    pub(in crate::executor) fn read(&self, offset: u64, size: u64) -> Result<Vec<u8>> {
        let failed = |e| failed("read the spool", e);
        let mut file = File::open(&self.path).map_err(failed)?;
        file.seek(SeekFrom::Start(offset)).map_err(failed)?;
        let mut bytes = Vec::new();
        file.take(size).read_to_end(&mut bytes).map_err(failed)?;
        Ok(bytes)
    }
    /// Ready to be read.
    pub fn finish(self) -> PathBuf {
        self.path
    }
}

/// A layer on disk.
#[derive(Debug, Clone)]
pub struct Written {
    /// Its file.
    pub path: PathBuf,
    /// Of the compressed bytes.
    pub digest: Digest,
    /// Compressed bytes.
    pub size: u64,
    /// Of the tar.
    pub diff_id: Digest,
}

struct Hashing<W> {
    inner: W,
    hash: sha2::Sha256,
    count: u64,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.inner.write(bytes)?;
        self.hash.update(&bytes[..written]);
        self.count += written as u64;
        Ok(written)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

fn failed(operation: &str, source: io::Error) -> Error {
    Error::Io { operation: operation.to_owned(), source }
}

/// Writes the whole layer. Hard links come after all else, so that their first names stand before them.
pub fn write(
    entries: &BTreeMap<String, Laid>,
    whiteouts: &std::collections::BTreeSet<String>,
    spool: &Path,
    to: &Path,
    mut done: impl FnMut(u64),
) -> Result<Written> {
    let io_error = |e| failed("write the patch layer", e);
    let file = File::create(to).map_err(io_error)?;
    let blob =
        Hashing { inner: io::BufWriter::with_capacity(1 << 20, file), hash: sha2::Sha256::new(), count: 0 };
    let tar = Hashing { inner: gzip::Writer::new(blob), hash: sha2::Sha256::new(), count: 0 };
    let mut builder = tar::Builder::new(tar);
    let mut spool = File::open(spool).map_err(|e| failed("read the spool", e))?;
    let all: BTreeMap<String, Option<&Laid>> = entries
        .iter()
        .map(|(path, laid)| (path.clone(), Some(laid)))
        .chain(whiteouts.iter().map(|path| (whiteout(path), None)))
        .collect();
    let is_link = |laid: &Option<&Laid>| matches!(laid, Some(Laid { content: Content::HardLink(_), .. }));
    let (links, plain): (Vec<_>, Vec<_>) = all.iter().partition(|(_, laid)| is_link(laid));
    for (n, (path, laid)) in plain.into_iter().chain(links).enumerate() {
        match laid {
            Some(laid) => append(&mut builder, path, laid, &mut spool),
            None => append_whiteout(&mut builder, path),
        }
        .map_err(io_error)?;
        done(n as u64 + 1);
    }
    let tar = builder.into_inner().map_err(io_error)?;
    let diff_id = Digest::from_sha256(&tar.hash.finalize());
    let blob = tar.inner.finish().map_err(io_error)?;
    let digest = Digest::from_sha256(&blob.hash.finalize());
    let size = blob.count;
    // The scratch folder outlives no crash: nothing of it needs to reach the disk.
    Ok(Written { path: to.to_owned(), digest, size, diff_id })
}

fn whiteout(path: &str) -> String {
    match path.rsplit_once('/') {
        Some((folder, name)) => format!("{folder}/.wh.{name}"),
        None => format!(".wh.{path}"),
    }
}

fn append_whiteout<W: Write>(builder: &mut tar::Builder<W>, path: &str) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(tar::EntryType::Regular);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(0);
    builder.append_data(&mut header, path, io::empty())
}

fn append<W: Write>(
    builder: &mut tar::Builder<W>,
    path: &str,
    laid: &Laid,
    spool: &mut File,
) -> io::Result<()> {
    if !laid.xattrs.is_empty() {
        let pairs: Vec<(String, &[u8])> = laid
            .xattrs
            .iter()
            .map(|(name, value)| (format!("SCHILY.xattr.{name}"), value.as_slice()))
            .collect();
        builder.append_pax_extensions(pairs.iter().map(|(name, value)| (name.as_str(), *value)))?;
    }
    let mut header = tar::Header::new_gnu();
    header.set_mode(laid.mode);
    header.set_uid(laid.uid);
    header.set_gid(laid.gid);
    header.set_mtime(laid.mtime);
    header.set_size(0);
    match &laid.content {
        Content::Dir => {
            header.set_entry_type(tar::EntryType::Directory);
            builder.append_data(&mut header, format!("{path}/"), io::empty())
        }
        Content::Symlink(target) => {
            header.set_entry_type(tar::EntryType::Symlink);
            builder.append_link(&mut header, path, target)
        }
        Content::HardLink(first) => {
            header.set_entry_type(tar::EntryType::Link);
            builder.append_link(&mut header, path, first)
        }
        Content::Bytes(bytes) => {
            header.set_entry_type(tar::EntryType::Regular);
            header.set_size(bytes.len() as u64);
            builder.append_data(&mut header, path, bytes.as_slice())
        }
        Content::Spooled { offset, size } => {
            header.set_entry_type(tar::EntryType::Regular);
            header.set_size(*size);
            spool.seek(SeekFrom::Start(*offset))?;
            builder.append_data(&mut header, path, BufReader::with_capacity(256 << 10, spool.take(*size)))
        }
    }
}
