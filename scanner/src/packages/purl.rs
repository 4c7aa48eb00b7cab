//! Package URLs of Debian packages, purl-spec "deb".

use std::fmt::Write as _;

use crate::Distro;

/// `pkg:deb/debian/openssl@3.0.11-1?arch=amd64&distro=debian-12`
pub(crate) fn deb(name: &str, version: &str, architecture: &str, distro: Option<&Distro>) -> String {
    let namespace = distro.map_or("debian", |d| d.id.as_str());
    let mut purl = format!("pkg:deb/{}/{}@{}", encoded(namespace), encoded(name), encoded(version));
    let mut separator = '?';
    let mut qualifier = |key: &str, value: &str| {
        let _ = write!(purl, "{separator}{key}={}", encoded(value));
        separator = '&';
    };
    if !architecture.is_empty() {
        qualifier("arch", architecture);
    }
    if let Some(distro) = distro
        && let Some(release) = distro.version_id.as_ref().or(distro.codename.as_ref())
    {
        qualifier("distro", &format!("{}-{release}", distro.id));
    }
    purl
}

/// purl-spec, "Character encoding": letters, digits, `-._~` and the colon stand for themselves.
fn encoded(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~:".contains(&byte) {
            out.push(byte as char);
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodes_what_the_specification_asks_for() {
        let distro =
            Distro { id: "debian".into(), version_id: Some("12".into()), codename: None, pretty_name: None };
        assert_eq!(
            deb("libstdc++6", "1:12.2.0-14+deb12u1", "amd64", Some(&distro)),
            "pkg:deb/debian/libstdc%2B%2B6@1:12.2.0-14%2Bdeb12u1?arch=amd64&distro=debian-12"
        );
        assert_eq!(deb("a", "1~b", "", None), "pkg:deb/debian/a@1~b");
    }
}
