//! Packages as they unpack, kept beside the packages: hundreds of images go up by the same few dozen, and xz is what a
//! fix would otherwise wait for.
//!
//! One file for a package, under the package's own SHA-256: a line that says what it is; each content that has a byte as a
//! zstd frame of its own, so that whoever writes a layer takes it from here when its turn comes; one frame with the
//! entries; where that begins (eight bytes, little-endian), and the CRC-32 of all before (four). In the frame of entries
//! stands for each its length and its JSON, and of a file where its content lies, how long it is there, and its hashes; a
//! length of nothing ends it. What somebody spoilt is found by the CRC and unpacked again; what was made to fit it is not
//! believed either, for the proof hashes what came into the layer.

use std::{
    fs::File,
    io::{self, BufReader, Read, Write},
    os::unix::fs::FileExt as _,
    path::{Path, PathBuf},
};

use flate2::Crc;
use zstd::stream::{
    raw::{Encoder, Operation as _},
    zio,
};

use super::archive::{Bounded, Entry, EntryKind, MAX_DATA, MAX_ENTRIES};
use crate::{Error, Result, span::Span, tree::Hashes};

/// Of what another version wrote nothing is read.
const HEAD: &[u8] = b"patchline unpacked package 2\n";
/// Where the entries begin, and the CRC.
const TAIL: u64 = 12;
/// Of one entry's JSON: path, link and attributes.
const MAX_JSON: usize = 16 << 20;
/// The fastest: it is written while somebody waits for the fix.
const LEVEL: i32 = 1;
/// Contents up to this are unpacked at once, longer ones piece by piece.
const AT_ONCE: u64 = 1 << 20;

/// A content in a kept package.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// Where its frame begins.
    at: u64,
    /// Bytes of the frame.
    packed: u64,
    /// Bytes of content; nothing has no frame.
    pub(crate) size: u64,
}

/// An entry, and where its content is and what it hashes to.
pub(crate) type Member = (Entry, Option<(Place, Hashes)>);

/// The contents of a kept package; whatever becomes of its name, they are there.
#[derive(Debug)]
pub(crate) struct Contents(File);

/// Unpacks contents, one after the other: what zstd sets up for it is set up once.
pub(crate) struct Unpacker {
    zstd: zstd::bulk::Decompressor<'static>,
    packed: Vec<u8>,
    plain: Vec<u8>,
}

impl Unpacker {
    /// Nothing unpacked yet.
    ///
    /// # Errors
    /// No memory for it.
    pub(crate) fn new() -> io::Result<Self> {
        Ok(Self { zstd: zstd::bulk::Decompressor::new()?, packed: Vec::new(), plain: Vec::new() })
    }

    /// Gives `to` a content to read.
    ///
    /// # Errors
    /// It is not what it was when the package was opened, or `to` does not take it.
    pub(crate) fn unpack(
        &mut self,
        from: &Contents,
        place: Place,
        to: impl FnOnce(&mut dyn Read) -> io::Result<()>,
    ) -> io::Result<()> {
        if place.size == 0 {
            return to(&mut io::empty());
        }
        let mut span = Span::new(&from.0, place.at, place.packed);
        if place.size > AT_ONCE {
            let packed = BufReader::with_capacity(128 << 10, span);
            let mut plain = zstd::stream::read::Decoder::with_buffer(packed)?.take(place.size);
            to(&mut plain)?;
            return if plain.limit() == 0 { Ok(()) } else { Err(io::ErrorKind::UnexpectedEof.into()) };
        }
        self.packed.clear();
        span.read_to_end(&mut self.packed)?;
        self.plain.clear();
        self.plain.reserve(place.size as usize);
        self.zstd.decompress_to_buffer(&self.packed, &mut self.plain)?;
        if self.plain.len() as u64 != place.size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        to(&mut self.plain.as_slice())
    }
}

