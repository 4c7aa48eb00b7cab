//! `pnpm-lock.yaml`, lockfileVersion 5 to 9.

use std::collections::HashMap;

use super::{component, from_registry, split_at};
use crate::languages::{
    Component, Evidence, Found, Named, Unreadable, graph,
    input::{self, Size, Whole},
    tree::{self, Node},
};

pub(in crate::languages) static PNPM: Whole = Whole {
    name: "npm-pnpm",
    version: 1,
    named: &[Named::Is("pnpm-lock.yaml")],
    wants: input::any,
    limit: Size::Whole,
    parse: |_, bytes| pnpm(&input::text(bytes)),
};

fn pnpm(text: &str) -> Result<Found, Unreadable> {
    let mut documents = tree::yaml(text)?;
    // Where there are two, the first locks pnpm itself.
    let Some(document) = documents.pop() else { return Ok(Found::default()) };
    let version = document.get("lockfileVersion").text();
    let major: u32 = version
        .split('.')
        .next()
        .and_then(|v| v.parse().ok())
        .ok_or_else(|| Unreadable::line(1, format_args!("{version:?} is no lockfileVersion")))?;
    let packages = document.get("packages").entries();
    let needed = (major >= 9).then(|| needed(&document));
    let locked = |(key, package): &(std::borrow::Cow<'_, str>, Node<'_>)| {
        let found = identity(key, package, major)?;
        let develop = match &needed {
            // Snapshots of one package differ by their peers.
            Some(needed) => !needed.contains(without_peers(key)),
            None => package.get("dev").is_true(),
        };
        Some(Component { develop, evidence: Evidence::LockFile, ..found })
    };
    Ok(packages.iter().filter_map(locked).collect())
}

/// `/@s/name/1.0.0_peer@2` (5), `/@s/name@1.0.0(peer@2)` (6), `@s/name@1.0.0` (9); a package that
/// comes from elsewhere has its name and version beside its address.
fn identity(key: &str, package: &Node<'_>, major: u32) -> Option<Component> {
    let (name, version) = (package.get("name").text(), package.get("version").text());
    if key.starts_with("file:") || key.starts_with("link:") {
        // A folder is the project's own; a packed archive is what its name says.
        let packed = key.ends_with(".tgz") || key.ends_with(".tar.gz");
        return if packed { component(name, version) } else { None };
    }
    if !name.is_empty() && !version.is_empty() {
        return component(name, version);
    }
    // What stands before the first slash of older keys is a registry that is not the usual one.
    let path = match key.strip_prefix('/') {
        Some(path) => path,
        None if major < 9 => key.split_once('/')?.1,
        None => key,
    };
    let path = without_peers(path);
    let (name, found) = if major < 6 {
        let (name, version) = path.rsplit_once('/')?;
        (name, version.split('_').next()?)
    } else {
        split_at(path)?
    };
    let found = if version.is_empty() { found } else { version };
    (from_registry(found) && input::begins_with_digit(found)).then(|| component(name, found)).flatten()
}

fn without_peers(key: &str) -> &str {
    key.split('(').next().unwrap_or(key)
}

/// All packages that any importer needs for more than its development, without their peers.
fn needed<'a>(document: &'a Node<'a>) -> std::collections::HashSet<&'a str> {
    const NEEDS: [&str; 2] = ["dependencies", "optionalDependencies"];
    let mut edges: HashMap<&str, Vec<&str>> = HashMap::new();
    // Names of versions, `name@version`, are built once and looked up by what they point to.
    let snapshots = document.get("snapshots").entries();
    let by_parts: HashMap<(&str, &str), &str> =
        snapshots.iter().filter_map(|(key, _)| split_at(key).map(|parts| (parts, key.as_ref()))).collect();
    let resolve = |name: &'a str, version: &'a str| {
        // An alias writes the whole key as the version.
        by_parts.get(&(name, version)).copied().unwrap_or(version)
    };
    for (key, snapshot) in snapshots {
        let needs = NEEDS.iter().flat_map(|kind| snapshot.get(kind).entries());
        edges.insert(key, needs.map(|(name, version)| resolve(name, version.text())).collect());
    }
    let importers = document.get("importers").entries().iter().map(|(_, importer)| importer);
    let roots = importers.flat_map(|i| NEEDS.iter().flat_map(|kind| i.get(kind).entries()));
    let roots: Vec<&str> = roots.map(|(name, need)| resolve(name, need.get("version").text())).collect();
    graph::reached(roots, &edges).into_iter().map(without_peers).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        let found = pnpm(text).expect(text).tidy();
        let line = |c: &Component| format!("{}{}", c.purl(), if c.develop { " develop" } else { "" });
        found.components.iter().map(line).collect()
    }

    #[test]
    fn keys_of_all_versions() {
        let five = "lockfileVersion: 5.4\npackages:\n  /@s/a/1.0.0_b@2.0.0:\n    dev: true\n  /b/2.0.0:\n    dev: false\n\
            \x20 file:x:\n    name: x\n    version: 1.0.0\n  host.example/c/3.0.0: {}\n";
        assert_eq!(lines(five), ["pkg:npm/b@2.0.0", "pkg:npm/c@3.0.0", "pkg:npm/%40s/a@1.0.0 develop"]);
        let six = "lockfileVersion: '6.0'\npackages:\n  /@s/a@1.0.0(b@2.0.0):\n    dev: true\n\
            \x20 '@host.example/x/tar.gz/0': {name: d, version: 4.0.0}\n";
        assert_eq!(lines(six), ["pkg:npm/d@4.0.0", "pkg:npm/%40s/a@1.0.0 develop"]);
    }

    #[test]
    fn version_nine_says_by_its_graph_what_is_for_development() {
        let nine = "lockfileVersion: '9.0'\nimporters:\n  .:\n    dependencies:\n      '@s/a':\n        version: 1.0.0(p@1.0.0)\n\
            \x20     alias:\n        version: real@3.0.0\n    devDependencies:\n      d:\n        version: 1.0.0\n\
            packages:\n  '@s/a@1.0.0': {}\n  b@2.0.0: {}\n  d@1.0.0: {}\n  real@3.0.0: {}\n  p@1.0.0: {}\n\
            snapshots:\n  '@s/a@1.0.0(p@1.0.0)':\n    dependencies:\n      b: 2.0.0\n      p: 1.0.0\n  b@2.0.0:\n    dependencies:\n      '@s/a': 1.0.0(p@1.0.0)\n\
            \x20 d@1.0.0:\n    dependencies:\n      b: 2.0.0\n  real@3.0.0: {}\n  p@1.0.0: {}\n";
        let first = format!("lockfileVersion: '9.0'\npackages:\n  pnpm@9.0.0: {{}}\n---\n{nine}");
        let expected = [
            "pkg:npm/b@2.0.0",
            "pkg:npm/d@1.0.0 develop",
            "pkg:npm/p@1.0.0",
            "pkg:npm/real@3.0.0",
            "pkg:npm/%40s/a@1.0.0",
        ];
        assert_eq!(lines(nine), expected);
        assert_eq!(lines(&first), expected);
    }

    #[test]
    fn a_file_without_a_version_is_none() {
        assert!(pnpm("packages: {}\n").is_err());
        assert!(pnpm("").expect("empty").components.is_empty());
    }
}
