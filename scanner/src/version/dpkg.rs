//! Debian's order: deb-version(7).

use std::cmp::Ordering;

use super::parts::{digits, number, run};

/// Debian's order (deb-version(7)): epoch, upstream, revision; `~` sorts before everything.
/// Total over any two strings: what is no epoch belongs to the upstream version.
pub fn compare(a: &str, b: &str) -> Ordering {
    let (epoch_a, upstream_a, revision_a) = split(a);
    let (epoch_b, upstream_b, revision_b) = split(b);
    number(epoch_a.as_bytes(), epoch_b.as_bytes())
        .then_with(|| part(upstream_a.as_bytes(), upstream_b.as_bytes()))
        .then_with(|| part(revision_a.as_bytes(), revision_b.as_bytes()))
}

/// Epoch, upstream, revision; an absent epoch or revision is `0` to both comparisons.
fn split(version: &str) -> (&str, &str, &str) {
    let (epoch, rest) = match version.split_once(':') {
        Some((e, rest)) if !e.is_empty() && e.bytes().all(|b| b.is_ascii_digit()) => (e, rest),
        _ => ("", version),
    };
    let (upstream, revision) = rest.rsplit_once('-').unwrap_or((rest, ""));
    (epoch, upstream, revision)
}

/// Debian Policy 5.6.12: non-digits and digits in turn, from the left.
fn part(mut a: &[u8], mut b: &[u8]) -> Ordering {
    while !a.is_empty() || !b.is_empty() {
        let (text_a, rest_a) = run(a, |c| !c.is_ascii_digit());
        let (text_b, rest_b) = run(b, |c| !c.is_ascii_digit());
        let (digits_a, next_a) = digits(rest_a);
        let (digits_b, next_b) = digits(rest_b);
        let ordering = text(text_a, text_b).then_with(|| number(digits_a, digits_b));
        if ordering != Ordering::Equal {
            return ordering;
        }
        (a, b) = (next_a, next_b);
    }
    Ordering::Equal
}

/// `~` before the end of the part, the end before letters, letters before all else.
fn text(a: &[u8], b: &[u8]) -> Ordering {
    let weight = |c: Option<&u8>| match c {
        Some(b'~') => -1,
        None => 0,
        Some(c) if c.is_ascii_alphabetic() => i32::from(*c),
        Some(c) => i32::from(*c) + 256,
    };
    (0..a.len().max(b.len()))
        .map(|i| weight(a.get(i)).cmp(&weight(b.get(i))))
        .find(|o| *o != Ordering::Equal)
        .unwrap_or(Ordering::Equal)
}

#[cfg(test)]
#[path = "dpkg_tests.rs"]
mod tests;
