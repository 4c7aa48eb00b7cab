//! `bun.lock`, lockfileVersion 0 and 1: JSON with trailing commas.

use std::collections::HashMap;

use super::{component, from_registry, split_at};
use crate::languages::{
    Component, Evidence, Found, Named, Unreadable, graph,
    input::{self, Size, Whole},
    tree::{self, Node},
};

pub(in crate::languages) static BUN: Whole = Whole {
    name: "npm-bun",
    version: 1,
    named: &[Named::Is("bun.lock")],
    wants: input::any,
    limit: Size::Whole,
    parse: |_, bytes| bun(&tree::jsonc(bytes)),
};

/// What a package or a workspace needs to work.
fn needs<'a>(node: &'a Node<'a>) -> impl Iterator<Item = &'a str> {
    ["dependencies", "optionalDependencies", "peerDependencies"]
        .into_iter()
        .flat_map(|kind| node.get(kind).entries())
        .map(|(name, _)| name.as_ref())
}

fn bun(json: &[u8]) -> Result<Found, Unreadable> {
    let document = tree::json(json)?;
    if document.get("lockfileVersion").text().parse::<u32>().is_err() {
        return Err(Unreadable::line(1, "it has no lockfileVersion"));
    }
    let packages = document.get("packages").entries();
    let workspaces = document.get("workspaces").entries();
    // Keys are paths, `a/b` for a `b` that `a` alone uses: edges go to every package of a name,
    // so that rather too much counts as needed than too little.
    let mut edges: HashMap<&str, Vec<&str>> = HashMap::new();
    for (key, package) in packages {
        let described = package.items().iter().filter(|item| !item.entries().is_empty());
        edges.entry(own_name(key)).or_default().extend(described.flat_map(needs));
    }
    let needed = graph::reached(workspaces.iter().flat_map(|(_, w)| needs(w)), &edges);
    let folders: HashMap<&str, &Node<'_>> = workspaces.iter().map(|(path, w)| (path.as_ref(), w)).collect();
    let mut found = Found::default();
    for (key, package) in packages {
        let Some((name, source)) = package.items().first().and_then(|id| split_at(id.text())) else {
            continue;
        };
        let version = match source.strip_prefix("workspace:") {
            Some(folder) => folders.get(folder).map_or("", |workspace| workspace.get("version").text()),
            None if from_registry(source) => source,
            None => continue,
        };
        let workspace = source.starts_with("workspace:");
        let develop = !workspace && !needed.contains(own_name(key));
        if let Some(package) = component(name, version).filter(|_| !version.is_empty()) {
            found.add(Component { develop, evidence: Evidence::LockFile, ..package });
        }
    }
    Ok(found)
}

/// The last package of a path of names, with its scope.
fn own_name(key: &str) -> &str {
    let bare = key.rfind('/').map_or(0, |at| at + 1);
    let scope = key[..bare.saturating_sub(1)].rfind('/').map_or(0, |at| at + 1);
    if key[scope..].starts_with('@') { &key[scope..] } else { &key[bare..] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn needs_are_followed() {
        let text = br#"{"lockfileVersion": 1, "workspaces": {"": {"name": "r", "dependencies": {"a": "1",},
            "devDependencies": {"d": "1"}}, "w": {"name": "w", "version": "0.1.0"}}, "packages": {
            "a": ["a@1.0.0", "", {"dependencies": {"@s/b": "2"}}, "sha"], "@s/b": ["@s/b@2.0.0", "", {}],
            "d": ["d@3.0.0", {"dependencies": {"@s/b": "1"}}], "d/@s/b": ["@s/b@1.0.0"], "w": ["w@workspace:w"],}, }"#;
        let found = bun(&tree::jsonc(text)).expect("parses").tidy();
        let line = |c: &Component| format!("{}{}", c.purl(), if c.develop { " develop" } else { "" });
        assert_eq!(
            found.components.iter().map(line).collect::<Vec<_>>(),
            [
                "pkg:npm/a@1.0.0",
                "pkg:npm/d@3.0.0 develop",
                "pkg:npm/w@0.1.0",
                "pkg:npm/%40s/b@1.0.0",
                "pkg:npm/%40s/b@2.0.0"
            ]
        );
        assert!(bun(br#"{"lockfileVersion": "x"}"#).is_err());
    }

    proptest::proptest! {
        #[test]
        fn names_never_panic(key in "[@/aé]{0,20}") {
            let _ = own_name(&key);
        }
    }
}
