//! Globs over repositories and tags: `shop/**`, and `!shop/legacy-*` to exclude.

use globset::{Glob, GlobBuilder};

use crate::limits::MAX_GLOB;

/// Checks one pattern, `!` allowed in front; the reason, if it is none.
pub(crate) fn check(pattern: &str) -> Result<(), String> {
    let bare = pattern.strip_prefix('!').unwrap_or(pattern);
    if bare.is_empty() {
        return Err("nothing stands in it".to_owned());
    }
    if bare.len() > MAX_GLOB {
        return Err(format!("it has more than {MAX_GLOB} bytes"));
    }
    if bare.starts_with('!') {
        return Err("it begins with `!` twice".to_owned());
    }
    build(bare).map(drop).map_err(|error| error.kind().to_string())
}

fn build(pattern: &str) -> Result<Glob, globset::Error> {
    GlobBuilder::new(pattern).literal_separator(true).backslash_escape(true).build()
}

/// One pattern, read once and matched often; `!` has no meaning in it.
#[derive(Debug, Clone)]
pub struct Pattern(globset::GlobMatcher);

impl Pattern {
    /// Reads it; the reason, if it is none.
    pub fn new(pattern: &str) -> Result<Self, String> {
        check(pattern)?;
        build(pattern).map(|glob| Self(glob.compile_matcher())).map_err(|error| error.kind().to_string())
    }
    /// Whether it means the text.
    pub fn matches(&self, text: &str) -> bool {
        self.0.is_match(text)
    }
}

/// Whether `text` is among what a list of patterns means: some pattern without `!` matches it and none with `!` does.
/// A list without patterns means everything; one with exclusions alone, everything but these.
/// `*` and `?` do not cross `/`; `**` does. A pattern that does not parse matches nothing.
pub fn matches(patterns: &[String], text: &str) -> bool {
    let one = |pattern: &str| build(pattern).is_ok_and(|g| g.compile_matcher().is_match(text));
    let mut includes = patterns.iter().filter(|p| !p.starts_with('!')).peekable();
    let excluded = patterns.iter().filter_map(|p| p.strip_prefix('!')).any(one);
    !excluded && (includes.peek().is_none() || includes.any(|p| one(p)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn list(patterns: &[&str]) -> Vec<String> {
        patterns.iter().map(|p| (*p).to_owned()).collect()
    }

    #[test]
    fn inclusion_exclusion_and_separators() {
        let shop = list(&["shop/**", "!shop/legacy-*"]);
        assert!(matches(&shop, "shop/web") && matches(&shop, "shop/a/b"));
        assert!(!matches(&shop, "shop/legacy-1") && !matches(&shop, "other/web"));
        assert!(matches(&list(&["shop/*"]), "shop/web") && !matches(&list(&["shop/*"]), "shop/a/b"));
        assert!(matches(&list(&["!*-dev"]), "v1") && !matches(&list(&["!*-dev"]), "v1-dev"));
        assert!(matches(&[], "anything/at/all"));
        assert!(matches(&list(&["{a,b}/[x-z]?"]), "b/y1"));
    }

    #[test]
    fn bad_patterns_are_told() {
        for bad in ["", "!", "!!a", "shop/[a", "{a,{b}", "a\\"] {
            assert!(check(bad).is_err(), "{bad}");
        }
        assert!(check(&"*a".repeat(400)).is_err());
        assert!(check("!shop/**").is_ok());
    }
}
