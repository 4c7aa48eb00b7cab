//! What dpkg is told to leave out, to put elsewhere, or to own otherwise: `path-exclude`, diversions, overrides.

use std::collections::BTreeMap;

use crate::tree::{Kind, Tree};

/// dpkg's settings of an image.
#[derive(Debug, Clone, Default)]
pub struct Filters {
    /// In order: (include, pattern). The last that matches decides (dpkg(1), `--path-exclude`).
    rules: Vec<(bool, String)>,
    /// From path to (where it goes, the package that diverts), without the leading `/`.
    diversions: BTreeMap<String, (String, String)>,
    /// By path: user, group, mode.
    overrides: BTreeMap<String, (u64, u64, u32)>,
}

impl Filters {
    /// Reads the image's settings.
    pub fn read(tree: &Tree) -> Self {
        let mut filters = Self::default();
        let folder = "etc/dpkg/dpkg.cfg.d";
        let mut files: Vec<&str> = tree
            .under(folder)
            .filter(|(path, node)| {
                let name = &path[folder.len() + 1..];
                node.entry.kind != Kind::Dir
                    && !name.is_empty()
                    && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            })
            .map(|(path, _)| path)
            .collect();
        files.push("etc/dpkg/dpkg.cfg");
        for text in files.iter().filter_map(|path| tree.text(path)) {
            for line in text.lines() {
                let line = line.trim().trim_start_matches("--");
                let (key, value) = line.split_once(['=', ' ']).unwrap_or((line, ""));
                let pattern = value.trim().trim_matches(['"', '\'']).to_owned();
                match key.trim() {
                    "path-exclude" => filters.rules.push((false, pattern)),
                    "path-include" => filters.rules.push((true, pattern)),
                    _ => {}
                }
            }
        }
        if let Some(text) = tree.text("var/lib/dpkg/diversions") {
            let lines: Vec<&str> = text.lines().collect();
            for triple in lines.chunks_exact(3) {
                let bare = |path: &str| path.trim_start_matches('/').to_owned();
                filters.diversions.insert(bare(triple[0]), (bare(triple[1]), triple[2].to_owned()));
            }
        }
        if let Some(text) = tree.text("var/lib/dpkg/statoverride") {
            let (users, groups) = (ids(tree, "etc/passwd"), ids(tree, "etc/group"));
            for line in text.lines() {
                let words: Vec<&str> = line.splitn(4, ' ').collect();
                let [user, group, mode, path] = words[..] else { continue };
                let id = |word: &str, names: &BTreeMap<String, u64>| match word.strip_prefix('#') {
                    Some(number) => number.parse().ok(),
                    None => names.get(word).copied(),
                };
                if let (Some(uid), Some(gid), Ok(mode)) =
                    (id(user, &users), id(group, &groups), u32::from_str_radix(mode, 8))
                {
                    filters
                        .overrides
                        .insert(path.trim_start_matches('/').to_owned(), (uid, gid, mode & 0o7777));
                }
            }
        }
        filters
    }

    /// Whether `path-exclude` leaves this path out.
    pub fn excludes(&self, path: &str) -> bool {
        let path = format!("/{path}");
        self.rules
            .iter()
            .rev()
            .find(|(_, p)| glob(p.as_bytes(), path.as_bytes()))
            .is_some_and(|(include, _)| !include)
    }
    /// The same for a folder or a link: dpkg keeps those (a link may lead to a folder) where something below might be
    /// included, judged by what stands before the first wildcard (dpkg(1), `--path-exclude`; `filter_should_skip`).
    pub fn excludes_above(&self, path: &str) -> bool {
        let whole = format!("/{path}");
        let reaches = |pattern: &str| {
            let fixed = pattern.split(['*', '?', '[', '\\']).next().unwrap_or_default();
            whole.starts_with(fixed.trim_end_matches('/'))
        };
        self.excludes(path) && !self.rules.iter().any(|(include, pattern)| *include && reaches(pattern))
    }
    /// Where a package's path goes: elsewhere when another package diverts it.
    pub fn diverted<'p>(&'p self, package: &str, path: &'p str) -> &'p str {
        match self.diversions.get(path) {
            Some((to, by)) if by != package => to,
            _ => path,
        }
    }
    /// Owner, group and mode that the administrator has set.
    pub fn override_of(&self, path: &str) -> Option<(u64, u64, u32)> {
        self.overrides.get(path).copied()
    }
}

