//! Rust: `Cargo.lock`, versions 1 to 4; The Cargo Book, "Cargo.toml vs Cargo.lock".

use super::{
    Component, Kind, Named, input,
    input::{Size, Whole},
    tree,
};

pub(super) static CARGO: Whole = Whole {
    name: "rust-cargo-lock",
    version: 1,
    named: &[Named::Is("Cargo.lock")],
    wants: input::any,
    limit: Size::Whole,
    parse: |_, bytes| {
        let text = input::text(bytes);
        let (_, packages) = tree::toml(&text, "package")?;
        Ok(packages
            .iter()
            .map(|p| Component::locked(Kind::Cargo, p.get("name").text(), p.get("version").text()))
            .collect())
    },
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::languages::{Analyser, tests::file};

    #[test]
    fn packages_in_any_order() {
        let text = "version = 4\n[[package]]\nname = \"b\"\nversion = \"2.0.0\"\n[metadata]\nx = \"y\"\n[[package]]\nname = \"a\"\nversion = \"1.0.0\"\n";
        let found = CARGO.read(&file("Cargo.lock"), &mut text.as_bytes()).expect("parses");
        assert_eq!(
            found.components.iter().map(Component::purl).collect::<Vec<_>>(),
            ["pkg:cargo/a@1.0.0", "pkg:cargo/b@2.0.0"]
        );
        let error =
            CARGO.read(&file("Cargo.lock"), &mut "[[package]]\nname =\n".as_bytes()).expect_err("broken");
        assert!(error.reason.starts_with("line 2: "), "{error:?}");
    }
}
