//! Where Debian's and Ubuntu's archives are mirrored, as apt's own configuration tells it (sources.list(5)).

use std::path::Path;

use url::Url;

use super::{
    distribution::{Distribution, Place, codename},
    listed::{self, Listed},
};
use crate::{Proxy, mirrored, plan::eol};

/// Suites that are Debian's own besides its releases' codenames.
const MOVING: &[&str] = &["forky", "sid", "oldoldstable", "oldstable", "stable", "testing", "unstable"];
const MAX_FILE: u64 = 1 << 20;

/// Where the archives of one distribution are mirrored: each address is that of the folder that holds `dists` and `pool`.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Archives {
    /// The main archive.
    pub main: Option<Url>,
    /// The archive of security suites. Where none is named, Ubuntu's main one is asked for them; Debian's has none.
    pub security: Option<Url>,
    /// Ubuntu's archive of architectures other than amd64 and i386; Debian has them all in one.
    pub ports: Option<Url>,
    /// The folder that holds `debian` and `debian-security` of Debian's releases that have ended, from bullseye on: asked where the
    /// others no longer have such a release.
    pub ended: Option<Url>,
    /// What they are asked through; none: as this machine's environment says.
    pub proxy: Option<Proxy>,
}

impl std::fmt::Debug for Archives {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown = |url: &Option<Url>| url.as_ref().map(|url| mirrored::shown(url.as_str()));
        f.debug_struct("Archives")
            .field("main", &shown(&self.main))
            .field("security", &shown(&self.security))
            .field("ports", &shown(&self.ports))
            .field("ended", &shown(&self.ended))
            .field("proxy", &self.proxy)
            .finish()
    }
}

impl Archives {
    /// `self` first, then `other` for what is missing.
    fn or(self, other: Self) -> Self {
        Self {
            main: self.main.or(other.main),
            security: self.security.or(other.security),
            ports: self.ports.or(other.ports),
            ended: self.ended.or(other.ended),
            proxy: self.proxy.or(other.proxy),
        }
    }
}

/// Where the archives of each distribution are mirrored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mirrors {
    /// Debian's.
    pub debian: Archives,
    /// Ubuntu's.
    pub ubuntu: Archives,
    /// Those of the repositories that images name for themselves; the longest `from` wins, whatever their order.
    pub others: Vec<Mirror>,
    /// What the latter are asked through; none: as this machine's environment says.
    pub others_proxy: Option<Proxy>,
}

/// Where a repository is mirrored that an image names for itself.
#[derive(Clone, PartialEq, Eq)]
pub struct Mirror {
    /// How its address begins in the image, scheme and host and as much of the path as is meant.
    pub from: String,
    /// What stands there instead. `http`, `https` or `file`.
    pub to: Url,
}

impl std::fmt::Debug for Mirror {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at {}", mirrored::shown(&self.from), mirrored::shown(self.to.as_str()))
    }
}

impl std::str::FromStr for Mirror {
    type Err = String;

    /// `ADDRESS-IN-THE-IMAGE=URL`, or `=/folder`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (from, to) = mirrored::split(text)?;
        let from = from.ok_or_else(|| {
            "it does not say what it is a mirror of: write ADDRESS-IN-THE-IMAGE=URL".to_owned()
        })?;
        Ok(Self { from: from.to_owned(), to })
    }
}

/// One address with one suite.
#[derive(Debug)]
struct Source {
    base: Url,
    suite: String,
    /// Whose keyring is named for it.
    keyring: Option<Distribution>,
}

impl Source {
    /// Whether its address ends in this folder.
    fn ends_with(&self, folder: &str) -> bool {
        self.base.path().trim_end_matches('/').rsplit('/').next() == Some(folder)
    }
}

