//! The tree of values in an ADB block: words of 32 bits, little endian, whose upper four bits say what the others are
//! (apk-v3(5), "WIRE FORMAT").

use std::{cell::Cell, io};

use crate::apk::limits;

/// The first eight bytes: the version a reader must know, the version written, two that are free, and the root.
const HEADER: usize = 8;

/// All of a block.
pub(in crate::apk) struct Values {
    bytes: Vec<u8>,
    /// What may still be read: one value may stand in many places, so a small file may be read for ever.
    budget: Cell<u64>,
}

/// An array, or an object, whose fields stand at fixed places: numbered from 1.
#[derive(Clone, Copy)]
pub(in crate::apk) struct Slots<'t> {
    of: &'t Values,
    /// Where its number of slots stands, which is one of them.
    at: usize,
    count: usize,
}

fn broken(why: &str) -> io::Error {
    io::Error::other(format!("its values are broken: {why}"))
}

impl Values {
    /// Of a block's bytes, which nothing is known of.
    pub(in crate::apk) fn new(bytes: Vec<u8>) -> io::Result<Self> {
        match bytes.first() {
            Some(0) if bytes.len() >= HEADER => Ok(Self { bytes, budget: Cell::new(limits::VALUES) }),
            Some(0) | None => Err(broken("they are cut short")),
            Some(_) => Err(io::Error::other("its values are of a version to come")),
        }
    }

    /// Its root.
    pub(in crate::apk) fn root(&self) -> io::Result<Slots<'_>> {
        self.slots(self.word(4)?)?.ok_or_else(|| broken("there is no root"))
    }

    fn spend(&self, bytes: usize) -> io::Result<()> {
        let left = self.budget.get().checked_sub(bytes as u64 + 8);
        self.budget.set(left.ok_or_else(|| io::Error::other("its values are too many"))?);
        Ok(())
    }

    fn bytes(&self, at: usize, count: usize) -> io::Result<&[u8]> {
        let end = at.checked_add(count).ok_or_else(|| broken("one lies outside"))?;
        self.bytes.get(at..end).ok_or_else(|| broken("one lies outside"))
    }

    fn number(&self, at: usize, count: usize) -> io::Result<u64> {
        let bytes = self.bytes(at, count)?;
        Ok(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    fn word(&self, at: usize) -> io::Result<u32> {
        Ok(self.number(at, 4)? as u32)
    }

    fn slots(&self, word: u32) -> io::Result<Option<Slots<'_>>> {
        let at = match word >> 28 {
            0 if word == 0 => return Ok(None),
            0xd | 0xe => (word & 0x0fff_ffff) as usize,
            _ => return Err(broken("one is no array and no object")),
        };
        let count = self.word(at)? as usize;
        let size = count.checked_mul(4).filter(|size| *size > 0).ok_or_else(|| broken("one has no slots"))?;
        self.bytes(at, size)?;
        self.spend(size)?;
        Ok(Some(Slots { of: self, at, count }))
    }

    fn blob(&self, word: u32) -> io::Result<&[u8]> {
        let at = (word & 0x0fff_ffff) as usize;
        let width = match word >> 28 {
            0 if word == 0 => return Ok(&[]),
            0x8 => 1,
            0x9 => 2,
            0xa => 4,
            _ => return Err(broken("one is no text")),
        };
        let size = self.number(at, width)? as usize;
        self.spend(size)?;
        self.bytes(at + width, size)
    }

    fn integer(&self, word: u32) -> io::Result<u64> {
        let at = (word & 0x0fff_ffff) as usize;
        match word >> 28 {
            0 if word == 0 => Ok(0),
            0x1 => Ok(at as u64),
            0x2 => self.number(at, 4),
            0x3 => self.number(at, 8),
            _ => Err(broken("one is no number")),
        }
    }
}

impl<'t> Slots<'t> {
    /// Of an array: its items' numbers.
    pub(in crate::apk) fn numbers(&self) -> std::ops::Range<usize> {
        1..self.count
    }

    /// What is not there is null.
    fn word(&self, number: usize) -> io::Result<u32> {
        match number < self.count {
            true => self.of.word(self.at + number * 4),
            false => Ok(0),
        }
    }

    /// A number; null is 0.
    pub(in crate::apk) fn integer(&self, number: usize) -> io::Result<u64> {
        self.of.integer(self.word(number)?)
    }

    /// Bytes; null is none of them.
    pub(in crate::apk) fn blob(&self, number: usize) -> io::Result<&'t [u8]> {
        self.of.blob(self.word(number)?)
    }

    /// A line of text; null is the empty one.
    ///
    /// # Errors
    /// Bytes that are no UTF-8, or that no line of a database could hold.
    pub(in crate::apk) fn text(&self, number: usize) -> io::Result<&'t str> {
        let text = std::str::from_utf8(self.blob(number)?).map_err(|_| broken("a text is no UTF-8"))?;
        match text.contains(char::is_control) {
            true => Err(broken("a text is no line")),
            false => Ok(text),
        }
    }

    /// An array or an object; null is none.
    pub(in crate::apk) fn slots(&self, number: usize) -> io::Result<Option<Slots<'t>>> {
        self.of.slots(self.word(number)?)
    }

    /// Every item of an array of objects; null is an empty one.
    pub(in crate::apk) fn objects(&self, number: usize) -> io::Result<Vec<Slots<'t>>> {
        let Some(array) = self.slots(number)? else { return Ok(Vec::new()) };
        let some = |number| array.slots(number)?.ok_or_else(|| broken("an item is null"));
        array.numbers().map(some).collect()
    }

    /// Every item of an array of texts.
    pub(in crate::apk) fn texts(&self, number: usize) -> io::Result<Vec<&'t str>> {
        let Some(array) = self.slots(number)? else { return Ok(Vec::new()) };
        array.numbers().map(|number| array.text(number)).collect()
    }
}
