//! Where packages of languages come from: what is asked for, then what this machine's own tools use.

use std::{
    collections::BTreeMap,
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
    /// npm's; none: modules stay.
    pub npm: Option<Url>,
    /// Registries of npm's single scopes, by `@scope`.
    pub npm_scopes: BTreeMap<String, Url>,
    /// Tokens of npm's registries by where they are, `//host/path/`; shown nowhere.
    pub npm_tokens: BTreeMap<String, String>,
    /// Python's index; none: wheels stay.
    pub pypi: Option<Url>,
    /// A repository of Maven's; none: jars stay.
    pub maven: Option<Url>,
}

impl std::fmt::Debug for Sources {
    /// Addresses may hold credentials.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let host = |url: &Option<Url>| url.as_ref().and_then(|url| url.host_str().map(str::to_owned));
        f.debug_struct("Sources")
            .field("npm", &host(&self.npm))
            .field("npm_scopes", &self.npm_scopes.keys())
            .field("npm_tokens", &self.npm_tokens.keys())
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
            npm_scopes: other.npm_scopes.into_iter().chain(self.npm_scopes).collect(),
            npm_tokens: other.npm_tokens.into_iter().chain(self.npm_tokens).collect(),
            pypi: self.pypi.or(other.pypi),
            maven: self.maven.or(other.maven),
        }
    }

    /// What this machine's own tools are told: npm by `npm_config_registry`, `~/.npmrc`, `/etc/npmrc`; pip by
    /// `PIP_INDEX_URL` and its files; Maven by the mirrors of `~/.m2/settings.xml` and `/etc/maven/settings.xml`.
    pub fn from_machine() -> Self {
        let home = std::env::var_os("HOME").map(PathBuf::from);
        let files = [home.as_ref().map(|home| home.join(".npmrc")), Some(PathBuf::from("/etc/npmrc"))];
        let npmrc = files.into_iter().flatten().filter_map(|file| read(&file)).map(|text| Npmrc::read(&text));
        let npmrc = npmrc.reduce(Npmrc::or).unwrap_or_default();
        let npm = variable(&["npm_config_registry", "NPM_CONFIG_REGISTRY"]).or(npmrc.registry);
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
            npm_scopes: npmrc.scopes,
            npm_tokens: npmrc.tokens,
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
    /// The registry of a package: its scope's, else npm's.
    pub(super) fn npm_of(&self, name: &str) -> Result<&Url> {
        let scope = name.split_once('/').and_then(|(scope, _)| self.npm_scopes.get(scope));
        let registry = scope.or(self.npm.as_ref());
        registry.ok_or(Error::NoLanguageRegistry { ecosystem: "npm", flag: "--npm-registry" })
    }
    /// The token for an address, of the nearest folder that has one.
    pub(super) fn npm_token(&self, address: &Url) -> Option<&str> {
        let port = address.port().map(|port| format!(":{port}")).unwrap_or_default();
        let place = format!("//{}{port}{}", address.host_str()?, address.path());
        let all = self.npm_tokens.iter().filter(|(at, _)| place.starts_with(at.as_str()));
        all.max_by_key(|(at, _)| at.len()).map(|(_, token)| token.as_str())
    }
}

/// What is read of an `.npmrc` (npm docs, "npmrc").
#[derive(Default)]
struct Npmrc {
    registry: Option<String>,
    scopes: BTreeMap<String, Url>,
    tokens: BTreeMap<String, String>,
}

impl Npmrc {
    fn read(text: &str) -> Self {
        let mut read = Self::default();
        let lines = text.lines().map(str::trim).filter(|line| !line.starts_with(['#', ';']));
        // A token's place holds no `=`, and an address may.
        for (key, value) in lines.filter_map(|line| line.split_once('=')) {
            let Some(value) = filled(value.trim().trim_matches(['"', '\''])) else { continue };
            let key = key.trim();
            if key == "registry" {
                read.registry = Some(value);
            } else if let Some(scope) = key.strip_suffix(":registry").filter(|scope| scope.starts_with('@')) {
                read.scopes.extend(address(&value).map(|url| (scope.to_owned(), url)));
            } else if let Some(at) = key.strip_suffix(":_authToken").filter(|at| at.starts_with("//"))
                && value.bytes().all(|b| b.is_ascii_graphic())
            {
                let at = if at.ends_with('/') { at.to_owned() } else { format!("{at}/") };
                read.tokens.insert(at, value);
            }
        }
        read
    }
    /// This, and where it says nothing, that.
    fn or(self, other: Self) -> Self {
        Self {
            registry: self.registry.or(other.registry),
            scopes: other.scopes.into_iter().chain(self.scopes).collect(),
            tokens: other.tokens.into_iter().chain(self.tokens).collect(),
        }
    }
}

/// A value with its `${VARIABLES}` of the environment; none: it is empty, or one of them is not set.
fn filled(value: &str) -> Option<String> {
    let (mut out, mut rest) = (String::new(), value);
    while let Some((before, more)) = rest.split_once("${") {
        let (name, after) = more.split_once('}')?;
        out += before;
        out += &std::env::var(name).ok()?;
        rest = after;
    }
    out += rest;
    (!out.is_empty()).then_some(out)
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
    // A variable of its tool's.
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
        assert_eq!(Npmrc::read(text).registry.as_deref(), Some("https://a.example/npm"));
        assert_eq!(setting("registry=https://${HOST}/", "registry"), None);
        assert_eq!(
            address("https://a.example/npm").map(String::from).as_deref(),
            Some("https://a.example/npm/")
        );
        assert!(address("file:///srv").is_none() && address("npm").is_none());
    }

    #[test]
    fn scopes_have_registries_and_places_have_tokens() {
        let user = "@shop:registry=https://npm.example/shop\n//npm.example/shop/:_authToken=hush\n\
                    //npm.example/:_authToken = \"other\"\n//x.example/:_authToken=${PATCHLINE_NO_SUCH}\n";
        let all = "registry=https://a.example/\n@shop:registry=https://no.example/\n@team:registry=https://t.example:8443/\n";
        let read = Npmrc::read(user).or(Npmrc::read(all));
        let npm = read.registry.as_deref().and_then(address);
        let sources = Sources { npm, npm_scopes: read.scopes, npm_tokens: read.tokens, ..Sources::default() };
        for (name, registry) in [
            ("@shop/left", "https://npm.example/shop/"),
            ("@team/left", "https://t.example:8443/"),
            ("@other/left", "https://a.example/"),
            ("left", "https://a.example/"),
        ] {
            assert_eq!(sources.npm_of(name).unwrap().as_str(), registry, "{name}");
        }
        for (at, token) in [
            ("https://npm.example/shop/left", Some("hush")),
            ("https://npm.example/shopping", Some("other")),
            ("https://npm.example:8443/shop/left", None),
            ("https://npm.example.evil.example/shop/left", None),
            ("https://x.example/left", None),
        ] {
            assert_eq!(sources.npm_token(&Url::parse(at).unwrap()), token, "{at}");
        }
        assert!(!format!("{sources:?}").contains("hush"));
    }

    #[test]
    fn an_address_is_not_shown_whole() {
        let npm = Url::parse("https://me:hush@npm.example/").ok();
        assert_eq!(
            format!("{:?}", Sources { npm, ..Sources::default() }),
            r#"Sources { npm: Some("npm.example"), npm_scopes: [], npm_tokens: [], pypi: None, maven: None }"#
        );
    }
}
