//! Which packages of a lock file are reached from what the project itself needs.

use std::collections::{HashMap, HashSet};

/// Every name that `roots` lead to, roots included. Cycles are harmless: a name is visited once.
pub(super) fn reached<'a>(
    roots: impl IntoIterator<Item = &'a str>,
    edges: &HashMap<&'a str, Vec<&'a str>>,
) -> HashSet<&'a str> {
    let mut seen: HashSet<&str> = HashSet::new();
    let mut open: Vec<&str> = roots.into_iter().collect();
    while let Some(name) = open.pop() {
        if seen.insert(name) {
            open.extend(edges.get(name).into_iter().flatten());
        }
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cycles_end() {
        let edges = HashMap::from([("a", vec!["b", "x"]), ("b", vec!["a"]), ("c", vec!["a"])]);
        let mut all: Vec<_> = reached(["a"], &edges).into_iter().collect();
        all.sort_unstable();
        assert_eq!(all, ["a", "b", "x"]);
    }
}
