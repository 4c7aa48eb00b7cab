//! The layer's tar as it is written, read by who proves it while it is being packed.
//!
//! What is packed is not unpacked again for that: the re-scan does, and finds the same diff_id or fails.

use std::io::{self, Read, Write};

use patchline_registry::Digest;
use sha2::{Digest as _, Sha256};

use crate::tree::{Flavour, Known, LayerTree, pieces};

/// Hands on what is written to it, and to a reader besides.
pub(super) struct Writer<W> {
    inner: W,
    pieces: pieces::Writer,
}

/// The other end of a [`Writer`].
pub(super) struct Reader {
    pieces: pieces::Reader,
    sha256: Sha256,
}

/// Both ends.
pub(super) fn pair<W>(inner: W) -> (Writer<W>, Reader) {
    let (to, from) = pieces::pair();
    (Writer { inner, pieces: to }, Reader { pieces: from, sha256: Sha256::new() })
}

impl<W> Writer<W> {
    /// All that was written has been handed on; the reader comes to its end.
    pub(super) fn finish(self) -> W {
        self.inner
    }
}

impl<W: Write> Write for Writer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.inner.write(bytes)?;
        self.pieces.write_all(&bytes[..count])?;
        Ok(count)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.pieces.read(buffer)?;
        self.sha256.update(&buffer[..count]);
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
