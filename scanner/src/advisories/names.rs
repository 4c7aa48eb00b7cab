//! Names of packages and ecosystems, in the one spelling in which they are looked up.

use std::borrow::Cow;

use crate::version::Order;

/// The ecosystem without its release: `Debian` of `Debian:12`.
pub(super) fn base(ecosystem: &str) -> &str {
    ecosystem.split_once(':').map_or(ecosystem, |(name, _)| name)
}

/// Whether versions of this ecosystem can be compared, and so its advisories matched. Debian's and its like say
/// nothing without a release.
pub(super) fn matched(ecosystem: &str) -> bool {
    let known = Order::of_ecosystem(ecosystem).is_some();
    match ecosystem.split_once(':') {
        Some((_, release)) => known && !release.is_empty(),
        None => known && !matches!(ecosystem, "Debian" | "Ubuntu" | "Alpine" | "AlmaLinux" | "Rocky Linux"),
    }
}

/// A package's name as its ecosystem compares it: `PyPI` by PEP 503 ("Normalized Names"), `NuGet` ("Package ID") and
/// `Packagist` without case; every other one as it stands.
pub(super) fn normal<'a>(ecosystem: &str, package: &'a str) -> Cow<'a, str> {
    match base(ecosystem) {
        "PyPI" => pep503(package),
        "NuGet" | "Packagist" => lower(package),
        _ => Cow::Borrowed(package),
    }
}

fn lower(name: &str) -> Cow<'_, str> {
    if name.bytes().any(|b| b.is_ascii_uppercase()) {
        Cow::Owned(name.to_ascii_lowercase())
    } else {
        Cow::Borrowed(name)
    }
}

/// Runs of `-`, `_` and `.` become one dash, letters small ones.
fn pep503(name: &str) -> Cow<'_, str> {
    let separates = |c: char| matches!(c, '-' | '_' | '.');
    let normal = !name.contains("--") && !name.contains(|c: char| matches!(c, '_' | '.') || c.is_uppercase());
    if normal {
        return Cow::Borrowed(name);
    }
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        if !separates(c) {
            out.extend(c.to_lowercase());
        } else if !out.ends_with('-') {
            out.push('-');
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_looked_up_as_their_ecosystem_compares_them() {
        for (ecosystem, given, wanted) in [
            ("PyPI", "Zope.Interface__x", "zope-interface-x"),
            ("PyPI", "a--b", "a-b"),
            ("PyPI", "requests", "requests"),
            ("NuGet", "Newtonsoft.Json", "newtonsoft.json"),
            ("Packagist", "Symfony/HTTP-kernel", "symfony/http-kernel"),
            ("Maven", "org.Apache:Log4j", "org.Apache:Log4j"),
            ("Go", "github.com/Masterminds/vcs", "github.com/Masterminds/vcs"),
            ("Debian:12", "libX", "libX"),
        ] {
            assert_eq!(normal(ecosystem, given), wanted, "{ecosystem} {given}");
        }
    }

    #[test]
    fn an_ecosystem_of_releases_says_nothing_without_one() {
        assert!(matched("Debian:12") && matched("PyPI") && matched("Alpine:v3.20"));
        assert!(!matched("Debian") && !matched("Debian:") && !matched("Nothing that we know"));
        assert_eq!((base("Debian:12"), base("npm")), ("Debian", "npm"));
    }
}
