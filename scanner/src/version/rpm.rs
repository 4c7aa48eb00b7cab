//! rpm's order: rpm-version(7).

use std::cmp::Ordering;

use super::parts::{digits, number, run};

/// Epoch, version and release, as `rpmVersionCompare` and `rpm.ver` compare them: an absent epoch is 0, an absent
/// release precedes every release. (For dependencies rpm leaves the release out where one side has none; that
/// is no order, since `1-1` and `1-2` would both equal `1`. To an advisory's `fixed: 1-3` an installed `1` is then
/// still affected, which errs to the safe side.)
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    let (a, b) = (split(a.as_bytes()), split(b.as_bytes()));
    number(a.epoch, b.epoch).then_with(|| segments(a.version, b.version)).then_with(|| {
        match (a.release, b.release) {
            (Some(a), Some(b)) => segments(a, b),
            (a, b) => a.is_some().cmp(&b.is_some()),
        }
    })
}

struct Evr<'a> {
    epoch: &'a [u8],
    version: &'a [u8],
    release: Option<&'a [u8]>,
}

/// What stands before the first colon is an epoch where it is nothing but digits; the last dash starts the release.
fn split(text: &[u8]) -> Evr<'_> {
    let (epoch, rest) = match digits(text) {
        (epoch, [b':', rest @ ..]) => (epoch, rest),
        _ => (&text[..0], text),
    };
    match rest.iter().rposition(|&b| b == b'-') {
        Some(dash) => Evr { epoch, version: &rest[..dash], release: Some(&rest[dash + 1..]) },
        None => Evr { epoch, version: rest, release: None },
    }
}

/// `rpmvercmp`: segments of digits or letters from the left, whatever separates them. `~` precedes the end, the
/// end `^`, `^` letters, letters digits.
fn segments(mut a: &[u8], mut b: &[u8]) -> Ordering {
    loop {
        let ((kind_a, text_a, rest_a), (kind_b, text_b, rest_b)) = (next(a), next(b));
        let ordering = kind_a.cmp(&kind_b).then_with(|| match kind_a {
            Kind::Number => number(text_a, text_b),
            _ => text_a.cmp(text_b),
        });
        if ordering != Ordering::Equal || kind_a == Kind::End {
            return ordering;
        }
        (a, b) = (rest_a, rest_b);
    }
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Tilde,
    End,
    Caret,
    Letters,
    Number,
}

fn next(text: &[u8]) -> (Kind, &[u8], &[u8]) {
    let counts = |b: u8| b.is_ascii_alphanumeric() || b == b'~' || b == b'^';
    let (_, text) = run(text, |b| !counts(b));
    match text {
        [] => (Kind::End, text, text),
        [b'~', rest @ ..] => (Kind::Tilde, &[], rest),
        [b'^', rest @ ..] => (Kind::Caret, &[], rest),
        [first, ..] if first.is_ascii_digit() => {
            let (number, rest) = digits(text);
            (Kind::Number, number, rest)
        }
        _ => {
            let (letters, rest) = run(text, |b| b.is_ascii_alphabetic());
            (Kind::Letters, letters, rest)
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::version::{Order, tests::ascending};

    #[test]
    fn segments_tildes_and_carets() {
        ascending(
            Order::Rpm,
            &[
                &["~"],
                &["", "."],
                &["a"],
                &["1~~"],
                &["1~rc1"],
                &["1~rc1^git1"],
                &["1", "1.", "01"],
                &["1^"],
                &["1^20230101"],
                &["1^20230102"],
                &["1a"],
                &["1.0", "1_0", "1..00", "1+0"],
                &["1.0.1"],
                &["1.99999999999999999999"],
                &["1.100000000000000000000"],
            ],
        );
    }

    #[test]
    fn an_absent_epoch_is_zero_and_an_absent_release_is_first() {
        ascending(
            Order::Rpm,
            &[&["1"], &["1-"], &["1-1~beta", "0:1-1~beta"], &["1-1"], &["1-1.el9"], &["1.1-1"], &["1:0"]],
        );
        // What is no number is no epoch.
        ascending(Order::Rpm, &[&["a:1-1"], &["a:2-1"], &["b:1-1"], &["9-1"], &["01:0-1", "1:0-1"]]);
    }
}
