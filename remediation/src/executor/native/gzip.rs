//! gzip (RFC 1952) on every core: one member, of blocks that are cut alike whoever packs them.
//!
//! Equal content is equal bytes on one thread and on many: a block's bytes depend on nothing but its own content and
//! the window before it, and blocks are cut by their size alone.

use std::{
    io::{self, Write},
    num::NonZero,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::JoinHandle,
};

use flate2::{Compress, Compression, Crc, FlushCompress, Status};

/// The encoder's level: pinned, for the layer's digest depends on it.
const LEVEL: u32 = 5;
/// Plain bytes of a block: pinned for the same reason.
const BLOCK: usize = 1 << 20;
/// How far deflate looks back (RFC 1951, 2): so much of the block before it primes a block's encoder, which then loses
/// nothing by having begun anew.
const WINDOW: usize = 32 << 10;
/// More packers than this wait for the one who writes.
const MOST_THREADS: usize = 8;
/// Blocks on their way for each thread: memory is this many blocks, plain and packed.
const AHEAD: usize = 2;
/// Magic, deflate, no flags, no time, no extra flags, and no word about the system, for they would vary.
const HEADER: [u8; 10] = [0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0xff];

type Packed = io::Result<(Vec<u8>, Crc)>;

/// A block, what stood before it, and who waits for it.
struct Block {
    bytes: Vec<u8>,
    window: Vec<u8>,
    last: bool,
    done: SyncSender<Packed>,
}

/// Packs what is written to it. [`Writer::finish`] must be called: what is only dropped is no whole member.
pub struct Writer<W> {
    bytes: Vec<u8>,
    window: Vec<u8>,
    threads: Option<Threads<W>>,
}

struct Threads<W> {
    blocks: SyncSender<Block>,
    /// In the order of the blocks.
    order: SyncSender<Receiver<Packed>>,
    sink: JoinHandle<io::Result<W>>,
}

impl<W: Write + Send + 'static> Writer<W> {
    /// On as many threads as the process may use.
    pub fn new(to: W) -> Self {
        Self::on(std::thread::available_parallelism().map_or(1, NonZero::get), to)
    }

    fn on(threads: usize, to: W) -> Self {
        let threads = threads.clamp(1, MOST_THREADS);
        let (blocks, taken) = sync_channel::<Block>(threads * AHEAD);
        let (order, waiting) = sync_channel(threads * AHEAD);
        let taken = Arc::new(Mutex::new(taken));
        for _ in 0..threads {
            let taken = taken.clone();
            // It ends when nobody brings blocks any more.
            std::thread::spawn(move || {
                loop {
                    let block = taken.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok(block) = block else { return };
                    let packed = pack(&block);
                    // Who no longer waits has told why, or will.
                    let _ = block.done.send(packed);
                }
            });
        }
        let sink = std::thread::spawn(move || write(to, waiting));
        Self {
            bytes: Vec::with_capacity(BLOCK),
            window: Vec::new(),
            threads: Some(Threads { blocks, order, sink }),
        }
    }

    fn hand_over(&mut self, last: bool) -> io::Result<()> {
        let full = if last { Vec::new() } else { Vec::with_capacity(BLOCK) };
        let bytes = std::mem::replace(&mut self.bytes, full);
        let tail = bytes.len().saturating_sub(WINDOW);
        let window = std::mem::replace(&mut self.window, bytes[tail..].to_vec());
        let (done, packed) = sync_channel(1);
        let sent = self.threads.as_ref().is_some_and(|threads| {
            threads.order.send(packed).is_ok()
                && threads.blocks.send(Block { bytes, window, last, done }).is_ok()
        });
        if sent { Ok(()) } else { Err(self.join().err().unwrap_or_else(stopped)) }
    }

    /// What has come of the thread that writes.
    fn join(&mut self) -> io::Result<W> {
        let Threads { blocks, order, sink } = self.threads.take().ok_or_else(stopped)?;
        drop((blocks, order));
        sink.join().unwrap_or_else(|_| Err(stopped()))
    }

    /// Packs the rest and gives back where it went, all of it written. The first error of any thread comes here at the
    /// latest.
    pub fn finish(mut self) -> io::Result<W> {
        self.hand_over(true)?;
        self.join()
    }
}

