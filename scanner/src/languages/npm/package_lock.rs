//! `package-lock.json` and `npm-shrinkwrap.json`, lockfileVersion 1 to 3; npm-docs, "package-lock.json".

use super::{component, from_registry, licenses, split_at};
use crate::languages::{
    Component, Evidence, Found, Named, Unreadable,
    input::{self, Size, Whole},
    tree::{self, Node},
};

pub(in crate::languages) static PACKAGE_LOCK: Whole = Whole {
    name: "npm-package-lock",
    version: 1,
    // npm leaves the hidden one in `node_modules`: what it says is installed is there by itself.
    named: &[Named::Is("package-lock.json"), Named::Is("npm-shrinkwrap.json")],
    wants: input::any,
    limit: Size::Whole,
    parse: |_, bytes| package_lock(bytes),
};

fn package_lock(bytes: &[u8]) -> Result<Found, Unreadable> {
    let document = tree::json(bytes)?;
    let mut found = Found::default();
    let packages = document.get("packages");
    if packages.is_there() {
        packages.entries().iter().filter_map(|(path, p)| of_path(path, p)).for_each(|c| found.add(c));
        return Ok(found);
    }
    // Version 1 nests; the depth of what the JSON reader takes bounds it.
    let mut open = vec![document.get("dependencies")];
    while let Some(dependencies) = open.pop() {
        for (name, dependency) in dependencies.entries() {
            open.push(dependency.get("dependencies"));
            of_name(name, dependency).into_iter().for_each(|c| found.add(c));
        }
    }
    Ok(found)
}

/// `node_modules/a/node_modules/b`: its name is behind the last of them, unless it is an alias.
/// The root, a workspace's link and what has no version are nothing that is installed.
fn of_path(path: &str, package: &Node<'_>) -> Option<Component> {
    let version = package.get("version").text();
    if path.is_empty() || package.get("link").is_true() || version.is_empty() {
        return None;
    }
    let inside = path.rsplit_once("node_modules/").map(|(_, name)| name);
    let name = match (package.get("name").text(), inside) {
        ("", Some(name)) => name,
        // A workspace without a name is called like its folder.
        ("", None) => path.rsplit('/').next()?,
        (name, _) => name,
    };
    Some(Component { licenses: licenses(package.get("license")), ..locked(name, version, package)? })
}

/// `"alias": {"version": "npm:name@1.0.0"}`
fn of_name(name: &str, dependency: &Node<'_>) -> Option<Component> {
    let version = dependency.get("version").text();
    match version.strip_prefix("npm:").and_then(split_at) {
        Some((name, version)) => locked(name, version, dependency),
        None if from_registry(version) && !version.is_empty() => locked(name, version, dependency),
        None => None,
    }
}

fn locked(name: &str, version: &str, package: &Node<'_>) -> Option<Component> {
    let develop = package.get("dev").is_true();
    Some(Component { develop, evidence: Evidence::LockFile, ..component(name, version)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(json: &str) -> Vec<String> {
        let found = package_lock(json.as_bytes()).expect(json).tidy();
        let line = |c: &Component| format!("{}{}", c.purl(), if c.develop { " develop" } else { "" });
        found.components.iter().map(line).collect()
    }

    #[test]
    fn version_one_nests() {
        let json = r#"{"lockfileVersion": 1, "dependencies": {
            "a": {"version": "1.0.0", "dependencies": {"b": {"version": "2.0.0", "dev": true}}},
            "alias": {"version": "npm:@s/real@3.0.0"}, "local": {"version": "file:../x"}, "b": {"version": "2.0.0"}}}"#;
        assert_eq!(lines(json), ["pkg:npm/a@1.0.0", "pkg:npm/b@2.0.0", "pkg:npm/%40s/real@3.0.0"]);
    }

    #[test]
    fn versions_two_and_three_have_paths() {
        let json = r#"{"packages": {"": {"name": "root", "version": "1"}, "node_modules/a": {"version": "1"},
            "node_modules/a/node_modules/@s/b": {"version": "2", "dev": true},
            "node_modules/alias": {"name": "real", "version": "3"}, "node_modules/ws": {"link": true, "resolved": "ws"},
            "ws": {"version": "0.1.0"}}, "dependencies": {"never": {"version": "9"}}}"#;
        assert_eq!(
            lines(json),
            ["pkg:npm/a@1", "pkg:npm/real@3", "pkg:npm/ws@0.1.0", "pkg:npm/%40s/b@2 develop"]
        );
    }
}
