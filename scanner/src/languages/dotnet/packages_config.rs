//! `packages.config`; NuGet, "packages.config reference".

use crate::languages::{
    Component, Found, Kind, Named, Unreadable,
    input::{self, Size, Whole},
    xml::{Reader, Token},
};

pub(in crate::languages) static PACKAGES_CONFIG: Whole = Whole {
    name: "dotnet-packages-config",
    version: 1,
    named: &[Named::Is("packages.config")],
    wants: input::any,
    limit: Size::Description,
    parse: |_, bytes| packages_config(&input::text(bytes)),
};

fn packages_config(text: &str) -> Result<Found, Unreadable> {
    let mut reader = Reader::new(text);
    let mut found = Found::default();
    while let Some(token) = reader.next()? {
        let Token::Open("package", attributes) = token else { continue };
        let get = |key: &str| attributes.iter().find(|(k, _)| *k == key).map_or("", |(_, v)| v.as_ref());
        let develop = get("developmentDependency").eq_ignore_ascii_case("true");
        if !get("id").is_empty() && !get("version").is_empty() {
            found.add(Component { develop, ..Component::locked(Kind::Nuget, get("id"), get("version")) });
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packages_and_what_is_for_development() {
        let text = "<?xml version=\"1.0\"?><packages><package id='A.B' version='1.0'/><package id='c'/>\
            <package id='D' version='2' developmentDependency='true'></package></packages>";
        let line = |c: &Component| format!("{}{}", c.purl(), if c.develop { " develop" } else { "" });
        let found = packages_config(text).expect("XML");
        assert_eq!(
            found.components.iter().map(line).collect::<Vec<_>>(),
            ["pkg:nuget/A.B@1.0", "pkg:nuget/D@2 develop"]
        );
        assert!(packages_config("<packages><package id='A' version='1'/>").is_err());
    }
}