/// Whose keyring a source names.
fn keyring(signed_by: &str) -> Option<Distribution> {
    Distribution::ALL.into_iter().find(|one| signed_by.contains(one.keyring_prefix()))
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
            let main = |listed: &Listed| listed.terms.components.iter().any(|component| component == "main");
            sources.extend(listed::read(name, text).into_iter().filter(main).filter_map(|listed| {
                let keyring = listed.terms.signed_by.as_deref().and_then(keyring);
                Some(Source { base: base(&listed.address)?, suite: listed.suite, keyring })
            }));
            // Each is weighed against all others.
            sources.truncate(listed::MOST);
        }
        let of = |distribution| archives(distribution, &sources);
        Self { debian: of(Distribution::Debian), ubuntu: of(Distribution::Ubuntu), ..Self::default() }
    }

    /// `self` first, then `other` for what is missing.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            debian: self.debian.or(other.debian),
            ubuntu: self.ubuntu.or(other.ubuntu),
            others: self.others.into_iter().chain(other.others).collect(),
            others_proxy: self.others_proxy.or(other.others_proxy),
        }
    }

    /// What somebody has named first, then what this machine's own apt asks. An archive of Ubuntu that was named has its
    /// security suites, too: then the machine's is not asked for them.
    #[must_use]
    pub fn or_machine(self) -> Self {
        self.or_of(Self::from_machine())
    }

    fn or_of(self, mut machine: Self) -> Self {
        if self.ubuntu.main.is_some() {
            machine.ubuntu.security = None;
        }
        self.or(machine)
    }

    /// Whether any archive is named.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// Where a repository of an image is read from; none: no mirror of it is configured.
    pub(super) fn place(&self, address: &str) -> Option<Url> {
        let mut found: Option<(usize, Url)> = None;
        for mirror in &self.others {
            let from = mirror.from.trim_end_matches('/');
            if let Some(rest) = mirrored::rest(address, from)
                && found.as_ref().is_none_or(|(length, _)| from.len() > *length)
                && let Some(place) = mirrored::joined(&mirror.to, rest)
            {
                found = Some((from.len(), place));
            }
        }
        found.map(|(_, place)| place)
    }

    /// The base of the same archive as it was when its releases ended.
    pub(super) fn archived(&self, place: Place) -> Option<Url> {
        let (ended, folder) = match place {
            Place::Debian => (&self.debian.ended, "debian"),
            Place::DebianSecurity => (&self.debian.ended, "debian-security"),
            Place::Ubuntu | Place::UbuntuSecurity | Place::UbuntuPorts => return None,
        };
        let mut base = ended.clone()?;
        base.path_segments_mut().ok()?.pop_if_empty().extend([folder, ""]);
        Some(base)
    }

    /// The base of an archive.
    pub(super) fn base(&self, place: Place) -> Option<&Url> {
        match place {
            Place::Debian => self.debian.main.as_ref(),
            Place::DebianSecurity => self.debian.security.as_ref(),
            Place::Ubuntu => self.ubuntu.main.as_ref(),
            Place::UbuntuSecurity => self.ubuntu.security.as_ref().or(self.ubuntu.main.as_ref()),
            Place::UbuntuPorts => self.ubuntu.ports.as_ref(),
        }
    }
}

