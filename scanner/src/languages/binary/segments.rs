//! Where addresses of a binary stand in its file: ELF (gABI 4.1, "Program Header"), PE (Microsoft,
//! "PE Format": section table) and Mach-O (`mach-o/loader.h`: `segment_command`).

use crate::languages::limits;

/// A part of the file that is loaded to an address.
#[derive(Debug, Clone, Copy)]
struct Segment {
    address: u64,
    offset: u64,
    size: u64,
}

/// The loaded parts, as far as the head of the file tells them.
#[derive(Debug, Default)]
pub(super) struct Segments(Vec<Segment>);

/// A number of 2, 4 or 8 bytes.
pub(super) fn number(bytes: &[u8], at: usize, size: usize, big: bool) -> Option<u64> {
    let bytes = bytes.get(at..at.checked_add(size)?)?;
    let add = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
    Some(if big { bytes.iter().fold(0, add) } else { bytes.iter().rev().fold(0, add) })
}

impl Segments {
    /// None: it is no binary.
    pub(super) fn of(head: &[u8]) -> Option<Self> {
        let parts = match head {
            [0x7f, b'E', b'L', b'F', ..] => elf(head),
            [b'M', b'Z', ..] => pe(head),
            [0xcf | 0xce, 0xfa, 0xed, 0xfe, ..] => mach_o(head, false),
            [0xfe, 0xed, 0xfa, 0xcf | 0xce, ..] => mach_o(head, true),
            _ => return None,
        };
        // What cannot be understood can still be searched.
        Some(Self(parts.unwrap_or_default()))
    }

    /// The place of an address.
    pub(super) fn offset(&self, address: u64) -> Option<u64> {
        let inside = |s: &&Segment| address.checked_sub(s.address).is_some_and(|at| at < s.size);
        let segment = self.0.iter().find(inside)?;
        segment.offset.checked_add(address - segment.address)
    }
}

fn elf(head: &[u8]) -> Option<Vec<Segment>> {
    let wide = *head.get(4)? == 2;
    let big = *head.get(5)? == 2;
    let n = |at: usize, size: usize| number(head, at, size, big);
    let (table, size, count) =
        if wide { (n(32, 8)?, n(54, 2)?, n(56, 2)?) } else { (n(28, 4)?, n(42, 2)?, n(44, 2)?) };
    let mut found = Vec::new();
    for index in 0..count.min(limits::SEGMENTS as u64) {
        let at = usize::try_from(table.checked_add(index * size)?).ok()?;
        // PT_LOAD
        if n(at, 4)? == 1 {
            let field = |wide_at: usize, narrow_at: usize| {
                if wide { n(at.checked_add(wide_at)?, 8) } else { n(at.checked_add(narrow_at)?, 4) }
            };
            found.push(Segment { offset: field(8, 4)?, address: field(16, 8)?, size: field(32, 16)? });
        }
    }
    Some(found)
}

fn pe(head: &[u8]) -> Option<Vec<Segment>> {
    let n = |at: usize, size: usize| number(head, at, size, false);
    let at = usize::try_from(n(0x3c, 4)?).ok()?;
    if n(at, 4)? != u64::from(u32::from_le_bytes(*b"PE\0\0")) {
        return None;
    }
    let optional = at + 24;
    let base = if n(optional, 2)? == 0x20b { n(optional + 24, 8)? } else { n(optional + 28, 4)? };
    let table = optional + usize::try_from(n(at + 20, 2)?).ok()?;
    let count = usize::try_from(n(at + 6, 2)?).ok()?.min(limits::SEGMENTS);
    (0..count)
        .map(|index| {
            let at = table + index * 40;
            let address = base.checked_add(n(at + 12, 4)?)?;
            Some(Segment { address, size: n(at + 16, 4)?, offset: n(at + 20, 4)? })
        })
        .collect()
}

fn mach_o(head: &[u8], big: bool) -> Option<Vec<Segment>> {
    let n = |at: usize, size: usize| number(head, at, size, big);
    let wide = matches!(head, [0xcf, ..] | [_, _, _, 0xcf, ..]);
    let mut at = if wide { 32 } else { 28 };
    let mut found = Vec::new();
    for _ in 0..n(16, 4)?.min(limits::SEGMENTS as u64) {
        let (command, size) = (n(at, 4)?, usize::try_from(n(at + 4, 4)?).ok()?);
        match command {
            // LC_SEGMENT_64, LC_SEGMENT
            0x19 => {
                found.push(Segment { address: n(at + 24, 8)?, offset: n(at + 40, 8)?, size: n(at + 48, 8)? })
            }
            0x1 => {
                found.push(Segment { address: n(at + 24, 4)?, offset: n(at + 32, 4)?, size: n(at + 36, 4)? })
            }
            _ => {}
        }
        at = at.checked_add(size.max(8))?;
    }
    Some(found)
}