/// All entries of a kept package and its contents; none: it is not there, or is not what was kept, and then it is there no
/// longer.
pub(crate) fn open(place: &Path) -> Result<Option<(Vec<Member>, Contents)>> {
    let file = match File::open(place) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(failed("read an unpacked package", e)),
    };
    match members(&file) {
        Ok(members) => {
            crate::cache::used(&file);
            Ok(Some((members, Contents(file))))
        }
        // A disk that does not read is not a file that is spoilt.
        Err(e) if e.raw_os_error().is_some() => Err(failed("read an unpacked package", e)),
        Err(error) => {
            tracing::debug!(%error, place = %place.display(), "a kept package is spoilt");
            match std::fs::remove_file(place) {
                // Who shares the cache may have been quicker.
                Err(e) if e.kind() != io::ErrorKind::NotFound => Err(failed("remove a spoilt package", e)),
                _ => Ok(None),
            }
        }
    }
}

fn members(file: &File) -> io::Result<Vec<Member>> {
    let spoilt = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why.to_owned());
    let whole = file.metadata()?.len();
    let end = whole.checked_sub(TAIL).filter(|end| *end >= HEAD.len() as u64);
    let end = end.ok_or_else(|| spoilt("it is too short"))?;
    let mut head = [0; HEAD.len()];
    file.read_exact_at(&mut head, 0)?;
    if head != HEAD {
        return Err(spoilt("it is none"));
    }
    let (mut begins, mut crc) = ([0; 8], [0; 4]);
    file.read_exact_at(&mut begins, end)?;
    file.read_exact_at(&mut crc, end + 8)?;
    if crc_of(Span::new(file, 0, end + 8))? != u32::from_le_bytes(crc) {
        return Err(spoilt("its CRC is another"));
    }
    let begins = u64::from_le_bytes(begins);
    let left = end.checked_sub(begins).ok_or_else(|| spoilt("its entries begin behind its end"))?;
    let packed = BufReader::with_capacity(128 << 10, Span::new(file, begins, left));
    let plain = zstd::stream::read::Decoder::with_buffer(packed)?;
    let mut source = Bounded { inner: plain, left: MAX_DATA };
    let mut members = Vec::new();
    let mut all = 0_u64;
    loop {
        let length = u32::from_le_bytes(exactly(&mut source)?) as usize;
        if length == 0 {
            break;
        }
        if length > MAX_JSON || members.len() == MAX_ENTRIES {
            return Err(spoilt("it is too large"));
        }
        let mut json = vec![0; length];
        source.read_exact(&mut json)?;
        let entry: Entry = serde_json::from_slice(&json)?;
        let content = if entry.kind == EntryKind::File {
            let at = u64::from_le_bytes(exactly(&mut source)?);
            let packed = u64::from_le_bytes(exactly(&mut source)?);
            let (md5, sha256) = (exactly(&mut source)?, exactly(&mut source)?);
            all = all.saturating_add(entry.size);
            if at.checked_add(packed).is_none_or(|behind| behind > begins) || all > MAX_DATA {
                return Err(spoilt("a content lies outside of it"));
            }
            Some((Place { at, packed, size: entry.size }, Hashes { md5, sha256, sha1: None }))
        } else {
            None
        };
        members.push((entry, content));
    }
    match io::copy(&mut source, &mut io::sink())? {
        0 => Ok(members),
        _ => Err(spoilt("it goes on behind its end")),
    }
}

fn exactly<const N: usize>(source: &mut impl Read) -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    source.read_exact(&mut bytes)?;
    Ok(bytes)
}

fn crc_of(mut span: Span<'_>) -> io::Result<u32> {
    let (mut crc, mut buffer) = (Crc::new(), vec![0; 128 << 10]);
    loop {
        match span.read(&mut buffer)? {
            0 if span.left() == 0 => return Ok(crc.sum()),
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => crc.update(&buffer[..count]),
        }
    }
}

/// A package on its way into the cache: nothing of it is there before [`Keeper::finish`].
pub(crate) struct Keeper {
    to: Counted,
    place: PathBuf,
    /// One for all frames: it is a megabyte to set up.
    encoder: Option<Encoder<'static>>,
    /// As they will be packed.
    entries: Vec<u8>,
}

