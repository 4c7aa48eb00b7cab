//! The file of one set: written once, read in blocks as it is asked for, never changed.
//!
//! ```text
//! header   192 bytes: magic, format, block size, lengths of the sections, and the digest of all that and of the sums
//! body     texts, records, rows, packages, directory, threats; each section is addressed from its own start
//! sums     for each block of the body the first 16 bytes of its SHA-256
//! ```
//! Numbers in the header, in `packages` and in `threats` are little-endian; all others are LEB128. A text is its
//! length and its bytes, and is named elsewhere by its place. The directory lists the ecosystems, each with its run of
//! `packages`: 24 bytes for a package (the first 8 bytes of the SHA-256 of its name, the place of its rows, their
//! count), sorted, so that one package is found by halving. `rows` say which record affects which versions.
//!
//! **Why blocks are read and not mapped.** A mapped file that another process cuts short kills the reader by a signal,
//! and one that rots is believed. A block that is read is held against its sum the first time, costs an error and not
//! the process, and needs no `unsafe`. Opening reads the header, the sums and the directory; a reader keeps at most
//! [`body::BLOCKS`] blocks for good, which are found without a lock, and a few more for a while.

mod body;
mod cursor;
mod header;
mod read;
mod write;

pub(super) use header::MAGIC;
pub(super) use read::{Reader, Said};
pub(super) use write::{Image, write};

/// Why a set cannot be read: where, and what is wrong there.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("byte {at}: {reason}")]
pub(super) struct Rot {
    /// From the start of the file.
    pub(super) at: u64,
    pub(super) reason: String,
}

impl Rot {
    pub(super) fn new(at: u64, reason: impl Into<String>) -> Self {
        Self { at, reason: reason.into() }
    }
}

#[cfg(test)]
mod tests;
