//! Crates that `cargo auditable` lists in a binary: JSON, compressed with zlib; cargo-auditable, `PARSING.md`.
//!
//! Its section is named in a table at the end of the file, so the list itself is
//! searched for: by zlib's two bytes, and by how the JSON below them begins.

use std::{io::Read as _, ops::Range};

use flate2::{Decompress, FlushDecompress};

use super::Next;
use crate::languages::{
    Component, Evidence, Found, Kind, limits,
    tree::{self, Node},
};

/// How the list begins.
const OPENING: &[u8] = b"{\"packages\":[";
/// RFC 1950, 2.2: deflate with a window of 32 KiB, by level.
const ZLIB: [[u8; 2]; 4] = [[0x78, 0xda], [0x78, 0x9c], [0x78, 0x01], [0x78, 0x5e]];

/// Reads lists of crates.
pub(super) struct Rust {
    inflate: Decompress,
    /// One list is enough.
    found: bool,
    /// Places that may still be tried.
    tries: usize,
}

impl Default for Rust {
    fn default() -> Self {
        Self { inflate: Decompress::new(true), found: false, tries: limits::binaries().tries }
    }
}

impl Rust {
    /// Places where a list begins.
    pub(super) fn lists(&mut self, bytes: &[u8], range: Range<usize>, found: &mut Found) -> Vec<usize> {
        let mut all = Vec::new();
        if self.found {
            return all;
        }
        self.tries = (self.tries + range.len() / super::TRY_EVERY).min(limits::binaries().tries);
        let end = (range.end + 1).min(bytes.len());
        for header in &ZLIB {
            for at in memchr::memmem::find_iter(&bytes[range.start..end], header) {
                let at = range.start + at;
                let Some(left) = self.tries.checked_sub(1) else {
                    found.note("more places than can be tried could hold a list of crates");
                    return all;
                };
                self.tries = left;
                let mut opening = [0; OPENING.len()];
                self.inflate.reset(true);
                let input = &bytes[at..(at + super::OVERLAP).min(bytes.len())];
                let inflated = self.inflate.decompress(input, &mut opening, FlushDecompress::None);
                if inflated.is_ok() && opening == *OPENING && all.len() < super::PENDING {
                    all.push(at);
                }
            }
        }
        all
    }

    /// A whole list.
    pub(super) fn list(&mut self, bytes: &[u8], found: &mut Found) -> Next {
        let mut json = Vec::new();
        let read = flate2::bufread::ZlibDecoder::new(bytes)
            .take(limits::binaries().crates + 1)
            .read_to_end(&mut json);
        match read {
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => return Next::More,
            Err(_) => return Next::Done,
            Ok(_) if json.len() as u64 > limits::binaries().crates => {
                found.note(format_args!(
                    "its list of crates has more than {} bytes",
                    limits::binaries().crates
                ));
                return Next::Done;
            }
            Ok(_) => {}
        }
        match tree::json(&json) {
            Ok(list) => {
                self.found = true;
                list.get("packages").items().iter().filter_map(package).for_each(|c| found.add(c));
            }
            Err(error) => found.note(format_args!("its list of crates: {}", error.reason)),
        }
        Next::Done
    }
}

/// What only built the binary is not in it.
fn package(package: &Node<'_>) -> Option<Component> {
    let component = Component::new(Kind::Cargo, package.get("name").text(), package.get("version").text());
    let main = package.get("root").is_true();
    let there = package.get("kind").text() != "build";
    there.then_some(Component { evidence: Evidence::BuildInfo, main, ..component })
}
