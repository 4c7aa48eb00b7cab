//! Where Debian's archives are mirrored, as apt's own configuration tells it (sources.list(5)).

use std::path::Path;

use url::Url;

use crate::deb::control;

/// Suites that are Debian's own; a foreign repository may use them too, so more is weighed below.
const SUITES: &[&str] = &[
    "buster",
    "bullseye",
    "bookworm",
    "trixie",
    "forky",
    "sid",
    "oldoldstable",
    "oldstable",
    "stable",
    "testing",
    "unstable",
];
const MAX_FILE: u64 = 1 << 20;

/// Where Debian's archives are mirrored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mirrors {
    /// Base of the main archive, the folder that holds `dists/` and `pool/`.
    pub debian: Option<Url>,
    /// Base of the security archive.
    pub debian_security: Option<Url>,
    /// The folder that holds `debian` and `debian-security` of releases that have ended, from bullseye on: asked where the
    /// others no longer have such a release.
    pub debian_archive: Option<Url>,
}

/// One address with one suite.
#[derive(Debug)]
struct Source {
    base: Url,
    suite: String,
    debian_keyring: bool,
}

impl Mirrors {
    /// From the machine's own apt configuration: one-line and deb822 sources under `/etc/apt`.
    pub fn from_machine() -> Self {
        Self::from_folder(Path::new("/etc/apt"))
    }

    /// From a folder like `/etc/apt`; what cannot be read is left out.
    pub(crate) fn from_folder(folder: &Path) -> Self {
        let mut paths = vec![folder.join("sources.list")];
        if let Ok(parts) = std::fs::read_dir(folder.join("sources.list.d")) {
            let mut parts: Vec<_> = parts.flatten().map(|entry| entry.path()).collect();
            parts.sort();
            paths.extend(parts);
        }
        let texts: Vec<_> = paths
            .into_iter()
            .filter(|path| std::fs::metadata(path).is_ok_and(|m| m.is_file() && m.len() <= MAX_FILE))
            .filter_map(|path| {
                Some((path.to_string_lossy().into_owned(), std::fs::read_to_string(&path).ok()?))
            })
            .collect();
        Self::from_sources(&texts)
    }

    /// From (file name, text) of an image's own sources files: hints only. What does not parse is left out.
    pub fn from_sources(texts: &[(String, String)]) -> Self {
        let mut sources = Vec::new();
        for (name, text) in texts {
            if name.ends_with(".sources") {
                deb822(text, &mut sources);
            } else if name.ends_with(".list") {
                text.lines().for_each(|line| one_line(line, &mut sources));
            }
        }
        let security = |s: &Source| {
            s.suite.ends_with("-security")
                || s.suite.split_once('/').is_some_and(|(_, rest)| rest == "updates")
        };
        let mut main: Option<(u32, &Source)> = None;
        for source in sources.iter().filter(|s| SUITES.contains(&s.suite.as_str())) {
            let sibling = format!("{}-updates", source.suite);
            let weight = u32::from(sources.iter().any(|s| s.base == source.base && s.suite == sibling))
                + u32::from(source.base.path().trim_end_matches('/').ends_with("/debian"))
                + u32::from(source.debian_keyring);
            if main.is_none_or(|(best, _)| weight > best) {
                main = Some((weight, source));
            }
        }
        Self {
            debian: main.map(|(_, s)| s.base.clone()),
            debian_security: sources.iter().find(|s| security(s)).map(|s| s.base.clone()),
            debian_archive: None,
        }
    }

    /// `self` first, then `other` for what is missing.
    pub fn or(self, other: Self) -> Self {
        Self {
            debian: self.debian.or(other.debian),
            debian_security: self.debian_security.or(other.debian_security),
            debian_archive: self.debian_archive.or(other.debian_archive),
        }
    }

    /// The base of the same archive as it was when its releases ended.
    pub(super) fn archived(&self, security: bool) -> Option<Url> {
        let mut base = self.debian_archive.clone()?;
        let folder = if security { "debian-security" } else { "debian" };
        base.path_segments_mut().ok()?.pop_if_empty().extend([folder, ""]);
        Some(base)
    }

    /// The base of the archive that holds a suite.
    pub(super) fn base(&self, security: bool) -> Option<&Url> {
        if security { self.debian_security.as_ref() } else { self.debian.as_ref() }
    }
}

/// An http(s) address that can be joined with paths.
fn base(text: &str) -> Option<Url> {
    let mut url =
        Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host())?;
    url.set_query(None);
    url.set_fragment(None);
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Some(url)
}

