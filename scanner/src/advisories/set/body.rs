//! The body of a set in blocks: from memory, or from a file, where a block is read and held against its sum when it is
//! first asked for.

use std::{
    fs::File,
    io,
    ops::Deref,
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use sha2::{Digest as _, Sha256};

use super::{
    Rot,
    header::{Header, LENGTH, SUM},
};
use crate::advisories::limits;

/// Bytes of a block.
pub(super) const BLOCK: usize = 16 << 10;
/// Blocks of a set that stay in memory once they were read: 24 MiB.
pub(super) const BLOCKS: usize = 1_536;
/// Places for blocks beyond those: 8 MiB. A block stays until another one needs its place.
pub(super) const RECENT_BLOCKS: usize = 512;

/// Where the bytes are.
pub(super) struct Body {
    length: u64,
    place: Place,
}

enum Place {
    Memory(Vec<u8>),
    File {
        file: File,
        sums: Vec<u8>,
        /// Filled once each, so that readers need no lock; not more than [`BLOCKS`] of them.
        blocks: Vec<OnceLock<Box<[u8]>>>,
        kept: AtomicUsize,
        /// What is read beyond those, by its number modulo [`RECENT_BLOCKS`].
        recent: Vec<Mutex<Recent>>,
    },
}

/// A block and its number; none: nothing was read there yet.
type Recent = Option<(usize, Arc<[u8]>)>;

/// The bytes of one block.
pub(super) enum Block<'a> {
    Kept(&'a [u8]),
    Recent(Arc<[u8]>),
}

impl Deref for Block<'_> {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        match self {
            Self::Kept(bytes) => bytes,
            Self::Recent(bytes) => bytes,
        }
    }
}

impl Body {
    pub(super) fn memory(bytes: Vec<u8>) -> Self {
        Self { length: bytes.len() as u64, place: Place::Memory(bytes) }
    }

    /// The header and the body of a file that was read whole; its digest has been checked, and so no sum is.
    pub(super) fn whole(mut bytes: Vec<u8>) -> Result<(Header, Self), Rot> {
        let Some(head) = bytes.first_chunk::<LENGTH>() else {
            return Err(Rot::new(0, format!("a file of {} bytes is no set", bytes.len())));
        };
        let header = Header::decode(head)?;
        let end = header.body().and_then(|body| usize::try_from(body).ok()?.checked_add(LENGTH));
        let Some(end) = end.filter(|end| *end <= bytes.len()) else {
            return Err(Rot::new(24, "its sections do not fit into it"));
        };
        bytes.truncate(end);
        bytes.drain(..LENGTH);
        Ok((header, Self::memory(bytes)))
    }

    /// The header and the body of a file whose header, length and sums agree. The blocks have not been looked at.
    pub(super) fn open(file: File) -> io::Result<Result<(Header, Self), Rot>> {
        let size = file.metadata()?.len();
        if size < LENGTH as u64 || size > limits::advisories().set {
            return Ok(Err(Rot::new(0, format!("a file of {size} bytes is no set"))));
        }
        let mut head = [0; LENGTH];
        read_at(&file, &mut head, 0)?;
        let header = match Header::decode(&head) {
            Ok(header) => header,
            Err(rot) => return Ok(Err(rot)),
        };
        let length = header.body().unwrap_or(u64::MAX);
        let blocks = length.div_ceil(BLOCK as u64);
        let expected = blocks.saturating_mul(SUM as u64).saturating_add(length).saturating_add(LENGTH as u64);
        if expected != size {
            return Ok(Err(Rot::new(
                24,
                format!("the file has {size} bytes where its header says {expected}"),
            )));
        }
        // Bounded by the size of the file, which was found and not claimed.
        let mut sums = vec![0; blocks as usize * SUM];
        read_at(&file, &mut sums, LENGTH as u64 + length)?;
        if let Err(rot) = Header::holds(&head, &sums) {
            return Ok(Err(rot));
        }
        let blocks = (0..blocks).map(|_| OnceLock::new()).collect();
        let recent = (0..RECENT_BLOCKS).map(|_| Mutex::new(None)).collect();
        let place = Place::File { file, sums, blocks, kept: AtomicUsize::new(0), recent };
        Ok(Ok((header, Self { length, place })))
    }

    /// One block, counted from 0; the last may be shorter.
    pub(super) fn block(&self, index: usize) -> Result<Block<'_>, Rot> {
        let start = (index as u64).saturating_mul(BLOCK as u64);
        if start >= self.length {
            return Err(Rot::new(start.saturating_add(LENGTH as u64), "the body ends before it"));
        }
        let length = (self.length - start).min(BLOCK as u64) as usize;
        let (file, sums, blocks, kept, recent) = match &self.place {
            Place::Memory(bytes) => return Ok(Block::Kept(&bytes[start as usize..start as usize + length])),
            Place::File { file, sums, blocks, kept, recent } => (file, sums, blocks, kept, recent),
        };
        if let Some(block) = blocks[index].get() {
            return Ok(Block::Kept(block));
        }
        let slot = || recent[index % recent.len()].lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, block)) = &*slot()
            && *at == index
        {
            return Ok(Block::Recent(block.clone()));
        }
        let mut block = vec![0; length];
        let at = LENGTH as u64 + start;
        read_at(file, &mut block, at).map_err(|e| Rot::new(at, e.to_string()))?;
        if sum(&block) != sums[index * SUM..(index + 1) * SUM] {
            return Err(Rot::new(at, format!("the next {length} bytes do not have their sum")));
        }
        if kept.fetch_add(1, Ordering::Relaxed) < BLOCKS {
            let filled = blocks[index].set(block.into_boxed_slice());
            if filled.is_err() {
                // Another reader was faster.
                kept.fetch_sub(1, Ordering::Relaxed);
            }
            return Ok(Block::Kept(blocks[index].get().map_or(&[][..], |block| block)));
        }
        kept.fetch_sub(1, Ordering::Relaxed);
        let block: Arc<[u8]> = block.into();
        *slot() = Some((index, block.clone()));
        Ok(Block::Recent(block))
    }
}

/// The sum of a block.
pub(super) fn sum(block: &[u8]) -> [u8; SUM] {
    let digest = Sha256::digest(block);
    std::array::from_fn(|i| digest[i])
}

/// Without moving the file's place: readers share it.
#[cfg(unix)]
fn read_at(file: &File, into: &mut [u8], at: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, into, at)
}

#[cfg(windows)]
fn read_at(file: &File, mut into: &mut [u8], mut at: u64) -> io::Result<()> {
    while !into.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, into, at)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            n => {
                into = &mut into[n..];
                at += n as u64;
            }
        }
    }
    Ok(())
}
