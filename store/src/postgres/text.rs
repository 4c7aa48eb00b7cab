//! Text as PostgreSQL takes it: no NUL inside, and no key that an index cannot hold.

use std::borrow::Cow;

use sha2::{Digest as _, Sha256};

/// Bytes of one column of a key. Three of them fit a B-tree's entry, which takes 2,704 bytes.
const KEY: usize = 800;
/// What is kept of a longer one, before its hash.
const HEAD: usize = 720;

/// PostgreSQL refuses U+0000 in text, and with it the whole transaction; its picture stands in for it.
pub(crate) fn plain(text: &str) -> Cow<'_, str> {
    if text.contains('\0') { Cow::Owned(text.replace('\0', "\u{2400}")) } else { Cow::Borrowed(text) }
}

/// A part of a key: what is too long for an index keeps its beginning and is told apart by its hash. What is short
/// enough, or was shortened before, stays as it is.
pub(crate) fn key(text: &str) -> Cow<'_, str> {
    let text = plain(text);
    if text.len() <= KEY {
        return text;
    }
    let head = &text[..text.floor_char_boundary(HEAD)];
    Cow::Owned(format!("{head}\u{2026}{}", hex::encode(Sha256::digest(text.as_bytes()))))
}

/// The number of an advisory lock. Two names that share one wait for each other, which is harmless.
pub(super) fn lock(class: &str, name: &str) -> i64 {
    let hash = Sha256::digest(format!("patchline {class} {name}").as_bytes());
    let mut first = [0; 8];
    first.copy_from_slice(&hash[..8]);
    i64::from_be_bytes(first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_bounded_distinct_and_stable() {
        assert_eq!(key("main/shop/web:v1@sha256:0"), "main/shop/web:v1@sha256:0");
        assert_eq!(key("a\0b"), "a\u{2400}b");
        for long in ["x".repeat(801), "\u{1F600}".repeat(300)] {
            let (one, two) = (key(&long).into_owned(), key(&format!("{long}!")).into_owned());
            assert!(one.len() <= KEY && one != two, "{}", one.len());
            assert_eq!(key(&one), one);
        }
        assert_ne!(lock("slot", "a"), lock("limit", "a"));
    }
}
