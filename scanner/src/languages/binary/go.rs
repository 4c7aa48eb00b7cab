//! What the Go linker writes into a binary; Go, `debug/buildinfo` and `runtime/debug.BuildInfo`.
//!
//! Since Go 1.18 a header holds version and modules themselves. Before, it
//! holds addresses of them: the modules are found by the marks around them, and
//! the version, whose text stands before the header, among all that it could be.

use std::{collections::HashMap, ops::Range};

use super::{
    Next,
    segments::{Segments, number},
};
use crate::languages::{Component, Evidence, Found, Kind, limits};

const MAGIC: &[u8; 14] = b"\xff Go buildinf:";
/// Headers stand at multiples of it.
const ALIGN: u64 = 16;
const HEADER: usize = 32;
/// The marks around a list of modules; `cmd/go/internal/modload`: `infoStart`, `infoEnd`.
const START: [u8; 16] = *b"\x30\x77\xaf\x0c\x92\x74\x08\x02\x41\xe1\xc1\x07\xe6\xd6\x18\xe6";
const END: [u8; 16] = *b"\xf9\x32\x43\x31\x86\x18\x20\x72\x00\x82\x42\x10\x41\x16\xd8\xf2";
/// How every release begins.
const RELEASE: &[u8] = b"go1.";
/// The longest encoding of a length that is taken.
const VARINT: usize = 9;
/// The longest version of a release that is found by its address.
const LONGEST: usize = 24;

/// What is known of one binary so far.
pub(super) struct Go {
    segments: Segments,
    version: Option<String>,
    modules: Option<String>,
    /// A header was there.
    header: bool,
    /// Texts that could be a version, by their offset.
    candidates: HashMap<u64, [u8; LONGEST]>,
    /// Where the string header of the version stands: offset, pointer size, order.
    pointer: Option<(u64, usize, bool)>,
}

impl Go {
    pub(super) fn new(segments: Segments) -> Self {
        let candidates = HashMap::new();
        Self { segments, version: None, modules: None, header: false, candidates, pointer: None }
    }

    fn complete(&self) -> bool {
        self.version.is_some() && self.modules.is_some()
    }

    /// Places where a header begins.
    pub(super) fn headers(&self, base: u64, bytes: &[u8], range: Range<usize>) -> Vec<usize> {
        if self.complete() {
            return Vec::new();
        }
        let first =
            range.start + usize::try_from((ALIGN - (base + range.start as u64) % ALIGN) % ALIGN).unwrap_or(0);
        let head: &[u8] = &MAGIC[..8];
        (first..range.end)
            .step_by(16)
            .filter(|&at| bytes.get(at..at + 8) == Some(head) && bytes[at..].starts_with(MAGIC))
            .take(super::PENDING)
            .collect()
    }

    /// Places where a list of modules begins by its mark.
    pub(super) fn modules(&self, bytes: &[u8], range: Range<usize>) -> Vec<usize> {
        if self.modules.is_some() {
            return Vec::new();
        }
        let end = (range.end + START.len() - 1).min(bytes.len());
        let found = memchr::memmem::find_iter(&bytes[range.start..end], &START);
        found.map(|at| range.start + at).take(super::PENDING).collect()
    }

    /// Keeps what could be a version that a header points back to.
    pub(super) fn versions(&mut self, base: u64, bytes: &[u8], range: Range<usize>) {
        if self.version.is_some() || self.header && self.pointer.is_none() {
            return;
        }
        let end = (range.end + RELEASE.len() - 1).min(bytes.len());
        for at in memchr::memmem::find_iter(&bytes[range.start..end], RELEASE) {
            if self.candidates.len() >= limits::binaries().go_versions {
                break;
            }
            let at = range.start + at;
            let mut text = [0; LONGEST];
            let there = &bytes[at..(at + LONGEST).min(bytes.len())];
            text[..there.len()].copy_from_slice(there);
            self.candidates.insert(base + at as u64, text);
        }
    }

