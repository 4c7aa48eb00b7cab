//! rpm's header, the record of one package: "RPM V4 Package format", "Header".
//!
//! In a database it stands without its magic: the number of index entries and the length of the
//! store (big-endian, as all of it), the entries of sixteen bytes (tag, type, offset, count) and
//! the store. A region, named by the first entry, is the part that was signed; entries behind it
//! were added on installation, and replace those of the region.

use std::ffi::CStr;

use super::{
    bytes::{Order::Big, slice},
    limits,
};
use crate::packages::owned::{Budget, FileDigest, OwnedFile};

/// Tags that are read: "RPM tags".
pub(super) mod tag {
    pub(in super::super) const NAME: u32 = 1000;
    pub(in super::super) const VERSION: u32 = 1001;
    pub(in super::super) const RELEASE: u32 = 1002;
    pub(in super::super) const EPOCH: u32 = 1003;
    pub(in super::super) const VENDOR: u32 = 1011;
    pub(in super::super) const LICENSE: u32 = 1014;
    pub(in super::super) const ARCH: u32 = 1022;
    /// Whole paths, before rpm 4.
    pub(in super::super) const OLD_FILE_NAMES: u32 = 1027;
    pub(in super::super) const FILE_DIGESTS: u32 = 1035;
    pub(in super::super) const SOURCE_RPM: u32 = 1044;
    pub(in super::super) const DIR_INDEXES: u32 = 1116;
    pub(in super::super) const BASE_NAMES: u32 = 1117;
    pub(in super::super) const DIR_NAMES: u32 = 1118;
    pub(in super::super) const MODULARITY_LABEL: u32 = 5096;
    /// Regions: image, signatures, immutable.
    pub(super) const REGIONS: std::ops::RangeInclusive<u32> = 61..=63;
}

const CHAR: u32 = 1;
const INT8: u32 = 2;
const INT16: u32 = 3;
const INT32: u32 = 4;
const INT64: u32 = 5;
const STRING: u32 = 6;
const BIN: u32 = 7;
const STRING_ARRAY: u32 = 8;
const I18N_STRING: u32 = 9;
/// Bytes of an entry of the index.
const ENTRY: usize = 16;

/// A header whose frame is sound; values are checked when they are asked for.
#[derive(Debug, Clone, Copy)]
pub struct Header<'a> {
    index: &'a [u8],
    store: &'a [u8],
}

/// One entry of the index.
struct Entry {
    kind: u32,
    offset: usize,
    count: usize,
}

impl<'a> Header<'a> {
    /// From the number of index entries to the end of the store, without the magic that packages have in front.
    ///
    /// # Errors
    /// Why it is none, as a predicate: `is shorter than an rpm header`.
    pub fn parse(blob: &'a [u8]) -> Result<Self, &'static str> {
        let truncated = "is shorter than an rpm header";
        let entries = Big.size(blob, 0).ok_or(truncated)?;
        let length = Big.size(blob, 4).ok_or(truncated)?;
        if entries == 0 || entries > limits::packages().header_entries {
            return Err("has no index of an rpm header");
        }
        let index = slice(blob, 8, entries * ENTRY).ok_or(truncated)?;
        let store = &blob[8 + index.len()..];
        if store.len() != length {
            return Err("has an rpm header of another length than it says");
        }
        let header = Self { index, store };
        header.check_region()?;
        Ok(header)
    }

    /// A region ends in an entry of its own in the store, which says how much of the index it
    /// covers, as a negative number of bytes.
    fn check_region(&self) -> Result<(), &'static str> {
        let bad = "has a damaged region in its rpm header";
        let (region, entry) = self.entry(0).ok_or(bad)?;
        if !tag::REGIONS.contains(&region) {
            return Ok(());
        }
        if entry.kind != BIN || entry.count != ENTRY {
            return Err(bad);
        }
        // Headers of rpm 3 cover all of the index and have no such entry.
        if entry.offset == 0 {
            return Ok(());
        }
        let trailer = slice(self.store, entry.offset, ENTRY).ok_or(bad)?;
        let covered = Big.u32(trailer, 8).map(u32::wrapping_neg).and_then(|n| usize::try_from(n).ok());
        let covered = covered.filter(|n| *n % ENTRY == 0 && *n != 0 && *n <= self.index.len());
        if covered.is_none() || Big.u32(trailer, 4) != Some(BIN) {
            return Err(bad);
        }
        Ok(())
    }

    fn entry(&self, number: usize) -> Option<(u32, Entry)> {
        let raw = slice(self.index, number.checked_mul(ENTRY)?, ENTRY)?;
        let entry = Entry { kind: Big.u32(raw, 4)?, offset: Big.size(raw, 8)?, count: Big.size(raw, 12)? };
        Some((Big.u32(raw, 0)?, entry))
    }

    /// The last entry of a tag.
    fn find(&self, tag: u32) -> Option<Entry> {
        let wanted = tag.to_be_bytes();
        let number = self.index.chunks_exact(ENTRY).rposition(|raw| raw.starts_with(&wanted))?;
        self.entry(number).map(|(_, entry)| entry)
    }

    /// The first string of a tag.
    pub fn string(&self, tag: u32) -> Result<Option<&'a [u8]>, &'static str> {
        let Some(mut strings) = self.strings(tag)? else { return Ok(None) };
        strings.next().transpose()
    }

    fn strings(&self, tag: u32) -> Result<Option<Strings<'a>>, &'static str> {
        let Some(entry) = self.find(tag) else { return Ok(None) };
        if !matches!(entry.kind, STRING | STRING_ARRAY | I18N_STRING) {
            return Err("has a text of another type in its rpm header");
        }
        // Each has a byte at least, its end.
        let rest = self.store.get(entry.offset..).filter(|rest| entry.count <= rest.len());
        let rest = rest.ok_or("has a text beyond the end of its rpm header")?;
        Ok(Some(Strings { rest, left: entry.count }))
    }

