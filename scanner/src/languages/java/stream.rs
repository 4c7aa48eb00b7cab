//! Zip archives that are too large to be held: entry by entry as they come, by their local headers;
//! APPNOTE.TXT 6.3.10, 4.3.7 to 4.3.9.

use std::io::{self, BufRead, Read};

use super::zip::{CENTRAL, LOCAL, extra_field, u16_at, u32_at, u64_at};
use crate::languages::{Unreadable, limits};

/// Bytes that are looked at before they are taken.
const WINDOW: usize = 64 << 10;
/// What may stand before a zip archive's first entry: a shell script that starts it.
const PREFIX: usize = 60 << 10;
const DESCRIPTOR: [u8; 4] = *b"PK\x07\x08";

/// A reader that can look ahead.
pub(super) struct Ahead<R> {
    inner: R,
    window: Vec<u8>,
    start: usize,
    end: usize,
    /// Bytes taken so far.
    pub(super) taken: u64,
}

impl<R: Read> Ahead<R> {
    pub(super) fn new(inner: R) -> Self {
        Self { inner, window: vec![0; WINDOW], start: 0, end: 0, taken: 0 }
    }

    /// So many of the next bytes, fewer at the end; at most a window.
    pub(super) fn peek(&mut self, count: usize) -> io::Result<&[u8]> {
        let count = count.min(WINDOW);
        if self.end - self.start < count {
            self.window.copy_within(self.start..self.end, 0);
            (self.end, self.start) = (self.end - self.start, 0);
            while self.end < count {
                match self.inner.read(&mut self.window[self.end..]) {
                    Ok(0) => break,
                    Ok(read) => self.end += read,
                    Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                    Err(e) => return Err(e),
                }
            }
        }
        Ok(&self.window[self.start..self.end.min(self.start + count)])
    }

    /// The reader; what was looked at and not taken is lost.
    pub(super) fn into_inner(self) -> R {
        self.inner
    }

    /// Takes so many bytes; fewer are an error.
    fn take_all(&mut self, count: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; count];
        self.read_exact(&mut bytes)?;
        Ok(bytes)
    }

    /// Goes on by so many bytes; fewer are an error.
    fn skip(&mut self, mut count: u64) -> io::Result<()> {
        while count > 0 {
            let there = self.fill_buf()?.len();
            if there == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            let step = usize::try_from(count).unwrap_or(usize::MAX).min(there);
            self.consume(step);
            count -= step as u64;
        }
        Ok(())
    }
}

impl<R: Read> Read for Ahead<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let there = self.fill_buf()?;
        let count = there.len().min(buffer.len());
        buffer[..count].copy_from_slice(&there[..count]);
        self.consume(count);
        Ok(count)
    }
}

impl<R: Read> BufRead for Ahead<R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.start == self.end {
            (self.start, self.end) = (0, self.inner.read(&mut self.window)?);
        }
        Ok(&self.window[self.start..self.end])
    }
    fn consume(&mut self, count: usize) {
        let count = count.min(self.end - self.start);
        self.start += count;
        self.taken += count as u64;
    }
}

/// What a stream is read for.
pub(super) trait Visit {
    /// Whether the content of an entry is needed.
    fn wants(&self, name: &str) -> bool;
    /// The content of a wanted entry; none: it is encrypted or by an unknown method.
    fn entry(&mut self, name: &str, content: Option<&mut dyn Read>) -> Result<(), Unreadable>;
    /// What comes out of entries whose end is found by unpacking them, as much as may.
    fn unpacked(&mut self, content: &mut dyn Read) -> Result<(), Unreadable>;
    /// A name of the central directory, which stands behind all entries.
    fn listed(&mut self, name: &str);
}

