//! Maven's order: POM reference, "Version Order Specification", as `ComparableVersion` of Maven 3.9 computes it.
//!
//! A version is a series of numbers and words, separated by dots, dashes and the transitions between digits and
//! letters, which are dashes. Where a dot leads to a word in the middle, 3.9 is not transitive: `1.sp.1` follows `1`,
//! which follows `1-alpha`, which follows `1.sp.1`. Here every word is one that a dash leads to, as 3.9 has it for the
//! last word and for those with a number behind them; and of several dashes in a row, between which nothing but zeros
//! or `final` stand, one counts: `1-ga-1` is `1-1`.

use std::cmp::Ordering;

use super::parts::{Part, Trimmed, Weight, digits, ignoring_case, number, run, series, weight};

/// Compares item by item, padded with what equals a release.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    series(items(a), items(b), |a, b| {
        let ((rank_a, text_a), (rank_b, text_b)) = (rank(a), rank(b));
        rank_a.cmp(&rank_b).then_with(|| match rank_a {
            Rank::Unknown => ignoring_case(text_a, text_b),
            Rank::Dashed | Rank::Dotted => number(text_a, text_b),
            _ => Ordering::Equal,
        })
    })
}

fn items(text: &str) -> Trimmed<Items<'_>> {
    Trimmed::new(Items { rest: text.as_bytes(), dash: false })
}

#[derive(Debug, Clone, Copy)]
enum Item<'a> {
    /// A number behind a dash, or behind a dot or nothing.
    Number { dash: bool, digits: &'a [u8] },
    /// A qualifier; where a digit follows it at once, one letter is short for another.
    Word { text: &'a [u8], glued: bool },
}

impl Part for Item<'_> {
    /// A word for a release is as good as a zero.
    fn weight(&self) -> Weight {
        match self {
            Self::Number { digits, .. } => weight(digits),
            Self::Word { text, glued } if qualifier(text, *glued) == Rank::Release => Weight::Zero,
            Self::Word { .. } => Weight::Other,
        }
    }

    fn opens(&self) -> bool {
        !matches!(self, Self::Number { dash: false, .. })
    }
}

/// Where an item stands among all others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Alpha,
    Beta,
    Milestone,
    Candidate,
    Snapshot,
    Release,
    ServicePack,
    Unknown,
    Dashed,
    Dotted,
}

fn rank(item: Option<Item<'_>>) -> (Rank, &[u8]) {
    match item {
        None => (Rank::Release, &[]),
        Some(Item::Number { dash: true, digits }) => (Rank::Dashed, digits),
        Some(Item::Number { dash: false, digits }) => (Rank::Dotted, digits),
        Some(Item::Word { text, glued }) => (qualifier(text, glued), text),
    }
}

fn qualifier(text: &[u8], glued: bool) -> Rank {
    const KNOWN: [(&str, Rank); 10] = [
        ("alpha", Rank::Alpha),
        ("beta", Rank::Beta),
        ("milestone", Rank::Milestone),
        ("rc", Rank::Candidate),
        ("cr", Rank::Candidate),
        ("snapshot", Rank::Snapshot),
        ("ga", Rank::Release),
        ("final", Rank::Release),
        ("release", Rank::Release),
        ("sp", Rank::ServicePack),
    ];
    match text {
        [b'a' | b'A'] if glued => Rank::Alpha,
        [b'b' | b'B'] if glued => Rank::Beta,
        [b'm' | b'M'] if glued => Rank::Milestone,
        _ => KNOWN
            .iter()
            .find(|(word, _)| text.eq_ignore_ascii_case(word.as_bytes()))
            .map_or(Rank::Unknown, |(_, rank)| *rank),
    }
}

/// The items of a version from the left.
#[derive(Clone)]
struct Items<'a> {
    rest: &'a [u8],
    /// Whether a dash or a transition led here.
    dash: bool,
}

impl<'a> Iterator for Items<'a> {
    type Item = Item<'a>;

    fn next(&mut self) -> Option<Item<'a>> {
        let dash = self.dash;
        let (item, rest) = match *self.rest.first()? {
            // Nothing between two separators is zero.
            b'.' | b'-' => (Item::Number { dash, digits: &[] }, self.rest),
            b'0'..=b'9' => {
                let (digits, rest) = digits(self.rest);
                (Item::Number { dash, digits }, rest)
            }
            _ => {
                let (text, rest) = run(self.rest, |b| !b.is_ascii_digit() && b != b'.' && b != b'-');
                (Item::Word { text, glued: rest.first().is_some_and(u8::is_ascii_digit) }, rest)
            }
        };
        (self.rest, self.dash) = match rest {
            [b'.', rest @ ..] => (rest, false),
            [b'-', rest @ ..] => (rest, true),
            _ => (rest, true),
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
                &["1-alpha", "1.alpha", "1.0.ALPHA", "1.0-alpha", "1-alpha-0"],
                &["1-alpha-1", "1a1", "1.0.0-a1", "1-alpha1"],
                &["1-alpha-10"],
                &["1-alpha.1"],
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
                &["1-a-1"],
                &["1-foo"],
                &["1-foo-1", "1.foo1"],
                &["1-jre8"],
                &["1-1", "1.0-1", "1-ga-1", "1.0-0-1"],
                &["1.0.1"],
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
