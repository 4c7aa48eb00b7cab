//! `specifications/*.gemspec` of installed gems, as RubyGems writes them; guides.rubygems.org, "Specification Reference".
//!
//! They are Ruby, and are not run: only assignments of plain texts are understood.

use crate::languages::{
    Component, Found, Kind, Named, Unreadable,
    input::{self, Size, Whole},
    limits,
};

pub(in crate::languages) static GEMSPEC: Whole = Whole {
    name: "ruby-gemspec",
    version: 1,
    named: &[Named::Ends("gemspec")],
    // What lies elsewhere is a gem's source, with variables where its version should be.
    wants: |file| file.path.contains("specifications/"),
    limit: Size::Description,
    parse: |_, bytes| Ok(Found::from_iter([gemspec(&input::text(bytes))?])),
};

fn gemspec(text: &str) -> Result<Component, Unreadable> {
    let (mut variable, mut name, mut version) = (None, None, None);
    let mut licenses = Vec::new();
    for line in text.lines() {
        if variable.is_none() {
            let block =
                line.split_once("Gem::Specification.new").and_then(|(_, rest)| rest.split('|').nth(1));
            variable = block.map(str::trim).filter(|v| !v.is_empty());
            continue;
        }
        let Some((key, value)) = variable
            .and_then(|variable| line.trim_start().strip_prefix(variable)?.strip_prefix('.'))
            .and_then(|assignment| assignment.split_once('='))
        else {
            continue;
        };
        match key.trim() {
            "name" => name = name.or_else(|| literals(value).next()),
            "version" => version = version.or_else(|| literals(value).next()),
            "license" | "licenses" => {
                licenses = literals(value).take(limits::languages().licenses).map(str::to_owned).collect();
            }
            _ => {}
        }
    }
    let line = |what| Unreadable::line(1, format_args!("the specification has no {what}"));
    let name = name.filter(|n| !n.is_empty()).ok_or_else(|| line("name"))?;
    let version = version.filter(|v| input::begins_with_digit(v)).ok_or_else(|| line("version"))?;
    Ok(Component { licenses, ..Component::new(Kind::Gem, name, version) })
}

/// Texts in quotes, up to a comment; nothing in them is escaped.
fn literals(value: &str) -> impl Iterator<Item = &str> {
    let mut rest = value;
    std::iter::from_fn(move || {
        let at = rest.find(['"', '\'', '#'])?;
        let quote = rest[at..].chars().next().filter(|c| *c != '#')?;
        let (text, behind) = rest[at + 1..].split_once(quote)?;
        rest = behind;
        Some(text)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn assignments_are_read_and_code_is_not() {
        let found = |text: &str| gemspec(text).map(|c| format!("{} {:?}", c.purl(), c.licenses));
        let text = "# stub: rake 1 ruby lib\nGem::Specification.new do |s|\n  s.name = \"rake\".freeze # \"x\"\n  s.version = \"13.0.3\"\n\
            \x20 s.licenses = [\"MIT\".freeze, 'Ruby']\n  s.summary = \"s.name = no\"\n  s.version_x = \"9\"\nend\n";
        assert_eq!(found(text).expect("a gem"), r#"pkg:gem/rake@13.0.3 ["MIT", "Ruby"]"#);
        for broken in [
            "",
            "Gem::Specification.new do |s|\n s.name = \"a\"\n",
            "Gem::Specification.new do |s|\n t.name = 'a'\n t.version = '1'\n",
        ] {
            assert!(found(broken).is_err(), "{broken}");
        }
        assert!(
            found("Gem::Specification.new do |s|\n s.name = \"a\"\n s.version = A::VERSION + \"x\"\n")
                .is_err()
        );
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in "Gem::Specification.new [|s.\"'=#\né]{0,60}") {
            let _ = gemspec(&text);
        }
    }
}
