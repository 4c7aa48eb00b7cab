//! Package URLs of operating systems' packages, purl-spec "deb", "apk" and "rpm".

use std::fmt::Write as _;

use super::listed::Listed;
use crate::Distro;

/// The package URL of a package from a database of dpkg, apk or rpm, which `database` names.
pub(crate) fn of(database: &str, package: &Listed, distro: Option<&Distro>) -> String {
    match database {
        "apk" => apk(package, distro),
        "rpm" => rpm(package, distro),
        _ => deb(package, distro),
    }
}

/// `pkg:deb/debian/openssl@3.0.11-1?arch=amd64&distro=debian-12`
fn deb(package: &Listed, distro: Option<&Distro>) -> String {
    let namespace = distro.map_or("debian", |d| d.id.as_str());
    let mut purl = Purl::new("deb", namespace, &package.name, &package.version);
    purl.qualifier("arch", &package.architecture);
    purl.distro(distro);
    purl.text
}

/// `pkg:apk/alpine/libssl3@3.3.2-r0?arch=x86_64&distro=alpine-3.20.3&upstream=openssl`; upstream is
/// the origin, where it has another name.
fn apk(package: &Listed, distro: Option<&Distro>) -> String {
    let name = package.name.to_ascii_lowercase();
    let mut purl = Purl::new("apk", distro.map_or("alpine", |d| d.id.as_str()), &name, &package.version);
    purl.qualifier("arch", &package.architecture);
    purl.distro(distro);
    if package.source != package.name {
        purl.qualifier("upstream", &package.source);
    }
    purl.text
}

/// `pkg:rpm/almalinux/bind-libs@9.16.23-1.el9?arch=x86_64&distro=almalinux-9.4&epoch=32&upstream=bind-9.16.23-1.el9.src.rpm`;
/// upstream is the source package's file, as SBOM tools write it.
fn rpm(package: &Listed, distro: Option<&Distro>) -> String {
    let (epoch, version) = package.version.split_once(':').unwrap_or(("", &package.version));
    let namespace = distro.map_or("redhat", |d| vendor(&d.id));
    let mut purl = Purl::new("rpm", namespace, &package.name, version);
    purl.qualifier("arch", &package.architecture);
    purl.distro(distro);
    purl.qualifier("epoch", epoch);
    purl.qualifier("upstream", package.source_file.as_deref().unwrap_or_default());
    purl.text
}

/// The namespace is "the vendor such as Fedora or OpenSUSE"; its own advisories use these two.
fn vendor(id: &str) -> &str {
    match id {
        "rhel" => "redhat",
        "opensuse-leap" | "opensuse-tumbleweed" => "opensuse",
        other => other,
    }
}

/// A package URL in the making. Qualifiers are added in the order of their names.
struct Purl {
    text: String,
    separator: char,
}

impl Purl {
    fn new(kind: &str, namespace: &str, name: &str, version: &str) -> Self {
        let text = format!("pkg:{kind}/{}/{}@{}", encoded(namespace), encoded(name), encoded(version));
        Self { text, separator: '?' }
    }

    /// An empty value is as good as none.
    fn qualifier(&mut self, key: &str, value: &str) {
        if !value.is_empty() {
            let _ = write!(self.text, "{}{key}={}", self.separator, encoded(value));
            self.separator = '&';
        }
    }

    fn distro(&mut self, distro: Option<&Distro>) {
        if let Some(distro) = distro
            && let Some(release) = distro.version_id.as_ref().or(distro.codename.as_ref())
        {
            self.qualifier("distro", &format!("{}-{release}", distro.id));
        }
    }
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

    fn distro(id: &str, version: &str) -> Distro {
        Distro { id: id.into(), version_id: Some(version.into()), codename: None, pretty_name: None }
    }

    fn listed(name: &str, version: &str, architecture: &str, source: &str) -> Listed {
        let [name, version, architecture, source] = [name, version, architecture, source].map(str::to_owned);
        Listed { name, version, architecture, source, ..Listed::default() }
    }

    #[test]
    fn encodes_what_the_specification_asks_for() {
        let package = listed("libstdc++6", "1:12.2.0-14+deb12u1", "amd64", "gcc-12");
        assert_eq!(
            of("dpkg", &package, Some(&distro("debian", "12"))),
            "pkg:deb/debian/libstdc%2B%2B6@1:12.2.0-14%2Bdeb12u1?arch=amd64&distro=debian-12"
        );
        assert_eq!(of("dpkg-status.d", &listed("a", "1~b", "", "a"), None), "pkg:deb/debian/a@1~b");
    }

    #[test]
    fn apk_names_the_origin_where_it_is_another() {
        let mut package = listed("libstdc++", "13.2.1_git20240309-r0", "x86_64", "gcc");
        assert_eq!(
            of("apk", &package, Some(&distro("alpine", "3.20.3"))),
            "pkg:apk/alpine/libstdc%2B%2B@13.2.1_git20240309-r0?arch=x86_64&distro=alpine-3.20.3&upstream=gcc"
        );
        package.source = package.name.clone();
        let wolfi = "pkg:apk/wolfi/libstdc%2B%2B@13.2.1_git20240309-r0?arch=x86_64&distro=wolfi-20230201";
        assert_eq!(of("apk", &package, Some(&distro("wolfi", "20230201"))), wolfi);
    }

    #[test]
    fn rpm_has_the_epoch_beside_the_version() {
        let mut package = listed("bind-libs", "32:9.16.23-1.el9", "x86_64", "bind");
        package.source_file = Some("bind-9.16.23-1.el9.src.rpm".into());
        assert_eq!(
            of("rpm", &package, Some(&distro("almalinux", "9.4"))),
            "pkg:rpm/almalinux/bind-libs@9.16.23-1.el9?arch=x86_64&distro=almalinux-9.4&epoch=32&upstream=bind-9.16.23-1.el9.src.rpm"
        );
        let plain = listed("a", "1-2", "", "a");
        assert_eq!(
            of("rpm", &plain, Some(&distro("opensuse-leap", "15.6"))),
            "pkg:rpm/opensuse/a@1-2?distro=opensuse-leap-15.6"
        );
        assert_eq!(of("rpm", &plain, None), "pkg:rpm/redhat/a@1-2");
    }
}
