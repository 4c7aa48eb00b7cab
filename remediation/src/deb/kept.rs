//! Packages as they unpack, kept beside the packages: hundreds of images go up by the same few dozen, and xz is what a
//! fix would otherwise wait for.
//!
//! One file for a package, under the package's own SHA-256: a line that says what it is, and one zstd frame with a
//! checksum. In the frame stands for each entry its length and its JSON, then its content, then that content's hashes;
//! a length of nothing ends it. What somebody spoilt is found by the checksum and unpacked again; what was made to fit
//! it is not believed either, for the proof hashes what came into the layer.

use std::{
    fs::File,
    io::{self, BufReader, Read, Write},
    path::{Path, PathBuf},
};

use super::archive::{Bounded, Entry, EntryKind, MAX_DATA, MAX_ENTRIES};
use crate::{Error, Result, tree::Hashes};

/// Of what another version wrote nothing is read.
const HEAD: &[u8] = b"patchline unpacked package 1\n";
/// Of one entry's JSON: path, link and attributes.
const MAX_JSON: usize = 16 << 20;
/// The fastest: it is written while somebody waits for the fix.
const LEVEL: i32 = 1;

/// An entry, and where its content was put and what it hashes to.
pub(crate) type Member<T> = (Entry, Option<(T, Hashes)>);

/// All entries of a kept package, each content put somewhere by `put(size, content)`; none: it is not there, or is not
/// what was kept, and then it is there no longer.
pub(crate) fn read<T>(
    place: &Path,
    mut put: impl FnMut(u64, &mut dyn Read) -> Result<T>,
) -> Result<Option<Vec<Member<T>>>> {
    let mut file = match File::open(place) {
        Ok(file) => file,
        Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(e) => return Err(failed("read an unpacked package", e)),
    };
    let mut spoilt = false;
    let read = members(&mut file, &mut spoilt, &mut put);
    match read {
        Ok(members) => {
            crate::cache::used(&file);
            Ok(Some(members))
        }
        // Whatever was put somewhere of it, nobody asks for.
        Err(_) if spoilt => match std::fs::remove_file(place) {
            // Who shares the cache may have been quicker.
            Err(e) if e.kind() != io::ErrorKind::NotFound => Err(failed("remove a spoilt package", e)),
            _ => Ok(None),
        },
        Err(e) => Err(e),
    }
}

/// Tells an error of the file itself from one of who takes its contents.
struct Source<'a, R> {
    inner: R,
    spoilt: &'a mut bool,
}

impl<R: Read> Read for Source<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.inner.read(buffer).inspect_err(|_| *self.spoilt = true)
    }
}

impl<R: Read> Source<'_, R> {
    fn spoilt(&mut self, error: io::Error) -> Error {
        *self.spoilt = true;
        failed("read an unpacked package", error)
    }
    fn exactly<const N: usize>(&mut self) -> Result<[u8; N]> {
        let mut bytes = [0; N];
        self.read_exact(&mut bytes).map_err(|e| self.spoilt(e))?;
        Ok(bytes)
    }
}

fn members<T>(
    file: &mut File,
    spoilt: &mut bool,
    put: &mut impl FnMut(u64, &mut dyn Read) -> Result<T>,
) -> Result<Vec<Member<T>>> {
    let mut head = vec![0; HEAD.len()];
    let raw = match file.read_exact(&mut head) {
        Ok(()) if head == HEAD => {
            zstd::stream::read::Decoder::with_buffer(BufReader::with_capacity(128 << 10, file))
        }
        Ok(()) => Err(io::Error::other("it is none")),
        Err(e) => Err(e),
    };
    let raw = raw.map_err(|e| {
        *spoilt = true;
        failed("read an unpacked package", e)
    })?;
    let mut source = Source { inner: Bounded { inner: raw, left: MAX_DATA }, spoilt };
    let mut members = Vec::new();
    loop {
        let length = u32::from_le_bytes(source.exactly()?) as usize;
        if length == 0 {
            break;
        }
        if length > MAX_JSON || members.len() == MAX_ENTRIES {
            return Err(source.spoilt(io::Error::other("it is too large")));
        }
        let mut json = vec![0; length];
        source.read_exact(&mut json).map_err(|e| source.spoilt(e))?;
        let entry: Entry = serde_json::from_slice(&json).map_err(|e| source.spoilt(e.into()))?;
        let content = if entry.kind == EntryKind::File {
            let mut content = (&mut source).take(entry.size);
            let put = put(entry.size, &mut content)?;
            let rest = io::copy(&mut content, &mut io::sink());
            let left = content.limit();
            rest.map_err(|e| source.spoilt(e))?;
            if left > 0 {
                return Err(source.spoilt(io::ErrorKind::UnexpectedEof.into()));
            }
            let (md5, sha256) = (source.exactly()?, source.exactly()?);
            Some((put, Hashes { md5, sha256, sha1: None }))
        } else {
            None
        };
        members.push((entry, content));
    }
    // To the very end: there stands the checksum.
    match io::copy(&mut source, &mut io::sink()) {
        Ok(0) => Ok(members),
        Ok(_) => Err(source.spoilt(io::Error::other("it goes on behind its end"))),
        Err(e) => Err(source.spoilt(e)),
    }
}

/// A package on its way into the cache: nothing of it is there before [`Keeper::finish`].
pub(crate) struct Keeper {
    to: zstd::stream::write::Encoder<'static, tempfile::NamedTempFile>,
    place: PathBuf,
}

