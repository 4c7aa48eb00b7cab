//! The header of a set's file: what is where, and the digest that everything hangs on.

use std::ops::Range;

use sha2::{Digest as _, Sha256};

use super::{Rot, body};
use crate::advisories::limits;

/// Bytes of the header.
pub(super) const LENGTH: usize = 192;
/// What the file begins with.
pub(in crate::advisories) const MAGIC: [u8; 8] = *b"patchadv";
/// 1 and 2 were compressed JSON.
const FORMAT: u32 = 3;
/// Bytes of the sum of one block.
pub(super) const SUM: usize = 16;
/// Where the header's own digest begins.
const DIGEST: usize = LENGTH - 32;

/// Parts of the body, in their order in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Texts,
    Records,
    Rows,
    Packages,
    Directory,
    Threats,
}

/// How many sections there are.
pub(super) const SECTIONS: usize = 6;

/// What a header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    /// Distinct advisories.
    pub(super) count: u64,
    /// Lengths of the sections.
    pub(super) sections: [u64; SECTIONS],
}

impl Header {
    /// Bytes of the body; none: the sections are longer than any set.
    pub(super) fn body(&self) -> Option<u64> {
        let sum = self.sections.iter().try_fold(0_u64, |sum, length| sum.checked_add(*length))?;
        (sum <= limits::advisories().set).then_some(sum)
    }

    /// Where a section lies in the body.
    pub(super) fn section(&self, section: Section) -> Range<u64> {
        let before: u64 = self.sections[..section as usize].iter().sum();
        before..before + self.sections[section as usize]
    }

    /// The header over these sums.
    pub(super) fn encode(&self, sums: &[u8]) -> [u8; LENGTH] {
        let mut out = [0; LENGTH];
        out[..8].copy_from_slice(&MAGIC);
        out[8..12].copy_from_slice(&FORMAT.to_le_bytes());
        out[12..16].copy_from_slice(&(body::BLOCK as u32).to_le_bytes());
        out[16..24].copy_from_slice(&self.count.to_le_bytes());
        for (i, length) in self.sections.iter().enumerate() {
            out[24 + 8 * i..32 + 8 * i].copy_from_slice(&length.to_le_bytes());
        }
        let digest = digest(&out[..DIGEST], sums);
        out[DIGEST..].copy_from_slice(&digest);
        out
    }

    /// Reads a header, whose digest [`Header::holds`] has yet to check.
    pub(super) fn decode(bytes: &[u8; LENGTH]) -> Result<Self, Rot> {
        let four = |at: usize| u32::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
        let eight = |at: usize| u64::from_le_bytes(std::array::from_fn(|i| bytes[at + i]));
        if bytes[..8] != MAGIC {
            return Err(Rot::new(0, "it is no set of advisories"));
        }
        if four(8) != FORMAT {
            return Err(Rot::new(8, format!("its format {} is not {FORMAT}", four(8))));
        }
        if four(12) as usize != body::BLOCK {
            return Err(Rot::new(12, format!("its blocks have {} bytes and not {}", four(12), body::BLOCK)));
        }
        let header = Self { count: eight(16), sections: std::array::from_fn(|i| eight(24 + 8 * i)) };
        if header.body().is_none() {
            return Err(Rot::new(
                24,
                format!("its sections have more than {} bytes", limits::advisories().set),
            ));
        }
        Ok(header)
    }

    /// Whether header and sums are as they were written.
    pub(super) fn holds(bytes: &[u8; LENGTH], sums: &[u8]) -> Result<(), Rot> {
        if digest(&bytes[..DIGEST], sums)[..] == bytes[DIGEST..] {
            Ok(())
        } else {
            Err(Rot::new(DIGEST as u64, "header and sums do not have the digest that stands there"))
        }
    }
}

fn digest(head: &[u8], sums: &[u8]) -> [u8; 32] {
    Sha256::new().chain_update(head).chain_update(sums).finalize().into()
}
