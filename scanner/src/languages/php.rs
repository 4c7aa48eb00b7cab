//! PHP: Composer's `installed.json` and `composer.lock`; getcomposer.org, "The composer.json schema".

use super::{
    Component, Evidence, File, Found, Kind, Named, Unreadable, input,
    input::{Size, Whole},
    tree::{self, Node},
};

pub(super) static INSTALLED: Whole = Whole {
    name: "php-composer-installed",
    version: 1,
    named: &[Named::Is("installed.json")],
    wants: |file| file.folder() == "composer" || file.folder() == "composer-vendor",
    limit: Size::Whole,
    parse: installed,
};
pub(super) static COMPOSER: Whole = Whole {
    name: "php-composer-lock",
    version: 1,
    named: &[Named::Is("composer.lock")],
    wants: input::any,
    limit: Size::Whole,
    parse: |_, bytes| {
        let document = tree::json(bytes)?;
        let list = |key: &str, develop| {
            let packages: Vec<_> = document.get(key).items().iter().filter_map(package).collect();
            packages.into_iter().map(move |c| Component { develop, evidence: Evidence::LockFile, ..c })
        };
        Ok(list("packages", false).chain(list("packages-dev", true)).collect())
    },
};

/// Composer 1 wrote the list itself, later ones a map with the names of what is for development.
fn installed(_: &File<'_>, bytes: &[u8]) -> Result<Found, Unreadable> {
    let document = tree::json(bytes)?;
    let develop: std::collections::HashSet<&str> =
        document.get("dev-package-names").items().iter().map(Node::text).collect();
    let packages = document.get("packages").items().iter().chain(document.items());
    let component = |p: &Node<'_>| {
        let develop = develop.contains(p.get("name").text());
        Some(Component { develop, ..package(p)? })
    };
    Ok(packages.filter_map(component).collect())
}

/// `vendor/name`; none: it has no version.
fn package(package: &Node<'_>) -> Option<Component> {
    let version = package.get("version").text();
    let licenses = package.get("license");
    let one = licenses.text();
    let licenses = licenses.items().iter().map(Node::text).chain((!one.is_empty()).then_some(one));
    let component = Component::new(Kind::Composer, package.get("name").text(), version).split_path();
    (!version.is_empty()).then(|| Component { licenses: licenses.map(str::to_owned).collect(), ..component })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::languages::{Analyser, tests::file};

    #[test]
    fn both_forms_and_the_lock() {
        let read = |analyser: &Whole, text: &str| {
            let found =
                analyser.read(&file("vendor/composer/installed.json"), &mut text.as_bytes()).expect(text);
            let line = |c: &Component| {
                format!("{}{} {:?}", c.purl(), if c.develop { " develop" } else { "" }, c.licenses)
            };
            found.components.iter().map(line).collect::<Vec<_>>()
        };
        let list = r#"[{"name": "A/b", "version": "v1.0.0", "license": ["MIT"]}, {"name": "x"}]"#;
        assert_eq!(read(&INSTALLED, list), [r#"pkg:composer/a/b@v1.0.0 ["MIT"]"#]);
        let map = format!(r#"{{"packages": {list}, "dev-package-names": ["A/b"]}}"#);
        assert_eq!(read(&INSTALLED, &map), [r#"pkg:composer/a/b@v1.0.0 develop ["MIT"]"#]);
        let lock = r#"{"packages": [{"name": "a/b", "version": "1"}], "packages-dev": [{"name": "a/c", "version": "2", "license": "X"}]}"#;
        assert_eq!(read(&COMPOSER, lock), ["pkg:composer/a/b@1 []", r#"pkg:composer/a/c@2 develop ["X"]"#]);
        assert!(INSTALLED.read(&file("x"), &mut "nothing".as_bytes()).is_err());
    }
}