/// The archives of a distribution among what a machine asks. A foreign repository may use its suites' names, too, so more than
/// they is weighed.
fn archives(distribution: Distribution, sources: &[Source]) -> Archives {
    let own = |suite: &str| {
        let moving = distribution == Distribution::Debian && MOVING.contains(&suite);
        moving || eol::codenames(distribution.id()).any(|codename| codename == suite)
    };
    let ports = |s: &Source| distribution == Distribution::Ubuntu && s.ends_with("ubuntu-ports");
    let best = |wanted: &dyn Fn(&Source) -> bool| {
        let mut best: Option<(u32, &Source)> = None;
        for source in sources.iter().filter(|s| own(&s.suite) && wanted(s)) {
            let sibling = format!("{}-updates", source.suite);
            let weight = u32::from(sources.iter().any(|s| s.base == source.base && s.suite == sibling))
                + u32::from(source.ends_with(distribution.id()))
                + u32::from(source.keyring == Some(distribution));
            if best.is_none_or(|(most, _)| weight > most) {
                best = Some((weight, source));
            }
        }
        best.map(|(_, source)| source.base.clone())
    };
    let security = |s: &&Source| match s.suite.split_once('/') {
        Some((suite, rest)) => distribution == Distribution::Debian && rest == "updates" && own(suite),
        None => s.suite.ends_with("-security") && own(codename(&s.suite)) && !ports(s),
    };
    Archives {
        main: best(&|s| !ports(s)),
        security: sources.iter().find(security).map(|s| s.base.clone()),
        ports: best(&|s| ports(s)),
        ended: None,
        proxy: None,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn read(files: &[(&str, &str)]) -> (Option<String>, Option<String>) {
        let texts: Vec<_> = files.iter().map(|(n, t)| ((*n).to_owned(), (*t).to_owned())).collect();
        let mirrors = Mirrors::from_sources(&texts);
        (mirrors.debian.main.map(String::from), mirrors.debian.security.map(String::from))
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
    fn an_ubuntu_names_its_own_archives() {
        let of = |text: &str| Mirrors::from_sources(&[("/etc/apt/sources.list".to_owned(), text.to_owned())]);
        let shown = |archives: &Archives| {
            let text = |url: &Option<Url>| url.as_ref().map(Url::to_string).unwrap_or_default();
            [text(&archives.main), text(&archives.security), text(&archives.ports)]
        };
        let found = of("deb http://ppa.example/somebody/ubuntu jammy main\n\
                        deb http://mirror.example/ubuntu jammy main restricted\n\
                        deb http://mirror.example/ubuntu jammy-updates main restricted\n\
                        deb http://sec.example/ubuntu jammy-security main restricted\n");
        assert_eq!(shown(&found.ubuntu), ["http://mirror.example/ubuntu/", "http://sec.example/ubuntu/", ""]);
        assert_eq!(found.debian, Archives::default(), "no suite of it is Debian's");
        let ports = of("deb http://mirror.example/ubuntu-ports noble main\n\
                        deb http://mirror.example/ubuntu-ports noble-security main\n");
        assert_eq!(shown(&ports.ubuntu), ["", "", "http://mirror.example/ubuntu-ports/"]);
        let debian = of("deb http://mirror.example/debian bookworm main\n\
                         deb http://sec.example/debian-security bookworm-security main\n");
        assert_eq!(debian.ubuntu, Archives::default());
        assert_eq!(shown(&debian.debian)[1], "http://sec.example/debian-security/");

        // A mirror that somebody names has security suites, too: another host is not asked for them.
        let named = Archives { main: base("http://named.example/ubuntu"), ..Archives::default() };
        let named = Mirrors { ubuntu: named, ..Mirrors::default() }.or_of(found.clone());
        assert_eq!(named.base(Place::UbuntuSecurity).unwrap().as_str(), "http://named.example/ubuntu/");
        let machine = Mirrors::default().or_of(found);
        assert_eq!(machine.base(Place::UbuntuSecurity).unwrap().as_str(), "http://sec.example/ubuntu/");
    }

    #[test]
    fn an_images_host_is_never_asked() {
        let others = [
            "https://packages.example=/srv/all",
            "https://packages.example/a=https://me:hush@mirror.example/a",
        ];
        let others = others.map(|text| text.parse().unwrap()).to_vec();
        let mirrors = Mirrors { others, ..Mirrors::default() };
        let place = |address: &str| mirrors.place(address).map(|url| url.to_string());
        assert_eq!(place("https://packages.example/b").as_deref(), Some("file:///srv/all/b"));
        assert_eq!(
            place("https://packages.example/a/x").as_deref(),
            Some("https://me:hush@mirror.example/a/x")
        );
        assert_eq!(place("https://packages.example/ab").as_deref(), Some("file:///srv/all/ab"));
        for other in [
            "https://packages.example.evil/a",
            "http://packages.example/a",
            "https://packages.example/../etc",
            "https://packages.example/a/%2e%2e/x",
            "https://evil.example/packages.example/a",
        ] {
            assert_eq!(place(other), None, "{other}");
        }
        assert!(!format!("{mirrors:?}").contains("hush"));
        for wrong in ["https://me:hush@mirror.example/a", "/srv/a", "a=ftp://mirror.example"] {
            let said = wrong.parse::<Mirror>().unwrap_err();
            assert!(!said.contains("hush"), "{said}");
        }
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
        assert_eq!(mirrors.debian.main.unwrap().as_str(), "http://mirror.example/debian/");
        assert_eq!(Mirrors::from_folder(Path::new("/nonexistent")), Mirrors::default());
    }
}
