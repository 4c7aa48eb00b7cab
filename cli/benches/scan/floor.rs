//! The floor: what nobody who reads an image can leave out. One thread a layer reads, verifies and inflates, another
//! hashes what comes out and walks the archive from header to header; layers go side by side, as many as there are cores.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
    process::Command,
    sync::mpsc::{Receiver, SyncSender, sync_channel},
};

use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// Handed from thread to thread.
const CHUNK: usize = 256 << 10;

/// This program, to walk one layout.
pub(crate) fn command(layout: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.arg("floor").arg(layout);
    command
}

/// Walks the layers of the layout's one image; gives how many entries and bytes it has.
pub(crate) fn walk(layout: &Path) -> String {
    let read = |digest: &str| -> Value {
        let bytes = std::fs::read(blob(layout, digest)).unwrap();
        serde_json::from_slice(&bytes).unwrap()
    };
    let index: Value = serde_json::from_slice(&std::fs::read(layout.join("index.json")).unwrap()).unwrap();
    let manifest = read(index["manifests"][0]["digest"].as_str().unwrap());
    let layers: Vec<&str> =
        manifest["layers"].as_array().unwrap().iter().map(|l| l["digest"].as_str().unwrap()).collect();
    let next = std::sync::atomic::AtomicUsize::new(0);
    let cores = std::thread::available_parallelism().unwrap().get();
    let walked: Vec<(u64, u64)> = std::thread::scope(|threads| {
        let work = || {
            let mut sum = (0, 0);
            loop {
                let n = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                let Some(digest) = layers.get(n) else { return sum };
                let (entries, bytes) = layer(&blob(layout, digest), digest);
                sum = (sum.0 + entries, sum.1 + bytes);
            }
        };
        let all: Vec<_> = (0..cores).map(|_| threads.spawn(work)).collect();
        all.into_iter().map(|t| t.join().unwrap()).collect()
    });
    let (entries, bytes) = walked.iter().fold((0, 0), |a, b| (a.0 + b.0, a.1 + b.1));
    format!("{entries} entries, {bytes} bytes")
}

fn blob(layout: &Path, digest: &str) -> std::path::PathBuf {
    layout.join("blobs/sha256").join(digest.strip_prefix("sha256:").unwrap())
}

fn layer(path: &Path, digest: &str) -> (u64, u64) {
    let (filled, chunks) = sync_channel(4);
    std::thread::scope(|threads| {
        threads.spawn(move || {
            let mut packed = Hashed { inner: File::open(path).unwrap(), hash: Sha256::new() };
            inflate(&mut packed, &filled);
            io::copy(&mut packed, &mut io::sink()).unwrap();
            assert_eq!(hex(packed), digest);
        });
        let mut tar = Hashed { inner: Chunks { chunks, chunk: Vec::new(), at: 0 }, hash: Sha256::new() };
        let counted = entries(&mut tar);
        io::copy(&mut tar, &mut io::sink()).unwrap();
        drop(hex(tar));
        counted
    })
}

fn inflate(packed: &mut Hashed<File>, filled: &SyncSender<Vec<u8>>) {
    let buffered = io::BufReader::with_capacity(CHUNK, packed);
    let mut tar = flate2::bufread::MultiGzDecoder::new(buffered);
    loop {
        let mut chunk = vec![0; CHUNK];
        let mut length = 0;
        while length < CHUNK {
            match tar.read(&mut chunk[length..]).unwrap() {
                0 => break,
                count => length += count,
            }
        }
        chunk.truncate(length);
        if length == 0 || filled.send(chunk).is_err() {
            return;
        }
    }
}

/// Header to header (POSIX.1-1988 ustar, and base-256 sizes as GNU has them); contents are passed over.
fn entries(tar: &mut impl Read) -> (u64, u64) {
    let mut counted = (0, 0);
    let mut header = [0; 512];
    loop {
        tar.read_exact(&mut header).unwrap();
        if header.iter().all(|b| *b == 0) {
            return counted;
        }
        let size = match header[124] & 0x80 {
            0 => header[124..136]
                .iter()
                .filter(|b| (b'0'..=b'7').contains(b))
                .fold(0, |n, b| n * 8 + u64::from(b - b'0')),
            _ => u64::from_be_bytes(header[128..136].try_into().unwrap()),
        };
        let stored = size.div_ceil(512) * 512;
        assert_eq!(io::copy(&mut tar.take(stored), &mut io::sink()).unwrap(), stored);
        counted = (counted.0 + 1, counted.1 + 512 + stored);
    }
}

struct Hashed<R> {
    inner: R,
    hash: Sha256,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.hash.update(&buffer[..count]);
        Ok(count)
    }
}

fn hex<R>(hashed: Hashed<R>) -> String {
    patchline_registry::Digest::from_sha256(&hashed.hash.finalize()).to_string()
}

struct Chunks {
    chunks: Receiver<Vec<u8>>,
    chunk: Vec<u8>,
    at: usize,
}

impl Read for Chunks {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.at == self.chunk.len() {
            let Ok(next) = self.chunks.recv() else { return Ok(0) };
            (self.chunk, self.at) = (next, 0);
        }
        let count = buffer.len().min(self.chunk.len() - self.at);
        buffer[..count].copy_from_slice(&self.chunk[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}
