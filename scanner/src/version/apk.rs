//! Alpine's order: apk-package(5), `number{.number}…{letter}{_suffix{number}}…{~hash}{-r#}`, as apk-tools 3 compares.
//!
//! apk 3 stops at what is no version and calls two such texts equal there; apk 2 went on. Here the rest before a dash
//! decides between them, digits as numbers, so that `6.6.2p1` precedes `6.6.2p2` for every apk. apk 2 differs from 3
//! in numbers with leading zeros behind a dot alone, and 3 is followed there.

use std::cmp::Ordering;

use super::parts::{digits, natural, number, run};

/// Suffixes in their order; those before [`RELEASE`] come before the version without a suffix.
const SUFFIXES: [&[u8]; 9] = [b"alpha", b"beta", b"pre", b"rc", b"cvs", b"svn", b"git", b"hg", b"p"];
/// Where a version without a suffix stands among them.
const RELEASE: usize = 4;

/// Compares token by token; the first difference decides.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let (mut a, mut b) = (Tokens::new(a), Tokens::new(b));
    loop {
        let (left, right) = (a.next(), b.next());
        let ordering = left.compare(&right);
        if ordering != Ordering::Equal || matches!(left, Token::End | Token::Invalid(_)) {
            return ordering;
        }
    }
}

/// In the order in which they may stand; what a version goes on with later is the lesser.
#[derive(Debug, Clone, Copy)]
enum Token<'a> {
    /// The number in front.
    First(&'a [u8]),
    /// A number behind a dot.
    Digits(&'a [u8]),
    Letter(u8),
    /// Index in [`SUFFIXES`].
    Suffix(usize),
    SuffixNumber(&'a [u8]),
    Hash(&'a [u8]),
    Revision(&'a [u8]),
    End,
    /// From here on it is no version.
    Invalid(&'a [u8]),
}

impl Token<'_> {
    fn place(&self) -> u8 {
        match self {
            Self::First(_) => 0,
            Self::Digits(_) => 1,
            Self::Letter(_) => 2,
            Self::Suffix(_) => 3,
            Self::SuffixNumber(_) => 4,
            Self::Hash(_) => 5,
            Self::Revision(_) => 6,
            Self::End => 7,
            Self::Invalid(_) => 8,
        }
    }

    fn compare(&self, other: &Self) -> Ordering {
        match (self, other) {
            // As Gentoo has it: with a leading zero they compare like fractions.
            (Self::Digits(a), Self::Digits(b)) if a.starts_with(b"0") || b.starts_with(b"0") => a.cmp(b),
            (Self::First(a), Self::First(b))
            | (Self::Digits(a), Self::Digits(b))
            | (Self::SuffixNumber(a), Self::SuffixNumber(b))
            | (Self::Revision(a), Self::Revision(b)) => number(a, b),
            (Self::Letter(a), Self::Letter(b)) => a.cmp(b),
            (Self::Suffix(a), Self::Suffix(b)) => a.cmp(b),
            (Self::Hash(a), Self::Hash(b)) => a.cmp(b),
            (Self::Invalid(a), Self::Invalid(b)) => natural(run(a, |c| c != b'-').0, run(b, |c| c != b'-').0),
            (Self::Suffix(s), _) if *s < RELEASE => Ordering::Less,
            (_, Self::Suffix(s)) if *s < RELEASE => Ordering::Greater,
            _ => other.place().cmp(&self.place()),
        }
    }
}

struct Tokens<'a> {
    rest: &'a [u8],
    /// The place of the token before; 0 before the first too.
    last: u8,
    first: bool,
}

impl<'a> Tokens<'a> {
    fn new(text: &'a str) -> Self {
        Self { rest: text.as_bytes(), last: 0, first: true }
    }

    fn next(&mut self) -> Token<'a> {
        let (token, rest) = self.read().unwrap_or((Token::Invalid(self.rest), &[]));
        (self.rest, self.last, self.first) = (rest, token.place(), false);
        token
    }

    /// None: no token may stand here.
    fn read(&self) -> Option<(Token<'a>, &'a [u8])> {
        let numbered = |text: &'a [u8], token: fn(&'a [u8]) -> Token<'a>| {
            let (number, rest) = digits(text);
            (!number.is_empty()).then_some((token(number), rest))
        };
        if self.first {
            return numbered(self.rest, Token::First);
        }
        match *self.rest {
            [] => Some((Token::End, &[])),
            [letter @ b'a'..=b'z', ref rest @ ..] if self.last <= 1 => Some((Token::Letter(letter), rest)),
            [b'.', ref rest @ ..] if self.last <= 1 => numbered(rest, Token::Digits),
            [b'0'..=b'9', ..] if self.last == 3 => numbered(self.rest, Token::SuffixNumber),
            [b'_', ref rest @ ..] if self.last <= 4 => {
                let (word, rest) = run(rest, |b| b.is_ascii_lowercase());
                SUFFIXES.iter().position(|s| *s == word).map(|s| (Token::Suffix(s), rest))
            }
            [b'~', ref rest @ ..] if self.last < 5 => {
                let (hash, rest) = run(rest, |b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
                (!hash.is_empty()).then_some((Token::Hash(hash), rest))
            }
            // apk 2 took a bare `-r` for `-r0`.
            [b'-', b'r', ref rest @ ..] if self.last < 6 => {
                let (number, after) = digits(rest);
                (!number.is_empty() || matches!(rest, [] | [b'-', ..]))
                    .then_some((Token::Revision(number), after))
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::version::{Order, tests::ascending};

    #[test]
    fn suffixes_letters_hashes_and_revisions() {
        ascending(
            Order::Apk,
            &[
                &["1.2_alpha"],
                &["1.2_alpha1"],
                &["1.2_beta_pre1"],
                &["1.2_beta"],
                &["1.2_pre2"],
                &["1.2_rc1"],
                &["1.2_rc1-r3"],
                &["1.2"],
                &["1.2-r0", "1.2-r00"],
                &["1.2-r1"],
                &["1.2-r10"],
                &["1.2~0abc"],
                &["1.2~0abc-r1"],
                &["1.2_cvs1"],
                &["1.2_git20230101"],
                &["1.2_p"],
                &["1.2_p1"],
                &["1.2_p10"],
                &["1.2a"],
                &["1.2b"],
                &["1.2.0"],
                &["1.2.1"],
                &["1.10"],
            ],
        );
    }

    #[test]
    fn leading_zeros_make_fractions_behind_dots_alone() {
        ascending(Order::Apk, &[&["1.0"], &["1.00"], &["1.001"], &["1.01"], &["1.1"], &["1.9"], &["1.10"]]);
        ascending(Order::Apk, &[&["2", "02"], &["10", "010"]]);
    }

    #[test]
    fn what_is_no_version_has_a_place() {
        ascending(
            Order::Apk,
            &[&[""], &["!"], &["a"], &["1.2!"], &["1.2"], &["1.2b1"], &["1.2b2"], &["1.2b"]],
        );
        ascending(Order::Apk, &[&["1-foo1", "1-foo2"], &["1"], &["1-r", "1-r0"]]);
    }
}
