//! Bytes from one thread to another, in chunks that go round: bounded memory, and no allocation once it runs.

use std::{
    io::{self, Read},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver as Chunks, SyncSender, sync_channel},
    },
};

/// Bytes of a chunk: what a core's own cache holds, and far more than handing one over costs.
const CHUNK: usize = 256 << 10;
/// Chunks that are ahead of the reader, at most.
const AHEAD: usize = 4;

/// A writing and a reading end.
pub(super) fn pipe() -> (Sender, Receiver) {
    let (full, filled) = sync_channel(AHEAD);
    let (used, free) = sync_channel(AHEAD + 2);
    let cut = Arc::new(AtomicBool::new(false));
    let sender = Sender { full, free, made: 0, cut: cut.clone() };
    (sender, Receiver { filled, used, chunk: Chunk::default(), cut, error: None })
}

/// Bytes, and how many of them have been read.
#[derive(Default)]
struct Chunk {
    bytes: Vec<u8>,
    length: usize,
    read: usize,
}

/// The writing end.
pub(super) struct Sender {
    full: SyncSender<io::Result<Chunk>>,
    free: Chunks<Vec<u8>>,
    made: usize,
    cut: Arc<AtomicBool>,
}

impl Sender {
    /// Sends all that `from` gives, as long as somebody reads it.
    ///
    /// # Errors
    /// What `from` says, after what it gave before has been sent.
    pub(super) fn send_all(&mut self, from: &mut impl Read) -> io::Result<()> {
        loop {
            let mut bytes = self.buffer();
            let (length, outcome) = fill(from, &mut bytes);
            let more = length == bytes.len();
            if length > 0 && self.full.send(Ok(Chunk { bytes, length, read: 0 })).is_err() {
                return Ok(());
            }
            outcome?;
            if !more {
                return Ok(());
            }
        }
    }

    /// The reader gets this error once it has read what came before.
    pub(super) fn fail(&mut self, error: io::Error) {
        // Nobody reads any more: nobody minds.
        drop(self.full.send(Err(error)));
    }

    /// The reader wants nothing more, not even that the rest is looked at.
    pub(super) fn is_cut_off(&self) -> bool {
        self.cut.load(Ordering::Acquire)
    }

    fn buffer(&mut self) -> Vec<u8> {
        if self.made < AHEAD + 2 {
            self.made += 1;
            return vec![0; CHUNK];
        }
        // None comes back from a reader that is gone.
        self.free.recv().unwrap_or_else(|_| vec![0; CHUNK])
    }
}

/// Fills the buffer as far as there is something, and says what stopped it.
fn fill(from: &mut impl Read, buffer: &mut [u8]) -> (usize, io::Result<()>) {
    let mut length = 0;
    while length < buffer.len() {
        match from.read(&mut buffer[length..]) {
            Ok(0) => break,
            Ok(count) => length += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return (length, Err(error)),
        }
    }
    (length, Ok(()))
}

/// The reading end.
pub(super) struct Receiver {
    filled: Chunks<io::Result<Chunk>>,
    used: SyncSender<Vec<u8>>,
    chunk: Chunk,
    cut: Arc<AtomicBool>,
    /// Said once; whoever asks again gets its kind.
    error: Option<io::ErrorKind>,
}

impl Receiver {
    /// What comes is not even looked at.
    pub(super) fn cut_off(&self) {
        self.cut.store(true, Ordering::Release);
    }
}

impl Read for Receiver {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.chunk.read == self.chunk.length {
            if let Some(kind) = self.error {
                return Err(kind.into());
            }
            let Ok(next) = self.filled.recv() else { return Ok(0) };
            let next = next.inspect_err(|error| self.error = Some(error.kind()))?;
            let empty = std::mem::replace(&mut self.chunk, next).bytes;
            if !empty.is_empty() {
                // There is room for as many as were made; a sender that has ended needs none.
                drop(self.used.try_send(empty));
            }
        }
        let Chunk { bytes, length, read } = &mut self.chunk;
        let count = buffer.len().min(*length - *read);
        buffer[..count].copy_from_slice(&bytes[*read..*read + count]);
        *read += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn through(length: usize, then: Option<io::Error>) -> (Vec<u8>, io::Result<usize>) {
        let sent: Vec<u8> = (0..length).map(|n| (n % 251) as u8).collect();
        let (mut sender, mut receiver) = pipe();
        std::thread::scope(|threads| {
            threads.spawn(move || {
                sender.send_all(&mut sent.as_slice()).expect("a slice is read");
                if let Some(error) = then {
                    sender.fail(error);
                }
            });
            let mut got = Vec::new();
            let outcome = receiver.read_to_end(&mut got);
            (got, outcome)
        })
    }

    #[test]
    fn what_goes_in_comes_out() {
        for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 9 * CHUNK + 7] {
            let (got, outcome) = through(length, None);
            assert_eq!(outcome.expect("no error"), length);
            assert!(got.iter().enumerate().all(|(n, byte)| *byte == (n % 251) as u8));
        }
    }

    #[test]
    fn an_error_comes_after_what_was_before_it() {
        let (got, outcome) = through(CHUNK + 3, Some(io::ErrorKind::UnexpectedEof.into()));
        assert_eq!(
            (got.len(), outcome.expect_err("fails").kind()),
            (CHUNK + 3, io::ErrorKind::UnexpectedEof)
        );
    }

    #[test]
    fn a_reader_that_leaves_holds_nobody_up() {
        let (mut sender, receiver) = pipe();
        std::thread::scope(|threads| {
            let sending = threads.spawn(move || {
                let sent = sender.send_all(&mut io::repeat(7).take(100 * CHUNK as u64));
                (sent.is_ok(), sender.is_cut_off())
            });
            receiver.cut_off();
            drop(receiver);
            assert_eq!(sending.join().expect("it ends"), (true, true));
        });
    }
}
