//! Contents on their way from packages into the layer.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use super::layer::{Content, failed};
use crate::{
    Result,
    deb::kept::{Contents, Unpacker},
    span::Span,
    tree::{Hasher, Hashes, Known},
};

/// Contents on their way from packages to the layer: on disk, never all in memory. Several threads may add to it.
pub struct Spool {
    file: File,
    path: PathBuf,
    end: AtomicU64,
    known: Mutex<Known>,
    kept: Mutex<Vec<Arc<Contents>>>,
}

impl Spool {
    /// An empty one in the scratch folder.
    pub fn create(scratch: &Path) -> Result<Self> {
        let path = scratch.join("spool");
        let file = File::options().read(true).write(true).create(true).truncate(true).open(&path);
        let file = file.map_err(|e| failed("create the spool", e))?;
        Ok(Self { file, path, end: AtomicU64::new(0), known: Mutex::default(), kept: Mutex::default() })
    }
    /// Takes in at most `size` bytes; the place, and the hashes of what was read. More than that is an error.
    pub fn add(&self, size: u64, from: &mut dyn Read) -> Result<(Content, Hashes)> {
        // The room is taken before it is filled: whoever comes next begins behind it.
        let offset = self.end.fetch_add(size, Ordering::Relaxed);
        let (size, hashes) = self.copy(offset, size, from)?;
        Ok((Content::Spooled { offset, size }, hashes))
    }
    /// The same of what nobody knows the length of: it is bounded where it comes from.
    pub(in crate::executor) fn append(&mut self, from: &mut dyn Read) -> Result<(Content, Hashes)> {
        let offset = *self.end.get_mut();
        let (size, hashes) = self.copy(offset, u64::MAX - offset, from)?;
        *self.end.get_mut() = offset + size;
        Ok((Content::Spooled { offset, size }, hashes))
    }
    fn copy(&self, offset: u64, most: u64, from: &mut dyn Read) -> Result<(u64, Hashes)> {
        let mut buffer = [0; 64 << 10];
        let mut hasher = Hasher::new();
        let mut count = 0;
        loop {
            let read = from.read(&mut buffer).map_err(|e| failed("unpack a package", e))?;
            if read == 0 {
                let hashes = hasher.finish();
                self.knows(hashes);
                return Ok((count, hashes));
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
    /// Hashes of something that is in it.
    pub(super) fn knows(&self, hashes: Hashes) {
        self.known.lock().unwrap_or_else(PoisonError::into_inner).add(hashes);
    }
    /// A package whose contents stay where they are kept: which it is in [`Content::Kept`].
    pub(super) fn beside(&self, contents: Contents) -> usize {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.push(Arc::new(contents));
        kept.len() - 1
    }
    /// A content, back in memory: for small files alone. None: it is no file's.
    pub(in crate::executor) fn read(&self, content: &Content) -> Result<Option<Vec<u8>>> {
        let mut bytes = Vec::new();
        let failed = |e| failed("read the spool", e);
        match content {
            Content::Bytes(all) => bytes.clone_from(all),
            Content::Spooled { offset, size } => {
                Span::new(&self.file, *offset, *size).read_to_end(&mut bytes).map_err(failed)?;
            }
            Content::Kept { of, place } => {
                let contents = self.kept.lock().unwrap_or_else(PoisonError::into_inner).get(*of).cloned();
                let contents = contents.ok_or_else(|| failed(io::ErrorKind::NotFound.into()))?;
                let mut unpacker = Unpacker::new().map_err(failed)?;
                unpacker
                    .unpack(&contents, *place, |content| content.read_to_end(&mut bytes).map(drop))
                    .map_err(failed)?;
            }
            Content::Dir | Content::Symlink(_) | Content::HardLink(_) => return Ok(None),
        }
        Ok(Some(bytes))
    }
    /// Ready to be read. Its file has no name any more: whatever happens, nothing of it stays.
    pub fn finish(self) -> Result<Spooled> {
        std::fs::remove_file(&self.path).map_err(|e| failed("remove the spool", e))?;
        let known = self.known.into_inner().unwrap_or_else(PoisonError::into_inner);
        let kept = self.kept.into_inner().unwrap_or_else(PoisonError::into_inner);
        let unpacker = Unpacker::new().map_err(|e| failed("read the spool", e))?;
        Ok(Spooled { known, contents: Spooling { file: self.file, kept, unpacker } })
    }
}

/// A spool that is full.
pub struct Spooled {
    /// The hashes of all that is in it.
    pub(super) known: Known,
    pub(super) contents: Spooling,
}

/// The contents of a spool, one after the other.
pub(super) struct Spooling {
    file: File,
    kept: Vec<Arc<Contents>>,
    unpacker: Unpacker,
}

impl Spooling {
    /// Gives `to` a content to read, from its beginning to its end.
    ///
    /// # Errors
    /// It is no file's, cannot be read, or `to` does not take it.
    pub(super) fn unpack(
        &mut self,
        content: &Content,
        to: impl FnOnce(&mut dyn Read) -> io::Result<()>,
    ) -> io::Result<()> {
        match content {
            Content::Bytes(bytes) => to(&mut bytes.as_slice()),
            Content::Spooled { offset, size } => {
                to(&mut BufReader::with_capacity(256 << 10, Span::new(&self.file, *offset, *size)))
            }
            Content::Kept { of, place } => {
                let contents = self.kept.get(*of).ok_or(io::ErrorKind::NotFound)?;
                self.unpacker.unpack(contents, *place, to)
            }
            Content::Dir | Content::Symlink(_) | Content::HardLink(_) => {
                Err(io::Error::other("it is no file and has no content"))
            }
        }
    }
}
