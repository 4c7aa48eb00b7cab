//! The patch layer's file: a tar of sorted paths, gzip with pinned settings, so that equal content is equal bytes.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{self, BufReader, Read, Seek, SeekFrom, Write},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use patchline_registry::Digest;
use sha2::Digest as _;

use super::{gzip, tee};
use crate::{
    Error, Result,
    tree::{Flavour, Hasher, Hashes, Known, LayerTree},
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
    known: Mutex<Known>,
}

impl Spool {
    /// An empty one in the scratch folder.
    pub fn create(scratch: &Path) -> Result<Self> {
        let path = scratch.join("spool");
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&path);
        let file = file.map_err(|e| failed("create the spool", e))?;
        Ok(Self { file, path, end: AtomicU64::new(0), known: Mutex::default() })
    }
    /// Takes in at most `size` bytes; the place, and the hashes of what was read. More than that is an error.
    pub fn add(&self, size: u64, from: &mut dyn Read) -> Result<(Content, Hashes)> {
        let mut hasher = Hasher::new();
        let content = self.take(size, from, Some(&mut hasher))?;
        let hashes = hasher.finish();
        self.knows(hashes);
        Ok((content, hashes))
    }
    /// The same of what was hashed before: [`Spool::knows`] must be told what it is.
    pub(super) fn add_hashed(&self, size: u64, from: &mut dyn Read) -> Result<Content> {
        self.take(size, from, None)
    }
    fn take(&self, size: u64, from: &mut dyn Read, hasher: Option<&mut Hasher>) -> Result<Content> {
        // The room is taken before it is filled: whoever comes next begins behind it.
        let offset = self.end.fetch_add(size, Ordering::Relaxed);
        let size = self.copy(offset, size, from, hasher)?;
        Ok(Content::Spooled { offset, size })
    }
    /// The same of what nobody knows the length of: it is bounded where it comes from.
    pub(in crate::executor) fn append(&mut self, from: &mut dyn Read) -> Result<(Content, Hashes)> {
        let offset = *self.end.get_mut();
        let mut hasher = Hasher::new();
        let size = self.copy(offset, u64::MAX - offset, from, Some(&mut hasher))?;
        *self.end.get_mut() = offset + size;
        let hashes = hasher.finish();
        self.knows(hashes);
        Ok((Content::Spooled { offset, size }, hashes))
    }
    fn copy(
        &self,
        offset: u64,
        most: u64,
        from: &mut dyn Read,
        mut hasher: Option<&mut Hasher>,
    ) -> Result<u64> {
        let mut buffer = [0; 64 << 10];
        let mut count = 0;
        loop {
            let read = from.read(&mut buffer).map_err(|e| failed("unpack a package", e))?;
            if read == 0 {
                return Ok(count);
            }
            if count + read as u64 > most {
                let more = io::Error::other("an entry is longer than its header says");
                return Err(failed("unpack a package", more));
            }
            if let Some(hasher) = &mut hasher {
                hasher.update(&buffer[..read]);
            }
            self.file
                .write_all_at(&buffer[..read], offset + count)
                .map_err(|e| failed("write the spool", e))?;
            count += read as u64;
        }
    }
    /// Hashes of something that is in it.
    pub(super) fn knows(&self, hashes: Hashes) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).add(hashes);
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
    /// Ready to be read. Its file has no name any more: whatever happens, nothing of it stays.
    pub fn finish(self) -> Result<Spooled> {
        std::fs::remove_file(&self.path).map_err(|e| failed("remove the spool", e))?;
        let known = self.known.into_inner().unwrap_or_else(PoisonError::into_inner);
        Ok(Spooled { file: self.file, known })
    }
}

/// A spool that is full, and the hashes of all that is in it.
pub struct Spooled {
    file: File,
    known: Known,
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
    let Spooled { mut file, mut known } = spool;
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
                    Some(laid) => append(&mut builder, path, laid, &mut file)?,
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
