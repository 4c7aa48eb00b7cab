//! The tag of a fixed image: never its source's, never too long, never somebody else's.

use patchline_engine::StepError;
use sha2::{Digest as _, Sha256};

use crate::image::Image;

/// OCI distribution-spec, "Pulling manifests": `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`.
const LONGEST: usize = 128;

/// Hexadecimal digits of the hash in a shortened tag.
const HASH: usize = 12;

/// The tag to push. `rendered`: the chain's template, rendered; none: `<origin>_fixed`.
pub(super) fn fixed_tag(rendered: Option<&str>, image: &Image) -> Result<String, StepError> {
    let stem = image.origin_tag().map_or_else(|| image.origin_digest().short().to_owned(), str::to_owned);
    let wanted = match rendered.map(str::trim) {
        None | Some("") => format!("{stem}_fixed"),
        // A template over a tag that is not there renders to its own text alone.
        Some(text) if image.origin_tag().is_none() && text.starts_with(['_', '-', '.']) => {
            format!("{stem}{text}")
        }
        Some(text) => text.to_owned(),
    };
    let tag = shorten(&wanted);
    if !is_tag(&tag) {
        let shown: String = wanted.chars().take(150).collect();
        return Err(StepError::permanent("fixed-tag-invalid", format!("`{shown}` cannot be a tag")));
    }
    if Some(tag.as_str()) == image.origin_tag() {
        return Err(StepError::permanent(
            "fixed-tag-not-different",
            format!("the fixed image would take the tag of its source, {tag}"),
        ));
    }
    Ok(tag)
}

/// The n-th name where a registry does not let a tag move: `v1_fixed-2`.
pub(super) fn numbered(tag: &str, n: u32) -> String {
    shorten(&format!("{tag}-{n}"))
}

/// Cuts the middle, puts a hash of the whole there, and keeps what follows
/// the last `_`, so that two long tags stay two and a fix is seen as one.
fn shorten(tag: &str) -> String {
    if tag.len() <= LONGEST || !tag.is_ascii() {
        return tag.to_owned();
    }
    let hash = hex::encode(Sha256::digest(tag.as_bytes()));
    let tail = tag.rfind('_').map_or("", |at| &tag[at..]);
    let tail = if tail.len() > 32 { "" } else { tail };
    let head = &tag[..LONGEST - tail.len() - HASH - 1];
    format!("{head}-{}{tail}", &hash[..HASH])
}

fn is_tag(tag: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let mut bytes = tag.bytes();
    tag.len() <= LONGEST && bytes.next().is_some_and(word) && bytes.all(|b| word(b) || b == b'.' || b == b'-')
}

#[cfg(test)]
mod tests {
    use patchline_registry::Digest;
    use serde_json::json;

    use super::*;

    fn image(tag: Option<&str>, origin: Option<&str>) -> Image {
        let digest = Digest::of(b"image");
        serde_json::from_value(json!({
            "registry": "main", "repository": "shop/web", "tag": tag, "digest": digest,
            "origin": {"tag": origin, "digest": Digest::of(b"origin")},
        }))
        .expect("an image")
    }

    #[test]
    fn tags_derive_from_the_origin() {
        let tag = |rendered, image: &Image| fixed_tag(rendered, image).map_err(|e| e.code);
        let first = image(Some("v1"), Some("v1"));
        assert_eq!(tag(None, &first).as_deref(), Ok("v1_fixed"));
        assert_eq!(tag(Some("v1_fixed"), &first).as_deref(), Ok("v1_fixed"));
        // A second round moves the same tag.
        let second = image(Some("v1_fixed"), Some("v1"));
        assert_eq!(tag(None, &second).as_deref(), Ok("v1_fixed"));
        assert_eq!(tag(Some("v1"), &second), Err("fixed-tag-not-different".to_owned()));
        let bare = image(None, None);
        let short = Digest::of(b"origin").short().to_owned();
        assert_eq!(tag(None, &bare), Ok(format!("{short}_fixed")));
        assert_eq!(tag(Some("_fixed"), &bare), Ok(format!("{short}_fixed")));
        for wrong in ["a b", "-x", ".x", "ä", "a/b", "a:b"] {
            assert_eq!(tag(Some(wrong), &first), Err("fixed-tag-invalid".to_owned()), "{wrong}");
        }
    }

    #[test]
    fn long_tags_are_cut_and_stay_apart() {
        let (a, b) = ("x".repeat(128), format!("{}y", "x".repeat(127)));
        let fixed = |tag: &str| fixed_tag(None, &image(Some(tag), Some(tag))).expect("a tag");
        let (fixed_a, fixed_b) = (fixed(&a), fixed(&b));
        assert_eq!((fixed_a.len(), fixed_b.len()), (128, 128));
        assert_ne!(fixed_a, fixed_b);
        assert!(fixed_a.ends_with("_fixed"));
        assert_eq!(fixed(&"x".repeat(122)).len(), 128);
        assert_eq!(fixed(&"x".repeat(122)), format!("{}_fixed", "x".repeat(122)));
        assert_eq!(numbered("v1_fixed", 2), "v1_fixed-2");
        assert_eq!(numbered(&fixed_a, 2).len(), 128);
        assert_ne!(numbered(&fixed_a, 2), numbered(&fixed_a, 3));
    }
}
