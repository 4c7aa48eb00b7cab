//! Where an image takes its rpm packages from, and where they are mirrored for us (dnf.conf(5), "Repo options").
//!
//! An image's own files are hints: they say which repositories, and never which host is asked. Images with a text
//! manifest mostly have none: for them the mirrors of their distribution are all that there is.

use url::Url;

use super::limits;
use crate::{Proxy, mirrored};

/// What a mirror stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Of {
    /// One repository of every image.
    Any,
    /// One repository of every image whose os-release has this `ID`.
    Distribution(String),
    /// Whatever begins so in an image's own `baseurl`.
    Address(String),
}

/// One mirror.
#[derive(Clone, PartialEq, Eq)]
pub struct Mirror {
    /// What for.
    pub of: Of,
    /// The folder that holds `repodata`, or of an address what stands in the place of its beginning. `http`, `https` or
    /// `file`; `$releasever` and `$basearch` in its path are the image's.
    pub to: Url,
}

/// Where rpm repositories are mirrored.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mirrors {
    /// Longest address first wins, whatever their order.
    pub all: Vec<Mirror>,
    /// What they are asked through; none: as this machine's environment says.
    pub proxy: Option<Proxy>,
}

/// What the variables of addresses stand for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Variables {
    /// `ID` of os-release.
    pub distribution: String,
    /// `VERSION_ID` of os-release.
    pub release: String,
    /// `x86_64`
    pub architecture: String,
}

impl Variables {
    fn filled(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for (name, value) in [("releasever", &self.release), ("basearch", &self.architecture)] {
            text = text.replace(&format!("${{{name}}}"), value).replace(&format!("${name}"), value);
        }
        text
    }
}

/// One repository that is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// For people: its name in the image, or `azurelinux, mirror 1`.
    pub name: String,
    /// Where.
    pub place: Url,
}

/// The repositories of an image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// In their order.
    pub usable: Vec<Source>,
    /// What is not asked, with the reason.
    pub unused: Vec<String>,
}

impl Mirrors {
    /// `self` first, then `other`.
    pub fn or(mut self, other: Self) -> Self {
        self.all.extend(other.all);
        self.proxy = self.proxy.or(other.proxy);
        self
    }

    /// What is asked for an image: the mirrors of its distribution, then its own repositories where they are mirrored.
    /// `texts`: of its `etc/yum.repos.d/*.repo`.
    pub fn sources<'t>(&self, texts: impl IntoIterator<Item = &'t str>, variables: &Variables) -> Sources {
        let mut sources = Sources::default();
        for mirror in &self.all {
            let name = match &mirror.of {
                Of::Any => "a mirror",
                Of::Distribution(id) if *id == variables.distribution => id.as_str(),
                _ => continue,
            };
            let name = format!("{name}, mirror {}", sources.usable.len() + 1);
            match joined(&mirror.to, "", variables) {
                Some(place) => sources.add(name, place),
                None => sources.unused.push(format!("{name} leads out of itself")),
            }
        }
        for (id, address) in texts.into_iter().flat_map(repositories) {
            if sources.usable.len() + sources.unused.len() >= limits::SOURCES {
                break;
            }
            let address = match address {
                Ok(address) => variables.filled(&address),
                Err(reason) => {
                    sources.unused.push(format!("{id} {reason}"));
                    continue;
                }
            };
            match self.place(&address, variables) {
                Some(place) => sources.add(id, place),
                None => sources.unused.push(format!("no mirror of {id} is configured")),
            }
        }
        sources
    }

    fn place(&self, address: &str, variables: &Variables) -> Option<Url> {
        let address = address.trim_end_matches('/');
        let mut found: Option<(usize, Url)> = None;
        for mirror in &self.all {
            let Of::Address(from) = &mirror.of else { continue };
            let from = variables.filled(from);
            let from = from.trim_end_matches('/');
            if let Some(rest) = mirrored::rest(address, from)
                && found.as_ref().is_none_or(|(length, _)| from.len() > *length)
                && let Some(place) = joined(&mirror.to, rest, variables)
            {
                found = Some((from.len(), place));
            }
        }
        found.map(|(_, place)| place)
    }
}

impl Sources {
    fn add(&mut self, name: String, place: Url) {
        if !self.usable.iter().any(|known| known.place == place) && self.usable.len() < limits::SOURCES {
            self.usable.push(Source { name, place });
        }
    }
}

