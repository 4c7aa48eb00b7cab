//! Where an image takes its apk packages from, and where they are mirrored for us (apk-repositories(5)).
//!
//! An image's own lines are hints: they say which repositories, and never which host is asked. A host is one that a
//! person has configured.

use std::collections::BTreeMap;

use url::Url;

use super::{
    IndexEntry,
    index::is_word,
    limits,
    naming::{filled, package_path},
};
use crate::{
    Proxy,
    mirrored::{self, joined},
};

/// One repository of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// `@edge`: only what `world` names with this tag comes from it.
    pub tag: Option<String>,
    /// As written, component and all, without a `/` at its end, and without the index's own file.
    pub address: String,
    /// What lies where below it.
    pub layout: Layout,
}

/// Where a repository has its index and its packages (apk-repositories(5), "REPOSITORY LAYOUT").
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Layout {
    /// `APKINDEX.tar.gz`, in a folder of the architecture's name.
    V2,
    /// `Packages.adb`, in the same.
    V3,
    /// An index of this name in the folder itself, beside the packages.
    Index(String),
}

impl Layout {
    /// The index's path below a repository's address.
    pub(super) fn index(&self, architecture: &str) -> String {
        match self {
            Self::V2 => format!("{architecture}/APKINDEX.tar.gz"),
            Self::V3 => format!("{architecture}/Packages.adb"),
            Self::Index(file) => file.clone(),
        }
    }
    /// A package's path; `naming` is what the index says of it. None: it leads elsewhere, or is not understood.
    pub(super) fn package(
        &self,
        naming: Option<&str>,
        architecture: &str,
        entry: &IndexEntry,
    ) -> Option<String> {
        let usual = match self {
            Self::V2 | Self::V3 => "${arch}/${name}-${version}.apk",
            Self::Index(_) => "${name}-${version}.apk",
        };
        package_path(naming.unwrap_or(usual), architecture, entry)
    }
}

/// The repositories of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// In their order.
    pub usable: Vec<Source>,
    /// Lines that are not used, with the reason.
    pub unused: Vec<String>,
}

impl Sources {
    /// From the texts of `etc/apk/repositories` and `repositories.d/*.list`. `architecture` stands in for
    /// `${APK_ARCH}`.
    pub fn parse<'t>(texts: impl IntoIterator<Item = &'t str>, architecture: &str) -> Self {
        let mut sources = Self::default();
        let mut variables = BTreeMap::from([("APK_ARCH".to_owned(), architecture.to_owned())]);
        for line in texts.into_iter().flat_map(str::lines) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if sources.usable.len() + sources.unused.len() + variables.len() > limits::SOURCES {
                break;
            }
            match line.strip_prefix("set ") {
                Some(set) => sources.set(set, &mut variables),
                None => sources.line(line, &variables),
            }
        }
        sources
    }

    /// `set [-default] key=value`
    fn set(&mut self, set: &str, variables: &mut BTreeMap<String, String>) {
        let set = set.trim();
        let (only_if_none, set) = match set.strip_prefix("-default ") {
            Some(set) => (true, set.trim()),
            None => (false, set),
        };
        let (key, value) = set.split_once('=').unwrap_or((set, ""));
        let usable = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
        let value = filled(value, |name| variables.get(name).cloned());
        // A value may hold a password: it is not repeated.
        match value.filter(|_| usable && !key.starts_with("APK_")) {
            Some(_) if only_if_none && variables.contains_key(key) => {}
            Some(value) => {
                variables.insert(key.to_owned(), value);
            }
            None => {
                let key: String = key.chars().filter(|c| !c.is_control()).take(80).collect();
                self.unused.push(format!("{key} is set to nothing that is understood"));
            }
        }
    }

    fn line(&mut self, line: &str, variables: &BTreeMap<String, String>) {
        let mut words = line.split_whitespace().peekable();
        // apk 3 names the kind of index in front of the tag.
        let kind = words.next_if(|word| matches!(*word, "v2" | "v3" | "ndx"));
        let tag = words.next_if(|word| word.starts_with('@')).map(|word| word[1..].to_owned());
        let written = words.next().unwrap_or_default();
        let known = |text: &str| filled(text, |name| variables.get(name).cloned());
        let address = known(written).map(|address| address.trim_end_matches('/').to_owned());
        let components: Option<Vec<String>> = words.map(known).collect();
        // Whoever wrote a password into an address wrote a secret: only the host is repeated.
        let shown = match written.starts_with('/') {
            true => written.chars().filter(|c| !c.is_control()).take(120).collect(),
            false => mirrored::shown(address.as_deref().unwrap_or(written)),
        };
        let mut refuse = |reason: &str| self.unused.push(format!("{shown} {reason}"));
        let (Some(address), Some(components)) = (address, components) else {
            return refuse("has a variable that is not known here");
        };
        if !address.starts_with("http://") && !address.starts_with("https://") {
            return refuse("is no http address");
        }
        let is_file = address.ends_with(".adb") || address.ends_with(".tar.gz");
        let layout = match kind {
            Some("v3") => Layout::V3,
            None if !is_file => Layout::V2,
            Some("v2") => Layout::V2,
            // The index itself is named.
            _ => match address.rsplit_once('/') {
                Some((address, file)) if components.is_empty() && is_word(file) => {
                    let (address, layout) = (address.to_owned(), Layout::Index(file.to_owned()));
                    self.usable.push(Source { tag, address, layout });
                    return;
                }
                _ => return refuse("names no index"),
            },
        };
        if components.is_empty() {
            self.usable.push(Source { tag, address, layout });
            return;
        }
        for component in components {
            let (tag, layout) = (tag.clone(), layout.clone());
            self.usable.push(Source { tag, address: format!("{address}/{component}"), layout });
        }
    }
}

