//! R's and Haskell's order: numbers from the left, and of two versions that agree the longer one is the later.
//!
//! R: `package_version`, where dots and dashes separate alike. Haskell: "Package Versioning Policy".

use std::cmp::Ordering;

use super::parts::{natural, series};

/// Compares number by number; what is none precedes all numbers.
pub(super) fn compare(a: &str, b: &str) -> Ordering {
    // The end precedes every part: `None` is the least.
    series(a.split(['.', '-']), b.split(['.', '-']), |a, b| match (a, b) {
        (Some(a), Some(b)) => natural(a.as_bytes(), b.as_bytes()),
        (a, b) => a.is_some().cmp(&b.is_some()),
    })
}

#[cfg(test)]
mod tests {
    use crate::version::{Order, tests::ascending};

    #[test]
    fn the_longer_is_the_later() {
        for order in [Order::Cran, Order::Hackage] {
            ascending(
                order,
                &[&["0.1"], &["0.1.0", "0.1-0", "0.01.0"], &["0.1.10"], &["0.2"], &["0.75"], &["1"]],
            );
        }
    }
}
