//! Where an image is: `[name|host/]repository[:tag][@digest]`, `oci:DIR[:TAG]`.

use std::{fmt, path::PathBuf, str::FromStr};

use crate::{Digest, Error};

/// An image in a registry.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reference {
    /// A host with its port, or a registry's name in the configuration.
    pub registry: String,
    /// `shop/web`.
    pub repository: String,
    /// `v1`.
    pub tag: Option<String>,
    /// Wins over the tag where both stand.
    pub digest: Option<Digest>,
}

impl Reference {
    /// What a manifest request names: the digest, else the tag, else `latest`.
    pub fn target(&self) -> String {
        match (&self.digest, &self.tag) {
            (Some(d), _) => d.to_string(),
            (None, Some(t)) => t.clone(),
            (None, None) => "latest".to_owned(),
        }
    }
}

/// Any place an image can be.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Location {
    /// In a registry.
    Registry(Reference),
    /// In an OCI image layout directory, image-spec "image-layout".
    Layout {
        /// The directory with `oci-layout`, `index.json`, `blobs/`.
        dir: PathBuf,
        /// `org.opencontainers.image.ref.name`; none: the only image there.
        tag: Option<String>,
    },
}

impl Location {
    /// What [`crate::Repository`] is asked for: the digest or tag, or an
    /// empty text for the only image of a layout.
    pub fn target(&self) -> String {
        match self {
            Self::Registry(reference) => reference.target(),
            Self::Layout { tag, .. } => tag.clone().unwrap_or_default(),
        }
    }
}

/// A text of this length is no reference, whatever it holds.
const MAX_TEXT: usize = 1024;

impl FromStr for Reference {
    type Err = Error;
    /// The grammar of distribution's `reference` package, but the registry
    /// must stand there: a Docker Hub name is not expanded.
    fn from_str(text: &str) -> Result<Self, Error> {
        let bad = |reason| Error::InvalidReference { text: text.chars().take(200).collect(), reason };
        if text.len() > MAX_TEXT {
            return Err(bad("it is too long"));
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => {
                (rest, Some(digest.parse().map_err(|_| bad("what follows `@` is no sha256 digest"))?))
            }
            None => (text, None),
        };
        let Some((registry, path)) = rest.split_once('/') else {
            return Err(bad("name the registry too, as in `registry/repository:tag`"));
        };
        let (repository, tag) = match path.split_once(':') {
            Some((repository, tag)) => (repository, Some(tag)),
            None => (path, None),
        };
        if !is_registry(registry) {
            return Err(bad("what stands before the first `/` is neither a host nor a registry's name"));
        }
        if !is_repository(repository) {
            return Err(bad("a repository is lower-case words joined by `/`, `.`, `_`, `__` or `-`"));
        }
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(bad("a tag is at most 128 letters, digits, `_`, `.` and `-`, not led by `.` or `-`"));
        }
        Ok(Self {
            registry: registry.to_owned(),
            repository: repository.to_owned(),
            tag: tag.map(str::to_owned),
            digest,
        })
    }
}

impl FromStr for Location {
    type Err = Error;
    fn from_str(text: &str) -> Result<Self, Error> {
        let Some(place) = text.strip_prefix("oci:") else { return text.parse().map(Self::Registry) };
        let bad = |reason| Error::InvalidReference { text: text.chars().take(200).collect(), reason };
        if place.len() > 4096 || place.contains('\0') {
            return Err(bad("it is no directory"));
        }
        // A colon may stand in a directory's name as long as a `/` follows.
        let (dir, tag) = match place.rsplit_once(':') {
            Some((dir, tag)) if !tag.contains('/') => (dir, Some(tag)),
            _ => (place, None),
        };
        if dir.is_empty() {
            return Err(bad("name the directory: `oci:DIR[:TAG]`"));
        }
        if tag.is_some_and(|tag| !is_tag(tag)) {
            return Err(bad("a tag is at most 128 letters, digits, `_`, `.` and `-`, not led by `.` or `-`"));
        }
        Ok(Self::Layout { dir: PathBuf::from(dir), tag: tag.map(str::to_owned) })
    }
}

/// Whether the first component is a host (distribution: it has a dot or a
/// port, or is `localhost`) and not the name of a configured registry.
pub(crate) fn is_host(registry: &str) -> bool {
    registry.contains(['.', ':']) || registry == "localhost"
}

fn is_registry(text: &str) -> bool {
    if text.is_empty() || text.len() > 260 {
        return false;
    }
    let (host, port) = match text.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((v6, rest)) => {
            if v6.parse::<std::net::Ipv6Addr>().is_err() {
                return false;
            }
            (None, if rest.is_empty() { None } else { Some(rest.strip_prefix(':').unwrap_or("?")) })
        }
        None => match text.split_once(':') {
            Some((host, port)) => (Some(host), Some(port)),
            None => (Some(text), None),
        },
    };
    let label = |l: &str| {
        !l.is_empty()
            && l.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
            && !l.starts_with('-')
            && !l.ends_with('-')
    };
    host.is_none_or(|host| host.split('.').all(label))
        && port.is_none_or(|p| p.parse::<u16>().is_ok_and(|p| p > 0))
}

/// distribution-spec: `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(\/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*`.
pub(crate) fn is_repository(text: &str) -> bool {
    !text.is_empty() && text.len() <= 255 && text.split('/').all(is_path_component)
}

fn is_path_component(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let bytes = text.as_bytes();
    let (Some(&first), Some(&last)) = (bytes.first(), bytes.last()) else { return false };
    if !word(first) || !word(last) {
        return false;
    }
    text.split(|c: char| c.is_ascii() && word(c as u8))
        .all(|between| matches!(between, "" | "." | "_" | "__") || between.bytes().all(|b| b == b'-'))
}

/// distribution-spec: `[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}`.
pub(crate) fn is_tag(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_alphanumeric() || b == b'_';
    let bytes = text.as_bytes();
    bytes.first().is_some_and(|&b| word(b))
        && bytes.len() <= 128
        && bytes.iter().all(|&b| word(b) || b == b'.' || b == b'-')
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.registry, self.repository)?;
        if let Some(tag) = &self.tag {
            write!(f, ":{tag}")?;
        }
        if let Some(digest) = &self.digest {
            write!(f, "@{digest}")?;
        }
        Ok(())
    }
}
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registry(reference) => reference.fmt(f),
            Self::Layout { dir, tag: None } => write!(f, "oci:{}", dir.display()),
            Self::Layout { dir, tag: Some(tag) } => write!(f, "oci:{}:{tag}", dir.display()),
        }
    }
}

#[cfg(test)]
#[path = "reference/tests.rs"]
mod tests;
