//! R: `DESCRIPTION` of installed packages ("Writing R Extensions", 1.1.1), and `renv.lock`.

use super::{
    Component, Evidence, Found, Kind, Named, Unreadable, input,
    input::{Size, Whole},
    tree,
};

pub(super) static DESCRIPTION: Whole = Whole {
    name: "r-description",
    version: 1,
    named: &[Named::Is("DESCRIPTION")],
    // `lib/R/library/<package>`, `site-library/<package>`.
    wants: |file| file.path.rsplit('/').nth(2).is_some_and(|library| library.ends_with("library")),
    limit: Size::Description,
    parse: |_, bytes| Ok(Found::from_iter([description(&input::text(bytes))?])),
};
pub(super) static RENV: Whole = Whole {
    name: "r-renv",
    version: 1,
    named: &[Named::Is("renv.lock")],
    wants: input::any,
    limit: Size::Whole,
    parse: |_, bytes| {
        let document = tree::json(bytes)?;
        let packages = document.get("Packages").entries().iter().map(|(_, package)| package);
        Ok(packages
            .map(|p| Component::locked(Kind::Cran, p.get("Package").text(), p.get("Version").text()))
            .collect())
    },
};

fn description(text: &str) -> Result<Component, Unreadable> {
    let field = |name: &str| {
        let mut lines = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        lines.next().map(str::trim).filter(|value| !value.is_empty())
    };
    let missing = |what| Unreadable::line(1, format_args!("it has no {what}"));
    let name = field("Package").ok_or_else(|| missing("Package"))?;
    let version = field("Version").ok_or_else(|| missing("Version"))?;
    let licenses = field("License").and_then(input::license_name).into_iter().collect();
    Ok(Component { licenses, evidence: Evidence::Installed, ..Component::new(Kind::Cran, name, version) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::languages::{Analyser, analyser, tests::file};

    #[test]
    fn installed_and_locked() {
        let found = description(
            "Package: dplyr\nVersion: 1.1.4\nDescription: x\n    Version: 9\nLicense: MIT + file LICENSE\n",
        );
        let found = found.expect("a package");
        assert_eq!(
            (found.purl().as_str(), found.licenses[0].as_str()),
            ("pkg:cran/dplyr@1.1.4", "MIT + file LICENSE")
        );
        assert!(description("Package: x\n").is_err());
        let renv = r#"{"R": {}, "Packages": {"a": {"Package": "a", "Version": "1.0"}}}"#;
        let found = RENV.read(&file("renv.lock"), &mut renv.as_bytes()).expect("parses");
        assert_eq!(found.components[0].purl(), "pkg:cran/a@1.0");
        assert!(analyser(&file("usr/local/lib/R/site-library/dplyr/DESCRIPTION")).is_some());
        assert!(analyser(&file("src/DESCRIPTION")).is_none());
    }
}