    /// All strings of a tag, `most` of them; none: it has no such tag.
    pub fn texts(&self, tag: u32, most: usize) -> Result<Option<Vec<&'a [u8]>>, &'static str> {
        let Some(strings) = self.strings(tag)? else { return Ok(None) };
        if strings.left > most {
            return Err("has too many texts of one kind in its rpm header");
        }
        strings.collect::<Result<_, _>>().map(Some)
    }

    /// All numbers of a tag, be they of 8, 16, 32 or 64 bits, `most` of them.
    pub fn integers(&self, tag: u32, most: usize) -> Result<Option<Vec<u64>>, &'static str> {
        let Some(entry) = self.find(tag) else { return Ok(None) };
        let width = match entry.kind {
            CHAR | INT8 => 1,
            INT16 => 2,
            INT32 => 4,
            INT64 => 8,
            _ => return Err("has a number of another type in its rpm header"),
        };
        if entry.count > most {
            return Err("has too many numbers of one kind in its rpm header");
        }
        let raw = entry.count.checked_mul(width).and_then(|length| slice(self.store, entry.offset, length));
        let raw = raw.ok_or("has a number beyond the end of its rpm header")?;
        let number = |raw: &[u8]| raw.iter().fold(0, |n, byte| n << 8 | u64::from(*byte));
        Ok(Some(raw.chunks_exact(width).map(number).collect()))
    }

    /// What a tag holds that is neither text nor number.
    pub fn bytes(&self, tag: u32) -> Result<Option<&'a [u8]>, &'static str> {
        let Some(entry) = self.find(tag) else { return Ok(None) };
        if entry.kind != BIN {
            return Err("has bytes of another type in its rpm header");
        }
        slice(self.store, entry.offset, entry.count)
            .map(Some)
            .ok_or("has bytes beyond the end of its rpm header")
    }

    /// The first number of a tag.
    pub(super) fn number(&self, tag: u32) -> Result<Option<u32>, &'static str> {
        Ok(self.numbers(tag)?.and_then(|mut numbers| numbers.next()))
    }

    fn numbers(&self, tag: u32) -> Result<Option<impl ExactSizeIterator<Item = u32> + 'a>, &'static str> {
        let Some(entry) = self.find(tag) else { return Ok(None) };
        if entry.kind != INT32 {
            return Err("has a number of another type in its rpm header");
        }
        let length = entry.count.checked_mul(4);
        let raw = length.and_then(|length| slice(self.store, entry.offset, length));
        let raw = raw.ok_or("has a number beyond the end of its rpm header")?;
        let number = |raw: &[u8]| raw.iter().fold(0, |n, byte| n << 8 | u32::from(*byte));
        Ok(Some(raw.chunks_exact(4).map(number)))
    }

    /// The files: base names, each with the number of its folder.
    pub(super) fn files(&self, budget: &mut Budget) -> Result<Vec<OwnedFile>, &'static str> {
        let Some(names) = self.strings(tag::BASE_NAMES)? else { return self.old_files(budget) };
        let torn = "has files without folders in its rpm header";
        let indexes = self.numbers(tag::DIR_INDEXES)?.ok_or(torn)?;
        let folders = self.strings(tag::DIR_NAMES)?.ok_or(torn)?;
        if indexes.len() != names.left || folders.left > limits::packages().folders {
            return Err(torn);
        }
        let folders = folders.collect::<Result<Vec<_>, _>>()?;
        let mut digests = self.digests(names.left)?;
        let mut files = Vec::new();
        for (name, folder) in names.zip(indexes) {
            let folder = usize::try_from(folder).ok().and_then(|n| folders.get(n)).ok_or(torn)?;
            let digest = next_digest(&mut digests)?;
            files.push(OwnedFile { path: budget.path(folder, name?)?, digest });
        }
        Ok(files)
    }

    fn old_files(&self, budget: &mut Budget) -> Result<Vec<OwnedFile>, &'static str> {
        let Some(paths) = self.strings(tag::OLD_FILE_NAMES)? else { return Ok(Vec::new()) };
        let mut digests = self.digests(paths.left)?;
        let mut files = Vec::new();
        for path in paths {
            let path = path?;
            let path = budget.path(b"", path.strip_prefix(b"/").unwrap_or(path))?;
            files.push(OwnedFile { path, digest: next_digest(&mut digests)? });
        }
        Ok(files)
    }

    /// Digests, where there is one for each of the files; folders and links have an empty one.
    fn digests(&self, files: usize) -> Result<Option<Strings<'a>>, &'static str> {
        Ok(self.strings(tag::FILE_DIGESTS)?.filter(|digests| digests.left == files))
    }
}

fn next_digest(digests: &mut Option<Strings<'_>>) -> Result<Option<FileDigest>, &'static str> {
    let digest = digests.as_mut().and_then(Iterator::next).transpose()?;
    Ok(digest.and_then(FileDigest::from_hex))
}

/// Strings that stand one behind the other, each ended by a NUL.
struct Strings<'a> {
    rest: &'a [u8],
    left: usize,
}

impl<'a> Iterator for Strings<'a> {
    type Item = Result<&'a [u8], &'static str>;
    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        let Ok(text) = CStr::from_bytes_until_nul(self.rest) else {
            self.left = 0;
            return Some(Err("has a text without an end in its rpm header"));
        };
        self.rest = &self.rest[text.count_bytes() + 1..];
        Some(Ok(text.to_bytes()))
    }
}