/// Walks the entries and the directory behind them. What stands there that is neither ends the walk with an error.
pub(super) fn walk<R: Read>(stream: &mut Ahead<R>, visit: &mut dyn Visit) -> Result<(), Unreadable> {
    // A script may stand before the first entry.
    let beginning = stream.peek(PREFIX)?;
    let first = memchr::memmem::find(beginning, &LOCAL)
        .ok_or_else(|| Unreadable::new("it is no zip archive: it has no entry at its beginning"))?;
    stream.consume(first);
    for _ in 0..limits::archives().entries {
        let sign = stream.peek(4)?;
        if sign == LOCAL {
            let at = stream.taken;
            let fail = |e: Unreadable| Unreadable::new(format!("the zip entry at offset {at}: {}", e.reason));
            one(stream, visit).map_err(fail)?;
        } else if sign == CENTRAL {
            let head = stream.take_all(46)?;
            let length = |at: usize| usize::from(u16_at(&head, at).unwrap_or(0));
            let name = stream.take_all(length(28))?;
            visit.listed(&String::from_utf8_lossy(&name));
            stream.skip((length(30) + length(32)) as u64)?;
        } else if sign.starts_with(b"PK") || sign.is_empty() {
            // The records of the end.
            return Ok(());
        } else if sign.len() == 4 && u32_at(sign, 0) == Some(0) {
            stream.consume(1);
        } else {
            return Err(Unreadable::new(format!("offset {}: here should be a zip entry", stream.taken)));
        }
    }
    Err(Unreadable::new(format!("it has more than {} entries", limits::archives().entries)))
}

fn one<R: Read>(stream: &mut Ahead<R>, visit: &mut dyn Visit) -> Result<(), Unreadable> {
    let head = stream.take_all(30)?;
    let short = |at: usize| u16_at(&head, at).unwrap_or(0);
    let long = |at: usize| u64::from(u32_at(&head, at).unwrap_or(0));
    let (flags, method) = (short(6), short(8));
    let name = stream.take_all(usize::from(short(26)))?;
    let name = String::from_utf8_lossy(&name);
    let extra = stream.take_all(usize::from(short(28)))?;
    let mut packed = long(18);
    if packed == u64::from(u32::MAX) {
        // 4.5.3: both sizes stand there in a local header.
        packed = extra_field(&extra, 1).and_then(|wide| u64_at(wide, 8)).unwrap_or(packed);
    }
    let wanted = visit.wants(&name);
    let readable = flags & 1 == 0 && (method == 0 || method == 8);
    if flags & 8 == 0 || packed > 0 {
        if wanted {
            let mut content = (&mut *stream).take(packed);
            match method {
                _ if !readable => visit.entry(&name, None)?,
                0 => visit.entry(&name, Some(&mut content))?,
                _ => visit.entry(&name, Some(&mut flate2::bufread::DeflateDecoder::new(&mut content)))?,
            }
            packed = content.limit();
        }
        stream.skip(packed)?;
        if flags & 8 != 0 {
            descriptor(stream)?;
        }
        return Ok(());
    }
    if method != 8 || flags & 1 != 0 {
        return Err(Unreadable::new("its size is not known before its end, and it is not deflated"));
    }
    // Its end is where its data says so.
    let mut content = flate2::bufread::DeflateDecoder::new(&mut *stream);
    if wanted {
        visit.entry(&name, Some(&mut content))?;
    }
    visit.unpacked(&mut content)?;
    Ok(descriptor(stream)?)
}

/// 4.3.9: its sign is optional, and its sizes have four or eight bytes; what follows is another sign.
fn descriptor<R: Read>(stream: &mut Ahead<R>) -> io::Result<()> {
    let next = stream.peek(28)?;
    let signed = if next.starts_with(&DESCRIPTOR) { 4 } else { 0 };
    let sign_at = |at: usize| next.get(at..at + 2) == Some(b"PK");
    let length = if !sign_at(signed + 12) && sign_at(signed + 20) { signed + 20 } else { signed + 12 };
    stream.skip(length as u64)
}
