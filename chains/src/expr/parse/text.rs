//! Text and bytes in quotes, with their escapes (CEL's language definition, "String and bytes values").

use std::ops::Range;

use super::Fault;
use crate::diagnostics::shown;

/// What a literal says.
#[derive(Debug, Default)]
pub(super) struct Literal(pub(super) Vec<u8>);

/// How a literal begins.
pub(super) struct Quoted {
    pub(super) bytes: bool,
    raw: bool,
    /// `'`, `"`, or three of them.
    quote: &'static str,
    /// Bytes up to the first of what it says.
    lead: usize,
}

/// Whether a literal stands first.
pub(super) fn begins(rest: &str) -> Option<Quoted> {
    let bare = rest.strip_prefix(['b', 'B']).unwrap_or(rest);
    let inner = bare.strip_prefix(['r', 'R']).unwrap_or(bare);
    let quote = ["\"\"\"", "'''", "\"", "'"].into_iter().find(|q| inner.starts_with(q))?;
    Some(Quoted {
        bytes: bare.len() < rest.len(),
        raw: inner.len() < bare.len(),
        quote,
        lead: rest.len() - inner.len() + quote.len(),
    })
}

/// What the literal that stands first says, and its length.
pub(super) fn read(rest: &str, quoted: &Quoted) -> Result<(Literal, usize), Fault> {
    let mut said = Vec::new();
    let mut at = quoted.lead;
    let long = quoted.quote.len() == 3;
    loop {
        let here = &rest[at..];
        if here.starts_with(quoted.quote) {
            return Ok((Literal(said), at + quoted.quote.len()));
        }
        let Some(c) = here.chars().next().filter(|c| long || !matches!(c, '\n' | '\r')) else {
            return Err(unclosed(rest, quoted, at));
        };
        if c == '\\' && !quoted.raw {
            let (value, length) = escape(here, quoted.bytes)
                .map_err(|(message, length)| bad_escape(message, at..at + length))?;
            match value {
                Value::Byte(byte) => said.push(byte),
                Value::Char(c) => push(&mut said, c),
            }
            at += length;
        } else if c == '\r' {
            // A line's end is one character, however the file spells it.
            said.push(b'\n');
            at += if here.starts_with("\r\n") { 2 } else { 1 };
        } else {
            push(&mut said, c);
            at += c.len_utf8();
        }
    }
}

fn push(said: &mut Vec<u8>, c: char) {
    said.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}

fn unclosed(rest: &str, quoted: &Quoted, end: usize) -> Fault {
    let kind = if quoted.bytes { "these bytes have" } else { "this text has" };
    let other = if quoted.quote.starts_with('"') { "'" } else { "\"" };
    let fault = Fault::new(0..end, format!("{kind} no closing `{}`", quoted.quote));
    match rest[quoted.lead..end].trim_end().ends_with(other) {
        true if quoted.quote.len() == 1 => {
            fault.hint(format!("it begins with `{}` and ends with `{other}`: use one of them", quoted.quote))
        }
        _ => fault.hint(format!("end it with `{}`", quoted.quote)),
    }
}

enum Value {
    Byte(u8),
    Char(char),
}

/// What the escape that stands first says, and its length; or why it is none, and how much of it is wrong.
fn escape(rest: &str, bytes: bool) -> Result<(Value, usize), (String, usize)> {
    let Some(kind) = rest[1..].chars().next() else {
        return Err(("a `\\` at the end".to_owned(), 1));
    };
    let simple = |c| Ok((Value::Char(c), 2));
    let coded = |from: usize, count: usize, radix: u32| {
        let digits = rest.get(from..from + count).filter(|d| d.chars().all(|c| c.is_digit(radix)));
        let wrong = || {
            let all: String = rest.chars().take(from + count).collect();
            (format!("`{}` is no escape", shown(&all)), all.len())
        };
        let point = digits.and_then(|d| u32::from_str_radix(d, radix).ok()).ok_or_else(wrong)?;
        let length = from + count;
        match u8::try_from(point) {
            Ok(byte) if bytes => Ok((Value::Byte(byte), length)),
            _ => match char::from_u32(point) {
                Some(c) => Ok((Value::Char(c), length)),
                None => Err((format!("`{}` is no character", shown(&rest[..length])), length)),
            },
        }
    };
    match kind {
        'a' => simple('\u{7}'),
        'b' => simple('\u{8}'),
        'f' => simple('\u{c}'),
        'n' => simple('\n'),
        'r' => simple('\r'),
        't' => simple('\t'),
        'v' => simple('\u{b}'),
        '\\' | '\'' | '"' | '`' | '?' => simple(kind),
        'x' | 'X' => coded(2, 2, 16),
        'u' | 'U' if bytes => Err((format!("`\\{kind}` names a character, which bytes do not have"), 2)),
        'u' => coded(2, 4, 16),
        'U' => coded(2, 8, 16),
        '0'..='3' => coded(1, 3, 8),
        _ => Err((format!("`\\{}` is no escape", shown(&kind.to_string())), 1 + kind.len_utf8())),
    }
}

fn bad_escape(message: String, place: Range<usize>) -> Fault {
    Fault::new(place, message)
        .hint("a backslash itself is `\\\\`; before the quotes, `r` takes all as it stands")
}
