//! Installed distributions: `*.dist-info/METADATA`, `*.egg-info/PKG-INFO` and `*.egg-info` files.
//!
//! PyPA, "Core metadata specifications" and "Recording installed projects".

use std::collections::BTreeSet;

use crate::languages::{
    Component, Found, Kind, Named, Unreadable,
    input::{self, Size, Whole},
};

pub(in crate::languages) static METADATA: Whole = Whole {
    name: "python-metadata",
    version: 1,
    named: &[Named::Is("METADATA"), Named::Is("PKG-INFO"), Named::Ends("egg-info")],
    wants: |file| match file.name() {
        "METADATA" => file.folder().ends_with(".dist-info"),
        "PKG-INFO" => file.folder().ends_with(".egg-info") || file.folder() == "EGG-INFO",
        _ => true,
    },
    limit: Size::Description,
    parse: |_, bytes| Ok(Found::from_iter([metadata(bytes)?])),
};

/// The distribution that the header of a message describes; the text below it is a README.
pub(super) fn metadata(bytes: &[u8]) -> Result<Component, Unreadable> {
    let text = input::text(bytes);
    let (mut name, mut version, mut expression, mut license) = (None, None, None, None);
    let mut classifiers = BTreeSet::new();
    for line in text.lines().take_while(|l| !l.trim_end().is_empty()) {
        // Continuation lines belong to descriptions and to whole licence texts.
        let Some((key, value)) = line.split_once(':').filter(|_| !line.starts_with([' ', '\t'])) else {
            continue;
        };
        let value = value.trim();
        let slot = match key {
            "Name" => &mut name,
            "Version" => &mut version,
            "License-Expression" => &mut expression,
            "License" => &mut license,
            "Classifier" => {
                classifiers.extend(classified(value).map(str::to_owned));
                continue;
            }
            _ => continue,
        };
        if !value.is_empty() {
            slot.get_or_insert_with(|| value.to_owned());
        }
    }
    let name = name.ok_or_else(|| Unreadable::line(1, "the header has no Name"))?;
    let version = version.ok_or_else(|| Unreadable::line(1, "the header has no Version"))?;
    let stated = |text: &String| !matches!(text.as_str(), "UNKNOWN" | "LICENSE" | "LICENSE.txt");
    let licenses = match expression {
        Some(expression) => vec![expression],
        None if !classifiers.is_empty() => classifiers.into_iter().collect(),
        None => license.as_deref().and_then(input::license_name).filter(stated).into_iter().collect(),
    };
    Ok(Component { licenses, ..Component::new(Kind::Pypi, name, version) })
}

/// The licence of a trove classifier; `OSI Approved` alone is a group of them.
fn classified(classifier: &str) -> Option<&str> {
    let license = classifier.strip_prefix("License :: ")?.rsplit(" :: ").next()?;
    (license != "OSI Approved").then_some(license)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::languages::File;

    #[test]
    fn the_header_says_what_it_is() {
        let found = |text: &str| {
            let c = metadata(text.as_bytes()).expect(text);
            format!("{} {} {:?}", c.purl(), c.name, c.licenses)
        };
        assert_eq!(
            found(
                "Metadata-Version: 2.4\nName: Typing_Ext\nVersion: 4.1\nLicense-Expression: PSF-2.0\nLicense: x\n\nName: no\n"
            ),
            r#"pkg:pypi/typing-ext@4.1 Typing_Ext ["PSF-2.0"]"#
        );
        let classified = "Name: a\nVersion: 1\nLicense: UNKNOWN\nClassifier: License :: OSI Approved\n\
            Classifier: License :: OSI Approved :: MIT License\nClassifier: Topic :: x\n";
        assert_eq!(found(classified), r#"pkg:pypi/a@1 a ["MIT License"]"#);
        assert_eq!(found("Name: a\nVersion: 1\nLicense: UNKNOWN\n"), "pkg:pypi/a@1 a []");
        assert_eq!(found("Name: a\r\nVersion: 1\r\nLicense: BSD\r\n\r\nx"), r#"pkg:pypi/a@1 a ["BSD"]"#);
        let whole = "Name: a\nVersion: 1\nLicense: Copyright\n        Permission: granted\n  Version: 9\n";
        assert_eq!(found(whole), r#"pkg:pypi/a@1 a ["Copyright"]"#);
    }

    #[test]
    fn a_header_without_a_name_is_none() {
        for text in ["", "{}", "Name: a\n", "Version: 1\n", "Name:\nVersion: 1\n", "\nName: a\nVersion: 1\n"]
        {
            assert!(metadata(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn only_descriptions_in_their_folders_are_wanted() {
        let wants = |path| (METADATA.wants)(&File { path, size: 1, executable: false });
        assert!(wants("usr/lib/python3/dist-packages/six-1.16.0.egg-info/PKG-INFO"));
        assert!(wants("lib/six-1.16.0.egg-info") && wants("a/six.dist-info/METADATA"));
        assert!(wants("lib/x.egg/EGG-INFO/PKG-INFO"));
        assert!(!wants("PKG-INFO") && !wants("src/METADATA"));
    }

    proptest::proptest! {
        #[test]
        fn never_panics(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..200)) {
            let _ = metadata(&bytes);
        }
    }
}
