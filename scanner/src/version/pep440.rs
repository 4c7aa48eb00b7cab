//! Python's order: PEP 440, "Summary of permitted suffixes and relative ordering" and appendix B.
//!
//! What PEP 440 does not admit precedes all that it does, in setuptools' order of before 2014; see [`legacy`].

mod legacy;

use std::cmp::Ordering;

use super::parts::{digits, ignoring_case, number, run, series};

/// Epoch, release, pre-release, post-release, development release, local version.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    match (Version::read(a), Version::read(b)) {
        (Some(a), Some(b)) => a.compare(&b),
        (None, None) => legacy::compare(a, b),
        (a, b) => a.is_some().cmp(&b.is_some()),
    }
}

#[derive(Debug)]
struct Version<'a> {
    epoch: &'a [u8],
    /// Numbers and dots.
    release: &'a [u8],
    pre: Option<(Phase, &'a [u8])>,
    post: Option<&'a [u8]>,
    dev: Option<&'a [u8]>,
    local: Option<&'a [u8]>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    /// A development release of the release itself precedes its pre-releases.
    Dev,
    Alpha,
    Beta,
    Candidate,
    Release,
}

/// Longer spellings stand first.
const PRE: [(&str, Phase); 8] = [
    ("alpha", Phase::Alpha),
    ("a", Phase::Alpha),
    ("beta", Phase::Beta),
    ("b", Phase::Beta),
    ("preview", Phase::Candidate),
    ("pre", Phase::Candidate),
    ("rc", Phase::Candidate),
    ("c", Phase::Candidate),
];
const POST: [(&str, ()); 3] = [("post", ()), ("rev", ()), ("r", ())];
const DEV: [(&str, ()); 1] = [("dev", ())];

