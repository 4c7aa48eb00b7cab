//! From a blob as it arrives to verified tar bytes: compression by magic, diff_id, limits, faults.

use std::{
    io::{self, BufRead, BufReader, Read},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

use patchline_registry::{BlobReader, Digest};
use sha2::{Digest as _, Sha256};
use tokio_util::io::SyncIoBridge;

use super::{Beside, Stop, Visitor, archive, pipe};
use crate::{Error, Result, limits::Layer};

/// The blob, blocking. Decoders above it may dress its errors up, so the first one is kept aside.
pub(super) struct Source {
    blob: SyncIoBridge<BlobReader>,
    cancelled: Arc<AtomicBool>,
    fault: Fault,
}

pub(super) type Fault = Arc<Mutex<Option<io::Error>>>;

impl Source {
    /// Must be called inside the runtime.
    pub(super) fn new(blob: BlobReader, cancelled: Arc<AtomicBool>) -> (Self, Fault) {
        let fault = Fault::default();
        (Self { blob: SyncIoBridge::new(blob), cancelled, fault: fault.clone() }, fault)
    }
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(io::Error::other("nobody waits for it any more"));
        }
        self.blob.read(buffer).map_err(|error| {
            let copy = io::Error::new(error.kind(), "the blob could not be read");
            self.fault.lock().unwrap_or_else(std::sync::PoisonError::into_inner).get_or_insert(error);
            copy
        })
    }
}

/// Reads everything: archive, what stands behind it, and the blob's last byte. One thread reads, verifies and
/// decompresses, this one hashes and walks, so that a single large layer is two cores' work.
pub(super) fn read<V: Visitor>(
    source: Source,
    fault: &Fault,
    size: u64,
    layer: &Digest,
    limits: Layer,
    beside: Option<Beside>,
    visitor: &mut V,
) -> Result<Digest> {
    let unreadable = |reason| Error::Layer { layer: layer.clone(), reason };
    let (mut into, mut tar) = pipe::pipe();
    let (outcome, rest) = std::thread::scope(|threads| {
        let unpacking = threads.spawn(move || {
            let mut packed = BufReader::with_capacity(256 << 10, source);
            unpack(&mut packed, &mut into);
            // A wrong blob explains a broken archive, so the blob is read to its end before the archive is blamed.
            if into.is_cut_off() { Ok(0) } else { io::copy(&mut packed, &mut io::sink()) }
        });
        let outcome = walked(&mut tar, limits.cap(size), limits, beside, visitor);
        if matches!(outcome, Err(Stop::Limit(..))) {
            tar.cut_off();
        }
        drop(tar);
        (outcome, unpacking.join())
    });
    let stored = fault.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
    if let Some(error) = stored {
        return Err(blob_error(error, layer));
    }
    let rest = rest.map_err(|_| unreadable("reading it was broken off".to_owned()))?;
    rest.map_err(|e| unreadable(describe(&e)))?;
    outcome.map_err(|stop| match stop {
        Stop::Reason(reason) => unreadable(reason),
        Stop::Limit(what, limit) => Error::Limit { what, limit },
    })
}

/// Sends what is inside; an error goes the same way.
fn unpack(packed: &mut impl BufRead, into: &mut pipe::Sender) {
    let sent = packed.fill_buf().map(<[u8]>::to_vec).and_then(|magic| {
        if magic.starts_with(&[0x1f, 0x8b]) {
            into.send_all(&mut flate2::bufread::MultiGzDecoder::new(packed))
        } else if magic.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
            into.send_all(&mut zstd::Decoder::with_buffer(packed)?)
        } else {
            into.send_all(packed)
        }
    });
    if let Err(error) = sent {
        into.fail(error);
    }
}

fn walked<V: Visitor>(
    tar: &mut impl Read,
    cap: u64,
    limits: Layer,
    beside: Option<Beside>,
    visitor: &mut V,
) -> Result<Digest, Stop> {
    let mut tar = Hashed { inner: tar, hash: Sha256::new(), left: cap, capped: false, beside };
    let outcome = archive::walk(&mut tar, limits, visitor);
    let outcome = outcome.and_then(|()| Ok(io::copy(&mut tar, &mut io::sink())?));
    if tar.capped {
        return Err(Stop::Limit("the uncompressed size of a layer", cap));
    }
    outcome?;
    Ok(Digest::from_sha256(&tar.hash.finalize()))
}

/// Hashes and counts what passes.
struct Hashed<R> {
    inner: R,
    hash: Sha256,
    left: u64,
    capped: bool,
    beside: Option<Beside>,
}

impl<R: Read> Read for Hashed<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        if count as u64 > self.left {
            self.capped = true;
            return Err(io::Error::other("it becomes too large"));
        }
        self.left -= count as u64;
        self.hash.update(&buffer[..count]);
        // Whoever cannot take it any more reads the layer anew, where it matters.
        if self.beside.as_mut().is_some_and(|beside| beside.write_all(&buffer[..count]).is_err()) {
            self.beside = None;
        }
        Ok(count)
    }
}

/// Blob readers put their reason inside the `io::Error`.
fn blob_error(error: io::Error, layer: &Digest) -> Error {
    match error.downcast::<patchline_registry::Error>() {
        Ok(inner) => Error::Registry(inner),
        Err(source) => Error::Io { operation: format!("read layer {layer}"), source },
    }
}

/// One line with every source of an I/O error: decoders hide the reason one level down.
pub(super) fn describe(error: &io::Error) -> String {
    let mut text = error.to_string();
    let mut next = std::error::Error::source(error);
    while let Some(inner) = next {
        let more = inner.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        next = inner.source();
    }
    if error.kind() == io::ErrorKind::UnexpectedEof { format!("it is truncated: {text}") } else { text }
}