fn one_line(line: &str, sources: &mut Vec<Source>) {
    let line = line.split('#').next().unwrap_or_default().trim();
    let Some(mut rest) =
        line.strip_prefix("deb").filter(|rest| rest.starts_with([' ', '\t'])).map(str::trim_start)
    else {
        return;
    };
    let mut options = "";
    if let Some(after) = rest.strip_prefix('[') {
        let Some((inner, after)) = after.split_once(']') else { return };
        (options, rest) = (inner, after);
    }
    let mut words = rest.split_whitespace();
    let (Some(address), Some(suite)) = (words.next(), words.next()) else { return };
    if words.any(|component| component == "main")
        && let Some(base) = base(address)
    {
        sources.push(Source {
            base,
            suite: suite.to_owned(),
            debian_keyring: options.contains("debian-archive-"),
        });
    }
}

fn deb822(text: &str, sources: &mut Vec<Source>) {
    for stanza in control::stanzas("sources", text).flatten() {
        let words = |field: &str| stanza.get(field).unwrap_or_default().split_whitespace();
        let disabled =
            stanza.get("Enabled").is_some_and(|v| matches!(v, "no" | "false" | "0" | "without" | "off"));
        if disabled || !words("Types").any(|t| t == "deb") || !words("Components").any(|c| c == "main") {
            continue;
        }
        let debian_keyring = stanza.get("Signed-By").is_some_and(|v| v.contains("debian-archive-"));
        for base in words("URIs").filter_map(base) {
            for suite in words("Suites") {
                sources.push(Source { base: base.clone(), suite: suite.to_owned(), debian_keyring });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(files: &[(&str, &str)]) -> (Option<String>, Option<String>) {
        let texts: Vec<_> = files.iter().map(|(n, t)| ((*n).to_owned(), (*t).to_owned())).collect();
        let mirrors = Mirrors::from_sources(&texts);
        (mirrors.debian.map(String::from), mirrors.debian_security.map(String::from))
    }

    #[test]
    fn one_line_sources() {
        let found = read(&[(
            "/etc/apt/sources.list",
            "# deb http://old.example/debian bookworm main\n\
             deb-src http://src.example/debian bookworm main\n\
             deb [arch=amd64 signed-by=/usr/share/keyrings/x.gpg] https://php.example/php bookworm main\n\
             deb http://mirror.example/debian bookworm main contrib # here\n\
             deb http://mirror.example/debian bookworm-updates main\n\
             deb http://mirror.example/debian-security bookworm-security main\n",
        )]);
        let expected = ("http://mirror.example/debian/", "http://mirror.example/debian-security/");
        assert_eq!(found, (Some(expected.0.to_owned()), Some(expected.1.to_owned())));
    }

    #[test]
    fn deb822_sources() {
        let found = read(&[(
            "debian.sources",
            "Types: deb deb-src\nURIs: cdrom:[x]/ http://mirror.example/debian\n http://second.example/debian\nSuites: trixie trixie-updates\nComponents: main\n\n\
             Enabled: no\nTypes: deb\nURIs: http://off.example/debian-security\nSuites: trixie-security\nComponents: main\n\n\
             Types: deb\nURIs: http://sec.example/debian-security/\nSuites: trixie-security\nComponents: main\n",
        )]);
        let expected = ("http://mirror.example/debian/", "http://sec.example/debian-security/");
        assert_eq!(found, (Some(expected.0.to_owned()), Some(expected.1.to_owned())));
    }

    #[test]
    fn what_is_not_debians_is_left_out() {
        let found = read(&[
            (
                "a.list",
                "deb file:/srv/debian bookworm main\ndeb http://a.example/x nodistro main\ndeb http://b.example/debian bookworm stable\n",
            ),
            ("b.list.disabled", "deb http://c.example/debian bookworm main\n"),
            ("c.sources", "broken"),
        ]);
        assert_eq!(found, (None, None));
    }

    #[test]
    fn a_folder_is_read() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("sources.list.d")).unwrap();
        std::fs::write(
            folder.path().join("sources.list.d/x.list"),
            "deb http://mirror.example/debian sid main\n",
        )
        .unwrap();
        let mirrors = Mirrors::from_folder(folder.path());
        assert_eq!(mirrors.debian.unwrap().as_str(), "http://mirror.example/debian/");
        assert_eq!(Mirrors::from_folder(Path::new("/nonexistent")), Mirrors::default());
    }
}
