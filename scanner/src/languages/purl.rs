//! Package URLs of language packages: purl-spec, "Package-URL types".

use std::fmt::Write as _;

use super::{Component, Kind};

/// `pkg:npm/%40babel/core@7.1.0`
pub(super) fn of(component: &Component) -> String {
    let mut purl = format!("pkg:{}/", component.kind.purl_type());
    let (name, subpath) = match component.name.split_once('/') {
        // A pod's subspec is a subpath: purl-spec, "cocoapods".
        Some((pod, subspec)) if component.kind == Kind::Cocoapods => (pod, Some(subspec)),
        _ => (component.name.as_str(), None),
    };
    for part in component.namespace.iter().flat_map(|n| n.split('/')).filter(|p| !p.is_empty()) {
        encode(&mut purl, &cased(component.kind, part));
        purl.push('/');
    }
    match component.kind {
        Kind::Pypi => encode(&mut purl, &python_name(name)),
        kind => encode(&mut purl, &cased(kind, name)),
    }
    if !component.version.is_empty() {
        purl.push('@');
        encode(&mut purl, &component.version);
    }
    for (at, part) in subpath.iter().flat_map(|s| s.split('/')).filter(|p| !p.is_empty()).enumerate() {
        purl.push(if at == 0 { '#' } else { '/' });
        encode(&mut purl, part);
    }
    purl
}

/// Types whose names have no case are written in lower case.
fn cased(kind: Kind, text: &str) -> String {
    match kind {
        Kind::Composer | Kind::Golang | Kind::Hex | Kind::Npm | Kind::Pub => text.to_lowercase(),
        _ => text.to_owned(),
    }
}

/// PyPA, "Names and normalization": lower case, and each run of `-`, `_` and `.` is one `-`.
pub(crate) fn python_name(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    let mut run = false;
    for c in name.chars() {
        let dash = matches!(c, '-' | '_' | '.');
        if !dash {
            out.extend(c.to_lowercase());
        } else if !run {
            out.push('-');
        }
        run = dash;
    }
    out
}

/// purl-spec, "Character encoding": letters, digits, `-._~` and the colon stand for themselves.
fn encode(out: &mut String, text: &str) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_type_has_its_own_rules() {
        let purl = |kind, namespace: Option<&str>, name: &str, version: &str| {
            let component = Component::new(kind, name, version);
            Component { namespace: namespace.map(str::to_owned), ..component }.purl()
        };
        for (found, expected) in [
            (purl(Kind::Pypi, None, "Zope.Interface__x", "5.4.0"), "pkg:pypi/zope-interface-x@5.4.0"),
            (purl(Kind::Npm, Some("@Babel"), "core", "7.0.0-beta+1"), "pkg:npm/%40babel/core@7.0.0-beta%2B1"),
            (purl(Kind::Maven, Some("org.Slf4j"), "slf4j-api", "1"), "pkg:maven/org.Slf4j/slf4j-api@1"),
            (
                purl(Kind::Golang, Some("github.com/Masterminds/semver"), "v3", "v3.2.0"),
                "pkg:golang/github.com/masterminds/semver/v3@v3.2.0",
            ),
            (purl(Kind::Golang, None, "stdlib", "v1.22.1"), "pkg:golang/stdlib@v1.22.1"),
            (purl(Kind::Composer, Some("Monolog"), "Monolog", "1"), "pkg:composer/monolog/monolog@1"),
            (purl(Kind::Cocoapods, None, "AppCenter/Core", "4.2.0"), "pkg:cocoapods/AppCenter@4.2.0#Core"),
            (purl(Kind::Gem, None, "rake", ""), "pkg:gem/rake"),
            (purl(Kind::Generic, None, "python", "3.12.1"), "pkg:generic/python@3.12.1"),
            (purl(Kind::Cargo, None, "a b/c", "1"), "pkg:cargo/a%20b%2Fc@1"),
        ] {
            assert_eq!(found, expected);
        }
    }
}