/// One mirror.
#[derive(Clone, PartialEq, Eq)]
pub struct Mirror {
    /// What an image's address must begin with; none: any address that ends as Alpine's do, in branch and repository.
    pub from: Option<String>,
    /// What stands there instead; for Alpine the folder that holds `v3.20/main`. `http`, `https` or `file`.
    pub to: Url,
}

/// Where apk repositories are mirrored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mirrors {
    /// Longest `from` first wins, whatever their order.
    pub all: Vec<Mirror>,
    /// What they are asked through; none: as this machine's environment says.
    pub proxy: Option<Proxy>,
}

impl Mirrors {
    /// `self` first, then `other`.
    pub fn or(mut self, other: Self) -> Self {
        self.all.extend(other.all);
        self.proxy = self.proxy.or(other.proxy);
        self
    }

    /// Where a repository of an image is read from; none: no mirror of it is configured.
    pub fn place(&self, address: &str) -> Option<Url> {
        let address = address.trim_end_matches('/');
        let mut named: Option<(usize, Url)> = None;
        for mirror in &self.all {
            let Some(from) = &mirror.from else { continue };
            let from = from.trim_end_matches('/');
            if let Some(rest) = mirrored::rest(address, from)
                && named.as_ref().is_none_or(|(length, _)| from.len() > *length)
                && let Some(place) = joined(&mirror.to, rest)
            {
                named = Some((from.len(), place));
            }
        }
        if let Some((_, place)) = named {
            return Some(place);
        }
        let (head, repository) = address.rsplit_once('/')?;
        let branch = head.rsplit('/').next()?;
        if !is_branch(branch) {
            return None;
        }
        let mirror = self.all.iter().find(|mirror| mirror.from.is_none())?;
        joined(&mirror.to, &format!("{branch}/{repository}"))
    }
}

impl std::fmt::Debug for Mirror {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} at {}", self.from, mirrored::shown(self.to.as_str()))
    }
}

impl std::str::FromStr for Mirror {
    type Err = String;

    /// `URL`, `/folder`, or `ADDRESS-IN-THE-IMAGE=URL`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (from, to) = mirrored::split(text)?;
        Ok(Self { from: from.map(str::to_owned), to })
    }
}

