//! A layer's tar archive: entries in order, names normalised, header memory bounded.

use std::{
    cell::Cell,
    io::{self, Read},
    rc::Rc,
};

use super::{Stop, Visitor};
use crate::limits::Layer;

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A symbolic link and its target as written.
    Symlink(String),
    /// A hard link and its normalised target.
    Hardlink(String),
    /// Device, fifo, sparse file or anything else: it has a name, and no content for us.
    Other,
}

/// One entry of a layer.
#[derive(Debug, Clone)]
pub struct Entry {
    /// Relative to the root, without `./`; empty for the root itself. Bytes that are no UTF-8 are replaced.
    pub path: String,
    /// What it is.
    pub kind: Kind,
    /// Permission bits.
    pub mode: u32,
    /// Owner.
    pub uid: u64,
    /// Group.
    pub gid: u64,
    /// Bytes of a regular file.
    pub size: u64,
}

/// Everything that the tar reader pulls between two entries is names and extended headers, which it keeps
/// in memory; so that much, and no more, may be pulled there.
struct Allowance<R> {
    inner: R,
    left: Rc<Cell<u64>>,
    exceeded: Rc<Cell<bool>>,
}

impl<R: Read> Read for Allowance<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.left.get() == 0 {
            self.exceeded.set(true);
            return Err(io::Error::other("its headers are too large"));
        }
        let most = usize::try_from(self.left.get()).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.inner.read(&mut buffer[..most])?;
        if self.left.get() != u64::MAX {
            self.left.set(self.left.get() - count as u64);
        }
        Ok(count)
    }
}

/// Reads the archive's entries; bytes behind its end stay in `tar`.
pub(super) fn walk<V: Visitor>(tar: impl Read, limits: Layer, visitor: &mut V) -> Result<(), Stop> {
    let (left, exceeded) = (Rc::new(Cell::new(u64::MAX)), Rc::new(Cell::new(false)));
    let reader = Allowance { inner: tar, left: left.clone(), exceeded: exceeded.clone() };
    let mut archive = tar::Archive::new(reader);
    let mut entries = archive.entries()?;
    let mut count = 0;
    let mut skipped = 0;
    loop {
        left.set(limits.headers.saturating_add(skipped));
        let next = entries.next();
        left.set(u64::MAX);
        if exceeded.get() {
            return Err(Stop::Limit("the size of names and headers in a layer", limits.headers));
        }
        let Some(entry) = next else { return Ok(()) };
        count += 1;
        if count > limits.entries {
            return Err(Stop::Limit("the number of entries in a layer", limits.entries));
        }
        skipped = one(&mut entry?, limits, visitor)?;
    }
}

/// Gives how many bytes the tar reader still has to skip by itself.
fn one<R: Read, V: Visitor>(
    entry: &mut tar::Entry<'_, R>,
    limits: Layer,
    visitor: &mut V,
) -> Result<u64, Stop> {
    let mut path = normalise(&entry.path_bytes(), limits)?;
    let kind_of = entry.header().entry_type();
    let mut pax_sparse = false;
    for extension in entry.pax_extensions()?.into_iter().flatten() {
        let extension = extension?;
        if extension.key_bytes().starts_with(b"GNU.sparse.") {
            pax_sparse = true;
            if extension.key_bytes() == b"GNU.sparse.name" {
                path = normalise(extension.value_bytes(), limits)?;
            }
        }
    }
    let link = |entry: &tar::Entry<'_, R>| entry.link_name_bytes().unwrap_or_default().into_owned();
    let kind = match kind_of {
        _ if pax_sparse => Kind::Other,
        tar::EntryType::Regular | tar::EntryType::Continuous if path.is_empty() => Kind::Other,
        tar::EntryType::Regular | tar::EntryType::Continuous => Kind::File,
        tar::EntryType::Directory => Kind::Directory,
        tar::EntryType::Symlink => {
            let target = link(entry);
            if target.len() > limits.path {
                return Err(Stop::Limit("the length of a link", limits.path as u64));
            }
            Kind::Symlink(String::from_utf8_lossy(&target).into_owned())
        }
        tar::EntryType::Link => Kind::Hardlink(normalise(&link(entry), limits)?),
        _ => Kind::Other,
    };
    let header = entry.header();
    let found = Entry {
        size: if kind == Kind::File { entry.size() } else { 0 },
        mode: header.mode().unwrap_or(0) & 0o7777,
        uid: header.uid().unwrap_or(0),
        gid: header.gid().unwrap_or(0),
        path,
        kind,
    };
    if kind_of.is_gnu_sparse() {
        // Read through, its holes would become real zeros, terabytes where it pleases them.
        let stored = header.entry_size()?;
        visitor.entry(&found, &mut io::empty())?;
        return Ok(stored);
    }
    let size = entry.size();
    let mut content = Counted { inner: entry, count: 0 };
    if found.kind == Kind::File {
        visitor.entry(&found, &mut content)?;
    } else {
        visitor.entry(&found, &mut io::empty())?;
    }
    io::copy(&mut content, &mut io::sink())?;
    if content.count < size {
        let reason = format!("it is truncated: {} ends after {} of {size} bytes", found.path, content.count);
        return Err(Stop::Reason(reason));
    }
    Ok(0)
}

struct Counted<R> {
    inner: R,
    count: u64,
}
impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.count += count as u64;
        Ok(count)
    }
}

/// Without leading `/` and `./`; `..` is refused: no builder of layers writes it.
fn normalise(path: &[u8], limits: Layer) -> Result<String, Stop> {
    if path.len() > limits.path {
        return Err(Stop::Limit("the length of a path", limits.path as u64));
    }
    let text = String::from_utf8_lossy(path);
    let mut out = String::with_capacity(text.len());
    for part in text.split('/').filter(|p| !p.is_empty() && *p != ".") {
        if part == ".." {
            return Err(Stop::Reason(format!("the path {text:?} climbs with `..`")));
        }
        if !out.is_empty() {
            out.push('/');
        }
        out.push_str(part);
    }
    Ok(out)
}
