//! `yarn.lock`: the format of yarn 1, and the YAML of later ones, which is as simple line by line.

use super::{component, from_registry, split_at};
use crate::languages::{
    Component, Evidence, Found, Named, Unreadable,
    input::{self, Size, Whole},
};

pub(in crate::languages) static YARN: Whole = Whole {
    name: "npm-yarn",
    version: 1,
    named: &[Named::Is("yarn.lock")],
    wants: input::any,
    limit: Size::Whole,
    parse: |_, bytes| yarn(&input::text(bytes)),
};

/// One block: the patterns of its head, and the two fields that matter.
#[derive(Default)]
struct Block<'a> {
    line: usize,
    patterns: &'a str,
    version: &'a str,
    resolution: &'a str,
}

fn yarn(text: &str) -> Result<Found, Unreadable> {
    let mut found = Found::default();
    let mut block = Block::default();
    for (at, line) in text.lines().enumerate() {
        if line.trim().is_empty() || line.starts_with('#') {
            continue;
        }
        if !line.starts_with([' ', '\t']) {
            finish(&block, &mut found)?;
            let head = line.trim_end().strip_suffix(':');
            let patterns = head.ok_or_else(|| Unreadable::line(at + 1, "a block's head has no colon"))?;
            block = Block { line: at + 1, patterns, ..Block::default() };
        } else if let Some(field) = line.strip_prefix("  ").filter(|f| !f.starts_with(' ')) {
            // Yarn 1 writes `version "1"`, later ones `version: 1`.
            let (key, value) = field.split_once(' ').unwrap_or((field, ""));
            match unquoted(key.trim_end_matches(':')) {
                "version" => block.version = unquoted(value.trim()),
                "resolution" => block.resolution = unquoted(value.trim()),
                _ => {}
            }
        }
    }
    finish(&block, &mut found)?;
    Ok(found)
}

fn finish(block: &Block<'_>, found: &mut Found) -> Result<(), Unreadable> {
    if block.patterns.is_empty() || block.patterns == "__metadata" {
        return Ok(());
    }
    if block.version.is_empty() {
        return Err(Unreadable::line(block.line, "a block has no version"));
    }
    if let Some(package) = package(block) {
        found.add(Component { evidence: Evidence::LockFile, ..package });
    }
    Ok(())
}

/// None: it is a folder of the project, or comes by a protocol that is unknown here.
fn package(block: &Block<'_>) -> Option<Component> {
    let first = unquoted(block.patterns.split(", ").next()?.trim());
    let (name, source) = split_at(if block.resolution.is_empty() { first } else { block.resolution })?;
    // Yarn 1 writes `alias@npm:name@^1.0.0`, and `alias@npm:name` for any version.
    let alias = source.strip_prefix("npm:").filter(|_| block.resolution.is_empty());
    let alias = alias.map(|real| split_at(real).map_or(real, |(real, _)| real));
    match alias.filter(|real| real.starts_with(|c: char| c == '@' || c.is_alphabetic())) {
        Some(real) => component(real, block.version),
        None if from_registry(source) && known(source) => component(name, block.version),
        None => None,
    }
}

/// A range, a tag, or a protocol of yarn's documentation, "Protocols".
fn known(source: &str) -> bool {
    let Some((protocol, _)) = source.split_once(':') else { return true };
    let word = protocol.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'+');
    let all = ["npm", "patch", "git", "http", "https", "github", "gitlab", "bitbucket", "ssh", "jsr"];
    !word || protocol.starts_with("git+") || all.contains(&protocol)
}

fn unquoted(text: &str) -> &str {
    text.strip_prefix('"').and_then(|t| t.strip_suffix('"')).unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        yarn(text).expect(text).tidy().components.iter().map(Component::purl).collect()
    }

    #[test]
    fn both_formats_are_read() {
        let one = "# yarn lockfile v1\n\n\"@s/a@^1\", \"@s/a@^1.1\":\n  version \"1.1.0\"\n  dependencies:\n    version \"9\"\n\n\
            b@~2:\n  version \"2.0.0\"\n\nalias@npm:real@^3:\n  version \"3.0.0\"\nany@npm:all:\n  \"version\" \"5.0.0\"\n\n\"l@file:x\":\n  version \"1\"\n\
            g@git+https://h/g.git#v1:\n  version \"4.0.0\"\nu@unknown:1:\n  version \"1\"\n";
        assert_eq!(
            lines(one),
            [
                "pkg:npm/all@5.0.0",
                "pkg:npm/b@2.0.0",
                "pkg:npm/g@4.0.0",
                "pkg:npm/real@3.0.0",
                "pkg:npm/%40s/a@1.1.0"
            ]
        );
        let two = "__metadata:\n  version: 8\n\n\"@s/a@npm:^1, @s/a@npm:^1.1\":\n  version: 1.1.0\n  resolution: \"@s/a@npm:1.1.0\"\n\
            \n\"p@patch:p@npm%3A2.3.2#~builtin\":\n  version: 2.3.2\n  resolution: \"p@patch:p@npm%3A2.3.2#~builtin::hash=1\"\n\
            \n\"w@workspace:.\":\n  version: 0.0.0-use.local\n  resolution: \"w@workspace:.\"\n\
            \n\"alias@npm:real@3\":\n  version: 3.0.0\n  resolution: \"real@npm:3.0.0\"\n";
        assert_eq!(lines(two), ["pkg:npm/p@2.3.2", "pkg:npm/real@3.0.0", "pkg:npm/%40s/a@1.1.0"]);
    }

    #[test]
    fn says_which_block_is_none() {
        assert_eq!(yarn("a@1:\n  x: y\n").expect_err("no version").reason, "line 1: a block has no version");
        assert_eq!(yarn("\nrubbish\n").expect_err("no head").reason, "line 2: a block's head has no colon");
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in "[a@:\"\n, ]{0,80}") {
            let _ = yarn(&text);
        }
    }
}
