//! The patch layer's file: a tar of sorted paths, gzip with pinned settings, so that equal content is equal bytes.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, Write},
    path::{Path, PathBuf},
};

use patchline_registry::Digest;
use sha2::Digest as _;

pub use super::spool::{Spool, Spooled};
use super::{gzip, spool::Spooling, tee};
use crate::{
    Error, Result,
    deb::kept,
    tree::{Flavour, Hasher, LayerTree},
};

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
    /// In a package that is kept as it unpacks.
    Kept {
        /// Which of those that the spool knows.
        of: usize,
        /// Where in it.
        place: kept::Place,
    },
}

impl Content {
    /// Its bytes; none of what has no content.
    pub fn size(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Spooled { size, .. } => *size,
            Self::Kept { place, .. } => place.size,
            Self::Dir | Self::Symlink(_) | Self::HardLink(_) => 0,
        }
    }
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

pub(super) fn failed(operation: &str, source: io::Error) -> Error {
    Error::Io { operation: operation.to_owned(), source }
}

/// Writes the whole layer and reads it while it does. Hard links come after all else, so that their first names stand
/// before them.
pub fn write(
    entries: &BTreeMap<String, Laid>,
    whiteouts: &std::collections::BTreeSet<String>,
    spool: Spooled,
    flavour: Flavour,
    to: &Path,
    mut done: impl FnMut(u64),
) -> Result<(Written, LayerTree)> {
    let io_error = |e| failed("write the patch layer", e);
    let file = File::create(to).map_err(io_error)?;
    let blob = Hashing { inner: file, hash: sha2::Sha256::new(), count: 0 };
    let (tar, reader) = tee::pair(gzip::Writer::new(blob));
    let mut builder = tar::Builder::new(tar);
    let Spooled { mut known, mut contents } = spool;
    for laid in entries.values() {
        if let Content::Bytes(bytes) = &laid.content {
            known.add(Hasher::of(bytes));
        }
    }
    // apk wants hashes that the spool has not made.
    let known = Some(&known).filter(|_| flavour != Flavour::Apk);
    let all: BTreeMap<String, Option<&Laid>> = entries
        .iter()
        .map(|(path, laid)| (path.clone(), Some(laid)))
        .chain(whiteouts.iter().map(|path| (whiteout(path), None)))
        .collect();
    let is_link = |laid: &Option<&Laid>| matches!(laid, Some(Laid { content: Content::HardLink(_), .. }));
    let (links, plain): (Vec<_>, Vec<_>) = all.iter().partition(|(_, laid)| is_link(laid));
    std::thread::scope(|scope| {
        let reader = scope.spawn(move || reader.tree(flavour, known));
        let written = (|| {
            for (n, (path, laid)) in plain.into_iter().chain(links).enumerate() {
                match laid {
                    Some(laid) => append(&mut builder, path, laid, &mut contents)?,
                    None => append_whiteout(&mut builder, path)?,
                }
                done(n as u64 + 1);
            }
            builder.into_inner()?.finish().finish()
        })();
        let stopped = || Err(io::Error::other("the thread that reads the layer has stopped"));
        let read = reader.join().unwrap_or_else(|_| stopped());
        let ((tree, diff_id), blob) = match (read, written) {
            (Ok(read), Ok(written)) => (read, written),
            // Who stopped first tells why: the writer finds its reader gone, the reader finds a tar that was cut off.
            (Err(why), Err(e)) if e.kind() == io::ErrorKind::BrokenPipe => return Err(io_error(why)),
            (_, Err(why)) | (Err(why), _) => return Err(io_error(why)),
        };
        let digest = Digest::from_sha256(&blob.hash.finalize());
        // The scratch folder outlives no crash: nothing of it needs to reach the disk.
        Ok((Written { path: to.to_owned(), digest, size: blob.count, diff_id }, tree))
    })
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
    contents: &mut Spooling,
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
        content @ (Content::Bytes(_) | Content::Spooled { .. } | Content::Kept { .. }) => {
            header.set_entry_type(tar::EntryType::Regular);
            header.set_size(content.size());
            contents.unpack(content, |bytes| builder.append_data(&mut header, path, bytes))
        }
    }
}
