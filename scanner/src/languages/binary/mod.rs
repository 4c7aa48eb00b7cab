//! Executables and libraries: what compilers leave in them, and versions of well-known software.
//!
//! A binary is a stream that is searched in windows. Only from where something
//! begins to where it ends more than a window is held.

mod go;
mod known;
mod rust;
mod segments;

use std::io::Read;

use self::segments::Segments;
use super::{Analyser, File, Found, Named, Unreadable, limits};

/// Bytes of a binary that are looked at together.
const WINDOW: usize = 256 << 10;
/// What is looked at again with the next window: the longest string that is searched for at once.
const OVERLAP: usize = 1 << 10;
/// Beginnings whose end has not come yet.
const PENDING: usize = 4;
/// Bytes of a binary that allow one more try: some have many small compressed files in them.
const TRY_EVERY: usize = 256;
/// Bytes at the beginning of a binary, with the table of its segments.
const HEAD: usize = 4 << 10;

pub(super) static BINARY: Binary = Binary;

pub(super) struct Binary;

impl Analyser for Binary {
    fn name(&self) -> &'static str {
        "binary"
    }
    fn version(&self) -> u32 {
        1
    }
    fn named(&self) -> &'static [Named] {
        // Debian's libraries have no execute bit.
        &[Named::Executable, Named::Begins("libpython"), Named::Begins("libruby"), Named::Begins("libphp")]
    }
    fn wants(&self, file: &File<'_>) -> bool {
        file.size >= 128
    }
    fn read(&self, file: &File<'_>, content: &mut dyn Read) -> Result<Found, Unreadable> {
        let mut bytes = Vec::new();
        (&mut *content).take(HEAD as u64).read_to_end(&mut bytes)?;
        // Most executables are scripts: nothing more of them is read.
        let Some(segments) = Segments::of(&bytes) else { return Ok(Found::default()) };
        let mut search = Search::new(file, segments);
        search.run(bytes, content)?;
        Ok(search.found.tidy())
    }
}

/// What became of a beginning.
enum Next {
    /// It was nothing, or all of it is understood.
    Done,
    /// Its end has not come yet.
    More,
}

/// A beginning whose end may not have come yet.
struct Pending {
    /// Its offset in the file.
    at: u64,
    begin: Begin,
    /// Bytes that were there when it was looked at last.
    tried: usize,
}

/// What begins at some place.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Begin {
    Go,
    GoModules,
    Rust,
}

struct Search<'a> {
    found: Found,
    begun: usize,
    go: go::Go,
    rust: rust::Rust,
    known: Option<known::Known<'a>>,
}

impl<'a> Search<'a> {
    fn new(file: &File<'a>, segments: Segments) -> Self {
        Self {
            found: Found::default(),
            begun: 0,
            go: go::Go::new(segments),
            rust: rust::Rust::default(),
            known: known::Known::of(file),
        }
    }

    fn run(&mut self, mut bytes: Vec<u8>, content: &mut dyn Read) -> Result<(), Unreadable> {
        // Offset of the first held byte in the file, and how many of them were searched.
        let (mut base, mut searched) = (0_u64, 0_usize);
        let mut pending: Vec<Pending> = Vec::new();
        loop {
            let count = content.take(WINDOW as u64).read_to_end(&mut bytes)?;
            let last = count == 0;
            let from = searched.saturating_sub(OVERLAP);
            // Beginnings may stand up to where the next window looks again.
            let to = if last { bytes.len() } else { bytes.len().saturating_sub(OVERLAP) };
            if from < to {
                self.begin(base, &bytes, from..to, &mut pending);
            }
            if let Some(known) = &mut self.known {
                known.look(&bytes[from..]);
            }
            pending.retain_mut(|Pending { at, begin, tried }| {
                let here = usize::try_from(*at - base).unwrap_or(usize::MAX);
                let rest = bytes.get(here..).unwrap_or_default();
                // With twice as much each time, all tries together cost as much as two.
                if !last && rest.len() < *tried * 2 && rest.len() <= limits::binaries().capture {
                    return true;
                }
                *tried = rest.len();
                let more = matches!(self.read(*begin, *at, rest), Next::More);
                if more && rest.len() > limits::binaries().capture {
                    self.found.note(format_args!("offset {at}: a list of packages has no end"));
                }
                more && rest.len() <= limits::binaries().capture
            });
            self.go.forward(base, &bytes);
            if last {
                break;
            }
            searched = bytes.len();
            let kept = pending.iter().map(|p| usize::try_from(p.at - base).unwrap_or(0)).min();
            let drop = kept.unwrap_or(usize::MAX).min(bytes.len().saturating_sub(2 * OVERLAP));
            bytes.drain(..drop);
            (base, searched) = (base + drop as u64, searched - drop);
        }
        for Pending { at, .. } in pending {
            self.found.note(format_args!("offset {at}: a list of packages is cut off"));
        }
        self.go.finish(&mut self.found);
        if let Some(known) = self.known.take() {
            known.finish(&mut self.found);
        }
        Ok(())
    }

    /// Finds beginnings in a part of what is held.
    fn begin(&mut self, base: u64, bytes: &[u8], range: std::ops::Range<usize>, pending: &mut Vec<Pending>) {
        let mut add = |at: usize, begin: Begin, found: &mut Found| {
            let at = base + at as u64;
            if pending.len() >= PENDING || self.begun >= limits::binaries().beginnings {
                found.note("more lists of packages begin than can be followed");
            } else {
                self.begun += 1;
                pending.push(Pending { at, begin, tried: 0 });
            }
        };
        for at in self.go.headers(base, bytes, range.clone()) {
            add(at, Begin::Go, &mut self.found);
        }
        for at in self.go.modules(bytes, range.clone()) {
            add(at, Begin::GoModules, &mut self.found);
        }
        self.go.versions(base, bytes, range.clone());
        for at in self.rust.lists(bytes, range, &mut self.found) {
            add(at, Begin::Rust, &mut self.found);
        }
    }

    fn read(&mut self, begin: Begin, at: u64, bytes: &[u8]) -> Next {
        match begin {
            Begin::Go => self.go.header(at, bytes),
            Begin::GoModules => self.go.module_list(bytes),
            Begin::Rust => self.rust.list(bytes, &mut self.found),
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
