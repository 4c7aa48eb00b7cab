//! `*.deps.json` beside an application; dotnet/sdk, "runtime-configuration-file".

use std::collections::{HashMap, HashSet};

use crate::languages::{
    Component, Found, Kind, Named, Unreadable,
    input::{Size, Whole},
    tree::{self, Node},
};

pub(in crate::languages) static DEPS: Whole = Whole {
    name: "dotnet-deps",
    version: 1,
    named: &[Named::Ends("json")],
    wants: |file| file.path.ends_with(".deps.json"),
    limit: Size::Whole,
    parse: |_, bytes| deps(bytes),
};

/// A library without files of its own, says the target, is not there: it only leads to others.
fn deps(bytes: &[u8]) -> Result<Found, Unreadable> {
    const FILES: [&str; 4] = ["runtime", "runtimeTargets", "native", "resources"];
    let document = tree::json(bytes)?;
    let targets: HashMap<&str, &Node<'_>> =
        document.get("targets").entries().iter().map(|(name, target)| (name.as_ref(), target)).collect();
    let target = targets.get(document.get("runtimeTarget").get("name").text());
    let brings = |library: &Node<'_>| FILES.iter().any(|kind| !library.get(kind).entries().is_empty());
    let listed = target.iter().flat_map(|target| target.entries());
    let without_files: HashSet<&str> =
        listed.filter(|(_, l)| !brings(l)).map(|(id, _)| id.as_ref()).collect();
    let library = |(id, library): &(std::borrow::Cow<'_, str>, Node<'_>)| {
        let kind = library.get("type").text();
        let there = !without_files.contains(id.as_ref());
        let (name, version) = id.split_once('/').filter(|_| there)?;
        match kind {
            "package" => Some(Component::new(Kind::Nuget, name, version)),
            "project" => Some(Component { main: true, ..Component::new(Kind::Nuget, name, version) }),
            "runtimepack" => {
                Some(Component::new(Kind::Nuget, name.strip_prefix("runtimepack.").unwrap_or(name), version))
            }
            _ => None,
        }
    };
    Ok(document.get("libraries").entries().iter().filter_map(library).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_with_files() {
        let json = br#"{"runtimeTarget": {"name": "t"}, "targets": {"t": {"a/1": {"runtime": {"a.dll": {}}}, "b/2": {},
            "p/3": {"runtime": {"p.dll": {}}}, "runtimepack.r/4": {"native": {"r.so": {}}}}},
            "libraries": {"a/1": {"type": "package"}, "b/2": {"type": "package"}, "p/3": {"type": "project"},
            "runtimepack.r/4": {"type": "runtimepack"}, "x": {"type": "package"}}}"#;
        let line = |c: &Component| format!("{}{}", c.purl(), if c.main { " main" } else { "" });
        let found = deps(json).expect("parses").tidy();
        assert_eq!(
            found.components.iter().map(line).collect::<Vec<_>>(),
            ["pkg:nuget/a@1", "pkg:nuget/p@3 main", "pkg:nuget/r@4"]
        );
    }
}
