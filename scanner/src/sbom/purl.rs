//! Package URLs taken apart: purl-spec, "How to parse a purl string in its components".

use std::collections::BTreeMap;

use super::limits;

/// A package URL, decoded.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Purl {
    /// `deb`, `npm`…, in lower case.
    pub(super) kind: String,
    /// Parts are joined by slashes; empty: there is none.
    pub(super) namespace: String,
    pub(super) name: String,
    /// Empty: there is none.
    pub(super) version: String,
    /// By their keys in lower case; those without a value are none.
    pub(super) qualifiers: BTreeMap<String, String>,
    /// Empty: there is none.
    pub(super) subpath: String,
}

impl Purl {
    /// A qualifier's value; empty: there is none.
    pub(super) fn qualifier(&self, key: &str) -> &str {
        self.qualifiers.get(key).map_or("", String::as_str)
    }

    /// Takes one apart.
    ///
    /// # Errors
    /// Why it is none.
    pub(super) fn parse(text: &str) -> Result<Self, &'static str> {
        if text.len() > limits::sbom().purl {
            return Err("it is too long");
        }
        // What is not ASCII must be encoded; that some leave a plus sign as it is does no harm.
        if !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err("it has characters that a package URL cannot have");
        }
        let (rest, subpath) = text.split_once('#').unwrap_or((text, ""));
        let (rest, qualifiers) = rest.split_once('?').unwrap_or((rest, ""));
        let (scheme, rest) = rest.split_once(':').ok_or("it does not begin with `pkg:`")?;
        if !scheme.eq_ignore_ascii_case("pkg") {
            return Err("it does not begin with `pkg:`");
        }
        let rest = rest.trim_matches('/');
        let (kind, rest) = rest.split_once('/').ok_or("it has no name")?;
        let kind = kind.to_ascii_lowercase();
        if kind.is_empty() || !kind.bytes().all(|b| b.is_ascii_alphanumeric() || b"+.-".contains(&b)) {
            return Err("its type is none");
        }
        // A scope's `@` that should be encoded stands before the last slash: a version's stands behind it.
        let slash = rest.rfind('/').map_or(0, |at| at + 1);
        let (path, version) = match rest[slash..].rfind('@') {
            Some(at) if slash + at > 0 => (&rest[..slash + at], &rest[slash + at + 1..]),
            // A version with a slash in it, which should be encoded as well.
            _ => match rest.rsplit_once('@') {
                Some((path, version)) if !path.is_empty() && !path.ends_with('/') => (path, version),
                _ => (rest, ""),
            },
        };
        let mut parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
        let name = decoded(parts.pop().ok_or("it has no name")?)?;
        let namespace: Vec<String> = parts.into_iter().map(decoded).collect::<Result<_, _>>()?;
        let plain = |part: &&str| !part.is_empty() && !matches!(*part, "." | "..");
        let subpath: Vec<String> = subpath.split('/').filter(plain).map(decoded).collect::<Result<_, _>>()?;
        let purl = Self {
            kind,
            namespace: namespace.join("/"),
            name,
            version: decoded(version)?,
            qualifiers: parsed(qualifiers)?,
            subpath: subpath.join("/"),
        };
        let fits = |text: &str, most: usize| text.len() <= most && !text.contains(char::is_control);
        if purl.name.is_empty()
            || !fits(&purl.name, limits::sbom().name)
            || !fits(&purl.namespace, limits::sbom().name)
            || !fits(&purl.version, limits::sbom().version)
            || !fits(&purl.subpath, limits::sbom().name)
        {
            return Err("a part of it is empty, too long, or has controls in it");
        }
        Ok(purl)
    }
}

fn parsed(text: &str) -> Result<BTreeMap<String, String>, &'static str> {
    let mut found = BTreeMap::new();
    for pair in text.split('&').filter(|pair| !pair.is_empty()) {
        let (key, value) = pair.split_once('=').ok_or("a qualifier of it has no value")?;
        if found.len() >= limits::sbom().qualifiers {
            return Err("it has too many qualifiers");
        }
        let value = decoded(value)?;
        if value.contains(char::is_control) {
            return Err("a qualifier of it has controls in it");
        }
        if !value.is_empty() {
            found.insert(key.to_ascii_lowercase(), value);
        }
    }
    Ok(found)
}

/// Percent-encoding undone; a percent sign that encodes nothing stands for itself.
fn decoded(text: &str) -> Result<String, &'static str> {
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).and_then(|b| char::from(*b).to_digit(16));
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        let both = (*byte == b'%').then(|| Some((digit(at + 1)?, digit(at + 2)?))).flatten();
        match both.and_then(|(high, low)| u8::try_from(high * 16 + low).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(*byte);
                at += 1;
            }
        }
    }
    String::from_utf8(out).map_err(|_| "it encodes what is no UTF-8")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (String, String, String, String) {
        let purl = Purl::parse(text).expect(text);
        (purl.kind, purl.namespace, purl.name, purl.version)
    }

    fn four(a: &str, b: &str, c: &str, d: &str) -> (String, String, String, String) {
        (a.into(), b.into(), c.into(), d.into())
    }

    #[test]
    fn each_part_is_decoded() {
        assert_eq!(parts("pkg:npm/%40babel/core@7.0.0"), four("npm", "@babel", "core", "7.0.0"));
        assert_eq!(parts("pkg:npm/@babel/core@7.0.0"), four("npm", "@babel", "core", "7.0.0"));
        assert_eq!(parts("PKG://Maven/org.a/b"), four("maven", "org.a", "b", ""));
        assert_eq!(
            parts("pkg:golang/github.com/a/b/v3@v3.1.0"),
            four("golang", "github.com/a/b", "v3", "v3.1.0")
        );
        assert_eq!(parts("pkg:deb/debian/a%2Bb@1:2+c"), four("deb", "debian", "a+b", "1:2+c"));
        assert_eq!(parts("pkg:cargo/a@1%25"), four("cargo", "", "a", "1%"));
        let purl = Purl::parse("pkg:rpm/rhel/a@1?Arch=x86_64&epoch=1&empty=#sub/../path").expect("one");
        assert_eq!(
            (purl.qualifier("arch"), purl.qualifier("epoch"), purl.qualifier("empty")),
            ("x86_64", "1", "")
        );
        assert_eq!(purl.subpath, "sub/path");
    }

    #[test]
    fn what_is_none_is_refused() {
        for none in [
            "",
            "pkg:",
            "pkg:npm",
            "pkg:npm/",
            "npm/a@1",
            "pkg:n m/a@1",
            "pkg:npm/a b",
            "pkg:npm/ä",
            "pkg:npm/a%00b",
            "pkg:npm/a%1b@1",
            "pkg:npm/%ff@1",
            "pkg:npm/a?x",
            "pkg:npm/a?x=%0a",
        ] {
            assert!(Purl::parse(none).is_err(), "{none}");
        }
        assert!(Purl::parse(&format!("pkg:npm/{}", "a".repeat(limits::sbom().purl))).is_err());
        assert!(Purl::parse(&format!("pkg:npm/a@{}", "1".repeat(limits::sbom().version + 1))).is_err());
    }

    proptest::proptest! {
        #[test]
        fn never_panics(text in "(pkg:)?[ -~é%@/?#&=]{0,40}") {
            let _ = Purl::parse(&text);
        }
    }
}