impl Keeper {
    /// For a place in the cache, whose folder is there.
    pub(crate) fn create(place: &Path) -> Result<Self> {
        let begin = || {
            let mut aside = tempfile::NamedTempFile::new_in(place.parent().unwrap_or(Path::new(".")))?;
            aside.write_all(HEAD)?;
            let mut to = zstd::stream::write::Encoder::new(aside, LEVEL)?;
            to.include_checksum(true)?;
            Ok(to)
        };
        Ok(Self { to: begin().map_err(not_kept)?, place: place.to_owned() })
    }

    /// One entry; its content goes through [`Keeper::beside`], its hashes through [`Keeper::hashes`].
    pub(crate) fn entry(&mut self, entry: &Entry) -> Result<()> {
        let json = serde_json::to_vec(entry).map_err(|e| not_kept(e.into()))?;
        let length = u32::try_from(json.len()).map_err(|e| not_kept(io::Error::other(e)))?;
        self.to.write_all(&length.to_le_bytes()).and_then(|()| self.to.write_all(&json)).map_err(not_kept)
    }

    /// The content that somebody reads, kept as it passes.
    pub(crate) fn beside<'a>(&'a mut self, content: &'a mut dyn Read) -> impl Read + 'a {
        Passing { content, to: &mut self.to }
    }

    /// Of the content that has passed.
    pub(crate) fn hashes(&mut self, hashes: &Hashes) -> Result<()> {
        self.to.write_all(&hashes.md5).and_then(|()| self.to.write_all(&hashes.sha256)).map_err(not_kept)
    }

    /// Puts it in its place.
    pub(crate) fn finish(mut self) -> Result<()> {
        self.to.write_all(&0_u32.to_le_bytes()).map_err(not_kept)?;
        let aside = self.to.finish().map_err(not_kept)?;
        aside.persist(&self.place).map_err(|e| not_kept(e.error))?;
        Ok(())
    }
}

struct Passing<'a, W> {
    content: &'a mut dyn Read,
    to: &'a mut W,
}

impl<W: Write> Read for Passing<'_, W> {
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
mod tests {
    use super::*;
    use crate::tree::Hasher;

    fn entry(path: &str, kind: EntryKind, size: u64) -> Entry {
        let (uname, gname, xattrs) =
            ("root".to_owned(), String::new(), vec![("user.a".to_owned(), vec![0, 255])]);
        Entry {
            path: path.to_owned(),
            kind,
            mode: 0o4755,
            uid: 1,
            gid: 2,
            uname,
            gname,
            mtime: 3,
            size,
            xattrs,
        }
    }

    fn keep(place: &Path, files: &[(&str, Vec<u8>)]) {
        let mut keeper = Keeper::create(place).unwrap();
        keeper.entry(&entry("usr", EntryKind::Directory, 0)).unwrap();
        for (path, bytes) in files {
            keeper.entry(&entry(path, EntryKind::File, bytes.len() as u64)).unwrap();
            let mut content = bytes.as_slice();
            io::copy(&mut keeper.beside(&mut content), &mut io::sink()).unwrap();
            keeper.hashes(&Hasher::of(bytes)).unwrap();
        }
        keeper.finish().unwrap();
    }

    fn back(place: &Path) -> Option<Vec<Member<Vec<u8>>>> {
        read(place, |_, content| {
            let mut bytes = Vec::new();
            content.read_to_end(&mut bytes).map_err(|e| failed("read", e))?;
            Ok(bytes)
        })
        .unwrap()
    }

    #[test]
    fn what_is_kept_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("x");
        assert!(back(&place).is_none());
        let files = [("usr/a", b"abc".repeat(100_000)), ("usr/b", Vec::new())];
        keep(&place, &files);
        let members = back(&place).unwrap();
        assert_eq!(members[0], (entry("usr", EntryKind::Directory, 0), None));
        for ((path, bytes), member) in files.iter().zip(&members[1..]) {
            let about = entry(path, EntryKind::File, bytes.len() as u64);
            assert_eq!(member, &(about, Some((bytes.clone(), Hasher::of(bytes)))));
        }
        assert_eq!(members.len(), 3);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing stays beside it");
    }

    #[test]
    fn what_is_spoilt_goes() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("x");
        let noise: Vec<u8> = (0..40_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
        keep(&place, &[("usr/a", noise)]);
        let whole = std::fs::read(&place).unwrap();
        let flipped = |at: usize| {
            let mut bytes = whole.clone();
            bytes[at] ^= 1;
            bytes
        };
        let cuts = [0, 5, HEAD.len(), whole.len() / 2, whole.len() - 1].map(|n| whole[..n].to_vec());
        let flips = [0, HEAD.len() + 1, whole.len() / 2, whole.len() - 1].map(flipped);
        for spoilt in cuts.into_iter().chain(flips) {
            std::fs::write(&place, &spoilt).unwrap();
            assert!(back(&place).is_none());
            assert!(!place.exists());
        }
    }

    #[test]
    fn who_cannot_take_it_is_told_and_it_stays() {
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path().join("x");
        keep(&place, &[("usr/a", vec![1; 10])]);
        let full = |_: u64, _: &mut dyn Read| -> Result<()> {
            Err(failed("write", io::ErrorKind::StorageFull.into()))
        };
        assert!(read(&place, full).is_err());
        assert!(place.exists());
    }
}
