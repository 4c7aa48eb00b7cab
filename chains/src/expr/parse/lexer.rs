//! The words and signs of an expression.

use std::ops::Range;

use super::text::{self, Literal};
use super::{Fault, complaint};

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Nothing more.
    End,
    /// A name, or a reserved word.
    Name,
    /// `true` or `false`.
    Bool,
    /// `null`
    Null,
    /// `1`, `0x1f`
    Int,
    /// `1u`
    Uint,
    /// `1.5`, `1e3`
    Float,
    /// Text in quotes.
    Text,
    /// Bytes in quotes: `b'…'`.
    Bytes,
    /// Brackets, operators (`in` too), `.` `,` `:` `?`.
    Sign,
}

/// A token and its place, in bytes.
#[derive(Debug, Clone)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) place: Range<usize>,
}

/// Longest first, where one begins another.
const SIGNS: [&str; 24] = [
    "&&", "||", "==", "!=", "<=", ">=", "<", ">", "!", "-", "+", "*", "/", "%", "(", ")", "[", "]", "{", "}",
    ".", ",", ":", "?",
];

/// Cuts a source into tokens, one at a time.
pub(super) struct Lexer<'s> {
    source: &'s str,
    at: usize,
    /// What the text or bytes that were read last say.
    pub(super) literal: Literal,
}

impl<'s> Lexer<'s> {
    pub(super) fn new(source: &'s str) -> Lexer<'s> {
        Lexer { source, at: 0, literal: Literal::default() }
    }

    /// As it is written.
    pub(super) fn shown(&self, place: &Range<usize>) -> &'s str {
        self.source.get(place.clone()).unwrap_or_default()
    }

    /// What stands before a place.
    pub(super) fn before(&self, at: usize) -> &'s str {
        self.source.get(..at).unwrap_or_default()
    }

    pub(super) fn next(&mut self) -> Result<Token, Fault> {
        self.skip();
        let start = self.at;
        let rest = &self.source[start..];
        let bytes = rest.as_bytes();
        let Some(first) = bytes.first().copied() else {
            return Ok(Token { kind: Kind::End, place: start..start });
        };
        let (kind, length) = match first {
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'"' | b'\'' => {
                if let Some(quoted) = text::begins(rest) {
                    let (literal, length) = text::read(rest, &quoted).map_err(|f| f.moved(start))?;
                    self.literal = literal;
                    (if quoted.bytes { Kind::Bytes } else { Kind::Text }, length)
                } else {
                    word(rest)
                }
            }
            b'0'..=b'9' => number(bytes),
            b'.' if bytes.get(1).is_some_and(u8::is_ascii_digit) => number(bytes),
            _ => match SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
                Some(sign) if !complaint::doubled(rest, sign) => (Kind::Sign, sign.len()),
                _ => return Err(complaint::unknown_sign(rest).moved(start)),
            },
        };
        self.at = start + length;
        Ok(Token { kind, place: start..self.at })
    }

    /// White space, and `//` to the end of its line.
    fn skip(&mut self) {
        loop {
            let rest = &self.source[self.at..];
            let trimmed = rest.trim_start_matches(['\t', ' ', '\r', '\n', '\u{c}']);
            self.at += rest.len() - trimmed.len();
            if !trimmed.starts_with("//") {
                return;
            }
            self.at += trimmed.find('\n').unwrap_or(trimmed.len());
        }
    }
}

fn word(rest: &str) -> (Kind, usize) {
    let length = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
    let kind = match &rest[..length] {
        "in" => Kind::Sign,
        "true" | "false" => Kind::Bool,
        "null" => Kind::Null,
        _ => Kind::Name,
    };
    (kind, length)
}

/// The longest number that stands first; what follows it is not looked at.
fn number(bytes: &[u8]) -> (Kind, usize) {
    let digits = |from: usize| bytes[from..].iter().take_while(|b| b.is_ascii_digit()).count();
    let unsigned = |at: usize| matches!(bytes.get(at), Some(b'u' | b'U'));
    if bytes.starts_with(b"0x") {
        let hex = bytes[2..].iter().take_while(|b| b.is_ascii_hexdigit()).count();
        if hex > 0 {
            let end = 2 + hex;
            return if unsigned(end) { (Kind::Uint, end + 1) } else { (Kind::Int, end) };
        }
    }
    let whole = digits(0);
    let fraction = match bytes.get(whole) {
        Some(b'.') => digits(whole + 1),
        _ => 0,
    };
    let end = if fraction > 0 { whole + 1 + fraction } else { whole };
    let exponent = match bytes.get(end) {
        Some(b'e' | b'E') => {
            let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
            let power = bytes.get(end + 1 + sign..).map_or(0, |_| digits(end + 1 + sign));
            if power > 0 { 1 + sign + power } else { 0 }
        }
        _ => 0,
    };
    match (fraction + exponent, unsigned(end)) {
        (0, true) => (Kind::Uint, end + 1),
        (0, false) => (Kind::Int, end),
        _ => (Kind::Float, end + exponent),
    }
}
