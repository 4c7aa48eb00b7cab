//! Several gzip members in one file, each a piece of one tar archive (apk-v2(5)): where each ends, to the byte.

use std::io::{self, BufRead, BufReader, Read};

use sha2::{Digest as _, Sha256};

use super::limits;
use crate::deb::archive::Bounded;

/// A file of members, read one after the other, with a hash of what went by when one is asked for.
pub(super) struct Members<R> {
    inner: BufReader<R>,
    at: u64,
    hash: Option<Sha256>,
}

/// One `.SIGN.<algorithm>.<key>` of the first member.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Signature {
    /// `RSA`, `RSA256`.
    pub(super) algorithm: String,
    /// The key's file name.
    pub(super) key: String,
    /// The signature itself.
    pub(super) bytes: Vec<u8>,
}

impl<R: Read> Members<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner: BufReader::with_capacity(128 << 10, inner), at: 0, hash: None }
    }
    /// Compressed bytes read so far: after a member, where the next one begins.
    pub(super) fn at(&self) -> u64 {
        self.at
    }
    /// Hashes the compressed bytes from here on.
    pub(super) fn hash(&mut self) {
        self.hash = Some(Sha256::new());
    }
    /// SHA-256 of what went by since.
    pub(super) fn hashed(&mut self) -> Option<[u8; 32]> {
        self.hash.take().map(|hash| hash.finalize().into())
    }
    /// The next member, unpacked, of at most so many bytes.
    pub(super) fn member(&mut self, limit: u64) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let inner = flate2::bufread::GzDecoder::new(self);
        Bounded { inner, left: limit }.read_to_end(&mut bytes)?;
        Ok(bytes)
    }
}

impl<R: Read> Read for Members<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut ready = self.fill_buf()?;
        let count = ready.read(buffer)?;
        self.consume(count);
        Ok(count)
    }
}

impl<R: Read> BufRead for Members<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }
    fn consume(&mut self, count: usize) {
        if let Some(hash) = &mut self.hash {
            hash.update(&self.inner.buffer()[..count]);
        }
        self.at += count as u64;
        self.inner.consume(count);
    }
}

/// The signatures of an unpacked first member; none: it is another one.
pub(super) fn signatures(member: &[u8]) -> io::Result<Option<Vec<Signature>>> {
    let mut found = Vec::new();
    for entry in tar::Archive::new(member).entries()? {
        let mut entry = entry?;
        let path = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let Some((algorithm, key)) = path.strip_prefix(".SIGN.").and_then(|rest| rest.split_once('.')) else {
            return Ok(None);
        };
        if found.len() == limits::SIGNATURE_COUNT {
            return Err(io::Error::other("it has too many signatures"));
        }
        let mut bytes = Vec::new();
        entry.read_to_end(&mut bytes)?;
        found.push(Signature { algorithm: algorithm.to_owned(), key: key.to_owned(), bytes });
    }
    Ok((!found.is_empty()).then_some(found))
}
