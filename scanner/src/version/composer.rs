//! Composer's order: versions as `VersionParser::normalize` makes them, under PHP's `version_compare`.
//!
//! Normalised, a version has four numbers, a word of stability with its numbers, and perhaps `dev`: trailing zeros of
//! the numbers count for nothing here, and the words stand between the end and the numbers, which is the same. What
//! Composer refuses is taken apart by `version_compare`, whose `#` equals every number; that is no order, and here
//! it equals the end. A branch (`dev-main`) precedes every version; Composer compares it with none but itself.

use std::cmp::Ordering;

use super::parts::{Part, Trimmed, Weight, digits, ignoring_case, number, run, series, weight};

/// What Composer puts for an `x`: `2.x-dev` is what will follow every 2.
const ANY: &[u8] = b"9999999";

/// Compares branches by name, versions part by part.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let ((branch_a, a), (branch_b, b)) = (branch(a.trim()), branch(b.trim()));
    match (branch_a, branch_b) {
        (true, true) => a.cmp(b),
        (false, false) => versions(a, b),
        _ => branch_b.cmp(&branch_a),
    }
}

/// Whether this names a branch, and the name; else all of it.
fn branch(text: &str) -> (bool, &str) {
    match text.split_at_checked(4) {
        Some((dev, name)) if dev.eq_ignore_ascii_case("dev-") => (true, name),
        _ => (matches!(text, "master" | "trunk" | "default"), text),
    }
}

fn versions(a: &str, b: &str) -> Ordering {
    series(parts(a), parts(b), |a, b| {
        let ((rank_a, text_a), (rank_b, text_b)) = (rank(a), rank(b));
        rank_a.cmp(&rank_b).then_with(|| match rank_a {
            Rank::Number => number(text_a, text_b),
            Rank::Unknown => ignoring_case(text_a, text_b),
            _ => Ordering::Equal,
        })
    })
}

/// Without the `v` in front and build metadata.
fn parts(text: &str) -> Trimmed<Parts<'_>> {
    let text = text.strip_prefix(['v', 'V']).unwrap_or(text);
    let text = text.split_once('+').map_or(text, |(version, _)| version);
    Trimmed::new(Parts { rest: text.as_bytes(), numbers: 0, any: false, words: false })
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Unknown,
    Dev,
    Alpha,
    Beta,
    Candidate,
    Release,
    Patch,
    Number,
}

/// `version_compare` looks at how a word begins.
fn rank(part: Option<Piece<'_>>) -> (Rank, &[u8]) {
    let text = match part {
        None => return (Rank::Release, &[]),
        Some(Piece::Number { digits, .. }) => return (Rank::Number, digits),
        Some(Piece::Word(text)) => text,
    };
    const WORDS: [(&str, Rank); 6] = [
        ("dev", Rank::Dev),
        ("a", Rank::Alpha),
        ("b", Rank::Beta),
        ("rc", Rank::Candidate),
        ("#", Rank::Release),
        ("p", Rank::Patch),
    ];
    let starts = |word: &str| text.get(..word.len()).is_some_and(|t| t.eq_ignore_ascii_case(word.as_bytes()));
    let found = WORDS.iter().find(|(word, _)| starts(word)).map_or(Rank::Unknown, |(_, rank)| *rank);
    (found, text)
}

#[derive(Debug, Clone, Copy)]
enum Piece<'a> {
    Number {
        digits: &'a [u8],
        /// Whether a word stands before it: then a zero is no padding.
        behind_word: bool,
    },
    Word(&'a [u8]),
}

impl Part for Piece<'_> {
    fn weight(&self) -> Weight {
        match self {
            Self::Number { digits, behind_word: false } => weight(digits),
            _ => Weight::Other,
        }
    }
}

/// The parts of a version from the left.
#[derive(Clone)]
struct Parts<'a> {
    rest: &'a [u8],
    /// How many numbers stood before the first word.
    numbers: usize,
    /// Whether an `x` was one of them: then all up to the fourth are.
    any: bool,
    words: bool,
}

impl<'a> Parts<'a> {
    fn any(&mut self) -> Option<Piece<'a>> {
        self.numbers += 1;
        Some(Piece::Number { digits: ANY, behind_word: false })
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = Piece<'a>;

    fn next(&mut self) -> Option<Piece<'a>> {
        let separates = |b: u8| matches!(b, b'.' | b'-' | b'_');
        let (_, text) = run(self.rest, separates);
        let (number, rest) = digits(text);
        if !number.is_empty() {
            self.rest = rest;
            self.numbers += 1;
            return Some(Piece::Number { digits: number, behind_word: self.words });
        }
        let (word, _) = run(text, |b| !b.is_ascii_digit() && !separates(b));
        // `dev` may follow a word without anything between.
        let glued =
            word.len().checked_sub(3).filter(|at| *at > 0 && word[*at..].eq_ignore_ascii_case(b"dev"));
        let (word, rest) = text.split_at(glued.unwrap_or(word.len()));
        if !self.words && matches!(word, b"x" | b"X" | b"*") {
            (self.rest, self.any) = (rest, true);
            return self.any();
        }
        if self.any && !self.words && self.numbers < 4 {
            return self.any();
        }
        // What stands behind `stable` is dropped.
        if word.is_empty() || word.eq_ignore_ascii_case(b"stable") {
            self.rest = &[];
            return None;
        }
        (self.rest, self.words) = (rest, true);
        Some(Piece::Word(word))
    }
}

#[cfg(test)]
mod tests {
    use crate::version::{Order, tests::ascending};

    #[test]
    fn stability_words_and_branches() {
        ascending(
            Order::Composer,
            &[
                &["dev-bar"],
                &["dev-foo", "DEV-foo"],
                &["dev-main"],
                &["dev-master", "master"],
                &["1.0-dev", "v1.0.0.0-dev", "1dev"],
                &["1.0-alpha", "1a"],
                &["1.0-alpha1", "1.0.0a1", "1.0_ALPHA.1"],
                &["1.0b2.1", "1.0-beta2.1"],
                &["1.0-RCdev", "1rc-dev"],
                &["1.0-RC1-dev"],
                &["1.0-RC1", "1rc1"],
                &["1.0", "1", "V1.0.0.0", "1.0-stable", "1.0+build.5", "1-stable2-dev"],
                &["1.0-pl1", "1.0-patch1", "1p1"],
                &["1.0.0.1"],
                &["1.0.1-alpha"],
                &["1.0.1"],
                &["1.2.3"],
                &["1.2.x-dev"],
                &["1.x-dev", "1.X.x-dev", "1.9999999.9999999.9999999-dev"],
                &["2"],
            ],
        );
    }
}
