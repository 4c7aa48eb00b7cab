//! Lock files: `Pipfile.lock`, `poetry.lock`, `uv.lock`, `pdm.lock` and `pylock.toml` (PEP 751).

use std::collections::HashMap;

use crate::languages::{
    Component, Found, Kind, Named, Unreadable, graph,
    input::{self, Size, Whole},
    tree::{self, Node},
};

pub(in crate::languages) static PIPENV: Whole = Whole {
    name: "python-pipenv",
    version: 1,
    named: &[Named::Is("Pipfile.lock")],
    wants: input::any,
    limit: Size::Whole,
    parse: |_, bytes| pipenv(bytes),
};
pub(in crate::languages) static POETRY: Whole = locked("python-poetry", &[Named::Is("poetry.lock")], poetry);
pub(in crate::languages) static UV: Whole = locked("python-uv", &[Named::Is("uv.lock")], uv);
pub(in crate::languages) static PDM: Whole = locked("python-pdm", &[Named::Is("pdm.lock")], pdm);
pub(in crate::languages) static PYLOCK: Whole = Whole {
    wants: |file| file.name() == "pylock.toml" || file.name().ends_with(".toml"),
    ..locked("python-pylock", &[Named::Is("pylock.toml"), Named::Begins("pylock.")], pylock)
};

const fn locked(name: &'static str, named: &'static [Named], parse: input::Parse) -> Whole {
    Whole { name, version: 1, named, wants: input::any, limit: Size::Whole, parse }
}

fn pipenv(bytes: &[u8]) -> Result<Found, Unreadable> {
    let document = tree::json(bytes)?;
    let mut found = Found::default();
    for (section, packages) in document.entries().iter().filter(|(key, _)| key != "_meta") {
        for (name, package) in packages.entries() {
            // What has no version is a path or a repository.
            if let Some(version) = package.get("version").text().strip_prefix("==") {
                let develop = section == "develop";
                found.add(Component { develop, ..Component::locked(Kind::Pypi, name.as_ref(), version) });
            }
        }
    }
    Ok(found)
}

/// A package of a TOML lock file.
fn package(package: &Node<'_>) -> Component {
    Component::locked(Kind::Pypi, package.get("name").text(), package.get("version").text())
}

fn has_text(list: &Node<'_>, text: &str) -> bool {
    list.items().iter().any(|item| item.text() == text)
}

fn poetry(_: &crate::languages::File<'_>, bytes: &[u8]) -> Result<Found, Unreadable> {
    let text = input::text(bytes);
    let (_, packages) = tree::toml(&text, "package")?;
    let locked = |p: &Node<'_>| {
        let groups = p.get("groups");
        let develop =
            p.get("category").text() == "dev" || (!groups.items().is_empty() && !has_text(groups, "main"));
        Component { develop, ..package(p) }
    };
    Ok(packages.iter().map(locked).collect())
}

fn pdm(_: &crate::languages::File<'_>, bytes: &[u8]) -> Result<Found, Unreadable> {
    let text = input::text(bytes);
    let (_, packages) = tree::toml(&text, "package")?;
    let locked = |p: &Node<'_>| {
        let groups = p.get("groups");
        let develop = !groups.items().is_empty() && !has_text(groups, "default");
        Component { develop, ..package(p) }
    };
    Ok(packages.iter().filter(|p| p.get("version").is_there()).map(locked).collect())
}

fn pylock(_: &crate::languages::File<'_>, bytes: &[u8]) -> Result<Found, Unreadable> {
    let text = input::text(bytes);
    let (head, packages) = tree::toml(&text, "packages")?;
    if !head.get("lock-version").is_there() {
        return Err(Unreadable::line(1, "it has no lock-version"));
    }
    // A path or a repository has no version: PEP 751, "packages.version".
    Ok(packages.iter().filter(|p| p.get("version").is_there()).map(package).collect())
}

