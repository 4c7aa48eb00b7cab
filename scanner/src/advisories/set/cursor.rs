//! Reading on from one place in a section, and never past its end.

use std::ops::Range;

use super::{
    Rot,
    body::{BLOCK, Block, Body},
    header::LENGTH,
};

/// A place in a section, and the block around it.
pub(super) struct Cursor<'a> {
    body: &'a Body,
    at: u64,
    end: u64,
    block: Option<(usize, Block<'a>)>,
}

impl<'a> Cursor<'a> {
    /// At a place that is counted from the start of a section.
    pub(super) fn new(body: &'a Body, section: &Range<u64>, at: u64) -> Result<Self, Rot> {
        let place = section.start.checked_add(at).filter(|place| *place <= section.end);
        let Some(place) = place else {
            return Err(Rot::new(
                LENGTH as u64 + section.start,
                format!("there is no byte {at} in its section"),
            ));
        };
        Ok(Self { body, at: place, end: section.end, block: None })
    }

    /// What is left of the section.
    pub(super) fn left(&self) -> u64 {
        self.end - self.at
    }

    pub(super) fn rot(&self, reason: impl Into<String>) -> Rot {
        Rot::new(LENGTH as u64 + self.at, reason)
    }

    /// At most `most` of the bytes that follow, as many as lie in one block; never none.
    fn piece(&mut self, most: u64) -> Result<&[u8], Rot> {
        if self.at >= self.end {
            return Err(self.rot("the section ends here"));
        }
        let (index, from) = ((self.at / BLOCK as u64) as usize, (self.at % BLOCK as u64) as usize);
        if self.block.as_ref().is_none_or(|(at, _)| *at != index) {
            self.block = Some((index, self.body.block(index)?));
        }
        let block: &[u8] = self.block.as_ref().map_or(&[], |(_, block)| block);
        let most = most.min(self.end - self.at).min(BLOCK as u64) as usize;
        let piece = &block[from.min(block.len())..(from + most).min(block.len())];
        if piece.is_empty() {
            return Err(Rot::new(LENGTH as u64 + self.at, "the block ends here"));
        }
        self.at += piece.len() as u64;
        Ok(piece)
    }

    pub(super) fn byte(&mut self) -> Result<u8, Rot> {
        Ok(self.piece(1)?[0])
    }

    /// LEB128.
    pub(super) fn number(&mut self) -> Result<u64, Rot> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            let low = u64::from(byte & 0x7f);
            if shift == 63 && low > 1 {
                break;
            }
            number |= low << shift;
            if byte & 0x80 == 0 {
                return Ok(number);
            }
        }
        Err(self.rot("a number has more than 64 bits"))
    }

    /// Exactly so many bytes.
    pub(super) fn exactly<const N: usize>(&mut self) -> Result<[u8; N], Rot> {
        let mut out = [0; N];
        let mut done = 0;
        while done < N {
            let piece = self.piece((N - done) as u64)?;
            out[done..done + piece.len()].copy_from_slice(piece);
            done += piece.len();
        }
        Ok(out)
    }

    /// A length, and so many bytes of UTF-8.
    pub(super) fn text(&mut self) -> Result<String, Rot> {
        let length = self.number()?;
        if length > self.left() {
            return Err(self.rot(format!("a text of {length} bytes does not fit into its section")));
        }
        // It grows with what is there, not with what is claimed.
        let mut bytes = Vec::new();
        while (bytes.len() as u64) < length {
            let piece = self.piece(length - bytes.len() as u64)?;
            bytes.extend_from_slice(piece);
        }
        String::from_utf8(bytes).map_err(|e| self.rot(e.to_string()))
    }

    /// A count, and so many of what `one` reads; each takes at least a byte, so a count cannot claim more than is there.
    pub(super) fn list<T>(
        &mut self,
        mut one: impl FnMut(&mut Self) -> Result<T, Rot>,
    ) -> Result<Vec<T>, Rot> {
        let count = self.number()?;
        if count > self.left() {
            return Err(self.rot(format!("a list of {count} does not fit into its section")));
        }
        (0..count).map(|_| one(self)).collect()
    }
}
