//! A stream of bytes from one thread to another, in pieces: what is written at one end is read at the other.

use std::{
    io::{self, Read, Write},
    sync::mpsc::{Receiver, SyncSender, sync_channel},
};

/// Bytes that are handed over at once.
const PIECE: usize = 256 << 10;
/// Pieces on their way.
const AHEAD: usize = 4;

/// The end that is written to. Let go, it hands over what is left, and the reader comes to its end.
pub(crate) struct Writer {
    piece: Vec<u8>,
    to: SyncSender<Vec<u8>>,
}

/// The end that is read.
pub(crate) struct Reader {
    from: Receiver<Vec<u8>>,
    piece: Vec<u8>,
    at: usize,
}

/// Both ends.
pub(crate) fn pair() -> (Writer, Reader) {
    let (to, from) = sync_channel(AHEAD);
    (Writer { piece: Vec::with_capacity(PIECE), to }, Reader { from, piece: Vec::new(), at: 0 })
}

impl Writer {
    fn hand_over(&mut self, next: Vec<u8>) -> io::Result<()> {
        let piece = std::mem::replace(&mut self.piece, next);
        self.to.send(piece).map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

impl Write for Writer {
    /// # Errors
    /// `BrokenPipe`: nobody reads any more.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.piece.extend_from_slice(bytes);
        if self.piece.len() >= PIECE {
            self.hand_over(Vec::with_capacity(PIECE))?;
        }
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // Who no longer reads has told why, or wants no more.
        let _ = self.hand_over(Vec::new());
    }
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.piece.len() {
            self.piece = self.from.recv().unwrap_or_default();
            self.at = 0;
        }
        let count = buffer.len().min(self.piece.len() - self.at);
        buffer[..count].copy_from_slice(&self.piece[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let plain: Vec<u8> =
            (0..3 * PIECE as u32 + 7).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        let (mut writer, mut reader) = pair();
        let mut back = Vec::new();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                plain.chunks(1000).for_each(|some| writer.write_all(some).unwrap());
                drop(writer);
            });
            reader.read_to_end(&mut back).unwrap();
        });
        assert!(back == plain);
    }

    #[test]
    fn a_reader_that_is_gone_is_an_error() {
        let (mut writer, reader) = pair();
        drop(reader);
        assert_eq!(writer.write_all(&vec![0; 2 * PIECE]).unwrap_err().kind(), io::ErrorKind::BrokenPipe);
    }
}