fn ids(tree: &Tree, file: &str) -> BTreeMap<String, u64> {
    let text = tree.text(file).unwrap_or_default();
    text.lines()
        .filter_map(|line| {
            let mut fields = line.split(':');
            Some((fields.next()?.to_owned(), fields.nth(1)?.parse().ok()?))
        })
        .collect()
}

/// fnmatch(3) without flags: a star matches slashes, too. Linear in memory, quadratic in time.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while t < text.len() {
        let step = match pattern.get(p) {
            Some(b'*') => {
                back = Some((p + 1, t));
                p += 1;
                continue;
            }
            Some(b'?') => Some(1),
            Some(b'[') => class(&pattern[p..], text[t]),
            Some(b'\\') if pattern.get(p + 1) == Some(&text[t]) => Some(2),
            Some(byte) if *byte == text[t] => Some(1),
            _ => None,
        };
        match (step, back) {
            (Some(step), _) => {
                p += step;
                t += 1;
            }
            (None, Some((after, from))) => {
                back = Some((after, from + 1));
                p = after;
                t = from + 1;
            }
            (None, None) => return false,
        }
    }
    pattern[p..].iter().all(|byte| *byte == b'*')
}

/// `[a-z]`, `[!x]`: its length when the byte is in it.
fn class(pattern: &[u8], byte: u8) -> Option<usize> {
    let negated = matches!(pattern.get(1), Some(b'!' | b'^'));
    let start = if negated { 2 } else { 1 };
    let end = start + 1 + pattern.get(start + 1..)?.iter().position(|b| *b == b']')?;
    let mut inside = false;
    let set = &pattern[start..end];
    let mut i = 0;
    while i < set.len() {
        if set.get(i + 1) == Some(&b'-') && i + 2 < set.len() {
            inside |= (set[i]..=set[i + 2]).contains(&byte);
            i += 3;
        } else {
            inside |= set[i] == byte;
            i += 1;
        }
    }
    (inside != negated).then_some(end + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_rule_that_matches_decides() {
        let rule = |include, pattern: &str| (include, pattern.to_owned());
        let filters = Filters {
            rules: vec![
                rule(false, "/usr/share/doc/*"),
                rule(true, "/usr/share/doc/*/copyright"),
                rule(false, "/usr/share/man/*"),
            ],
            ..Filters::default()
        };
        assert!(filters.excludes("usr/share/doc/x/README"));
        assert!(filters.excludes("usr/share/man/man1/x.1.gz"));
        assert!(!filters.excludes("usr/share/doc/x/copyright"));
        assert!(!filters.excludes("usr/bin/x"));
        // A copyright file might lie below either.
        assert!(!filters.excludes_above("usr/share/doc/x"));
        assert!(!filters.excludes_above("usr/share/doc/x/changelog.gz"));
        assert!(filters.excludes_above("usr/share/man/man1/x.1.gz"));
        assert!(!filters.excludes_above("usr/bin"));
    }

    #[test]
    fn globs() {
        assert!(glob(b"/a*c", b"/a/b/c") && glob(b"/?[a-c]x", b"/zbx") && glob(b"*", b""));
        assert!(!glob(b"/a*d", b"/a/b/c") && !glob(b"/[!a]", b"/a") && glob(b"/[!a]", b"/b"));
        assert!(!glob(b"[", b"x"));
    }

    #[test]
    fn a_diversion_moves_other_packages_alone() {
        let mut filters = Filters::default();
        filters.diversions.insert("bin/sh".into(), ("bin/sh.distrib".into(), "dash".into()));
        assert_eq!(filters.diverted("dash", "bin/sh"), "bin/sh");
        assert_eq!(filters.diverted("bash", "bin/sh"), "bin/sh.distrib");
    }
}
