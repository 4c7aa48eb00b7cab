//! `Gemfile.lock` and `gems.locked`; Bundler, "The Gemfile.lock".

use crate::languages::{
    Component, Found, Kind, Named,
    input::{self, Size, Whole},
};

pub(in crate::languages) static GEMFILE: Whole = Whole {
    name: "ruby-bundler",
    version: 1,
    named: &[Named::Is("Gemfile.lock"), Named::Is("gems.locked")],
    wants: input::any,
    limit: Size::Whole,
    parse: |_, bytes| Ok(gemfile(&input::text(bytes))),
};

/// Platforms that end a version: `1.15.0-x86_64-linux`.
const PLATFORMS: [&str; 12] =
    ["x86", "x64", "arm", "aarch64", "java", "mingw", "mswin", "universal", "ppc", "s390x", "riscv", "ruby"];

/// Four spaces before a gem, six before what it needs; gems of `PATH` are the project's own.
fn gemfile(text: &str) -> Found {
    let mut section = "";
    let mut found = Found::default();
    for line in text.lines() {
        if !line.starts_with(' ') {
            section = line.trim_end();
            continue;
        }
        let gem =
            line.strip_prefix("    ").filter(|l| !l.starts_with(' ') && matches!(section, "GEM" | "GIT"));
        let Some((name, version)) = gem.and_then(|gem| gem.trim_end().strip_suffix(')')?.split_once(" ("))
        else {
            continue;
        };
        let version = match version.split_once('-') {
            Some((number, platform)) if PLATFORMS.iter().any(|p| platform.starts_with(p)) => number,
            _ => version,
        };
        found.add(Component::locked(Kind::Gem, name, version));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gems_and_not_what_they_need() {
        let text = "PATH\n  remote: .\n  specs:\n    own (0.1.0)\n\nGIT\n  remote: https://h/g.git\n  specs:\n    g (2.0.0)\n\n\
            GEM\n  remote: https://h/\n  specs:\n    i18n (1.6.0)\n      concurrent-ruby (~> 1.0)\n    nokogiri (1.15.0-x86_64-linux)\n\
            \nDEPENDENCIES\n  i18n (~> 1.0)\n\nBUNDLED WITH\n   2.3.7\n";
        let found: Vec<_> = gemfile(text).components.iter().map(Component::purl).collect();
        assert_eq!(found, ["pkg:gem/g@2.0.0", "pkg:gem/i18n@1.6.0", "pkg:gem/nokogiri@1.15.0"]);
    }
}
