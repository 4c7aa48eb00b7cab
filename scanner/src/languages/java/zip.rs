//! Zip archives that are held in memory, by their central directory; APPNOTE.TXT 6.3.10, 4.3.

use std::{borrow::Cow, io::Read};

use crate::languages::Unreadable;

pub(super) const LOCAL: [u8; 4] = *b"PK\x03\x04";
pub(super) const CENTRAL: [u8; 4] = *b"PK\x01\x02";
const END: [u8; 4] = *b"PK\x05\x06";
const END_64: [u8; 4] = *b"PK\x06\x06";
const LOCATOR_64: [u8; 4] = *b"PK\x06\x07";
/// The end record, and the longest comment behind it.
const END_SIZE: usize = 22;
const COMMENT: usize = 65_535;

/// One file of an archive.
pub(in crate::languages) struct Entry<'a> {
    /// Its path; bytes that are no UTF-8 are replaced.
    pub name: Cow<'a, str>,
    /// 0: stored, 8: deflated.
    pub method: u16,
    /// Bit 0: encrypted.
    pub flags: u16,
    /// As they are stored.
    pub data: &'a [u8],
}

impl<'a> Entry<'a> {
    /// Its content; none: encrypted, or by a method that Java does not write.
    pub(in crate::languages) fn open(&self) -> Option<Box<dyn Read + 'a>> {
        match self.method {
            _ if self.flags & 1 != 0 => None,
            0 => Some(Box::new(self.data)),
            8 => Some(Box::new(flate2::bufread::DeflateDecoder::new(self.data))),
            _ => None,
        }
    }
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at.checked_add(2)?)?.try_into().ok()?))
}
pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at.checked_add(4)?)?.try_into().ok()?))
}
pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at.checked_add(8)?)?.try_into().ok()?))
}

/// Walks the central directory.
pub(in crate::languages) struct Directory<'a> {
    bytes: &'a [u8],
    /// What is left of the directory.
    rest: &'a [u8],
    /// Bytes before the archive itself, which its offsets do not count.
    shift: usize,
}

impl<'a> Directory<'a> {
    /// Finds it by the record at the archive's end.
    pub(in crate::languages) fn of(bytes: &'a [u8]) -> Result<Self, Unreadable> {
        Self::find(bytes).ok_or_else(|| Unreadable::new("it is no zip archive: it has no central directory"))
    }

    fn find(bytes: &'a [u8]) -> Option<Self> {
        let from = bytes.len().saturating_sub(END_SIZE + COMMENT);
        let end = from + memchr::memmem::rfind(&bytes[from..], &END)?;
        let (mut size, mut offset) =
            (u64::from(u32_at(bytes, end + 12)?), u64::from(u32_at(bytes, end + 16)?));
        let count = u16_at(bytes, end + 10)?;
        let mut directory_end = end;
        if count == u16::MAX || size == u64::from(u32::MAX) || offset == u64::from(u32::MAX) {
            // 4.3.14: the record of zip64 stands before the locator, which stands before the end.
            let locator = end.checked_sub(20).filter(|&at| bytes[at..].starts_with(&LOCATOR_64));
            if let Some(locator) = locator {
                let stated = usize::try_from(u64_at(bytes, locator + 8)?).ok()?;
                let before = locator.checked_sub(56);
                let is_there = |at: &usize| bytes.get(*at..).is_some_and(|b| b.starts_with(&END_64));
                let record = before.filter(is_there).or_else(|| Some(stated).filter(is_there))?;
                (size, offset) = (u64_at(bytes, record + 40)?, u64_at(bytes, record + 48)?);
                directory_end = record;
            }
        }
        let (size, offset) = (usize::try_from(size).ok()?, usize::try_from(offset).ok()?);
        let start = directory_end.checked_sub(size)?;
        let begins = |at: usize| size == 0 || bytes.get(at..).is_some_and(|b| b.starts_with(&CENTRAL));
        // Where something stands between the directory and its end, offsets are taken by their word.
        let (start, shift) = match start.checked_sub(offset) {
            Some(shift) if begins(start) => (start, shift),
            _ if begins(offset) => (offset, 0),
            _ => return None,
        };
        Some(Self { bytes, rest: bytes.get(start..start.checked_add(size)?)?, shift })
    }

    fn entry(&mut self) -> Option<Entry<'a>> {
        let head = self.rest;
        let (flags, method) = (u16_at(head, 8)?, u16_at(head, 10)?);
        let mut packed = u64::from(u32_at(head, 20)?);
        let mut offset = u64::from(u32_at(head, 42)?);
        let name_length = usize::from(u16_at(head, 28)?);
        let extra_length = usize::from(u16_at(head, 30)?);
        let name = head.get(46..46 + name_length)?;
        let extra = head.get(46 + name_length..46 + name_length + extra_length)?;
        let length = 46 + name_length + extra_length + usize::from(u16_at(head, 32)?);
        self.rest = head.get(length..)?;
        // 4.5.3: only what does not fit stands there, in this order.
        let mut wide = extra_field(extra, 1).unwrap_or_default();
        let mut next = |value: &mut u64| {
            if *value == u64::from(u32::MAX) {
                *value = u64_at(wide, 0)?;
                wide = &wide[8..];
            }
            Some(())
        };
        next(&mut u64::from(u32_at(head, 24)?))?;
        next(&mut packed)?;
        next(&mut offset)?;
        let local = usize::try_from(offset).ok()?.checked_add(self.shift)?;
        let local = self.bytes.get(local..).filter(|b| b.starts_with(&LOCAL))?;
        let skip = 30 + usize::from(u16_at(local, 26)?) + usize::from(u16_at(local, 28)?);
        let data = local.get(skip..skip.checked_add(usize::try_from(packed).ok()?)?)?;
        Some(Entry { name: String::from_utf8_lossy(name), method, flags, data })
    }
}

/// An extra field by its id; 4.5.1.
pub(super) fn extra_field(mut extra: &[u8], id: u16) -> Option<&[u8]> {
    loop {
        let length = usize::from(u16_at(extra, 2)?);
        let field = extra.get(4..4 + length)?;
        if u16_at(extra, 0)? == id {
            return Some(field);
        }
        extra = &extra[4 + length..];
    }
}

impl<'a> Iterator for Directory<'a> {
    type Item = Result<Entry<'a>, Unreadable>;
    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let at = self.rest.as_ptr() as usize - self.bytes.as_ptr() as usize;
        let entry = if self.rest.starts_with(&CENTRAL) { self.entry() } else { None };
        if entry.is_none() {
            self.rest = &[];
        }
        Some(entry.ok_or_else(|| {
            Unreadable::new(format!("offset {at}: an entry of the zip archive's directory makes no sense"))
        }))
    }
}