/// `edge`, `latest-stable`, `v3.20`.
fn is_branch(text: &str) -> bool {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    matches!(text, "edge" | "latest-stable")
        || text
            .strip_prefix('v')
            .and_then(|rest| rest.split_once('.'))
            .is_some_and(|(major, minor)| number(major) && number(minor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_every_apk() {
        let text = "# first\n\nhttps://a.example/alpine/v3.20/main/\n@edge https://a.example/alpine/edge/testing\n\
            https://b.example/alpine/v3.22 main community\nv2 https://c.example/os\nv3 @new https://d.example/x a\n\
            ndx https://me:hush@d.example/${APK_ARCH}/Packages.adb\nhttps://e.example/index.tar.gz\n\
            set -default at=https://f.example/${APK_ARCH}\nset -default at=https://elsewhere.example\n${at}/os\n\
            /media/cdrom/apks\nhttps://me:hush@e.example/${mirror}/x\nset APK_ARCH=x\nset x=${y}\nndx https://g.example/../\n";
        let sources = Sources::parse([text], "x86_64");
        let usable: Vec<_> = sources
            .usable
            .iter()
            .map(|s| (s.tag.as_deref(), s.address.as_str(), s.layout.index("x86_64")))
            .collect();
        let (v2, v3) = ("x86_64/APKINDEX.tar.gz".to_owned(), "x86_64/Packages.adb".to_owned());
        assert_eq!(
            usable,
            [
                (None, "https://a.example/alpine/v3.20/main", v2.clone()),
                (Some("edge"), "https://a.example/alpine/edge/testing", v2.clone()),
                (None, "https://b.example/alpine/v3.22/main", v2.clone()),
                (None, "https://b.example/alpine/v3.22/community", v2.clone()),
                (None, "https://c.example/os", v2.clone()),
                (Some("new"), "https://d.example/x/a", v3),
                (None, "https://me:hush@d.example/x86_64", "Packages.adb".to_owned()),
                (None, "https://e.example", "index.tar.gz".to_owned()),
                (None, "https://f.example/x86_64/os", v2),
            ]
        );
        assert_eq!(sources.unused.len(), 5, "{:?}", sources.unused);
        assert!(!sources.unused.join(" ").contains("hush"), "{:?}", sources.unused);
        let many = "https://a.example/v3.20/main\n".repeat(limits::SOURCES + 10);
        assert_eq!(Sources::parse([many.as_str()], "x").usable.len(), limits::SOURCES);
        let grows = format!("set a=xx\n{}https://a.example/${{a}}\n", "set a=${a}${a}\n".repeat(100));
        assert_eq!(Sources::parse([grows.as_str()], "x").usable, [], "it does not grow for ever");
    }

    #[test]
    fn an_images_host_is_never_asked() {
        let mirrors = Mirrors {
            all: vec![
                "http://mirror.example/alpine".parse().expect("a mirror"),
                "https://packages.example/os=http://mirror.example/os".parse().expect("a mirror"),
                "https://packages.example=/srv/packages".parse().expect("a mirror"),
            ],
            ..Mirrors::default()
        };
        let place = |address: &str| mirrors.place(address).map(|url| url.to_string());
        assert_eq!(
            place("https://evil.example/x/v3.20/main").as_deref(),
            Some("http://mirror.example/alpine/v3.20/main")
        );
        assert_eq!(place("https://packages.example/os").as_deref(), Some("http://mirror.example/os"));
        assert_eq!(place("https://packages.example/extra/").as_deref(), Some("file:///srv/packages/extra"));
        assert_eq!(place("https://packages.example.evil/x"), None);
        assert_eq!(place("https://evil.example/os"), None);
        assert_eq!(place("https://packages.example/../etc"), None);
        assert_eq!(Mirrors::default().place("https://evil.example/v3.20/main"), None);
        assert!("ftp://x".parse::<Mirror>().is_err());
    }
}
