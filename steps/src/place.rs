//! A repository by the names that intents and references use.

use std::{path::PathBuf, sync::Arc};

use patchline_registry::{Digest, Error, Location, Reference, Registries, Repository, Result};

/// A repository in a registry, named as the configuration names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) registry: String,
    pub(crate) repository: String,
}

impl Place {
    /// A host becomes its configured name, so that an intent and the event
    /// that it causes are spelt alike.
    pub(crate) fn new(registries: &Registries, registry: &str, repository: &str) -> Self {
        let registry =
            if registry.starts_with("oci:") { registry.to_owned() } else { registries.name_of(registry) };
        Self { registry, repository: repository.to_owned() }
    }
    /// Reads `[name|host/]repository`; without a registry it is `home`'s. A
    /// first component that is a configured name, or looks like a host, is
    /// the registry.
    pub(crate) fn parse(registries: &Registries, text: &str, home: &Self) -> Result<Self> {
        let text = text.trim();
        if !is_repository_path(text) {
            return Err(Error::InvalidReference {
                text: text.chars().take(200).collect(),
                reason: "a repository is wanted, without tag or digest",
            });
        }
        if let Some((first, rest)) = text.split_once('/') {
            let place = Self::new(registries, first, rest);
            let host = first.contains(['.', ':']) || first == "localhost";
            if host || place.open(registries).is_ok() {
                return Ok(place);
            }
        }
        Ok(Self { registry: home.registry.clone(), repository: text.to_owned() })
    }
    /// Opens it. No request is made.
    pub(crate) fn open(&self, registries: &Registries) -> Result<Arc<dyn Repository>> {
        let location = match self.registry.strip_prefix("oci:") {
            Some(dir) => Location::Layout { dir: PathBuf::from(dir), tag: None },
            None => Location::Registry(Reference {
                registry: self.registry.clone(),
                repository: self.repository.clone(),
                tag: None,
                digest: None,
            }),
        };
        registries.open(&location)
    }
    /// `registry/repository:tag@digest`: the target of an intent.
    pub(crate) fn target(&self, tag: Option<&str>, digest: &Digest) -> String {
        let Self { registry, repository } = self;
        let path = if repository.is_empty() { registry.clone() } else { format!("{registry}/{repository}") };
        match tag {
            Some(tag) => format!("{path}:{tag}@{digest}"),
            None => format!("{path}@{digest}"),
        }
    }
}

/// `[host[:port]/]a/b`: no tag, no digest, no component that is empty, or begins or ends with a mark.
fn is_repository_path(text: &str) -> bool {
    let mut components = text.split('/');
    let Some(first) = components.next() else { return false };
    let rest: Vec<_> = components.collect();
    let plain = |c: &str| {
        c.starts_with(|c: char| c.is_ascii_alphanumeric())
            && c.ends_with(|c: char| c.is_ascii_alphanumeric())
            && c.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c))
    };
    let host = |c: &str| {
        let (name, port) = c.split_once(':').unwrap_or((c, "1"));
        name.starts_with(|c: char| c.is_ascii_alphanumeric())
            && !name.contains("..")
            && name.chars().all(|c| c.is_ascii_alphanumeric() || ".-".contains(c))
            && !port.is_empty()
            && port.chars().all(|c| c.is_ascii_digit())
    };
    text.len() <= 400
        && rest.iter().all(|c| plain(c))
        && if rest.is_empty() { plain(first) } else { plain(first) || host(first) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn repository_paths() {
        for good in ["vault", "vault/shop/web", "registry.example:5000/shop/web", "localhost/x", "Main/x"] {
            assert!(is_repository_path(good), "{good}");
        }
        for bad in [
            "",
            "/x",
            "x/",
            "x//y",
            "x:v1",
            "x/y:v1",
            "x@sha256:1",
            "../x",
            "x/..",
            "x y",
            "h:/x",
            "./x",
            "-h/x",
            "a..b:1/x",
        ] {
            assert!(!is_repository_path(bad), "{bad}");
        }
    }
}
