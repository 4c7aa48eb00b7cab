//! rpm's database as SQLite keeps it: the table `Packages(hnum, blob)`, after "Database File
//! Format" of SQLite; its sections are named beside what they rule.
//!
//! In WAL mode (section 4) what was written last lies in a file beside this one until a
//! checkpoint; here the main file alone is read. rpm checkpoints when it closes the database, so
//! an image whose build ended well loses nothing; where a `-wal` of more than zero bytes lies
//! beside it in a layer, packages of the last transaction may be missing or be old.

use super::{
    ParseError, Visit,
    bytes::{Order::Big, Seen, slice},
};

const MAGIC: &[u8] = b"SQLite format 3\0";
/// The database header stands before the first page's own.
const HEADER: usize = 100;
/// The least that section 1.3.4 allows.
const USABLE: usize = 480;
const INTERIOR_TABLE: u8 = 0x05;
const LEAF_TABLE: u8 = 0x0d;

/// Calls for each header with the offset of its row.
pub(super) fn headers(bytes: &[u8], visit: &mut Visit<'_>) -> Result<(), ParseError> {
    let file = File::open(bytes)?;
    let mut seen = Seen::new(file.pages + 1);
    let mut root = None;
    // Section 2.6: type, name, tbl_name, rootpage, sql. No object of another type is named so.
    file.table(1, &mut seen, &mut |at, row| {
        let is = |column: usize, text: &[u8]| row.value(column).is_some_and(|v| v.eq_ignore_ascii_case(text));
        if is(0, b"table") && is(1, b"Packages") {
            let page = row.value(3).filter(|v| v.len() <= 4).map(big);
            root = Some(page.ok_or_else(|| ParseError::offset(at, "names no page for the table Packages"))?);
        }
        Ok(())
    })?;
    let root = root.ok_or_else(|| ParseError::offset(0, "has no table Packages"))?;
    file.table(root, &mut seen, &mut |at, row| {
        let blob = row.blob(1).ok_or_else(|| ParseError::offset(at, "is a row without a package"))?;
        visit(at, blob)
    })
}

/// A big-endian number of a few bytes.
fn big(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |n, byte| n << 8 | usize::from(*byte))
}

struct File<'a> {
    bytes: &'a [u8],
    page_size: usize,
    /// Without what extensions reserve at the end of each page.
    usable: usize,
    /// Whole ones that are there, whatever the header claims.
    pages: usize,
}

type Rows<'v> = dyn FnMut(usize, &Row<'_>) -> Result<(), ParseError> + 'v;

impl<'a> File<'a> {
    /// Section 1.3, "The Database Header".
    fn open(bytes: &'a [u8]) -> Result<Self, ParseError> {
        let fail = |at: usize, reason: &str| Err(ParseError::offset(at, reason));
        if !bytes.starts_with(MAGIC) || bytes.len() < HEADER {
            return fail(0, "is no SQLite database");
        }
        let page_size = match Big.u16(bytes, 16) {
            Some(1) => 1 << 16,
            Some(size) if size >= 512 && size.is_power_of_two() => usize::from(size),
            _ => return fail(16, "is no size of a page"),
        };
        let usable = page_size - usize::from(bytes[20]);
        if usable < USABLE {
            return fail(20, "reserves too much of each page");
        }
        if Big.u32(bytes, 56).is_none_or(|encoding| encoding > 1) {
            return fail(56, "is a database whose texts are not UTF-8, which rpm does not write");
        }
        Ok(Self { bytes, page_size, usable, pages: bytes.len() / page_size })
    }

    /// A page and its offset; the first page has the number 1.
    fn page(&self, number: usize) -> Option<(usize, &'a [u8])> {
        let at = number.checked_sub(1)?.checked_mul(self.page_size)?;
        Some((at, slice(self.bytes, at, self.page_size)?))
    }

