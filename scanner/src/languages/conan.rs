//! C and C++: `conan.lock`; docs.conan.io, "Lockfiles", of versions 1 and 2.

use super::{
    Component, Found, Kind, Named, Unreadable,
    input::{Size, Whole},
    tree,
};

pub(super) static CONAN: Whole = Whole {
    name: "conan",
    version: 1,
    named: &[Named::Ends("lock")],
    wants: |file| matches!(file.name(), "conan.lock" | "release.lock"),
    limit: Size::Whole,
    parse: |_, bytes| conan(bytes),
};

fn conan(bytes: &[u8]) -> Result<Found, Unreadable> {
    let document = tree::json(bytes)?;
    let nodes = document.get("graph_lock").get("nodes");
    let first = nodes.entries().iter().filter_map(|(_, node)| {
        let path = node.get("path").text();
        // The project's own recipe has a path, and at times a name as well: its users need it.
        let reference = node.get("ref").text();
        (!reference.is_empty() || path.is_empty()).then_some((reference, false))
    });
    let list = |key: &str, develop| document.get(key).items().iter().map(move |item| (item.text(), develop));
    let second =
        list("requires", false).chain(list("build_requires", true)).chain(list("python_requires", true));
    let mut found = Found::default();
    for (reference, develop) in first.chain(second).filter(|(reference, _)| !reference.is_empty()) {
        // A reference that makes no sense is said, the others are read.
        match component(reference) {
            Some(component) => found.add(Component { develop, ..component }),
            None => found.note("a reference is not name/version"),
        }
    }
    Ok(found)
}

/// `name/version@user/channel#revision%time`
fn component(reference: &str) -> Option<Component> {
    let reference = reference.split(['#', '@', '%']).next()?;
    let (name, version) = reference.split_once('/').filter(|(n, v)| !n.is_empty() && !v.contains('/'))?;
    Some(Component::locked(Kind::Conan, name, version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_versions() {
        let read = |text: &str| {
            let found = conan(text.as_bytes()).expect(text).tidy();
            let line = |c: &Component| format!("{}{}", c.purl(), if c.develop { " develop" } else { "" });
            (found.components.iter().map(line).collect::<Vec<_>>(), found.incomplete.len())
        };
        let one = r#"{"graph_lock": {"nodes": {"0": {"path": "conanfile.txt"}, "1": {"ref": "a/1.0@u/c#r"}, "2": {"ref": "x/y/z"}}}}"#;
        assert_eq!(read(one), (vec!["pkg:conan/a@1.0".to_owned()], 1));
        let two = r#"{"version": "0.5", "requires": ["b/2.0#r%1.5"], "build_requires": ["cmake/3.1"]}"#;
        assert_eq!(read(two).0, ["pkg:conan/b@2.0", "pkg:conan/cmake@3.1 develop"]);
    }
}