impl<'a> Version<'a> {
    /// None: PEP 440 does not admit it.
    fn read(text: &'a str) -> Option<Self> {
        let text = text.trim().as_bytes();
        let text = match text {
            [b'v' | b'V', rest @ ..] => rest,
            _ => text,
        };
        let (epoch, text) = match digits(text) {
            ([], _) => return None,
            (epoch, [b'!', rest @ ..]) => (epoch, rest),
            _ => (&text[..0], text),
        };
        let (release, text) = numbers(text)?;
        let (pre, text) = suffix(text, &PRE);
        let (post, text) = match text {
            [b'-', rest @ ..] if rest.first().is_some_and(u8::is_ascii_digit) => {
                let (number, rest) = digits(rest);
                (Some(((), number)), rest)
            }
            _ => suffix(text, &POST),
        };
        let (dev, text) = suffix(text, &DEV);
        let local = match text {
            [] => None,
            [b'+', local @ ..] if is_local(local) => Some(local),
            _ => return None,
        };
        let number = |found: Option<((), &'a [u8])>| found.map(|(_, number)| number);
        Some(Self { epoch, release, pre, post: number(post), dev: number(dev), local })
    }

    fn phase(&self) -> (Phase, &'a [u8]) {
        match self.pre {
            Some(pre) => pre,
            None if self.post.is_none() && self.dev.is_some() => (Phase::Dev, &[]),
            None => (Phase::Release, &[]),
        }
    }

    fn compare(&self, other: &Self) -> Ordering {
        let dots = |release: &'a [u8]| release.split(|&b| b == b'.');
        number(self.epoch, other.epoch)
            .then_with(|| {
                series(dots(self.release), other.release.split(|&b| b == b'.'), |a, b| {
                    number(a.unwrap_or_default(), b.unwrap_or_default())
                })
            })
            .then_with(|| {
                let ((phase_a, number_a), (phase_b, number_b)) = (self.phase(), other.phase());
                phase_a.cmp(&phase_b).then_with(|| number(number_a, number_b))
            })
            .then_with(|| optional(self.post, other.post, number))
            // Without one it is what the development leads to.
            .then_with(|| match (self.dev, other.dev) {
                (Some(a), Some(b)) => number(a, b),
                (a, b) => b.is_some().cmp(&a.is_some()),
            })
            .then_with(|| optional(self.local, other.local, locals))
    }
}

/// None precedes all.
fn optional(a: Option<&[u8]>, b: Option<&[u8]>, both: fn(&[u8], &[u8]) -> Ordering) -> Ordering {
    match (a, b) {
        (Some(a), Some(b)) => both(a, b),
        (a, b) => a.is_some().cmp(&b.is_some()),
    }
}

/// Numbers with single dots between, and the rest; none: there is no number.
fn numbers(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut end = digits(text).0.len();
    if end == 0 {
        return None;
    }
    while let [b'.', rest @ ..] = &text[end..]
        && rest.first().is_some_and(u8::is_ascii_digit)
    {
        end += 1 + digits(rest).0.len();
    }
    Some(text.split_at(end))
}

fn is_separator(b: u8) -> bool {
    matches!(b, b'-' | b'_' | b'.')
}

fn without_separator(text: &[u8]) -> &[u8] {
    match text {
        [first, rest @ ..] if is_separator(*first) => rest,
        _ => text,
    }
}

/// One of the words with what may separate it and its number, and the rest; an absent number is zero.
fn suffix<'a, W: Copy>(text: &'a [u8], words: &[(&str, W)]) -> (Option<(W, &'a [u8])>, &'a [u8]) {
    let behind = without_separator(text);
    let starts =
        |word: &str| behind.get(..word.len()).is_some_and(|t| t.eq_ignore_ascii_case(word.as_bytes()));
    let Some((word, meaning)) = words.iter().find(|(word, _)| starts(word)) else {
        return (None, text);
    };
    let (number, rest) = digits(without_separator(&behind[word.len()..]));
    (Some((*meaning, number)), rest)
}

/// Letters and digits with single separators between.
fn is_local(local: &[u8]) -> bool {
    local
        .split(|&b| is_separator(b))
        .all(|part| !part.is_empty() && part.iter().all(u8::is_ascii_alphanumeric))
}

/// Numbers follow words; of two that agree, the longer follows.
fn locals(a: &[u8], b: &[u8]) -> Ordering {
    let numeric = |part: &[u8]| run(part, |b| b.is_ascii_digit()).1.is_empty();
    series(a.split(|&b| is_separator(b)), b.split(|&b| is_separator(b)), |a, b| match (a, b) {
        (Some(a), Some(b)) => match (numeric(a), numeric(b)) {
            (true, true) => number(a, b),
            (false, false) => ignoring_case(a, b),
            (a, b) => a.cmp(&b),
        },
        (a, b) => a.is_some().cmp(&b.is_some()),
    })
}

#[cfg(test)]
mod tests {
    use crate::version::{Order, tests::ascending};

    #[test]
    fn every_suffix() {
        ascending(
            Order::Pep440,
            &[
                &["1.dev0", "1.0.DEV", "v1-dev_0"],
                &["1.dev1"],
                &["1a1.dev1"],
                &["1a1", "1.0-alpha_1", "1.0.A.1", " 1a01 "],
                &["1a1.post1.dev2"],
                &["1a1.post1"],
                &["1b"],
                &["1rc1", "1c1", "1-pre-1", "1.preview1"],
                &["1", "1.0.0", "0!1", "01"],
                &["1+abc"],
                &["1+abc.1", "1.0+ABC-01"],
                &["1+abc.10"],
                &["1+1"],
                &["1.post0.dev1"],
                &["1.post0", "1-0", "1.rev", "1r0"],
                &["1-1"],
                &["1.0.1"],
                &["1.99999999999999999999"],
                &["1.100000000000000000000"],
                &["1!0"],
            ],
        );
    }

    #[test]
    fn what_pep_440_does_not_admit_is_first() {
        ascending(
            Order::Pep440,
            &[
                &[""],
                &["foo"],
                &["0.1-apple", "0.1apple", "0.1.0.apple"],
                &["0.1-zebra"],
                &["0.10-dev-apple"],
                &["0.10-apple"],
                &["2004d"],
                &["0.dev0"],
                &["1"],
            ],
        );
    }
}
