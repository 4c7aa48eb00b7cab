//! Holds beyond dpkg's own: apt preferences that tie a package to a version (apt_preferences(5)).

use crate::tree::{Kind, Tree};

/// Which preference ties this package, for people; none: no preference does.
pub fn pinned(tree: &Tree, package: &str, source: &str) -> Option<String> {
    let folder = "etc/apt/preferences.d";
    let files = tree
        .under(folder)
        .filter(|(path, node)| node.entry.kind == Kind::File && is_read(&path[folder.len() + 1..]))
        .map(|(path, _)| path);
    files.chain(["etc/apt/preferences"]).find_map(|path| {
        tree.text(path).and_then(|text| tied(&text, package, source)).map(|why| format!("{path}: {why}"))
    })
}

/// Which names apt reads there: no ending, or `.pref`.
fn is_read(name: &str) -> bool {
    let stem = name.strip_suffix(".pref").unwrap_or(name);
    !stem.is_empty() && stem.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

fn tied(text: &str, package: &str, source: &str) -> Option<String> {
    text.split("\n\n").find_map(|stanza| {
        let field = |name: &str| {
            stanza.lines().find_map(|line| {
                let (key, value) = line.split_once(':')?;
                key.trim().eq_ignore_ascii_case(name).then(|| value.trim())
            })
        };
        let named = field("Package")?.split_whitespace().any(|pattern| {
            let (pattern, name) = match pattern.strip_prefix("src:") {
                Some(pattern) => (pattern, source),
                None => (pattern, package),
            };
            // A star alone sets the policy of a whole repository: it ties no package.
            pattern != "*" && matches(pattern, name)
        });
        let pin = field("Pin")?;
        let priority: i32 = field("Pin-Priority")?.parse().ok()?;
        let ties = named && (!(0..1000).contains(&priority) || pin.starts_with("version"));
        ties.then(|| format!("Pin: {pin}, Pin-Priority: {priority}"))
    })
}

/// Shell globs, as far as stars go.
pub(super) fn matches(pattern: &str, name: &str) -> bool {
    let Some((head, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(name) = name.strip_prefix(head) else { return false };
    (0..=name.len()).any(|at| name.is_char_boundary(at) && matches(rest, &name[at..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_preference_ties_what_it_names() {
        let text = "Explanation: x\nPackage: nginx* libx\nPin: version 1.22*\nPin-Priority: 990\n\nPackage: *\nPin: release n=sid\nPin-Priority: 1001\n\nPackage: src:openssl\nPin: release a=x\nPin-Priority: 1001\n\nPackage: curl\nPin: release a=x\nPin-Priority: 500\n";
        assert!(tied(text, "nginx-light", "nginx").unwrap().contains("1.22*"));
        assert!(tied(text, "libx", "x").is_some());
        assert!(tied(text, "libssl3", "openssl").is_some());
        assert!(tied(text, "curl", "curl").is_none(), "a preference below 1000 ties nothing");
        assert!(tied(text, "bash", "bash").is_none());
        assert!(is_read("x.pref") && is_read("x") && !is_read("x.bak"));
    }
}
