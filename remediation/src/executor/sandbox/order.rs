//! In which order dpkg is given packages: what one Pre-Depends on comes before it (Policy 7.2).

use std::collections::BTreeMap;

use crate::{Result, deb::PackageRecord};

/// Positions in the order in which to unpack. A circle is entered at its first name.
pub(super) fn unpacking(records: &[&PackageRecord]) -> Result<Vec<usize>> {
    let mut by_name: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (position, record) in records.iter().enumerate() {
        by_name.entry(&record.name).or_default().push(position);
    }
    let mut before: Vec<Vec<usize>> = Vec::with_capacity(records.len());
    for record in records {
        let clauses = record.relations("Pre-Depends")?;
        let names =
            clauses.iter().flat_map(|clause| &clause.alternatives).map(|relation| relation.name.as_str());
        before.push(names.filter_map(|name| by_name.get(name)).flatten().copied().collect());
    }
    let mut order = Vec::with_capacity(records.len());
    let mut seen = vec![false; records.len()];
    // By name, then depth first, with a stack of our own: the depth is the repository's to choose.
    for start in by_name.values().flatten().copied() {
        let mut stack = vec![(start, 0)];
        if std::mem::replace(&mut seen[start], true) {
            continue;
        }
        while let Some((at, next)) = stack.pop() {
            match before[at].get(next) {
                None => order.push(at),
                Some(&first) => {
                    stack.push((at, next + 1));
                    if !std::mem::replace(&mut seen[first], true) {
                        stack.push((first, 0));
                    }
                }
            }
        }
    }
    Ok(order)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::deb::control;

    fn record(name: &str, before: &str) -> PackageRecord {
        let text = format!("Package: {name}\nVersion: 1\nArchitecture: all\nPre-Depends: {before}\n");
        PackageRecord::from_stanza("t", &control::single("t", &text).unwrap(), true).unwrap()
    }

    #[test]
    fn what_is_needed_before_comes_before() {
        let records =
            [record("aa", "cc (>= 1), xx"), record("bb", ""), record("cc", "dd | bb"), record("dd", "aa")];
        let all: Vec<&PackageRecord> = records.iter().collect();
        let order = unpacking(&all).unwrap();
        assert_eq!(order, [3, 1, 2, 0], "dd needs aa, which is a circle: each comes once");
        assert_eq!(unpacking(&[]).unwrap(), Vec::<usize>::new());
    }
}