    /// A header and what it holds or points to.
    pub(super) fn header(&mut self, at: u64, bytes: &[u8]) -> Next {
        if bytes.len() < HEADER {
            return Next::More;
        }
        let (pointer, flags) = (usize::from(bytes[14]), bytes[15]);
        if flags & 2 == 0 {
            let big = flags & 1 != 0;
            // The text of the magic stands in every program that reads such headers: sizes tell them apart.
            if (pointer == 4 || pointer == 8) && flags <= 1 {
                let address = number(bytes, 16, pointer, big).unwrap_or(0);
                self.header = true;
                self.pointer =
                    self.segments.offset(address).filter(|to| *to > at).map(|to| (to, pointer, big));
            }
            return Next::Done;
        }
        let text = |from: usize, most: usize| {
            let (length, start) = varint(bytes, from)?;
            let length = usize::try_from(length).ok().filter(|l| *l <= most)?;
            Some((start, start + length))
        };
        let missing = |from: usize| if bytes.len() < from + VARINT { Next::More } else { Next::Done };
        let Some((start, end)) = text(HEADER, limits::languages().version) else {
            return missing(HEADER);
        };
        let Some(version) = bytes.get(start..end) else { return Next::More };
        let Some(version) = std::str::from_utf8(version).ok().filter(|v| is_version(v)) else {
            return Next::Done;
        };
        let Some((from, to)) = text(
            end,
            limits::binaries().capture.saturating_sub(HEADER + limits::languages().version + 2 * VARINT),
        ) else {
            return missing(end);
        };
        let Some(modules) = bytes.get(from..to) else { return Next::More };
        self.header = true;
        self.version = Some(version.to_owned());
        self.pointer = None;
        if let Some(inner) = modules.len().checked_sub(16).and_then(|end| modules.get(16..end)) {
            self.modules = Some(String::from_utf8_lossy(inner).into_owned());
        }
        Next::Done
    }

    /// A list of modules between its marks.
    pub(super) fn module_list(&mut self, bytes: &[u8]) -> Next {
        // Programs that write such lists hold the marks alone.
        let opening = bytes.get(START.len()..START.len() + 5);
        if opening.is_some_and(|o| o != b"path\t" && !o.starts_with(b"mod\t")) {
            return Next::Done;
        }
        let Some(end) = memchr::memmem::find(bytes, &END) else { return Next::More };
        let inner = bytes.get(START.len()..end).unwrap_or_default();
        if self.modules.is_none() {
            self.modules = Some(String::from_utf8_lossy(inner).into_owned());
        }
        Next::Done
    }

    /// Follows the pointer to the version, once its place has come.
    pub(super) fn forward(&mut self, base: u64, bytes: &[u8]) {
        let Some((offset, size, big)) = self.pointer else { return };
        let at = match offset.checked_sub(base).map(usize::try_from) {
            Some(Ok(at)) => at,
            // It has passed.
            _ => return self.pointer = None,
        };
        let (Some(address), Some(length)) =
            (number(bytes, at, size, big), number(bytes, at + size, size, big))
        else {
            return;
        };
        self.pointer = None;
        let text = self.segments.offset(address).and_then(|offset| self.candidates.get(&offset));
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if let Some(version) = text.and_then(|t| t.get(..length)).and_then(|t| std::str::from_utf8(t).ok()) {
            self.version.get_or_insert_with(|| version.to_owned());
        }
    }

    pub(super) fn finish(&self, found: &mut Found) {
        if !self.header && self.modules.is_none() {
            return;
        }
        match self.version.as_deref().and_then(release) {
            Some(version) => found.add(built("stdlib", version)),
            None => found.note("it is built by Go, and the version of Go cannot be read"),
        }
        for component in modules(self.modules.as_deref().unwrap_or_default()) {
            found.add(component);
        }
    }
}

fn built(path: &str, version: String) -> Component {
    Component { evidence: Evidence::BuildInfo, ..Component::new(Kind::Golang, path, version).split_path() }
}

/// LEB128, as `encoding/binary.Uvarint` has it.
fn varint(bytes: &[u8], from: usize) -> Option<(u64, usize)> {
    let mut value = 0;
    for (index, byte) in bytes.get(from..)?.iter().take(VARINT).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Some((value, from + index + 1));
        }
    }
    None
}

