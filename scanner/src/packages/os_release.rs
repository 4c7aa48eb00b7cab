//! os-release(5) and what stood in its place: which distribution, and so which advisories.

mod releases;

use std::collections::BTreeMap;

pub use releases::{REVIEWED, Release, release, release_on};

use crate::Distro;

/// Reads a file that names a distribution; none: it names none.
pub type Reader = fn(&str) -> Option<Distro>;

/// Files that name the distribution where no os-release does, the ones to be believed first: what
/// is derived from another distribution often carries that one's file, too.
pub const OTHER_FILES: [(&str, Reader); 10] = [
    ("etc/alpine-release", from_alpine_release),
    ("etc/oracle-release", from_redhat_release),
    ("etc/almalinux-release", from_redhat_release),
    ("etc/rocky-release", from_redhat_release),
    ("etc/fedora-release", from_redhat_release),
    ("etc/centos-release", from_redhat_release),
    ("etc/system-release", from_redhat_release),
    ("etc/redhat-release", from_redhat_release),
    ("etc/lsb-release", from_lsb_release),
    ("etc/debian_version", from_debian_version),
];

/// How the release files of Red Hat's family begin, and `ID` in os-release.
const NAMES: [(&str, &str); 7] = [
    ("CentOS", "centos"),
    ("Red Hat Enterprise Linux", "rhel"),
    ("AlmaLinux", "almalinux"),
    ("Rocky Linux", "rocky"),
    ("Fedora", "fedora"),
    ("Oracle Linux", "ol"),
    ("Amazon Linux", "amzn"),
];

/// Reads os-release text; none when it names no distribution.
pub fn parse(text: &str) -> Option<Distro> {
    let values = values(text);
    let get = |key: &str| values.get(key).map(String::as_str);
    let mut distro = Distro {
        id: word(get("ID"))?.to_ascii_lowercase(),
        version_id: word(get("VERSION_ID")),
        codename: word(get("VERSION_CODENAME")),
        pretty_name: get("PRETTY_NAME").map(pretty),
    };
    releases::complete(&mut distro);
    Some(distro)
}

/// From the parts of what another program has read, empty where they are not said; none: they name no distribution.
pub(crate) fn of_parts(id: &str, version: &str, codename: &str, pretty_name: &str) -> Option<Distro> {
    let mut distro = Distro {
        id: word(Some(id))?.to_ascii_lowercase(),
        version_id: word(Some(version)),
        codename: word(Some(codename)),
        pretty_name: Some(pretty(pretty_name)).filter(|name| !name.is_empty()),
    };
    releases::complete(&mut distro);
    Some(distro)
}

/// `etc/lsb-release`: `DISTRIB_ID=Ubuntu`, `DISTRIB_RELEASE=12.04`, `DISTRIB_CODENAME=precise`.
pub fn from_lsb_release(text: &str) -> Option<Distro> {
    let values = values(text);
    let get = |key: &str| values.get(key).map(String::as_str);
    let mut distro = Distro {
        id: word(get("DISTRIB_ID"))?.to_ascii_lowercase(),
        version_id: word(get("DISTRIB_RELEASE")),
        codename: word(get("DISTRIB_CODENAME")).map(|name| name.to_ascii_lowercase()),
        pretty_name: get("DISTRIB_DESCRIPTION").map(pretty),
    };
    releases::complete(&mut distro);
    Some(distro)
}

/// `etc/alpine-release`: `3.20.3`, and `3.23.0_alpha20250612` of the branch that is not released.
pub fn from_alpine_release(text: &str) -> Option<Distro> {
    let version = word(Some(text.trim()))?;
    version.starts_with(|c: char| c.is_ascii_digit()).then(|| named("alpine", Some(version), None))
}

/// The files of Red Hat's family: `CentOS release 6.10 (Final)`.
pub fn from_redhat_release(text: &str) -> Option<Distro> {
    let line = text.lines().map(str::trim).find(|line| !line.is_empty())?;
    let (name, rest) = line.split_once(" release ")?;
    let version = word(rest.split_whitespace().next())?;
    let known = NAMES.iter().find(|(begin, _)| name.starts_with(begin)).map(|(_, id)| (*id).to_owned());
    let id = match known {
        Some(id) => id,
        // A name of its own, that no advisories are known for.
        None => word(Some(&name.split_whitespace().collect::<Vec<_>>().join("-")))?.to_ascii_lowercase(),
    };
    Some(named(&id, Some(version), Some(pretty(line))))
}

/// Debian by `etc/debian_version` alone: `12.5`, `trixie/sid`.
pub fn from_debian_version(text: &str) -> Option<Distro> {
    let text = text.trim();
    let mut distro = named("debian", None, None);
    match text.split(['.', '/']).next()? {
        "" => return None,
        number if number.bytes().all(|b| b.is_ascii_digit()) && number.len() < 4 => {
            distro.version_id = Some(number.to_owned());
        }
        name if name.bytes().all(|b| b.is_ascii_lowercase()) && name.len() < 32 => {
            distro.codename = Some(name.to_owned());
        }
        _ => return None,
    }
    releases::complete(&mut distro);
    Some(distro)
}

fn named(id: &str, version_id: Option<String>, pretty_name: Option<String>) -> Distro {
    Distro { id: id.to_owned(), version_id, codename: None, pretty_name }
}

/// `KEY=value` lines, as a shell would read them.
fn values(text: &str) -> BTreeMap<&str, String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with('#'));
    let pairs = lines.filter_map(|line| line.split_once('='));
    pairs.map(|(key, value)| (key.trim(), unquote(value.trim()))).collect()
}

/// What may stand in a package URL or in the name of an ecosystem.
fn word(value: Option<&str>) -> Option<String> {
    let value = value?;
    let fits = !value.is_empty()
        && value.len() <= 64
        && value.chars().all(|c| c.is_ascii_alphanumeric() || "._-+".contains(c));
    fits.then(|| value.to_owned())
}

fn pretty(value: &str) -> String {
    value.chars().filter(|c| !c.is_control()).take(200).collect()
}

/// Shell-like quoting, as os-release(5) allows it.
fn unquote(value: &str) -> String {
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''));
    let Some(quote) = quote else { return value.to_owned() };
    let mut out = String::new();
    let mut chars = value.chars().skip(1);
    while let Some(c) = chars.next() {
        match c {
            '\\' if quote == '"' => out.extend(chars.next()),
            c if c == quote => break,
            c => out.push(c),
        }
    }
    out
}

#[cfg(test)]
#[path = "os_release_tests.rs"]
mod tests;
