//! Dart: `pubspec.lock`; dart.dev, "Glossary: lockfile".

use super::{
    Component, Found, Kind, Named, Unreadable, input,
    input::{Size, Whole},
    tree,
};

pub(super) static DART: Whole = Whole {
    name: "dart-pub",
    version: 1,
    named: &[Named::Is("pubspec.lock")],
    wants: input::any,
    limit: Size::Whole,
    parse: |_, bytes| pubspec(&input::text(bytes)),
};

fn pubspec(text: &str) -> Result<Found, Unreadable> {
    let documents = tree::yaml(text)?;
    let packages = documents.iter().flat_map(|document| document.get("packages").entries());
    Ok(packages
        .filter(|(_, package)| package.get("source").text() != "path")
        .map(|(name, package)| {
            let develop = package.get("dependency").text() == "direct dev";
            Component {
                develop,
                ..Component::locked(Kind::Pub, name.as_ref(), package.get("version").text())
            }
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_and_not_folders() {
        let text = "packages:\n  a:\n    dependency: \"direct dev\"\n    source: hosted\n    version: \"1.0.0\"\n\
            \x20 own:\n    source: path\n    version: \"0.0.0\"\n";
        let found = pubspec(text).expect("parses").components;
        assert_eq!(
            found.iter().map(|c| (c.purl(), c.develop)).collect::<Vec<_>>(),
            [("pkg:pub/a@1.0.0".to_owned(), true)]
        );
        assert!(pubspec("packages: [\n").is_err());
    }
}