/// A file, and what was written of it.
struct Counted {
    file: tempfile::NamedTempFile,
    crc: Crc,
    count: u64,
}

impl Write for Counted {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.file.write(bytes)?;
        self.crc.update(&bytes[..count]);
        self.count += count as u64;
        Ok(count)
    }
    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Keeper {
    /// For a place in the cache, whose folder is there.
    pub(crate) fn create(place: &Path) -> Result<Self> {
        let begin = || {
            let file = tempfile::NamedTempFile::new_in(place.parent().unwrap_or(Path::new(".")))?;
            let mut to = Counted { file, crc: Crc::new(), count: 0 };
            to.write_all(HEAD)?;
            Ok((to, Encoder::new(LEVEL)?))
        };
        let (to, encoder) = begin().map_err(not_kept)?;
        Ok(Self { to, place: place.to_owned(), encoder: Some(encoder), entries: Vec::new() })
    }

    /// One entry that has no content.
    pub(crate) fn entry(&mut self, entry: &Entry) -> Result<()> {
        let json = serde_json::to_vec(entry).map_err(|e| not_kept(e.into()))?;
        let length = u32::try_from(json.len()).map_err(|e| not_kept(io::Error::other(e)))?;
        self.entries.extend_from_slice(&length.to_le_bytes());
        self.entries.extend_from_slice(&json);
        Ok(())
    }

    /// One with content, which is kept while `read` reads it to its end and hashes it; what `read` gives comes back.
    pub(crate) fn file<T>(
        &mut self,
        entry: &Entry,
        content: &mut dyn Read,
        read: impl FnOnce(&mut dyn Read) -> Result<(T, Hashes)>,
    ) -> Result<(T, Hashes)> {
        self.entry(entry)?;
        let at = self.to.count;
        let (given, hashes) = match entry.size {
            0 => read(content)?,
            _ => self.frame(|to| read(&mut Passing { content, to }))?,
        };
        for number in [at, self.to.count - at] {
            self.entries.extend_from_slice(&number.to_le_bytes());
        }
        self.entries.extend_from_slice(&hashes.md5);
        self.entries.extend_from_slice(&hashes.sha256);
        Ok((given, hashes))
    }

    /// What `write` writes, as one frame.
    fn frame<T>(&mut self, write: impl FnOnce(&mut dyn Write) -> Result<T>) -> Result<T> {
        let stopped = || not_kept(io::Error::other("it was given up"));
        let mut encoder = self.encoder.take().ok_or_else(stopped)?;
        encoder.reinit().map_err(not_kept)?;
        let mut frame = zio::Writer::new(&mut self.to, encoder);
        let given = write(&mut frame)?;
        frame.finish().map_err(not_kept)?;
        self.encoder = Some(frame.into_inner().1);
        Ok(given)
    }

    /// Puts it in its place.
    pub(crate) fn finish(mut self) -> Result<()> {
        let begins = self.to.count;
        let mut entries = std::mem::take(&mut self.entries);
        entries.extend_from_slice(&0_u32.to_le_bytes());
        self.frame(|to| to.write_all(&entries).map_err(not_kept))?;
        self.to.write_all(&begins.to_le_bytes()).map_err(not_kept)?;
        let crc = self.to.crc.sum();
        self.to.write_all(&crc.to_le_bytes()).and_then(|()| self.to.flush()).map_err(not_kept)?;
        self.to.file.persist(&self.place).map_err(|e| not_kept(e.error))?;
        Ok(())
    }
}

struct Passing<'a> {
    content: &'a mut dyn Read,
    to: &'a mut dyn Write,
}

impl Read for Passing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.content.read(buffer)?;
        self.to.write_all(&buffer[..count])?;
        Ok(count)
    }
}

fn failed(operation: &str, source: io::Error) -> Error {
    Error::Io { operation: operation.to_owned(), source }
}

fn not_kept(source: io::Error) -> Error {
    failed("keep an unpacked package in the cache", source)
}

#[cfg(test)]
#[path = "kept_tests.rs"]
mod tests;
