//! Maven's order: POM reference, "Version Order Specification", as `ComparableVersion` of Maven 3.9 computes it.
//!
//! A version is a series of numbers and words, separated by dots, dashes and the transitions between digits and
//! letters; a word with a number behind it (`rc1`, `rc-1`) is one part. Between parts that a dot and a dash lead to,
//! 3.9 is not transitive: `1.0.Final-redhat-1` follows `1.0`, which equals `1.0.Final`, which follows
//! `1.0.Final-redhat-1`. Here a word is preceded by a dash wherever it stands, which is what 3.9 does to the last
//! one, and zeros before a word fall away however many dashes stand between.

use std::cmp::Ordering;

use super::parts::{Part, Trimmed, digits, ignoring_case, number, run, series};

/// Compares part by part, padded with what equals a release.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    series(parts(a), parts(b), |a, b| Rank::of(a).compare(&Rank::of(b)))
}

fn parts(text: &str) -> Trimmed<Parts<'_>> {
    Trimmed::new(Parts { rest: text.as_bytes(), dash: false })
}

#[derive(Debug, Clone, Copy)]
enum Item<'a> {
    /// A number behind a dash, or behind a dot or nothing.
    Number { dash: bool, digits: &'a [u8] },
    /// A qualifier and the number that belongs to it.
    Word { text: &'a [u8], number: Option<&'a [u8]> },
}

impl Part for Item<'_> {
    fn padding_number(&self) -> Option<&[u8]> {
        match self {
            Self::Number { digits, .. } => Some(digits),
            Self::Word { .. } => None,
        }
    }
}

/// Where an item stands among all others.
struct Rank<'a> {
    class: u8,
    text: &'a [u8],
    number: Option<&'a [u8]>,
}

const RELEASE: u8 = 5;
const UNKNOWN: u8 = 7;
const DASHED: u8 = 8;
const DOTTED: u8 = 9;

impl<'a> Rank<'a> {
    fn of(item: Option<Item<'a>>) -> Self {
        let (class, number) = match item {
            None => (RELEASE, None),
            Some(Item::Number { dash, digits }) => (if dash { DASHED } else { DOTTED }, Some(digits)),
            Some(Item::Word { text, number }) => match qualifier(text, number.is_some()) {
                UNKNOWN => return Self { class: UNKNOWN, text, number },
                class => (class, number),
            },
        };
        Self { class, text: &[], number }
    }

    fn compare(&self, other: &Self) -> Ordering {
        self.class.cmp(&other.class).then_with(|| ignoring_case(self.text, other.text)).then_with(|| {
            match (self.number, other.number) {
                (Some(a), Some(b)) => number(a, b),
                (a, b) => a.is_some().cmp(&b.is_some()),
            }
        })
    }
}

/// Known qualifiers in their order; one letter is short for one of them where a number follows.
fn qualifier(text: &[u8], numbered: bool) -> u8 {
    const KNOWN: [(&str, u8); 10] = [
        ("alpha", 0),
        ("beta", 1),
        ("milestone", 2),
        ("rc", 3),
        ("cr", 3),
        ("snapshot", 4),
        ("ga", RELEASE),
        ("final", RELEASE),
        ("release", RELEASE),
        ("sp", 6),
    ];
    match text {
        [b'a' | b'A'] if numbered => 0,
        [b'b' | b'B'] if numbered => 1,
        [b'm' | b'M'] if numbered => 2,
        _ => KNOWN
            .iter()
            .find(|(word, _)| text.eq_ignore_ascii_case(word.as_bytes()))
            .map_or(UNKNOWN, |(_, class)| *class),
    }
}

/// The items of a version from the left.
#[derive(Clone)]
struct Parts<'a> {
    rest: &'a [u8],
    /// Whether a dash led here.
    dash: bool,
}

impl<'a> Iterator for Parts<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        let dash = self.dash;
        let first = *self.rest.first()?;
        let (item, rest) = if first.is_ascii_digit() {
            let (digits, rest) = digits(self.rest);
            (Item::Number { dash, digits }, rest)
        } else {
            let (text, rest) = run(self.rest, |b| !b.is_ascii_digit() && b != b'.' && b != b'-');
            let behind = match rest {
                [b'-', behind @ ..] if behind.first().is_some_and(u8::is_ascii_digit) => behind,
                _ => rest,
            };
            match (text, digits(behind)) {
                // Nothing between two separators is zero.
                ([], _) => (Item::Number { dash, digits: text }, rest),
                (_, ([], _)) => (Item::Word { text, number: None }, rest),
                (_, (number, rest)) => (Item::Word { text, number: Some(number) }, rest),
            }
        };
        (self.rest, self.dash) = match rest {
            [b'.', rest @ ..] => (rest, false),
            [b'-', rest @ ..] => (rest, true),
            // A transition between digits and letters.
            _ => (rest, false),
        };
        Some(item)
    }
}

#[cfg(test)]
mod tests {
    use crate::version::{Order, tests::ascending};

    #[test]
    fn qualifiers_and_their_numbers() {
        ascending(
            Order::Maven,
            &[
                &["1-alpha", "1.alpha", "1.0.ALPHA", "1.0-alpha"],
                &["1-alpha-1", "1a1", "1.0.0-a1", "1-alpha1"],
                &["1-alpha-10"],
                &["1-beta"],
                &["1-b2"],
                &["1-milestone-1", "1.0-M1"],
                &["1-rc", "1-CR"],
                &["1-rc-1", "1.cr1"],
                &["1-SNAPSHOT"],
                &["1", "1.0", "1-", "1.0.Final", "1-ga", "1.RELEASE", "1-0"],
                &["1-sp", "1.SP"],
                &["1-sp1"],
                &["1-a"],
                &["1-foo"],
                &["1-foo-1", "1.foo1"],
                &["1-jre8"],
                &["1-1"],
                &["1.1"],
                &["1.1.0.1"],
                &["1.99999999999999999999"],
                &["1.100000000000000000000"],
                &["2-alpha"],
            ],
        );
    }

    #[test]
    fn what_follows_a_release_is_later_than_it() {
        ascending(
            Order::Maven,
            &[&["4.1.Final", "4.1"], &["4.1.Final-redhat-1"], &["4.1.Final-redhat-2"], &["4.1.1.Final"]],
        );
    }
}
