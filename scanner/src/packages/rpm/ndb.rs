//! rpm's own database, "ndb": `Packages.db`. The format has no specification beside rpm's source;
//! what is known of it: all numbers are little-endian, a page has 4096 bytes, a block sixteen.
//! The first pages hold slots (magic, package's number, first block, number of blocks), the first
//! two places of which the file's own header takes: magic, version, generation, number of such
//! pages, next number. A package's blob is a head (magic, package's number, time, length), the
//! header, zeros up to the next block, and a tail (Adler-32 of all before it, length, magic).

use super::{
    ParseError, Visit,
    bytes::{Order::Little, slice},
};

const MAGIC: &[u8] = b"RpmP";
const SLOT_MAGIC: &[u8] = b"Slot";
const HEAD_MAGIC: &[u8] = b"BlbS";
const TAIL_MAGIC: &[u8] = b"BlbE";
const PAGE: usize = 4096;
const BLOCK: usize = 16;
const SLOT: usize = 16;
const HEADER: usize = 32;
const HEAD: usize = 16;
const TAIL: usize = 12;

/// Where a package's blob lies.
struct Slot {
    number: u32,
    start: usize,
    length: usize,
}

/// Calls for each header with the offset of its blob, in the order in which they lie.
pub(super) fn headers(bytes: &[u8], visit: &mut Visit<'_>) -> Result<(), ParseError> {
    let mut slots = slots(bytes)?;
    slots.sort_unstable_by_key(|slot| slot.start);
    for pair in slots.windows(2) {
        if pair[1].start < pair[0].start + pair[0].length {
            return Err(ParseError::offset(pair[1].start, "overlaps another package"));
        }
    }
    for slot in &slots {
        let fail = |reason: &str| ParseError::offset(slot.start, reason);
        let header = slice(bytes, slot.start, slot.length).map(|blob| unwrapped(blob, slot.number));
        visit(slot.start, header.unwrap_or(Err("lies beyond the end of the file")).map_err(fail)?)?;
    }
    Ok(())
}

fn slots(bytes: &[u8]) -> Result<Vec<Slot>, ParseError> {
    let fail = |at: usize, reason: &str| Err(ParseError::offset(at, reason));
    if !bytes.starts_with(MAGIC) || bytes.len() < HEADER {
        return fail(0, "is no ndb database");
    }
    if Little.u32(bytes, 4) != Some(0) {
        return fail(4, "is of a version that is not known");
    }
    let area = Little.size(bytes, 12).and_then(|pages| pages.checked_mul(PAGE));
    let Some(area) = area.and_then(|length| bytes.get(..length)) else {
        return fail(12, "has fewer pages than it says");
    };
    let mut slots = Vec::new();
    for (index, raw) in area.chunks_exact(SLOT).enumerate().skip(HEADER / SLOT) {
        let at = index * SLOT;
        if !raw.starts_with(SLOT_MAGIC) {
            return fail(at, "is no slot");
        }
        let (number, first) = (Little.u32(raw, 4).unwrap_or(0), Little.size(raw, 8).unwrap_or(0));
        let blocks = Little.size(raw, 12).unwrap_or(0);
        if first == 0 {
            continue;
        }
        let (start, length) = (first.checked_mul(BLOCK), blocks.checked_mul(BLOCK));
        match (start, length) {
            (Some(start), Some(length))
                if number != 0
                    && length != 0
                    && start >= area.len()
                    && start.checked_add(length).is_some_and(|end| end <= bytes.len()) =>
            {
                slots.push(Slot { number, start, length });
            }
            _ => return fail(at, "is a slot of blocks that are not there"),
        }
    }
    Ok(slots)
}

/// The header in a blob.
fn unwrapped(blob: &[u8], number: u32) -> Result<&[u8], &'static str> {
    let tail =
        blob.len().checked_sub(TAIL).filter(|tail| *tail >= HEAD).ok_or("is too short for a package")?;
    let (body, tail) = blob.split_at(tail);
    let length = Little.size(body, 12).ok_or("is too short for a package")?;
    if !body.starts_with(HEAD_MAGIC) || !tail.ends_with(TAIL_MAGIC) || Little.u32(body, 4) != Some(number) {
        return Err("is not the package that its slot names");
    }
    let blocks = length.checked_add(HEAD + TAIL).map(|n| n.div_ceil(BLOCK));
    if blocks != Some(blob.len() / BLOCK) || Little.size(tail, 4) != Some(length) {
        return Err("is of another length than it says");
    }
    if Little.u32(tail, 0) != Some(adler32(body)) {
        return Err("has changed since its checksum was made");
    }
    slice(body, HEAD, length).ok_or("is of another length than it says")
}

/// RFC 1950, section 8.2; the sums are reduced before they could overflow.
fn adler32(bytes: &[u8]) -> u32 {
    let (mut low, mut high) = (1, 0);
    for chunk in bytes.chunks(5552) {
        for byte in chunk {
            low += u32::from(*byte);
            high += low;
        }
        low %= 65521;
        high %= 65521;
    }
    high << 16 | low
}
