//! apk 3's format of indexes and packages, ADB (apk-v3(5)): blocks in an envelope, of which the first is a tree of values,
//! those that follow sign it, and a package's last ones are the content of its files.

pub(super) mod info;
mod values;

use std::io::{self, Read};

use super::{Keys, limits};
use crate::deb::archive::Bounded;
pub(super) use values::{Slots, Values};

/// How files of this format begin, packed or not.
pub(super) const MAGIC: &[u8] = b"ADB";
/// And when they are unpacked.
const PLAIN: &[u8; 4] = b"ADB.";
/// Blocks, their padding included, end at multiples of this.
const ALIGNMENT: u64 = 8;

/// What the first block's tree is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Schema {
    /// A repository's index.
    Index,
    /// A package.
    Package,
}

impl Schema {
    /// As it stands in the file.
    pub(super) fn id(self) -> [u8; 4] {
        match self {
            Self::Index => *b"indx",
            Self::Package => *b"pckg",
        }
    }
}

/// What a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Block {
    /// The tree of values.
    Values,
    /// A signature over it.
    Signature,
    /// Content of a file.
    Data,
}

/// A file's blocks, one after the other; reading gives what the current one holds.
pub(super) struct Blocks<'r> {
    inner: Box<dyn Read + 'r>,
    /// What comes after this one may be: never the tree of values again, and no signature after data.
    last: Option<Block>,
    left: u64,
    padding: u64,
}

/// The first block with what signs it.
pub(super) struct Signed {
    /// The block's bytes, as they are signed and as a package is known by.
    pub(super) bytes: Vec<u8>,
    /// Signatures as they stand there.
    pub(super) signatures: Vec<Vec<u8>>,
    /// Whether a block of data is next.
    pub(super) has_data: bool,
}

impl Signed {
    /// Whether a key of ours has signed it; else why not.
    pub(super) fn verify(&self, schema: Schema, keys: &Keys) -> Result<(), String> {
        keys.verify_adb(schema.id(), &self.bytes, &self.signatures)
    }
}

impl<'r> Blocks<'r> {
    /// Unpacks, and reads the header.
    ///
    /// # Errors
    /// It is packed in a way that is not known, or about something else.
    pub(super) fn open(mut file: impl Read + 'r, schema: Schema) -> io::Result<Self> {
        let mut magic = [0; 4];
        file.read_exact(&mut magic)?;
        let unknown = || io::Error::other("it is packed in a way that is not known");
        let plain: Box<dyn Read + 'r> = match &magic {
            PLAIN => Box::new(PLAIN.as_slice().chain(file)),
            b"ADBd" => Box::new(flate2::read::DeflateDecoder::new(file)),
            b"ADBc" => {
                let mut method = [0; 2];
                file.read_exact(&mut method)?;
                // The other byte is the level, which nobody needs to unpack.
                match method[0] {
                    0 => Box::new(file),
                    1 => Box::new(flate2::read::DeflateDecoder::new(file)),
                    2 => Box::new(zstd::stream::read::Decoder::new(file)?),
                    _ => return Err(unknown()),
                }
            }
            _ => return Err(unknown()),
        };
        let mut inner = Box::new(Bounded { inner: plain, left: limits::DATA });
        let mut header = [0; 8];
        inner.read_exact(&mut header)?;
        let (magic, about) = header.split_at(4);
        if magic != PLAIN || about != schema.id() {
            return Err(io::Error::other("it is about something else"));
        }
        Ok(Self { inner, last: None, left: 0, padding: 0 })
    }

    /// Goes to the next block, over what was not read of the last; none: there is no other.
    pub(super) fn next(&mut self) -> io::Result<Option<(Block, u64)>> {
        let rest = self.left + self.padding;
        if io::copy(&mut self.inner.by_ref().take(rest), &mut io::sink())? != rest {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        (self.left, self.padding) = (0, 0);
        let mut first = [0; 4];
        let mut have = 0;
        while have < first.len() {
            match self.inner.read(&mut first[have..])? {
                0 if have == 0 => return Ok(None),
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                read => have += read,
            }
        }
        let word = u32::from_le_bytes(first);
        let (mut kind, mut size, mut header) = (word >> 30, u64::from(word & 0x3fff_ffff), 4);
        if kind == 3 {
            let mut long = [0; 12];
            self.inner.read_exact(&mut long)?;
            let [_, _, _, _, size_bytes @ ..] = long;
            (kind, size, header) = (word & 0x3fff_ffff, u64::from_le_bytes(size_bytes), 16);
        }
        let broken = |why: &str| Err(io::Error::other(format!("its blocks are broken: {why}")));
        if size < header || size > limits::DATA {
            return broken("one has no size that can be");
        }
        let block = match (self.last, kind) {
            (None, 0) => Block::Values,
            (Some(Block::Values | Block::Signature), 1) => Block::Signature,
            (Some(_), 2) => Block::Data,
            _ => return broken("one stands where it may not"),
        };
        self.last = Some(block);
        self.left = size - header;
        self.padding = size.next_multiple_of(ALIGNMENT) - size;
        Ok(Some((block, self.left)))
    }

    /// The current block whole, of at most so many bytes.
    fn whole(&mut self, limit: u64) -> io::Result<Vec<u8>> {
        if self.left > limit {
            return Err(io::Error::other("a block of it is too large"));
        }
        let (mut bytes, size) = (Vec::new(), self.left);
        self.by_ref().take(size).read_to_end(&mut bytes)?;
        match bytes.len() as u64 == size {
            true => Ok(bytes),
            false => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    /// The tree of values, of at most so many bytes, and its signatures; the first block of data is next.
    pub(super) fn signed(&mut self, limit: u64) -> io::Result<Signed> {
        let Some((Block::Values, _)) = self.next()? else {
            return Err(io::Error::other("it has no values"));
        };
        let mut signed = Signed { bytes: self.whole(limit)?, signatures: Vec::new(), has_data: false };
        while let Some((block, _)) = self.next()? {
            if block == Block::Data {
                signed.has_data = true;
                break;
            }
            if signed.signatures.len() == limits::SIGNATURE_COUNT {
                return Err(io::Error::other("it has too many signatures"));
            }
            signed.signatures.push(self.whole(limits::SIGNATURE)?);
        }
        Ok(signed)
    }

    /// Bytes of the current block that were not read.
    pub(super) fn left(&self) -> u64 {
        self.left
    }
}

impl Read for Blocks<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let read = self.inner.read(&mut buffer[..most])?;
        self.left -= read as u64;
        Ok(read)
    }
}

#[cfg(test)]
mod tests;
