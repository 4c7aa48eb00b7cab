//! Files that are read whole, and what their analysers have in common.

use std::io::Read;

use super::{Analyser, File, Found, Named, Unreadable, limits};

/// What a [`Whole`] does with the bytes.
pub(super) type Parse = fn(&File<'_>, &[u8]) -> Result<Found, Unreadable>;

/// An analyser of files that are small enough to be read whole.
pub(super) struct Whole {
    /// Stable.
    pub name: &'static str,
    /// Of what is found.
    pub version: u32,
    /// What brings a file here.
    pub named: &'static [Named],
    /// The last word on that.
    pub wants: fn(&File<'_>) -> bool,
    /// Of a longer file nothing is read, and that is said.
    pub limit: Size,
    /// Understands it.
    pub parse: Parse,
}

/// How large a file may be that is read whole.
#[derive(Clone, Copy)]
pub(super) enum Size {
    /// A lock file, of any number of packages.
    Whole,
    /// The description of a single package.
    Description,
    /// A few lines.
    Entry,
}

impl Size {
    /// In bytes, by this process' limits.
    fn bytes(self) -> u64 {
        match self {
            Self::Whole => limits::languages().whole,
            Self::Description => limits::languages().description,
            Self::Entry => limits::archives().entry,
        }
    }
}

/// Wants whatever has the right name.
pub(super) fn any(_: &File<'_>) -> bool {
    true
}

impl Analyser for Whole {
    fn name(&self) -> &'static str {
        self.name
    }
    fn version(&self) -> u32 {
        self.version
    }
    fn named(&self) -> &'static [Named] {
        self.named
    }
    fn wants(&self, file: &File<'_>) -> bool {
        (self.wants)(file)
    }
    fn read(&self, file: &File<'_>, content: &mut dyn Read) -> Result<Found, Unreadable> {
        let limit = self.limit.bytes();
        let Some(bytes) = bytes(content, limit)? else {
            let mut found = Found::default();
            found.note(format_args!("it has more than {limit} bytes"));
            return Ok(found);
        };
        Ok((self.parse)(file, &bytes)?.tidy())
    }
}

/// All bytes, as many as really come; none: they are more than the limit.
pub(super) fn bytes(content: &mut dyn Read, limit: u64) -> Result<Option<Vec<u8>>, Unreadable> {
    let mut bytes = Vec::new();
    content.take(limit + 1).read_to_end(&mut bytes)?;
    Ok((bytes.len() as u64 <= limit).then_some(bytes))
}

/// Text of any of the encodings that such files come in: UTF-8 with what is none replaced, or UTF-16
/// with its mark, as Windows' shell writes it.
pub(super) fn text(bytes: &[u8]) -> String {
    let wide = |unit: fn([u8; 2]) -> u16| {
        let units = bytes[2..].chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
        char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
    };
    match bytes {
        [0xff, 0xfe, ..] => wide(u16::from_le_bytes),
        [0xfe, 0xff, ..] => wide(u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    }
}

/// Whether a text could begin a version: most checks of hand-written files need no more.
pub(super) fn begins_with_digit(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_digit())
}

/// A licence field that holds a name; a whole text in it says nothing that could be kept.
pub(super) fn license_name(text: &str) -> Option<String> {
    let text = text.trim();
    let name = !text.is_empty() && text.len() <= limits::languages().license && !text.contains('\n');
    name.then(|| text.to_owned())
}

/// Where package managers put their own: what lies there is known by their databases.
pub(super) fn is_managed(path: &str) -> bool {
    let first = path.strip_prefix("usr/").unwrap_or(path).split('/').next().unwrap_or("");
    matches!(first, "bin" | "sbin" | "lib" | "lib64" | "lib32" | "libexec")
}