/// What no root needs outside its groups is for development.
fn uv(_: &crate::languages::File<'_>, bytes: &[u8]) -> Result<Found, Unreadable> {
    let text = input::text(bytes);
    let (_, packages) = tree::toml(&text, "package")?;
    let name_of = |p: &'_ Node<'_>| p.get("name").text().to_owned();
    let is_root = |p: &Node<'_>| {
        let source = p.get("source");
        ["virtual", "editable", "directory"].iter().any(|kind| source.get(kind).is_there())
    };
    let mut edges: HashMap<&str, Vec<&str>> = HashMap::new();
    for p in &packages {
        let optional = p.get("optional-dependencies").entries().iter().map(|(_, list)| list);
        let needs = std::iter::once(p.get("dependencies")).chain(optional).flat_map(|list| list.items());
        edges.entry(p.get("name").text()).or_default().extend(needs.map(|n| n.get("name").text()));
    }
    let roots: Vec<&str> = packages.iter().filter(|p| is_root(p)).map(|p| p.get("name").text()).collect();
    let reached = graph::reached(roots.iter().copied(), &edges);
    let locked = |p: &Node<'_>| {
        let name = name_of(p);
        let develop = !roots.is_empty() && !reached.contains(name.as_str());
        Component { develop, main: is_root(p), ..package(p) }
    };
    Ok(packages.iter().map(locked).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::languages::File;

    fn lines(found: Result<Found, Unreadable>) -> Vec<String> {
        let line = |c: &Component| {
            format!(
                "{}{}{}",
                c.purl(),
                if c.main { " main" } else { "" },
                if c.develop { " develop" } else { "" }
            )
        };
        found.expect("parses").tidy().components.iter().map(line).collect()
    }
    const FILE: File<'_> = File { path: "x.lock", size: 0, executable: false };

    #[test]
    fn pipenv_has_two_sections() {
        let json =
            br#"{"_meta": {"a": {"version": "==9"}}, "default": {"A": {"version": "==1"}, "g": {"git": "x"}},
            "develop": {"A": {"version": "==1"}, "b": {"version": "==2"}}}"#;
        assert_eq!(lines(pipenv(json)), ["pkg:pypi/a@1", "pkg:pypi/b@2 develop"]);
    }

    #[test]
    fn groups_say_what_is_for_development() {
        let poetry_lock =
            b"[[package]]\nname='a'\nversion='1'\ncategory='dev'\n[[package]]\nname='b'\nversion='2'\n\
            groups=['main','dev']\n[[package]]\nname='c'\nversion='3'\ngroups=['dev']\n";
        assert_eq!(
            lines(poetry(&FILE, poetry_lock)),
            ["pkg:pypi/a@1 develop", "pkg:pypi/b@2", "pkg:pypi/c@3 develop"]
        );
        let pdm_lock =
            b"[[package]]\nname='a'\nversion='1'\ngroups=['default']\n[[package]]\nname='b'\nversion='2'\n\
            groups=['dev']\n[[package]]\nname='c'\n";
        assert_eq!(lines(pdm(&FILE, pdm_lock)), ["pkg:pypi/a@1", "pkg:pypi/b@2 develop"]);
    }

    #[test]
    fn uv_knows_its_roots() {
        let lock = b"version = 1\n[[package]]\nname='root'\nversion='0.1'\nsource={virtual='.'}\n\
            dependencies=[{name='a'}]\n[package.dev-dependencies]\ndev=[{name='d'}]\n\
            [[package]]\nname='a'\nversion='1'\ndependencies=[{name='b'}]\n\
            [[package]]\nname='b'\nversion='2'\ndependencies=[{name='a'}]\n\
            [[package]]\nname='d'\nversion='3'\ndependencies=[{name='b'}]\n";
        assert_eq!(
            lines(uv(&FILE, lock)),
            ["pkg:pypi/a@1", "pkg:pypi/b@2", "pkg:pypi/d@3 develop", "pkg:pypi/root@0.1 main"]
        );
    }

    #[test]
    fn pylock_names_what_has_a_version() {
        let lock =
            b"lock-version='1.0'\n[[packages]]\nname='a'\nversion='1'\n[[packages]]\nname='b'\nvcs={}\n";
        assert_eq!(lines(pylock(&FILE, lock)), ["pkg:pypi/a@1"]);
        assert!(pylock(&FILE, b"[[packages]]\n").is_err());
    }
}
