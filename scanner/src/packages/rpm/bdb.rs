//! rpm's database as Berkeley DB keeps it: `Packages`, a hash from a package's number to its
//! header. After the structures in `dbinc/db_page.h` of Berkeley DB 4 and 5, which has no other
//! specification: a page of its own data first, then pages of items that are named by offsets at
//! their start, and headers, being larger than a quarter of a page, in chains of overflow pages.
//!
//! The pages are read one after the other rather than by their buckets: what was freed has another
//! type, so this finds the same, and no chain of buckets can go in circles.

use super::{
    ParseError, Visit,
    bytes::{Order, Seen, slice},
};

/// Of a hash, in the byte order of the machine that made it.
const MAGIC: u32 = 0x0006_1561;
/// Versions of the hash: Berkeley DB 3.0 to 6.
const VERSIONS: std::ops::RangeInclusive<u32> = 7..=10;
/// Bytes of the smallest page.
const LEAST: usize = 512;
/// What stands before the items of a page.
const HEAD: usize = 26;
const HASH_UNSORTED: u8 = 2;
const OVERFLOW: u8 = 7;
const HASH_META: u8 = 8;
const HASH: u8 = 13;
/// Kinds of items: in its place, or in a chain of pages.
const KEY_DATA: u8 = 1;
const OFF_PAGE: u8 = 3;

/// Calls for each header with the offset of its item.
pub(super) fn headers(bytes: &[u8], visit: &mut Visit<'_>) -> Result<(), ParseError> {
    let file = File::open(bytes)?;
    let mut seen = Seen::new(file.pages);
    let mut scratch = Vec::new();
    for number in 1..file.pages {
        let page = file.page(number).unwrap_or_default();
        let at = number * file.page_size;
        if !matches!(page.get(25), Some(&(HASH | HASH_UNSORTED))) {
            continue;
        }
        let items = file.items(page).map_err(|reason| ParseError::offset(at, reason))?;
        for pair in items.chunks(2) {
            let [key, value] = pair else { return Err(ParseError::offset(at, "has a key without a value")) };
            // rpm counts its packages under the key 0.
            if key.bytes == [KEY_DATA, 0, 0, 0, 0] {
                continue;
            }
            let at = at + value.offset;
            let header = file.value(value.bytes, &mut seen, &mut scratch);
            visit(at, header.map_err(|reason| ParseError::offset(at, reason))?)?;
        }
    }
    Ok(())
}

struct File<'a> {
    bytes: &'a [u8],
    order: Order,
    page_size: usize,
    pages: usize,
}

#[derive(Clone, Copy)]
struct Item<'a> {
    /// In its page.
    offset: usize,
    /// Its kind, and what follows.
    bytes: &'a [u8],
}

impl<'a> File<'a> {
    /// `DBMETA`: the first page.
    fn open(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let fail = |at: usize, reason: &str| Err(ParseError::offset(at, reason));
        let order = [Order::Little, Order::Big].into_iter().find(|o| o.u32(bytes, 12) == Some(MAGIC));
        let Some(order) = order.filter(|_| bytes.len() >= LEAST && bytes[25] == HASH_META) else {
            return fail(12, "is no hash of Berkeley DB");
        };
        if !order.u32(bytes, 16).is_some_and(|version| VERSIONS.contains(&version)) {
            return fail(16, "is of a version that is not known");
        }
        let page_size =
            order.size(bytes, 20).filter(|n| n.is_power_of_two() && (LEAST..=1 << 16).contains(n));
        let Some(page_size) = page_size else { return fail(20, "is no size of a page") };
        if bytes[24] != 0 {
            return fail(24, "is encrypted");
        }
        if bytes[26] & 1 != 0 {
            return fail(26, "has checksums in its pages, which rpm does not write");
        }
        let pages = bytes.len() / page_size;
        if order.size(bytes, 32).is_none_or(|last| last >= pages) {
            return fail(32, "has fewer pages than it says");
        }
        Ok(Self { bytes, order, page_size, pages })
    }

    fn page(&self, number: usize) -> Option<&'a [u8]> {
        slice(self.bytes, number.checked_mul(self.page_size)?, self.page_size)
    }

    /// Items lie from the end of the page towards its start, so each ends where the one before began.
    fn items(&self, page: &'a [u8]) -> Result<Vec<Item<'a>>, &'static str> {
        let count = self.order.u16(page, 20).map_or(0, usize::from);
        let offsets = slice(page, HEAD, count * 2).ok_or("is a page of more items than it holds")?;
        let mut end = page.len();
        let mut items = Vec::with_capacity(count);
        for index in 0..count {
            let offset = self.order.u16(offsets, index * 2).map_or(0, usize::from);
            if offset < HEAD + offsets.len() || offset >= end {
                return Err("is a page whose items overlap");
            }
            items.push(Item { offset, bytes: &page[offset..end] });
            end = offset;
        }
        Ok(items)
    }

    /// An item's content, put together in `scratch` where it lies in a chain of pages.
    fn value<'b>(
        &self,
        item: &'b [u8],
        seen: &mut Seen,
        scratch: &'b mut Vec<u8>,
    ) -> Result<&'b [u8], &'static str> {
        match item {
            [KEY_DATA, value @ ..] => return Ok(value),
            [OFF_PAGE, ..] => {}
            _ => return Err("is an item of a kind that rpm does not write"),
        }
        let short = "is an item that is too short";
        let mut next = self.order.size(item, 4).ok_or(short)?;
        let length = self.order.size(item, 8).ok_or(short)?;
        scratch.clear();
        while next != 0 {
            let page = self.page(next).ok_or("goes on in a page that is not there")?;
            if !seen.first(next) {
                return Err("goes on in a page that has been read");
            }
            let size = self.order.u16(page, 22).map(usize::from).filter(|_| page.get(25) == Some(&OVERFLOW));
            let part = size.and_then(|size| slice(page, HEAD, size));
            scratch.extend_from_slice(part.ok_or("goes on in a page that is none of an overflow")?);
            next = self.order.size(page, 16).ok_or(short)?;
        }
        if scratch.len() != length {
            return Err("is of another length than it says");
        }
        Ok(scratch)
    }
}