fn is_version(text: &str) -> bool {
    (text.starts_with("go") || text.starts_with("devel")) && !text.contains(char::is_control)
}

/// `go1.22.1 X:experiment` is `v1.22.1`; `devel go1.23-0a1b2c date` is `v1.23-0a1b2c`.
fn release(version: &str) -> Option<String> {
    let word = version.split(' ').find_map(|word| word.strip_prefix("go"))?;
    word.starts_with(|c: char| c.is_ascii_digit()).then(|| format!("v{word}"))
}

/// Lines of `mod`, `dep` and `=>`, with tabs between path, version and sum; `go help buildinfo`.
fn modules(list: &str) -> Vec<Component> {
    let mut all: Vec<Component> = Vec::new();
    let mut settings = None;
    for line in list.lines() {
        let mut fields = line.split('\t');
        let kind = fields.next().unwrap_or("");
        let (path, version) = (fields.next().unwrap_or(""), fields.next().unwrap_or(""));
        let version = if version == "(devel)" { "" } else { version };
        match kind {
            "mod" | "dep" => {
                all.push(Component { main: kind == "mod", ..built(path, version.to_owned()) });
            }
            // It replaces the module before. A folder has no version that anybody knows.
            "=>" => {
                if let Some(replaced) = all.pop()
                    && !version.is_empty()
                {
                    all.push(Component { main: replaced.main, ..built(path, version.to_owned()) });
                }
            }
            "build" => {
                if let Some(flags) = path.strip_prefix("-ldflags=") {
                    settings = Some(flags);
                }
            }
            _ => {}
        }
        if all.len() > limits::languages().components {
            break;
        }
    }
    if let Some(main) = all.iter_mut().find(|c| c.main && c.version.is_empty())
        && let Some(version) = settings.and_then(|flags| linked_version(flags, &main.full_name()))
    {
        main.version = version;
    }
    all
}

/// `-X main.version=v1.0.0`: how releases that are built from a checkout say what they are.
fn linked_version(flags: &str, module: &str) -> Option<String> {
    let words = flags.split(|c: char| c.is_whitespace() || matches!(c, '"' | '\''));
    words.filter_map(|word| word.strip_prefix("-X=").unwrap_or(word).split_once('=')).find_map(
        |(name, value)| {
            let (package, variable) = name.rsplit_once('.')?;
            let own = package == "main"
                || package.strip_prefix(module).is_some_and(|r| r.is_empty() || r.starts_with('/'));
            let number = value.strip_prefix('v').unwrap_or(value);
            let fits = own
                && ["version", "ver"].contains(&variable.to_ascii_lowercase().as_str())
                && number.starts_with(|c: char| c.is_ascii_digit())
                && number.contains('.');
            fits.then(|| format!("v{number}"))
        },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modules_replacements_and_the_main_one() {
        let list = "path\texample.org/app/cmd\nmod\texample.org/app\t(devel)\t\ndep\tgithub.com/A/b\tv1.0.0\th1:x\n\
            dep\tx.org/c\tv1\th1:y\n=>\tx.org/fork\tv2.0.0\th1:z\ndep\tx.org/d\tv1\n=>\t./d\t(devel)\t\n\
            build\t-ldflags=\"-s -w -X main.version=1.2.3 -X 'main.date=2020'\"\n";
        let line =
            |c: &Component| format!("{}@{}{}", c.full_name(), c.version, if c.main { " main" } else { "" });
        assert_eq!(
            modules(list).iter().map(line).collect::<Vec<_>>(),
            ["example.org/app@v1.2.3 main", "github.com/A/b@v1.0.0", "x.org/fork@v2.0.0"]
        );
    }

    #[test]
    fn releases() {
        assert_eq!(release("go1.22.1 X:nocoverageredesign").as_deref(), Some("v1.22.1"));
        assert_eq!(release("devel go1.23-0a1b2c Tue Jan 2").as_deref(), Some("v1.23-0a1b2c"));
        assert_eq!(release("devel +0a1b2c"), None);
    }
}