impl<W: Write + Send + 'static> Write for Writer<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // A full block waits for the byte after it: the last one must know that it is.
        if self.bytes.len() == BLOCK {
            self.hand_over(false)?;
        }
        let count = bytes.len().min(BLOCK - self.bytes.len());
        self.bytes.extend_from_slice(&bytes[..count]);
        Ok(count)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn stopped() -> io::Error {
    io::Error::other("a thread that packs has stopped")
}

/// Raw deflate, ended at a byte's border unless it is the last.
fn pack(block: &Block) -> Packed {
    let mut deflate = Compress::new(Compression::new(LEVEL), false);
    if !block.window.is_empty() {
        deflate.set_dictionary(&block.window)?;
    }
    let flush = if block.last { FlushCompress::Finish } else { FlushCompress::Sync };
    let mut out = Vec::with_capacity(block.bytes.len() / 2 + 1024);
    loop {
        let taken = usize::try_from(deflate.total_in()).map_err(io::Error::other)?;
        let status = deflate.compress_vec(&block.bytes[taken..], &mut out, flush)?;
        // Room that is left says that nothing more was to come (zlib's manual, `deflate`).
        let whole = if block.last { status == Status::StreamEnd } else { out.len() < out.capacity() };
        if whole {
            break;
        }
        out.reserve(out.capacity() / 2);
    }
    let mut crc = Crc::new();
    crc.update(&block.bytes);
    Ok((out, crc))
}

/// Header, blocks in their order, and the trailer: CRC and length of the whole.
fn write<W: Write>(mut to: W, blocks: Receiver<Receiver<Packed>>) -> io::Result<W> {
    let mut crc = Crc::new();
    to.write_all(&HEADER)?;
    for block in blocks {
        let (bytes, of_block) = block.recv().map_err(|_| stopped())??;
        to.write_all(&bytes)?;
        crc.combine(&of_block);
    }
    to.write_all(&crc.sum().to_le_bytes())?;
    to.write_all(&crc.amount().to_le_bytes())?;
    to.flush()?;
    Ok(to)
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    fn packed(threads: usize, plain: &[u8], piece: usize) -> Vec<u8> {
        let mut writer = Writer::on(threads, Vec::new());
        plain.chunks(piece.max(1)).for_each(|piece| writer.write_all(piece).unwrap());
        writer.finish().unwrap()
    }

    /// Text-like, and not the same anywhere.
    fn content(size: usize) -> Vec<u8> {
        let mut state = 7_u32;
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            b"etaoin shrdlu\n/usr"[(state >> 27) as usize % 18]
        };
        (0..size).map(|_| next()).collect()
    }

    #[test]
    fn threads_and_pieces_do_not_show() {
        for size in [0, 1, WINDOW, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, 5 * BLOCK + 77] {
            let plain = content(size);
            let one = packed(1, &plain, BLOCK);
            assert_eq!(one, packed(5, &plain, 4321), "{size}");
            let mut back = Vec::new();
            let mut reader = flate2::bufread::GzDecoder::new(one.as_slice());
            reader.read_to_end(&mut back).unwrap();
            assert!(back == plain, "{size}");
            // One member, and nothing behind it: what reads the first alone reads all.
            assert!(reader.into_inner().is_empty(), "{size}");
        }
    }

    #[test]
    fn blocks_cost_next_to_nothing() {
        let plain = content(4 * BLOCK);
        let mut whole = flate2::write::GzEncoder::new(Vec::new(), Compression::new(LEVEL));
        whole.write_all(&plain).unwrap();
        let (whole, blocks) = (whole.finish().unwrap().len(), packed(2, &plain, BLOCK).len());
        assert!(blocks * 1000 < whole * 1005, "{blocks} against {whole}");
    }

    #[test]
    fn what_cannot_be_written_is_an_error() {
        struct Full(usize);
        impl Write for Full {
            fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
                self.0 = self.0.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
                Ok(bytes.len())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let mut writer = Writer::on(2, Full(BLOCK));
        let plain = content(40 * BLOCK);
        let written = writer.write_all(&plain).and_then(|()| writer.finish().map(drop));
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::StorageFull);
    }
}
