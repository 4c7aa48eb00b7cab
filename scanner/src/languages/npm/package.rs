//! `package.json` of installed packages; npm-docs, "package.json".

use super::{component, licenses};
use crate::languages::{
    File, Found, Named, Unreadable,
    input::{Size, Whole},
    tree,
};

pub(in crate::languages) static PACKAGE: Whole = Whole {
    name: "npm-package",
    version: 2,
    named: &[Named::Is("package.json")],
    wants: |_| true,
    limit: Size::Description,
    parse: package,
};

/// Without a name and a version it is no package, and nothing is wrong with it: it marks module types. One that has both
/// is a package wherever it lies: yarn in `opt/yarn-v1.22.22`, and what others compile into themselves in `dist/compiled`.
fn package(file: &File<'_>, bytes: &[u8]) -> Result<Found, Unreadable> {
    let document = tree::json(bytes)?;
    let (name, version) = (document.get("name").text(), document.get("version").text());
    if name.is_empty() || version.is_empty() {
        return Ok(Found::default());
    }
    let mut package =
        component(name, version).ok_or_else(|| Unreadable::line(1, format_args!("{name:?} is no name")))?;
    package.licenses = licenses(document.get("license"));
    if package.licenses.is_empty() {
        package.licenses = licenses(document.get("licenses"));
    }
    package.main = document.get("private").is_true() && !file.path.contains("node_modules/");
    Ok(Found::from_iter([package]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(path: &str, json: &str) -> Result<String, Unreadable> {
        let found = package(&File { path, size: 1, executable: false }, json.as_bytes())?;
        let line = |c: &crate::languages::Component| format!("{} {:?} {}", c.purl(), c.licenses, c.main);
        Ok(found.components.iter().map(line).collect())
    }

    #[test]
    fn reads_names_versions_and_licences_of_all_times() {
        for (json, expected) in [
            (
                r#"{"name": "@a/b", "version": "1.0.0", "license": "MIT"}"#,
                r#"pkg:npm/%40a/b@1.0.0 ["MIT"] false"#,
            ),
            (r#"{"name": "a", "version": "1", "license": {"type": "ISC"}}"#, r#"pkg:npm/a@1 ["ISC"] false"#),
            (
                r#"{"name": "a", "version": "1", "licenses": [{"type": "X"}, "Y", 4, {}]}"#,
                r#"pkg:npm/a@1 ["X", "Y"] false"#,
            ),
            (r#"{"name": "a", "version": "1", "license": 42}"#, "pkg:npm/a@1 [] false"),
            (r#"{"name": "a", "version": "1", "license": null, "private": true}"#, "pkg:npm/a@1 [] true"),
            (r#"{"type": "module"}"#, ""),
            (r#"{"name": "a", "version": {}}"#, ""),
        ] {
            assert_eq!(read("app/package.json", json).expect(json), expected);
        }
        assert!(read("a", r#"{"name": "@a/b/", "version": "1"}"#).is_err());
        assert!(read("a", r#"{"name" "b"}"#).is_err());
    }
}
