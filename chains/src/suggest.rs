//! The nearest known name, for "did you mean".

use std::cell::Cell;

/// How much comparing one file is worth: thousands of unknown names over thousands of steps get no guesses.
#[derive(Debug)]
pub(crate) struct Guesses(Cell<usize>);

impl Default for Guesses {
    fn default() -> Self {
        // In pairs of letters: some twenty milliseconds.
        Guesses(Cell::new(8_000_000))
    }
}

impl Guesses {
    /// As [`nearest`], while the budget lasts.
    pub(crate) fn nearest<'c>(
        &self,
        name: &str,
        candidates: impl Iterator<Item = &'c str> + Clone,
    ) -> Option<&'c str> {
        let letters: usize = candidates.clone().map(str::len).sum();
        let left = self.0.get().checked_sub(name.len().clamp(8, 64) * letters)?;
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
    let (mut letters, mut rows) = (Vec::new(), Default::default());
    for candidate in candidates {
        letters.clear();
        letters.extend(candidate.chars().flat_map(char::to_lowercase));
        if begun.is_none() && name.len() > 1 && letters.starts_with(&name) {
            begun = Some(candidate);
        }
        let allowed = (name.len().max(letters.len()) / 3).max(1).min(most);
        let allowed = best.map_or(allowed, |(d, _)| allowed.min(d - 1));
        if letters.len().abs_diff(name.len()) > allowed {
            continue;
        }
        if let Some(found) = distance(&name, &letters, allowed, &mut rows) {
            best = Some((found, candidate));
            if found == 0 {
                break;
            }
        }
    }
    best.map(|(_, candidate)| candidate).or(begun)
}

/// Insertions, deletions, replacements and swaps of neighbours (optimal string alignment), if `most` are enough.
/// `rows` is what the last one left.
fn distance(a: &[char], b: &[char], most: usize, rows: &mut [Vec<usize>; 3]) -> Option<usize> {
    let width = b.len() + 1;
    let [before, last, row] = rows;
    for one in [&mut *before, &mut *row] {
        one.clear();
        one.resize(width, 0);
    }
    last.clear();
    last.extend(0..width);
    for i in 1..=a.len() {
        row[0] = i;
        let mut least = i;
        for j in 1..width {
            let cost = usize::from(a[i - 1] != b[j - 1]);
            let mut cell = (last[j] + 1).min(row[j - 1] + 1).min(last[j - 1] + cost);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                cell = cell.min(before[j - 2] + 1);
            }
            row[j] = cell;
            least = least.min(cell);
        }
        // A swap reaches back two rows, and costs one.
        if least > most + 1 {
            return None;
        }
        std::mem::swap(before, last);
        std::mem::swap(last, row);
    }
    Some(last[b.len()]).filter(|found| *found <= most)
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