    /// Section 1.6, "B-tree Pages": the rows of a table in the order of their keys.
    fn table(&self, root: usize, seen: &mut Seen, visit: &mut Rows<'_>) -> Result<(), ParseError> {
        let mut ahead = vec![(0, root)];
        let mut overflow = Vec::new();
        while let Some((from, number)) = ahead.pop() {
            let fail = |at: usize, reason: &str| ParseError::offset(at, reason);
            let Some((at, page)) = self.page(number) else {
                return Err(fail(from, &format!("names page {number}, which is not there")));
            };
            if !seen.first(number) {
                return Err(fail(from, &format!("names page {number}, which has been read")));
            }
            let start = if number == 1 { HEADER } else { 0 };
            let (interior, head) = match page[start] {
                INTERIOR_TABLE => (true, 12),
                LEAF_TABLE => (false, 8),
                _ => return Err(fail(at, "is no page of a table")),
            };
            let cells = Big.u16(page, start + 3).map_or(0, usize::from);
            let pointers = slice(page, start + head, cells * 2);
            let pointers = pointers.ok_or_else(|| fail(at, "is a page of more cells than it holds"))?;
            let pointers = pointers.chunks_exact(2).map(big);
            if interior {
                let rightmost = Big.size(page, start + 8);
                let children = pointers.map(|cell| Big.size(&page[..self.usable], cell)).chain([rightmost]);
                let first = ahead.len();
                for child in children {
                    ahead.push((at, child.ok_or_else(|| fail(at, "has a cell beyond its end"))?));
                }
                if ahead.len() > self.pages {
                    return Err(fail(at, "names more pages than there are"));
                }
                // What is on top is read next.
                ahead[first..].reverse();
                continue;
            }
            for cell in pointers {
                let payload = self.payload(page, cell, seen, &mut overflow);
                let payload = payload.map_err(|reason| fail(at + cell, reason))?;
                let row = Row::parse(payload).ok_or_else(|| fail(at + cell, "is no record"))?;
                visit(at + cell, &row)?;
            }
        }
        Ok(())
    }

    /// A cell's payload, put together in `scratch` where it goes on in overflow pages: sections
    /// 1.6, "Cell Format", and 1.7.
    fn payload<'b>(
        &self,
        page: &'b [u8],
        cell: usize,
        seen: &mut Seen,
        scratch: &'b mut Vec<u8>,
    ) -> Result<&'b [u8], &'static str>
    where
        'a: 'b,
    {
        let short = "is a cell beyond the end of its page";
        let page = &page[..self.usable];
        let mut rest = page.get(cell..).ok_or(short)?;
        let length = varint(&mut rest).ok_or(short)?;
        let _rowid = varint(&mut rest).ok_or(short)?;
        let length = usize::try_from(length).ok().filter(|n| *n <= self.bytes.len());
        let length = length.ok_or("is a cell that is longer than the file")?;
        let (most, least) = (self.usable - 35, (self.usable - 12) * 32 / 255 - 23);
        if length <= most {
            return rest.get(..length).ok_or(short);
        }
        let fitting = least + (length - least) % (self.usable - 4);
        let local = if fitting <= most { fitting } else { least };
        scratch.clear();
        scratch.extend_from_slice(rest.get(..local).ok_or(short)?);
        let mut next = Big.size(rest, local).ok_or(short)?;
        while scratch.len() < length {
            let (_, page) = self.page(next).ok_or("goes on in a page that is not there")?;
            if !seen.first(next) {
                return Err("goes on in a page that has been read");
            }
            let part = (length - scratch.len()).min(self.usable - 4);
            scratch.extend_from_slice(slice(page, 4, part).ok_or(short)?);
            next = Big.size(page, 0).ok_or(short)?;
        }
        Ok(scratch)
    }
}

/// Section 1.6, "A variable-length integer": seven bits a byte, all eight of the ninth.
fn varint(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for count in 0..9 {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        if count == 8 {
            return Some(value << 8 | u64::from(*byte));
        }
        value = value << 7 | u64::from(byte & 0x7f);
        if byte & 0x80 == 0 {
            break;
        }
    }
    Some(value)
}

/// Columns that are looked at: those of the schema; `Packages` has fewer.
const COLUMNS: usize = 5;

/// Section 2.1, "Record Format": the serial types of its columns, and their values.
struct Row<'a> {
    columns: [Option<(u64, &'a [u8])>; COLUMNS],
}

impl<'a> Row<'a> {
    fn parse(payload: &'a [u8]) -> Option<Self> {
        let mut types = payload;
        let length = usize::try_from(varint(&mut types)?).ok()?;
        let taken = payload.len() - types.len();
        let mut types = payload.get(taken..length)?;
        let mut values = &payload[length..];
        let mut columns = [None; COLUMNS];
        for column in &mut columns {
            if types.is_empty() {
                break;
            }
            let serial = varint(&mut types)?;
            let size = match serial {
                0 | 8 | 9 => 0,
                1..=4 => serial,
                5 => 6,
                6 | 7 => 8,
                10 | 11 => return None,
                _ => (serial - 12) / 2,
            };
            let (value, rest) = values.split_at_checked(usize::try_from(size).ok()?)?;
            values = rest;
            *column = Some((serial, value));
        }
        Some(Self { columns })
    }

    /// A number's or a text's bytes; 0 and 1 may have none.
    fn value(&self, column: usize) -> Option<&'a [u8]> {
        match self.columns.get(column)?.as_ref()? {
            (9, _) => Some(&[1]),
            (_, value) => Some(value),
        }
    }

    fn blob(&self, column: usize) -> Option<&'a [u8]> {
        match self.columns.get(column)?.as_ref()? {
            (serial, value) if *serial >= 12 && serial % 2 == 0 => Some(value),
            _ => None,
        }
    }
}
