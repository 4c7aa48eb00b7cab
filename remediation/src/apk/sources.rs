//! Where an image takes its apk packages from, and where they are mirrored for us (apk-repositories(5)).
//!
//! An image's own lines are hints: they say which repositories, and never which host is asked. A host is one that a
//! person has configured.

use url::Url;

use super::limits;
use crate::{
    Proxy,
    mirrored::{self, joined},
};

/// One repository of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Source {
    /// `@edge`: only what `world` names with this tag comes from it.
    pub tag: Option<String>,
    /// As written, component and all, without a `/` at its end.
    pub address: String,
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
        for line in texts.into_iter().flat_map(str::lines) {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            if sources.usable.len() + sources.unused.len() >= limits::SOURCES {
                break;
            }
            sources.line(line, architecture);
        }
        sources
    }

    fn line(&mut self, line: &str, architecture: &str) {
        let line = line.replace("${APK_ARCH}", architecture);
        let mut words = line.split_whitespace().peekable();
        let tag = words.peek().and_then(|word| word.strip_prefix('@')).map(str::to_owned);
        if tag.is_some() {
            words.next();
        }
        // apk 3 names the kind of index in front of the address.
        let kind = words.next_if(|word| matches!(*word, "v2" | "v3" | "ndx"));
        let address = words.next().unwrap_or_default().trim_end_matches('/').to_owned();
        // Whoever wrote a password into an address wrote a secret: only the host is repeated.
        let shown = Url::parse(&address)
            .ok()
            .and_then(|url| Some(format!("{}{}", url.host_str()?, url.path())))
            .unwrap_or_else(|| address.chars().take(120).collect());
        let refusal = match kind {
            Some("v3" | "ndx") => Some("has an index in apk 3's ADB format, which is not read yet"),
            _ if address.contains("${") => Some("has a variable that is not known here"),
            _ if line.starts_with("set ") => Some("sets a variable"),
            _ if !address.starts_with("http://") && !address.starts_with("https://") => {
                Some("is no http address")
            }
            _ => None,
        };
        if let Some(reason) = refusal {
            self.unused.push(format!("{shown} {reason}"));
            return;
        }
        let components: Vec<&str> = words.collect();
        if components.is_empty() {
            self.usable.push(Source { tag, address });
            return;
        }
        for component in components {
            self.usable.push(Source { tag: tag.clone(), address: format!("{address}/{component}") });
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
            https://b.example/alpine/v3.22 main community\nv2 https://c.example/os\nv3 https://d.example/x\n\
            ndx https://me:hush@d.example/${APK_ARCH}/Packages.adb\n/media/cdrom/apks\nhttps://e.example/${mirror}/x\n";
        let sources = Sources::parse([text], "x86_64");
        let usable: Vec<_> = sources.usable.iter().map(|s| (s.tag.as_deref(), s.address.as_str())).collect();
        assert_eq!(
            usable,
            [
                (None, "https://a.example/alpine/v3.20/main"),
                (Some("edge"), "https://a.example/alpine/edge/testing"),
                (None, "https://b.example/alpine/v3.22/main"),
                (None, "https://b.example/alpine/v3.22/community"),
                (None, "https://c.example/os"),
            ]
        );
        assert_eq!(sources.unused.len(), 4, "{:?}", sources.unused);
        assert!(sources.unused[0].contains("ADB") && sources.unused[1].contains("x86_64/Packages.adb"));
        assert!(!sources.unused.join(" ").contains("hush"));
        let many = "https://a.example/v3.20/main\n".repeat(limits::SOURCES + 10);
        assert_eq!(Sources::parse([many.as_str()], "x").usable.len(), limits::SOURCES);
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
