//! What setuptools made of versions before PEP 440: numbers, words, dots and dashes.
//!
//! A word before `final` makes an earlier version and takes the dashes and zeros before it away, any other word takes
//! the zeros. Numbers compare as numbers of any length, where setuptools padded them to eight digits.

use std::cmp::Ordering;

use crate::version::parts::{Weight, digits, ignoring_case, number, run, series, weight};

/// Compares part by part; the end reads `final`.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    series(parts(a), parts(b), |a, b| match (a.unwrap_or(Piece::END), b.unwrap_or(Piece::END)) {
        (Piece::Number(a), Piece::Number(b)) => number(a, b),
        (Piece::Word(a), Piece::Word(b)) => ignoring_case(a, b),
        (Piece::Word(_), Piece::Number(_)) => Ordering::Less,
        (Piece::Number(_), Piece::Word(_)) => Ordering::Greater,
    })
}

/// What a dash reads: it follows `final`.
const DASH: &[u8] = b"final-";

#[derive(Debug, Clone, Copy)]
enum Piece<'a> {
    Number(&'a [u8]),
    Word(&'a [u8]),
}

impl Piece<'_> {
    const END: Self = Self::Word(b"final");

    fn earlier(self) -> bool {
        matches!(self, Self::Word(word) if ignoring_case(word, b"final") == Ordering::Less)
    }
}

/// What is known of the dashes and zeros ahead.
#[derive(Debug, Clone, Copy, Default)]
struct Run {
    /// How many are left.
    left: usize,
    /// How many zeros end them that a number follows.
    zeros: usize,
    /// Whether dashes count.
    dashes: bool,
}

fn parts(text: &str) -> Parts<'_> {
    Parts { rest: text.as_bytes(), run: Run::default() }
}

#[derive(Clone, Copy)]
struct Parts<'a> {
    rest: &'a [u8],
    run: Run,
}

impl<'a> Parts<'a> {
    /// The next part as written, with dashes and zeros.
    fn read(rest: &mut &'a [u8]) -> Option<Piece<'a>> {
        let (_, text) = run(rest, |b| b == b'.');
        let first = *text.first()?;
        let so = |b: u8| match first {
            b'0'..=b'9' => b.is_ascii_digit(),
            b'a'..=b'z' | b'A'..=b'Z' => b.is_ascii_alphabetic(),
            _ => !b.is_ascii_alphanumeric() && b != b'.' && b != b'-',
        };
        let part;
        (part, *rest) = if first == b'-' { text.split_at(1) } else { run(text, so) };
        Some(match part {
            [b'0'..=b'9', ..] => Piece::Number(digits(part).0),
            b"-" => Piece::Word(DASH),
            _ => Piece::Word(meaning(part)),
        })
    }

    /// Looks over the dashes and zeros that start here.
    fn look(&self) -> Run {
        let (mut rest, mut run) = (self.rest, Run::default());
        loop {
            match Self::read(&mut rest) {
                Some(Piece::Number(n)) if weight(n) == Weight::Zero => run.zeros += 1,
                Some(Piece::Word(DASH)) => run.zeros = 0,
                Some(Piece::Number(_)) => return Run { dashes: true, ..run },
                other => {
                    // Zeros that fall away now stood between the dashes and the word then.
                    let dashes = run.zeros > 0 || !other.unwrap_or(Piece::END).earlier();
                    return Run { zeros: 0, dashes, ..run };
                }
            }
            run.left += 1;
        }
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        if self.run.left == 0 {
            self.run = self.look();
        }
        while self.run.left > 0 {
            let piece = Self::read(&mut self.rest)?;
            let tail = self.run.left <= self.run.zeros;
            self.run.left -= 1;
            match piece {
                Piece::Number(_) if tail => return Some(piece),
                Piece::Word(_) if self.run.dashes => return Some(piece),
                _ => {}
            }
        }
        // What follows them is neither a dash nor a zero.
        Self::read(&mut self.rest)
    }
}

/// Spellings that setuptools took for one another.
fn meaning(word: &[u8]) -> &[u8] {
    const SPELLINGS: [(&str, &[u8]); 4] = [("pre", b"c"), ("preview", b"c"), ("rc", b"c"), ("dev", b"@")];
    SPELLINGS
        .iter()
        .find(|(spelling, _)| word.eq_ignore_ascii_case(spelling.as_bytes()))
        .map_or(word, |(_, meaning)| meaning)
}
