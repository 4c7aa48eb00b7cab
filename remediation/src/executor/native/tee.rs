//! The layer's tar as it is written, read by who proves it while it is being packed.
//!
//! What is packed is not unpacked again for that: the re-scan does, and finds the same diff_id or fails.

use std::{
    io::{self, Read, Write},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
};

use patchline_registry::Digest;
use sha2::{Digest as _, Sha256};

use crate::tree::{Flavour, Known, LayerTree};

/// Bytes that are handed over at once.
const PIECE: usize = 256 << 10;
/// Pieces on their way.
const AHEAD: usize = 4;

/// Hands on what is written to it, and to a reader besides.
pub(super) struct Writer<W> {
    pub(super) inner: W,
    piece: Vec<u8>,
    to: SyncSender<Vec<u8>>,
}

/// The other end of a [`Writer`].
pub(super) struct Reader {
    from: Receiver<Vec<u8>>,
    piece: Vec<u8>,
    at: usize,
    sha256: Sha256,
}

/// Both ends.
pub(super) fn pair<W>(inner: W) -> (Writer<W>, Reader) {
    let (to, from) = sync_channel(AHEAD);
    let writer = Writer { inner, piece: Vec::with_capacity(PIECE), to };
    (writer, Reader { from, piece: Vec::new(), at: 0, sha256: Sha256::new() })
}

impl<W> Writer<W> {
    /// All that was written has been handed on; the reader comes to its end.
    pub(super) fn finish(mut self) -> io::Result<W> {
        self.hand_over(Vec::new())?;
        Ok(self.inner)
    }

    fn hand_over(&mut self, next: Vec<u8>) -> io::Result<()> {
        let piece = std::mem::replace(&mut self.piece, next);
        // It stops early for an error alone, and tells that one itself.
        self.to.send(piece).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl<W: Write> Write for Writer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.piece.extend_from_slice(&bytes[..count]);
        if self.piece.len() >= PIECE {
            self.hand_over(Vec::with_capacity(PIECE))?;
        }
        Ok(count)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.piece.len() {
            // A writer that is gone without a word has failed, and tells why.
            self.piece = self.from.recv().unwrap_or_default();
            self.at = 0;
            self.sha256.update(&self.piece);
        }
        let count = buffer.len().min(self.piece.len() - self.at);
        buffer[..count].copy_from_slice(&self.piece[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

impl Reader {
    /// The tar's tree and its digest.
    pub(super) fn tree(mut self, flavour: Flavour, known: Option<&Known>) -> io::Result<(LayerTree, Digest)> {
        let tree = LayerTree::read_written(flavour, known, &mut self)?;
        Ok((tree, Digest::from_sha256(&self.sha256.finalize())))
    }
}
