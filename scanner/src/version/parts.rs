//! What several orders share: numbers of any length, and versions as series of parts.

use std::cmp::Ordering;

/// Compares two runs of digits of any length; an empty one is zero.
pub(super) fn number(a: &[u8], b: &[u8]) -> Ordering {
    let (a, b) = (without_zeros(a), without_zeros(b));
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

/// Without the zeros in front.
pub(super) fn without_zeros(digits: &[u8]) -> &[u8] {
    &digits[digits.iter().take_while(|&&b| b == b'0').count()..]
}

/// The longest beginning whose bytes are all so, and the rest.
pub(super) fn run(bytes: &[u8], so: impl Fn(u8) -> bool) -> (&[u8], &[u8]) {
    bytes.split_at(bytes.iter().position(|&b| !so(b)).unwrap_or(bytes.len()))
}

/// Digits in front, and the rest.
pub(super) fn digits(bytes: &[u8]) -> (&[u8], &[u8]) {
    run(bytes, |b| b.is_ascii_digit())
}

/// Letters of either case alike.
pub(super) fn ignoring_case(a: &[u8], b: &[u8]) -> Ordering {
    a.iter().map(u8::to_ascii_lowercase).cmp(b.iter().map(u8::to_ascii_lowercase))
}

/// Digits as numbers, all else by its bytes; digits behind all else, the end before everything.
pub(super) fn natural(mut a: &[u8], mut b: &[u8]) -> Ordering {
    loop {
        let ((digits_a, rest_a), (digits_b, rest_b)) = (digits(a), digits(b));
        let ordering = match (digits_a.is_empty(), digits_b.is_empty()) {
            (false, false) => number(digits_a, digits_b),
            (false, true) => return Ordering::Greater,
            (true, false) => return Ordering::Less,
            (true, true) => a.first().cmp(&b.first()),
        };
        if ordering != Ordering::Equal || (a.is_empty() && b.is_empty()) {
            return ordering;
        }
        (a, b) = if digits_a.is_empty() {
            (a.get(1..).unwrap_or_default(), b.get(1..).unwrap_or_default())
        } else {
            (rest_a, rest_b)
        };
    }
}

/// Compares two series part by part; the shorter one goes on with its end (`None`) for as long as it takes.
/// A total preorder wherever `part` is one, with the end as one more part.
pub(super) fn series<P>(
    mut a: impl Iterator<Item = P>,
    mut b: impl Iterator<Item = P>,
    part: impl Fn(Option<P>, Option<P>) -> Ordering,
) -> Ordering {
    loop {
        let (left, right) = (a.next(), b.next());
        if left.is_none() && right.is_none() {
            return Ordering::Equal;
        }
        let ordering = part(left, right);
        if ordering != Ordering::Equal {
            return ordering;
        }
    }
}

/// What a part is to those around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Weight {
    /// A zero that may be padding.
    Zero,
    /// A number.
    Number,
    Other,
}

/// A part of a series.
pub(super) trait Part {
    fn weight(&self) -> Weight;
    /// Whether zeros before it are padding whatever it is.
    fn opens(&self) -> bool {
        false
    }
}

/// How digits weigh.
pub(super) fn weight(digits: &[u8]) -> Weight {
    if digits.iter().all(|&b| b == b'0') { Weight::Zero } else { Weight::Number }
}

/// A series without the zeros that no other number follows: `1.0.0` is `1`, `1.0-rc` is `1-rc`, `1.0.1` stays.
pub(super) struct Trimmed<I> {
    parts: I,
    /// Zeros ahead that are known to stay.
    keep: usize,
}

impl<I> Trimmed<I> {
    pub(super) fn new(parts: I) -> Self {
        Self { parts, keep: 0 }
    }
}

impl<I: Iterator<Item: Part> + Clone> Iterator for Trimmed<I> {
    type Item = I::Item;

    fn next(&mut self) -> Option<I::Item> {
        if self.keep > 0 {
            self.keep -= 1;
            return self.parts.next();
        }
        let mut part = self.parts.next()?;
        if part.weight() != Weight::Zero {
            return Some(part);
        }
        let mut ahead = self.parts.clone();
        let mut more = 0;
        loop {
            let Some(next) = ahead.next() else {
                self.parts = ahead;
                return None;
            };
            match (next.weight(), next.opens()) {
                (Weight::Zero, false) => more += 1,
                (Weight::Number, false) => {
                    self.keep = more;
                    return Some(part);
                }
                (Weight::Zero, true) => {
                    (part, more) = (next, 0);
                    self.parts = ahead.clone();
                }
                _ => {
                    self.parts = ahead;
                    return Some(next);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_any_length() {
        assert_eq!(number(b"", b"000"), Ordering::Equal);
        assert_eq!(number(b"007", b"7"), Ordering::Equal);
        assert_eq!(
            number(b"99999999999999999999999999999999", b"100000000000000000000000000000000"),
            Ordering::Less
        );
    }

    #[test]
    fn natural_order_takes_digits_together() {
        let sorted: [&[u8]; 8] = [b"", b"-", b"-1", b"a", b"aa", b"a9", b"a10", b"9"];
        for (i, a) in sorted.iter().enumerate() {
            for (j, b) in sorted.iter().enumerate() {
                assert_eq!(natural(a, b), i.cmp(&j), "{a:?} {b:?}");
            }
        }
        assert_eq!(natural(b"a09", b"a9"), Ordering::Equal);
    }
}
