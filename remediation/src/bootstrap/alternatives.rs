//! `update-alternatives --install`, as maintainer scripts write it, done without running them.

use std::collections::BTreeMap;

use super::{tree::Tree, unpack::Unpacked};

/// One call: what a link may point at.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Choice {
    link: String,
    name: String,
    path: String,
    priority: i64,
    /// (link, name, path)
    slaves: Vec<(String, String, String)>,
}

/// Registers every alternative that the packages' postinst scripts install, the best one chosen (mode auto).
pub(super) fn install(tree: &mut Tree, packages: &[Unpacked]) {
    let mut groups: BTreeMap<String, Vec<Choice>> = BTreeMap::new();
    for package in packages {
        for choice in parse(&package.text("postinst")) {
            if tree.exists(&choice.path) && !choice.name.contains('/') {
                groups.entry(choice.name.clone()).or_default().push(choice);
            }
        }
    }
    for (name, mut choices) in groups {
        // The highest priority wins, and among equals the first.
        choices.sort_by_key(|choice| -choice.priority);
        choices.dedup_by(|a, b| a.path == b.path);
        let best = &choices[0];
        point(tree, &best.link, &name, &best.path);
        for (link, slave, path) in best.slaves.iter().filter(|(_, slave, _)| !slave.contains('/')) {
            if tree.exists(path) {
                point(tree, link, slave, path);
            }
        }
        tree.file(&format!("var/lib/dpkg/alternatives/{name}"), record(&choices));
    }
}

fn point(tree: &mut Tree, link: &str, name: &str, path: &str) {
    tree.link(&format!("etc/alternatives/{name}"), path);
    tree.link(link, &format!("/etc/alternatives/{name}"));
}

/// The administrative file: status, link, slaves, and each choice.
fn record(choices: &[Choice]) -> String {
    let mut slaves: BTreeMap<&str, &str> = BTreeMap::new();
    for (link, name, _) in choices.iter().flat_map(|choice| &choice.slaves) {
        slaves.insert(name, link);
    }
    let mut text = format!("auto\n{}\n", choices[0].link);
    for (name, link) in &slaves {
        text += &format!("{name}\n{link}\n");
    }
    text.push('\n');
    let mut sorted: Vec<&Choice> = choices.iter().collect();
    sorted.sort_by(|a, b| a.path.cmp(&b.path));
    for choice in sorted {
        text += &format!("{}\n{}\n", choice.path, choice.priority);
        for name in slaves.keys() {
            let path = choice.slaves.iter().find(|(_, n, _)| n == name).map_or("", |(_, _, path)| path);
            text += &format!("{path}\n");
        }
    }
    text.push('\n');
    text
}

/// The calls of a script that are written out; one that computes its words is left alone.
fn parse(script: &str) -> Vec<Choice> {
    let joined = script.replace("\\\n", " ");
    joined.lines().filter_map(|line| call(line.trim())).collect()
}

fn call(line: &str) -> Option<Choice> {
    if line.starts_with('#') {
        return None;
    }
    let after = line.split_once("update-alternatives")?.1;
    let words: Vec<&str> = after
        .split_whitespace()
        .take_while(|word| {
            !matches!(*word, "||" | "&&" | ";" | "|")
                && !word.starts_with(['>', '#'])
                && *word != "2>/dev/null"
        })
        .map(|word| word.trim_matches(['"', '\'', ';']))
        .filter(|word| *word != "--quiet" && *word != "--force")
        .collect();
    if words.iter().any(|word| word.contains(['$', '`', '*'])) {
        return None;
    }
    let at = words.iter().position(|word| *word == "--install")?;
    let [link, name, path, priority] = words.get(at + 1..at + 5)? else { return None };
    let mut slaves = Vec::new();
    let mut rest = &words[at + 5..];
    while let ["--slave", link, name, path, after @ ..] = rest {
        slaves.push(((*link).to_owned(), (*name).to_owned(), (*path).to_owned()));
        rest = after;
    }
    let choice = Choice {
        link: (*link).to_owned(),
        name: (*name).to_owned(),
        path: (*path).to_owned(),
        priority: priority.parse().ok()?,
        slaves,
    };
    (link.starts_with('/') && path.starts_with('/')).then_some(choice)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCRIPT: &str = "if true; then\n        update-alternatives --install /usr/bin/awk awk /usr/bin/mawk 5 \\\n            --slave /usr/bin/nawk nawk /usr/bin/mawk\nfi\nupdate-alternatives --quiet --install /usr/bin/x x \"/usr/bin/y\" 1 || true\nupdate-alternatives --install /usr/bin/z z $path 1\n# update-alternatives --install /a a /b 1\nupdate-alternatives --remove awk /usr/bin/mawk\n";

    #[test]
    fn calls_are_read_and_recorded() {
        let choices = parse(SCRIPT);
        assert_eq!(choices.len(), 2);
        assert_eq!(choices[0].slaves, [("/usr/bin/nawk".into(), "nawk".into(), "/usr/bin/mawk".into())]);
        assert_eq!((choices[1].path.as_str(), choices[1].priority), ("/usr/bin/y", 1));
        assert_eq!(
            record(&choices[..1]),
            "auto\n/usr/bin/awk\nnawk\n/usr/bin/nawk\n\n/usr/bin/mawk\n5\n/usr/bin/mawk\n\n"
        );
    }
}
