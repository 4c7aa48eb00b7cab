//! The nearest known name, for "did you mean".

use std::cell::Cell;

/// How many comparisons one file is worth: thousands of unknown names over thousands of steps get no guesses.
#[derive(Debug)]
pub(crate) struct Guesses(Cell<usize>);

impl Default for Guesses {
    fn default() -> Self {
        Guesses(Cell::new(100_000))
    }
}

impl Guesses {
    /// As [`nearest`], while the budget lasts.
    pub(crate) fn nearest<'c>(
        &self,
        name: &str,
        candidates: impl ExactSizeIterator<Item = &'c str>,
    ) -> Option<&'c str> {
        let left = self.0.get().checked_sub(candidates.len())?;
        self.0.set(left);
        nearest(name, candidates)
    }
}

/// The candidate closest to `name`, if one is close enough to be what was meant:
/// a third of the letters wrong at most, letter case aside; else one that begins with it.
pub(crate) fn nearest<'c>(name: &str, candidates: impl IntoIterator<Item = &'c str>) -> Option<&'c str> {
    nearest_within(name, candidates, usize::MAX)
}

/// The same, with `most` letters wrong: for long lists, where a third of the letters leads astray.
pub(crate) fn nearest_within<'c>(
    name: &str,
    candidates: impl IntoIterator<Item = &'c str>,
    most: usize,
) -> Option<&'c str> {
    let name: Vec<char> = name.chars().take(65).flat_map(char::to_lowercase).collect();
    if name.is_empty() || name.len() > 64 {
        return None;
    }
    let mut best: Option<(usize, &str)> = None;
    let mut begun = None;
    for candidate in candidates {
        let letters: Vec<char> = candidate.chars().flat_map(char::to_lowercase).collect();
        if begun.is_none() && name.len() > 1 && letters.starts_with(&name) {
            begun = Some(candidate);
        }
        let allowed = (name.len().max(letters.len()) / 3).max(1).min(most);
        if letters.len().abs_diff(name.len()) > allowed {
            continue;
        }
        let found = distance(&name, &letters);
        if found <= allowed && best.is_none_or(|(d, _)| found < d) {
            best = Some((found, candidate));
        }
    }
    best.map(|(_, candidate)| candidate).or(begun)
}

/// Insertions, deletions, replacements and swaps of neighbours (optimal string alignment).
fn distance(a: &[char], b: &[char]) -> usize {
    let width = b.len() + 1;
    let mut before: Vec<usize> = vec![0; width];
    let mut last: Vec<usize> = (0..width).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; width];
        for j in 1..width {
            let cost = usize::from(a[i - 1] != b[j - 1]);
            row[j] = (last[j] + 1).min(row[j - 1] + 1).min(last[j - 1] + cost);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before[j - 2] + 1);
            }
        }
        before = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn finds_what_was_meant_and_nothing_far() {
        let known = ["needs", "uses", "with", "when", "timeout"];
        assert_eq!(nearest("need", known), Some("needs"));
        assert_eq!(nearest("wiht", known), Some("with"));
        assert_eq!(nearest("Timeout", known), Some("timeout"));
        assert_eq!(nearest("time", known), Some("timeout"));
        assert_eq!(nearest("repositories", known), None);
        assert_eq!(nearest("", known), None);
        assert_eq!(nearest(&"x".repeat(10_000), known), None);
    }
}
