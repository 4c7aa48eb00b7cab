//! RubyGems' order: `Gem::Version`.

use std::cmp::Ordering;

use super::parts::{Part, Trimmed, Weight, digits, number, run, series, weight};

/// Numbers and words from the left, padded with zeros; a word makes a pre-release and precedes every number.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    series(segments(a), segments(b), |a, b| match (a.unwrap_or(Segment::END), b.unwrap_or(Segment::END)) {
        (Segment::Word(a), Segment::Word(b)) => a.cmp(b),
        (Segment::Word(_), Segment::Number { .. }) => Ordering::Less,
        (Segment::Number { .. }, Segment::Word(_)) => Ordering::Greater,
        (Segment::Number { digits: a, .. }, Segment::Number { digits: b, .. }) => number(a, b),
    })
}

fn segments(text: &str) -> Trimmed<Segments<'_>> {
    Trimmed::new(Segments { rest: text.as_bytes(), prerelease: false })
}

#[derive(Debug, Clone, Copy)]
enum Segment<'a> {
    Number {
        digits: &'a [u8],
        /// Whether a word stands before it: then a zero is no padding.
        prerelease: bool,
    },
    Word(&'a [u8]),
}

impl Segment<'_> {
    const END: Self = Self::Number { digits: &[], prerelease: true };
}

impl Part for Segment<'_> {
    fn weight(&self) -> Weight {
        match self {
            Self::Number { digits, prerelease: false } => weight(digits),
            _ => Weight::Other,
        }
    }
}

#[derive(Clone)]
struct Segments<'a> {
    rest: &'a [u8],
    prerelease: bool,
}

impl<'a> Iterator for Segments<'a> {
    type Item = Segment<'a>;

    fn next(&mut self) -> Option<Segment<'a>> {
        let (_, text) = run(self.rest, |b| !b.is_ascii_alphanumeric() && b != b'-');
        match text {
            [] => None,
            // A dash reads `.pre.`
            [b'-', rest @ ..] => {
                (self.rest, self.prerelease) = (rest, true);
                Some(Segment::Word(b"pre"))
            }
            [first, ..] if first.is_ascii_digit() => {
                let (digits, rest) = digits(text);
                self.rest = rest;
                Some(Segment::Number { digits, prerelease: self.prerelease })
            }
            _ => {
                let (word, rest) = run(text, |b| b.is_ascii_alphabetic());
                (self.rest, self.prerelease) = (rest, true);
                Some(Segment::Word(word))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::version::{Order, tests::ascending};

    #[test]
    fn words_make_prereleases() {
        ascending(
            Order::Gem,
            &[
                &["0", "", "0.0"],
                &["1.0.A"],
                &["1.0.a", "1.a", "1a"],
                &["1.0.a.2", "1.0.a2"],
                &["1.0.a10"],
                &["1.0.b1"],
                &["1.0-1", "1.pre.1"],
                &["1.0.rc1"],
                &["1", "1.0", "1.0.0"],
                &["1.0.1-x86-mingw32"],
                &["1.0.1"],
                &["1.0.1.1"],
                &["1.2"],
                &["1.10"],
            ],
        );
    }
}
