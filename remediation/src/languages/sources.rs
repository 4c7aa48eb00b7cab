//! Where packages of languages come from: what is asked for, then what this machine's own tools use.

use std::{
    fs::File,
    io::Read as _,
    path::{Path, PathBuf},
};

use url::Url;

use super::{limits::CONFIGURATION, maven::settings::mirror};
use crate::{Error, Result};

/// Addresses of registries. None of them is ever written into an image, a plan or an attestation.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// npm's; none: a module that would go up is an error.
    pub npm: Option<Url>,
    /// Python's index; none: a wheel that would go up is an error.
    pub pypi: Option<Url>,
    /// A repository of Maven's; none: a jar that would go up is an error.
    pub maven: Option<Url>,
}

impl std::fmt::Debug for Sources {
    /// Addresses may hold credentials.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let host = |url: &Option<Url>| url.as_ref().and_then(|url| url.host_str().map(str::to_owned));
        f.debug_struct("Sources")
            .field("npm", &host(&self.npm))
            .field("pypi", &host(&self.pypi))
            .field("maven", &host(&self.maven))
            .finish()
    }
}

impl Sources {
    /// These, and where they name none, those.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            npm: self.npm.or(other.npm),
            pypi: self.pypi.or(other.pypi),
            maven: self.maven.or(other.maven),
        }
    }

    /// What this machine's own tools are told: npm by `npm_config_registry`, `~/.npmrc`, `/etc/npmrc`; pip by
    /// `PIP_INDEX_URL` and its files; Maven by the mirrors of `~/.m2/settings.xml` and `/etc/maven/settings.xml`.
    pub fn from_machine() -> Self {
        let home = std::env::var_os("HOME").map(PathBuf::from);
        let npm = variable(&["npm_config_registry", "NPM_CONFIG_REGISTRY"]).or_else(|| {
            let files = [home.as_ref().map(|home| home.join(".npmrc")), Some(PathBuf::from("/etc/npmrc"))];
            files.into_iter().flatten().find_map(|file| setting(&read(&file)?, "registry"))
        });
        let pypi = variable(&["PIP_INDEX_URL"]).or_else(|| {
            let of = |variable: &str| std::env::var_os(variable).map(PathBuf::from);
            let below = |folder: &str| home.as_ref().map(|home| home.join(folder).join("pip.conf"));
            let files = [
                of("PIP_CONFIG_FILE"),
                of("XDG_CONFIG_HOME").map(|folder| folder.join("pip/pip.conf")),
                below(".config/pip"),
                below(".pip"),
                Some(PathBuf::from("/etc/pip.conf")),
            ];
            files.into_iter().flatten().find_map(|file| {
                let text = read(&file)?;
                setting(&text, "index-url").or_else(|| setting(&text, "index_url"))
            })
        });
        let files = [home.map(|home| home.join(".m2/settings.xml")), Some("/etc/maven/settings.xml".into())];
        let maven = files.into_iter().flatten().find_map(|file| mirror(&read(&file)?));
        Self {
            npm: npm.as_deref().and_then(address),
            pypi: pypi.as_deref().and_then(address),
            maven: maven.and_then(|url| address(url.as_str())),
        }
    }

    pub(super) fn pypi(&self) -> Result<Url> {
        self.pypi.clone().ok_or(Error::NoLanguageRegistry { ecosystem: "PyPI", flag: "--pypi-index" })
    }
    pub(super) fn maven(&self) -> Result<Url> {
        self.maven.clone().ok_or(Error::NoLanguageRegistry { ecosystem: "Maven", flag: "--maven-repository" })
    }
    pub(super) fn npm(&self) -> Result<Url> {
        self.npm.clone().ok_or(Error::NoLanguageRegistry { ecosystem: "npm", flag: "--npm-registry" })
    }
}

fn variable(names: &[&str]) -> Option<String> {
    names.iter().find_map(|name| std::env::var(name).ok()).filter(|text| !text.trim().is_empty())
}

/// What is no file, or too long for one of settings, says nothing.
fn read(path: &Path) -> Option<String> {
    let mut text = String::new();
    let file = File::open(path).ok()?;
    file.take(CONFIGURATION + 1).read_to_string(&mut text).ok()?;
    (text.len() as u64 <= CONFIGURATION).then_some(text)
}

/// `key = value` of a file in ini's form.
fn setting(text: &str, key: &str) -> Option<String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';']));
    let values = lines.filter_map(|line| line.split_once('=')).filter(|(name, _)| name.trim() == key);
    let value = values.map(|(_, value)| value.trim().trim_matches(['"', '\'']).to_owned()).next_back()?;
    // npm would put a variable there.
    (!value.is_empty() && !value.contains("${")).then_some(value)
}

/// An address with a slash at its end, so that names can be joined to it.
fn address(text: &str) -> Option<Url> {
    let mut url = Url::parse(text.trim()).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    if !url.path().ends_with('/') {
        let path = format!("{}/", url.path());
        url.set_path(&path);
    }
    Some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_read_as_tools_write_them() {
        let text = "# registry=https://no.example\n@scope:registry=https://scope.example\n registry = \"https://a.example/npm\"\n";
        assert_eq!(setting(text, "registry").as_deref(), Some("https://a.example/npm"));
        assert_eq!(setting("registry=https://${HOST}/", "registry"), None);
        assert_eq!(
            address("https://a.example/npm").map(String::from).as_deref(),
            Some("https://a.example/npm/")
        );
        assert!(address("file:///srv").is_none() && address("npm").is_none());
    }

    #[test]
    fn an_address_is_not_shown_whole() {
        let npm = Url::parse("https://me:hush@npm.example/").ok();
        assert_eq!(
            format!("{:?}", Sources { npm, ..Sources::default() }),
            r#"Sources { npm: Some("npm.example"), pypi: None, maven: None }"#
        );
    }
}
