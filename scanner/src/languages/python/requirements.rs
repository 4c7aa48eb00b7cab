//! `requirements*.txt`: pip, "Requirements File Format". Only what is pinned to one version is believed.

use crate::languages::{
    Component, Found, Kind, Named,
    input::{self, Size, Whole},
};

pub(in crate::languages) static REQUIREMENTS: Whole = Whole {
    name: "python-requirements",
    version: 1,
    named: &[Named::Begins("requirements")],
    wants: |file| file.name().ends_with(".txt"),
    limit: Size::Description,
    parse: |_, bytes| Ok(requirements(&input::text(bytes))),
};

fn requirements(text: &str) -> Found {
    text.lines().filter_map(pinned).collect()
}

/// `name[extra] == 1.2.3 ; marker # comment`, or `===`; none: an option, a range, a path, a wildcard.
fn pinned(line: &str) -> Option<Component> {
    // A comment begins at the line's start or behind a space; a `#` elsewhere ends no name either.
    let line = line.split('#').next()?.split(';').next()?;
    let line = line.split(" --").next()?.trim_end_matches('\\').trim();
    let (name, version) = line.split_once("==")?;
    let version = version.trim_start_matches('=').trim();
    let name = match name.split_once('[') {
        Some((name, extras)) if extras.trim_end().ends_with(']') => name,
        Some(_) => return None,
        None => name,
    }
    .trim();
    let named = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let numbered = |c: char| c.is_ascii_alphanumeric() || ".!+-_".contains(c);
    let fits = name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && name.chars().all(named)
        && input::begins_with_digit(version.trim_start_matches('v'))
        && version.chars().all(numbered);
    fits.then(|| Component::locked(Kind::Pypi, name, version))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pins_are_believed_and_ranges_are_not() {
        let text = "-r other.txt\n# a==1\nFlask==2.0.0 # x\nb [c, d]== 1.0 ; python_version < '3'\n\
            e===1!2.0+local\nf>=1\ng==1.*\nh==1,<2\ni~=1.0\n./j==1\nk==1.0 \\\n    --hash=sha256:00\nl @ https://h/l==1\n";
        let found: Vec<String> = requirements(text).components.iter().map(Component::purl).collect();
        assert_eq!(
            found,
            ["pkg:pypi/flask@2.0.0", "pkg:pypi/b@1.0", "pkg:pypi/e@1%212.0%2Blocal", "pkg:pypi/k@1.0"]
        );
    }

    #[test]
    fn windows_writes_wide_letters() {
        let bytes: Vec<u8> = "\u{feff}a==1\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
        assert_eq!(requirements(&input::text(&bytes)).components[0].purl(), "pkg:pypi/a@1");
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in "[a=\\[\\]#; \\\\é\n]{0,80}") {
            let _ = requirements(&text);
        }
    }
}
