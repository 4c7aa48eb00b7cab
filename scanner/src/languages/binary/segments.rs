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
    for index in 0..count.min(limits::binaries().segments as u64) {
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
    let count = usize::try_from(n(at + 6, 2)?).ok()?.min(limits::binaries().segments);
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
    for _ in 0..n(16, 4)?.min(limits::binaries().segments as u64) {
        let (Some(command), Some(size)) = (n(at, 4), n(at + 4, 4)) else { break };
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
        at = at.checked_add(usize::try_from(size.max(8)).ok()?)?;
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Bytes with numbers of the given sizes at places.
    fn head(magic: &[u8], fields: &[(usize, u64, usize)]) -> Vec<u8> {
        let mut head = vec![0; 1024];
        head[..magic.len()].copy_from_slice(magic);
        for (at, value, size) in fields {
            head[*at..at + size].copy_from_slice(&value.to_le_bytes()[..*size]);
        }
        head
    }

    #[test]
    fn addresses_have_places() {
        // A header at 0x80 with an optional one of 0xf0 bytes, an image base, and one section.
        let section = 0x80 + 24 + 0xf0;
        let pe = [
            (0x3c, 0x80, 4),
            (0x80, u64::from(u32::from_le_bytes(*b"PE\0\0")), 4),
            (0x86, 1, 2),
            (0x94, 0xf0, 2),
            (0x98, 0x20b, 2),
            (0x98 + 24, 0x1_4000_0000, 8),
            (section + 12, 0x1000, 4),
            (section + 16, 0x200, 4),
            (section + 20, 0x400, 4),
        ];
        let mach_o = [
            (16, 2, 4),
            (32, 2, 4),
            (36, 24, 4),
            (56, 0x19, 4),
            (60, 72, 4),
            (56 + 24, 0x1_0000_0000, 8),
            (56 + 40, 0x4000, 8),
            (56 + 48, 0x100, 8),
        ];
        let elf = [
            (28, 52, 4),
            (42, 32, 2),
            (44, 1, 2),
            (52, 1, 4),
            (56, 0x1000, 4),
            (60, 0x80_0000, 4),
            (68, 0x10, 4),
        ];
        for (head, address, place) in [
            (head(b"MZ", &pe), 0x1_4000_1010, 0x410),
            (head(b"\xcf\xfa\xed\xfe", &mach_o), 0x1_0000_00ff, 0x40ff),
            (head(b"\x7fELF\x01\x01", &elf), 0x80_0008, 0x1008),
        ] {
            let segments = Segments::of(&head).expect("a binary");
            assert_eq!(segments.offset(address), Some(place));
            assert_eq!((segments.offset(0), segments.offset(u64::MAX)), (None, None));
        }
        assert!(Segments::of(b"#!/bin/sh").is_none() && Segments::of(b"").is_none());
        assert_eq!(Segments::of(b"\x7fELF").expect("a stub of one").offset(0), None);
    }

    proptest::proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200), magic in 0..4_usize) {
            let magic = [b"\x7fELF".as_slice(), b"MZ", b"\xcf\xfa\xed\xfe", b"\xfe\xed\xfa\xce"][magic];
            if let Some(segments) = Segments::of(&[magic, &bytes].concat()) {
                let _ = segments.offset(u64::from(bytes.first().copied().unwrap_or(0)));
            }
        }
    }
}
