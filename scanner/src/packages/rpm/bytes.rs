//! Numbers out of bytes; none: they lie beyond the end.

/// Which byte of a number stands first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    Big,
    Little,
}

impl Order {
    pub(super) fn u16(self, bytes: &[u8], at: usize) -> Option<u16> {
        let raw = array(bytes, at)?;
        Some(if self == Self::Big { u16::from_be_bytes(raw) } else { u16::from_le_bytes(raw) })
    }

    pub(super) fn u32(self, bytes: &[u8], at: usize) -> Option<u32> {
        let raw = array(bytes, at)?;
        Some(if self == Self::Big { u32::from_be_bytes(raw) } else { u32::from_le_bytes(raw) })
    }

    /// A 32-bit number that counts or points.
    pub(super) fn size(self, bytes: &[u8], at: usize) -> Option<usize> {
        self.u32(bytes, at).and_then(|n| usize::try_from(n).ok())
    }
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

/// `length` bytes from `at`.
pub(super) fn slice(bytes: &[u8], at: usize, length: usize) -> Option<&[u8]> {
    bytes.get(at..at.checked_add(length)?)
}

/// Pages that were read; a page belongs to one place alone, so a cycle ends here.
pub(super) struct Seen(Vec<bool>);

impl Seen {
    pub(super) fn new(pages: usize) -> Self {
        Self(vec![false; pages])
    }

    /// False: there is no such page, or it was read before.
    pub(super) fn first(&mut self, page: usize) -> bool {
        self.0.get_mut(page).is_some_and(|seen| !std::mem::replace(seen, true))
    }
}
