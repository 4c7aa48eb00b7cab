//! os-release(5): which distribution, and so which advisories.

use std::collections::BTreeMap;

use crate::Distro;

/// Debian's releases by number; the last word is whether advisories still appear (LTS included).
const DEBIAN: [(&str, &str, bool); 9] = [
    ("7", "wheezy", false),
    ("8", "jessie", false),
    ("9", "stretch", false),
    ("10", "buster", false),
    ("11", "bullseye", true),
    ("12", "bookworm", true),
    ("13", "trixie", true),
    ("14", "forky", false),
    ("15", "duke", false),
];
/// The first release that is not out yet.
const UNRELEASED: [&str; 4] = ["forky", "duke", "sid", "unstable"];

/// What a Debian release is to us.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Release {
    /// Advisories hold: the OSV ecosystem, `Debian:12`.
    Supported(String),
    /// Advisories are of the past: the ecosystem, and why.
    Unsupported(String, String),
    /// No advisories at all: why.
    Unknown(String),
}

/// Reads os-release text; none when it names no distribution.
pub(crate) fn parse(text: &str) -> Option<Distro> {
    let mut values = BTreeMap::new();
    for line in text.lines().map(str::trim).filter(|l| !l.starts_with('#')) {
        if let Some((key, value)) = line.split_once('=') {
            values.insert(key.trim(), unquote(value.trim()));
        }
    }
    let word = |key: &str| {
        let value = values.get(key)?;
        let fits = !value.is_empty()
            && value.len() <= 64
            && value.chars().all(|c| c.is_ascii_alphanumeric() || "._-+".contains(c));
        fits.then(|| value.clone())
    };
    let mut distro = Distro {
        id: word("ID")?.to_ascii_lowercase(),
        version_id: word("VERSION_ID"),
        codename: word("VERSION_CODENAME"),
        pretty_name: values
            .get("PRETTY_NAME")
            .map(|v| v.chars().filter(|c| !c.is_control()).take(200).collect()),
    };
    complete(&mut distro);
    Some(distro)
}

/// Debian by `etc/debian_version` alone: `12.5`, `trixie/sid`.
pub(crate) fn from_debian_version(text: &str) -> Option<Distro> {
    let text = text.trim();
    let mut distro = Distro { id: "debian".to_owned(), version_id: None, codename: None, pretty_name: None };
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
    complete(&mut distro);
    Some(distro)
}

/// Number and codename imply each other; distroless images leave the codename out.
fn complete(distro: &mut Distro) {
    if distro.id != "debian" {
        return;
    }
    let by = |f: &dyn Fn(&(&str, &str, bool)) -> bool| DEBIAN.iter().find(|r| f(r));
    if distro.codename.is_none()
        && let Some(number) = distro.version_id.as_deref()
    {
        let major = number.split('.').next().unwrap_or(number);
        distro.codename = by(&|r| r.0 == major).map(|r| r.1.to_owned());
    }
}

/// Which advisories hold for a distribution.
pub(crate) fn release(distro: &Distro) -> Release {
    let name = distro.pretty_name.clone().unwrap_or_else(|| distro.id.clone());
    if distro.id != "debian" {
        return Release::Unknown(format!("no advisories are known for {name}: only Debian is read yet"));
    }
    let major = distro.version_id.as_deref().map(|v| v.split('.').next().unwrap_or(v));
    let known = DEBIAN.iter().find(|r| match major {
        Some(major) => r.0 == major,
        None => distro.codename.as_deref() == Some(r.1),
    });
    match known {
        Some((number, _, true)) => Release::Supported(format!("Debian:{number}")),
        Some((number, codename, false)) if !UNRELEASED.contains(codename) => Release::Unsupported(
            format!("Debian:{number}"),
            format!("Debian {number} ({codename}) is end-of-life: no new advisories appear for it"),
        ),
        _ if distro.codename.as_deref().is_some_and(|c| UNRELEASED.contains(&c)) => {
            Release::Unknown(format!("{name} is not released yet: no security suite serves it"))
        }
        _ => Release::Unknown(format!("{name} is no release of Debian that is known here")),
    }
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
mod tests {
    use super::*;

    #[test]
    fn reads_debian() {
        let text = "PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nVERSION_ID=\"12\"\nVERSION_CODENAME=bookworm\nID=debian\n# ID=x\n";
        let distro = parse(text).expect("debian");
        assert_eq!((distro.id.as_str(), distro.version_id.as_deref()), ("debian", Some("12")));
        assert_eq!(distro.codename.as_deref(), Some("bookworm"));
        assert_eq!(release(&distro), Release::Supported("Debian:12".into()));
    }

    #[test]
    fn fills_in_the_codename_that_distroless_leaves_out() {
        let distro = parse("PRETTY_NAME='Distroless'\nID=\"debian\"\nVERSION_ID=\"11\"").expect("debian");
        assert_eq!(distro.codename.as_deref(), Some("bullseye"));
    }

    #[test]
    fn names_what_is_end_of_life_unknown_or_not_debian() {
        let of = |text: &str| release(&parse(text).expect("a distribution"));
        assert!(
            matches!(of("ID=debian\nVERSION_ID=10"), Release::Unsupported(e, r) if e == "Debian:10" && r.contains("buster"))
        );
        assert!(
            matches!(of("ID=debian\nVERSION_CODENAME=forky"), Release::Unknown(r) if r.contains("not released"))
        );
        assert!(matches!(of("ID=debian\nVERSION_ID=99"), Release::Unknown(r) if r.contains("no release")));
        assert!(matches!(of("ID=ubuntu\nVERSION_ID=24.04"), Release::Unknown(r) if r.contains("ubuntu")));
        assert!(parse("ID=$(reboot)\n").is_none() && parse("").is_none());
    }

    #[test]
    fn debian_version_is_enough() {
        let distro = from_debian_version("12.5\n").expect("a number");
        assert_eq!(distro.codename.as_deref(), Some("bookworm"));
        assert_eq!(from_debian_version("forky/sid").and_then(|d| d.codename).as_deref(), Some("forky"));
        assert!(from_debian_version("\n").is_none());
    }
}
