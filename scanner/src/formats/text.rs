//! Text from strangers made harmless, and names that are derived from content.

use sha2::{Digest as _, Sha256};

/// A text that moves no cursor and turns no direction: what controls becomes U+FFFD, and what is longer than `most`
/// characters ends with `…`.
pub fn clean(text: &str, most: usize) -> String {
    // Nearly all texts are this: documents have a hundred thousand of them.
    if text.len() <= most && text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len().min(most.saturating_mul(4)));
    for (at, c) in text.chars().enumerate() {
        if at == most {
            out.pop();
            out.push('…');
            break;
        }
        out.push(if controls(c) { char::REPLACEMENT_CHARACTER } else { c });
    }
    out
}

/// Controls of ISO 6429, separators of lines, marks of direction (Unicode annex 9) and what XML 1.0 has no place for.
fn controls(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
        || matches!(c, '\u{fffe}' | '\u{ffff}')
}

/// SHA-256 of texts, each with its length before it, so that no two lists are one.
fn digest(parts: &[&str]) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_be_bytes());
        hash.update(part.as_bytes());
    }
    hash.finalize().into()
}

/// The first 16 hexadecimal digits of it.
pub(super) fn key(parts: &[&str]) -> String {
    hex::encode(&digest(parts)[..8])
}

/// A UUID of version 8 (RFC 9562, section 5.8) that depends on these texts alone.
pub(super) fn uuid(parts: &[&str]) -> String {
    let hash = digest(parts);
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&hash[..16]);
    bytes[6] = (bytes[6] & 0x0f) | 0x80;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let text = hex::encode(bytes);
    format!("{}-{}-{}-{}-{}", &text[..8], &text[8..12], &text[12..16], &text[16..20], &text[20..])
}

/// A path as a URI reference (RFC 3986, section 4.2): what is no unreserved character or slash is percent-encoded.
pub fn uri_path(path: &str) -> String {
    use std::fmt::Write as _;
    let mut out = String::with_capacity(path.len());
    for byte in path.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_cursor_is_moved_and_no_direction_turned() {
        assert_eq!(
            clean("a\u{1b}[2Jb\r\n\u{9b}c\u{202e}d", 100),
            "a\u{fffd}[2Jb\u{fffd}\u{fffd}\u{fffd}c\u{fffd}d"
        );
        assert_eq!(clean("短い text", 4), "短い …");
        assert_eq!((clean("abcd", 4), clean("a", 0)), ("abcd".into(), "…".into()));
    }

    #[test]
    fn uuids_are_of_version_8_and_depend_on_every_border() {
        let id = uuid(&["ab", "c"]);
        assert_ne!(id, uuid(&["a", "bc"]));
        assert_eq!(id, uuid(&["ab", "c"]));
        assert!(id.len() == 36 && &id[14..15] == "8" && "89ab".contains(&id[19..20]), "{id}");
    }

    #[test]
    fn paths_are_references() {
        assert_eq!(uri_path("app/a b.jar!/链"), "app/a%20b.jar%21/%E9%93%BE");
    }
}
