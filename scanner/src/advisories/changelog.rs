//! Debian changelogs, deb-changelog(5), read tolerantly: what is no entry is passed over.

use crate::limits;

/// One upload's entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry<'a> {
    /// Version in the heading.
    pub(super) version: &'a str,
    /// Only rebuilt: `binary-only=yes`.
    pub(super) binary_only: bool,
    /// Each item with its continuation lines, white space collapsed.
    pub(super) items: Vec<String>,
}

/// Newest first, as they stand.
pub(super) fn parse(text: &str) -> Vec<Entry<'_>> {
    let mut entries: Vec<Entry<'_>> = Vec::new();
    let mut end = text.len().min(limits::advisories().changelog);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let mut lines = 0;
    // Behind a trailer nothing belongs to the entry any more.
    let mut open = false;
    for line in text[..end].lines() {
        if let Some((version, binary_only)) = heading(line) {
            if entries.len() == limits::advisories().changelog_entries {
                break;
            }
            entries.push(Entry { version, binary_only, items: Vec::new() });
            (open, lines) = (true, 0);
        } else if line.starts_with(" --") {
            open = false;
        } else if let Some(entry) =
            entries.last_mut().filter(|_| open && lines < limits::advisories().changelog_lines)
        {
            lines += 1;
            body(entry, line);
        }
    }
    entries
}

/// `source (version) distributions; key=value, key=value`
fn heading(line: &str) -> Option<(&str, bool)> {
    if line.starts_with([' ', '\t']) {
        return None;
    }
    let (source, rest) = line.split_once(" (")?;
    let (version, rest) = rest.split_once(')')?;
    let (_, metadata) = rest.split_once(';')?;
    let plain = |text: &str, also: &str| {
        !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || also.contains(c))
    };
    if !plain(source, "+-._") || !plain(version, ".+~:-") {
        return None;
    }
    let binary_only = metadata.to_ascii_lowercase().replace(' ', "").contains("binary-only=yes");
    Some((version, binary_only))
}

/// A bullet (`*`, `-`, `+`) opens an item, deeper text continues it; `[ Name ]` ends it.
fn body(entry: &mut Entry<'_>, line: &str) {
    let text = line.trim();
    let bullet = ["* ", "- ", "+ ", "o ", "• "].iter().any(|b| text.starts_with(b));
    // `[CVE-…]` at the end of an item is no name.
    if text.is_empty() || (text.starts_with("[ ") && text.ends_with(" ]")) {
        entry.items.push(String::new());
        return;
    }
    let words = text.split_whitespace();
    match entry.items.last_mut() {
        Some(item) if !bullet && !item.is_empty() => {
            for word in words {
                item.push(' ');
                item.push_str(word);
            }
        }
        _ => {
            let text = if bullet { text.split_once(' ').map_or("", |(_, rest)| rest) } else { text };
            entry.items.push(text.split_whitespace().collect::<Vec<_>>().join(" "));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "\
openssl (3.0.15-1~deb12u1) bookworm-security; urgency=medium

  [ Zoë Ñandú ]
  * New upstream version
    - CVE-2024-6119 (Possible denial of service
      in X.509 name checks).
      [SA-2024-1] [CVE-2024-6120]
  * Refresh patches

 -- Zoë Ñandú <z@example.org>  Sun, 27 Oct 2024 14:16:28 +0100
stray text that is no entry CVE-2000-0001

openssl (3.0.14-1~deb12u2+b1) bookworm; urgency=low, binary-only=yes

  * Binary-only non-maintainer upload

 -- x <x@example.org>  Sun, 27 Oct 2024 14:16:28 +0100

Old Changelog:
openssl (0.9.8-1) unstable; urgency=low
  unbulleted text
  goes on
vim: set ts=8
";

    #[test]
    fn reads_entries_and_items() {
        let entries = parse(TEXT);
        let versions: Vec<_> = entries.iter().map(|e| (e.version, e.binary_only)).collect();
        assert_eq!(
            versions,
            [("3.0.15-1~deb12u1", false), ("3.0.14-1~deb12u2+b1", true), ("0.9.8-1", false)]
        );
        let items: Vec<_> = entries[0].items.iter().filter(|i| !i.is_empty()).collect();
        assert_eq!(
            items,
            [
                "New upstream version",
                "CVE-2024-6119 (Possible denial of service in X.509 name checks). [SA-2024-1] [CVE-2024-6120]",
                "Refresh patches"
            ]
        );
        assert!(entries[2].items.iter().any(|i| i.starts_with("unbulleted text goes on")));
    }

    #[test]
    fn passes_over_what_is_no_changelog() {
        assert!(parse("").is_empty());
        assert!(parse("hello (world\n(x) y;\na (1 2) b; c\n").is_empty());
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in "([a-z]{1,3} \\(1\\) x; y\n|  \\* .{0,10}\n| -- \n|.{0,20}\n){0,20}") {
            let _ = parse(&text);
        }
    }
}