/// Enabled repositories of one file: its section, and its first address or why there is none.
fn repositories(text: &str) -> Vec<(String, Result<String, &'static str>)> {
    let mut all = Vec::new();
    for section in text.split("\n[").map(|section| section.trim_start().trim_start_matches('[')) {
        let Some((id, rest)) = section.split_once(']') else { continue };
        let id: String = id.chars().filter(|c| !c.is_control()).take(80).collect();
        let get = |key: &str| {
            rest.lines()
                .filter_map(|line| line.split_once('='))
                .find_map(|(known, value)| (known.trim() == key).then(|| value.trim().to_owned()))
        };
        if matches!(get("enabled").as_deref(), Some("0" | "false" | "no" | "False" | "No")) {
            continue;
        }
        let address =
            match get("baseurl").and_then(|value| value.split_whitespace().next().map(str::to_owned)) {
                Some(address) => Ok(address),
                None => Err("has no baseurl"),
            };
        all.push((id, address));
        if all.len() >= limits::SOURCES {
            break;
        }
    }
    all
}

impl std::fmt::Debug for Mirror {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:?} at {}", self.of, mirrored::shown(self.to.as_str()))
    }
}

impl std::str::FromStr for Mirror {
    type Err = String;

    /// `URL`, `/folder`, `azurelinux=URL`, or `ADDRESS-IN-THE-IMAGE=URL`.
    fn from_str(text: &str) -> Result<Self, String> {
        let (from, to) = mirrored::split(text)?;
        Ok(Self { of: from.map_or(Of::Any, Of::named), to })
    }
}

impl Of {
    /// What stands before the `=`, or as a key in the configuration.
    pub fn named(text: &str) -> Self {
        match text.contains(['/', ':']) {
            true => Self::Address(text.to_owned()),
            false => Self::Distribution(text.to_owned()),
        }
    }
}

/// None: the rest would lead out of the mirror.
fn joined(to: &Url, rest: &str, variables: &Variables) -> Option<Url> {
    let rest: Vec<&str> = rest.split('/').filter(|part| !part.is_empty()).collect();
    // The image's words go into one part of the path each.
    let words = [&*variables.release, &*variables.architecture];
    if !rest.iter().chain(&words).all(|part| mirrored::is_part(part)) {
        return None;
    }
    let mut place = to.clone();
    place.set_query(None);
    place.set_fragment(None);
    // Braces are written encoded in an address.
    let path = to.path().replace("$%7B", "${").replace("%7D", "}");
    place.set_path(&variables.filled(&path));
    place.path_segments_mut().ok()?.pop_if_empty().extend(rest);
    Some(place)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn variables() -> Variables {
        Variables { distribution: "azurelinux".into(), release: "3.0".into(), architecture: "x86_64".into() }
    }

    #[test]
    fn an_images_host_is_never_asked() {
        let mirrors = Mirrors {
            all: [
                "azurelinux=https://mirror.example/azl/$releasever/base/${basearch}",
                "fedora=https://mirror.example/fedora",
                "https://packages.example/prod=/srv/packages",
            ]
            .map(|text| text.parse().expect("a mirror"))
            .to_vec(),
            ..Mirrors::default()
        };
        let text = "[base]\nname=x\nbaseurl=https://packages.example/prod/$releasever/$basearch/\n\
            [evil]\nbaseurl=https://evil.example/x\nenabled=1\n[off]\nbaseurl=https://evil.example/y\nenabled=0\n\
            [list]\nmirrorlist=https://evil.example/list\n[up]\nbaseurl=https://packages.example/prod/../etc\n";
        let sources = mirrors.sources([text], &variables());
        let usable: Vec<_> = sources.usable.iter().map(|s| (s.name.as_str(), s.place.as_str())).collect();
        assert_eq!(
            usable,
            [
                ("azurelinux, mirror 1", "https://mirror.example/azl/3.0/base/x86_64"),
                ("base", "file:///srv/packages/3.0/x86_64"),
            ]
        );
        assert_eq!(
            sources.unused,
            ["no mirror of evil is configured", "list has no baseurl", "no mirror of up is configured"]
        );
        let strange = Variables { release: "../..".into(), ..variables() };
        assert!(mirrors.sources([], &strange).usable.is_empty());
        assert!("ftp://x".parse::<Mirror>().is_err());
    }
}
