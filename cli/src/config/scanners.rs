//! `scanners` and `harbor-scanner`: who is asked beside our own scanner, and who asks ours.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use patchline_engine::{Clock as _, clock::SystemClock};
use patchline_registry::remote::Secret;
use patchline_scanner::adapters::{
    Adapter, BUILTIN, Clock, Program, Scanners,
    clair::{self, Clair},
    grype::{self, Grype},
    harbor::{self, Harbor},
    times,
    trivy::{self, Trivy},
};
use serde::Deserialize;
use url::Url;

use super::{Config, SecretRef};
use crate::failure::{Failure, Result};

/// Scanners of one configuration.
const MOST: usize = 32;

/// One scanner; which keys it takes depends on its type.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct ScannerEntry {
    r#type: Kind,
    /// Of `trivy` and `grype`: the program.
    path: Option<PathBuf>,
    /// Its SHA-256.
    sha256: Option<String>,
    /// Where its databases are.
    cache: Option<PathBuf>,
    /// Of `trivy`: a server of it.
    server: Option<Url>,
    /// What that server wants to see.
    token: Option<SecretRef>,
    /// Of `clair` and `harbor`: where it is.
    url: Option<Url>,
    /// Of `clair`: its pre-shared key.
    key: Option<SecretRef>,
    /// Of `clair`: the issuer that it expects.
    issuer: Option<String>,
    /// Of `harbor`: the whole `Authorization` header.
    authorization: Option<SecretRef>,
    /// For one scan.
    #[serde(default, deserialize_with = "super::duration")]
    timeout: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Trivy,
    Grype,
    Clair,
    Harbor,
}

impl Kind {
    /// Its word, and the keys that it takes beside `timeout`.
    fn keys(self) -> (&'static str, &'static [&'static str]) {
        match self {
            Self::Trivy => ("trivy", &["path", "sha256", "cache", "server", "token"]),
            Self::Grype => ("grype", &["path", "sha256", "cache"]),
            Self::Clair => ("clair", &["url", "key", "issuer"]),
            Self::Harbor => ("harbor", &["url", "authorization"]),
        }
    }
}

/// Patchline as a scanner of Harbor's.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct HarborScannerEntry {
    /// What Harbor sends: as a bearer token, or as the password of any user.
    pub(crate) secret: SecretRef,
}

impl Config {
    /// Scanners with their secrets read. `scratch`: a folder for images on their way.
    pub(crate) fn scanners(&self, scratch: &Path) -> Result<Scanners> {
        if self.scanners.len() > MOST {
            return Err(Failure::usage("config-invalid", format!("there are more than {MOST} scanners")));
        }
        let all: Result<Vec<_>> =
            self.scanners.iter().map(|(name, entry)| entry.resolve(name, scratch)).collect();
        Ok(Scanners::new(all?))
    }
}

impl ScannerEntry {
    fn resolve(&self, name: &str, scratch: &Path) -> Result<Arc<dyn Adapter>> {
        let wrong = |why: String| Failure::usage("config-invalid", format!("scanner {name}: {why}"));
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        if name == BUILTIN || name.is_empty() || name.len() > 60 || !name.chars().all(plain) {
            let why = format!("a name is letters, digits, `-`, `_` and `.`, and not `{BUILTIN}`");
            return Err(wrong(why));
        }
        let (word, keys) = self.r#type.keys();
        if let Some(key) = self.given().find(|key| !keys.contains(key)) {
            return Err(wrong(format!(
                "`{key}` is no key of the type {word}, which takes {}",
                keys.join(", ")
            )));
        }
        let secret = |named: &Option<SecretRef>| named.as_ref().map(SecretRef::resolve).transpose();
        let need = |key: &str| wrong(format!("the type {word} needs `{key}`"));
        let time = self.timeout.unwrap_or(times::TIME);
        if time.is_zero() || time > times::LONGEST {
            return Err(wrong("`timeout` is more than nothing, and two hours at most".to_owned()));
        }
        let scratch = scratch.to_owned();
        let failed = |e: patchline_scanner::adapters::Error| Failure::new(e.code(), &e);
        let adapter: Arc<dyn Adapter> = match self.r#type {
            Kind::Trivy => {
                let (program, token) = (self.program(time, &wrong)?, secret(&self.token)?);
                let server = self.server.as_ref().map(|url| address(url, "server", &wrong)).transpose()?;
                if server.is_none() && self.cache.is_none() {
                    return Err(need("cache").hint("or a `server` that has the databases"));
                }
                let settings = trivy::Settings { program, cache: self.cache.clone(), server, token };
                Arc::new(Trivy::new(name, settings, scratch))
            }
            Kind::Grype => {
                let cache = self.cache.clone().ok_or_else(|| need("cache"))?;
                let program = self.program(time, &wrong)?;
                Arc::new(Grype::new(name, grype::Settings { program, cache }, scratch))
            }
            Kind::Clair => {
                let url = address(self.url.as_ref().ok_or_else(|| need("url"))?, "url", &wrong)?;
                let issuer = self.issuer.clone().unwrap_or_else(|| "patchline".to_owned());
                let settings = clair::Settings { url, key: secret(&self.key)?, issuer, time };
                let clock: Clock = Arc::new(|| SystemClock.now());
                Arc::new(Clair::new(name, settings, clock).map_err(failed)?)
            }
            Kind::Harbor => {
                let url = address(self.url.as_ref().ok_or_else(|| need("url"))?, "url", &wrong)?;
                let authorization: Option<Secret> = secret(&self.authorization)?;
                Arc::new(Harbor::new(name, harbor::Settings { url, authorization, time }).map_err(failed)?)
            }
        };
        Ok(adapter)
    }

    /// The keys that stand there, but `type` and `timeout`.
    fn given(&self) -> impl Iterator<Item = &'static str> {
        [
            ("path", self.path.is_some()),
            ("sha256", self.sha256.is_some()),
            ("cache", self.cache.is_some()),
            ("server", self.server.is_some()),
            ("token", self.token.is_some()),
            ("url", self.url.is_some()),
            ("key", self.key.is_some()),
            ("issuer", self.issuer.is_some()),
            ("authorization", self.authorization.is_some()),
        ]
        .into_iter()
        .filter_map(|(key, given)| given.then_some(key))
    }

    fn program(&self, time: Duration, wrong: &dyn Fn(String) -> Failure) -> Result<Program> {
        let path = self.path.clone().filter(|path| path.is_absolute());
        // What is found by its bare name is whatever stands first in somebody's PATH.
        let path = path.ok_or_else(|| wrong("`path` is the absolute path of its program".to_owned()))?;
        let hex = |text: &String| {
            text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
        };
        match &self.sha256 {
            Some(text) if !hex(text) => Err(wrong("`sha256` is 64 lower-case hexadecimal digits".to_owned())),
            sha256 => Ok(Program { path, sha256: sha256.clone(), time }),
        }
    }
}

/// `http` or `https`, without a credential that everybody who reads the file would see.
fn address(url: &Url, key: &str, wrong: &dyn Fn(String) -> Failure) -> Result<Url> {
    let open = matches!(url.scheme(), "http" | "https") && url.has_host();
    if !open || !url.username().is_empty() || url.password().is_some() || url.query().is_some() {
        return Err(wrong(format!("`{key}` is http or https, a host and a path, without credentials")));
    }
    Ok(url.clone())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scanners(entry: &str) -> Result<Scanners> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("patchline.yaml");
        std::fs::write(&path, format!("scanners:\n  {entry}\n")).unwrap();
        Config::load(Some(&path))?.scanners(folder.path())
    }

    #[test]
    fn the_examples_of_the_documentation_load() {
        let text = include_str!("../../../docs/scanners.md");
        let blocks = text.split("```yaml\n").skip(1).filter_map(|part| part.split("```").next());
        let (mut loaded, folder) = (0, tempfile::tempdir().unwrap());
        for block in blocks.filter(|block| !block.starts_with("version:")) {
            let path = folder.path().join("patchline.yaml");
            std::fs::write(&path, block).unwrap();
            let config = Config::load(Some(&path)).unwrap();
            // Their secrets are named, and not set here.
            loaded += config.scanners.len() + usize::from(config.harbor_scanner.is_some());
        }
        assert_eq!(loaded, 6);
    }

    #[test]
    fn each_type_takes_its_own_keys() {
        for fine in [
            "a: {type: trivy, path: /bin/trivy, cache: /var/lib/trivy}",
            "a: {type: trivy, path: /bin/trivy, server: 'https://trivy.example:4954', timeout: 20m}",
            "a: {type: grype, path: /bin/grype, cache: /var/lib/grype}",
            "a: {type: clair, url: 'http://clair.example:6060', issuer: us}",
            "a: {type: harbor, url: 'https://scanner.example/sub'}",
        ] {
            let names: Vec<String> = scanners(fine).unwrap().names().map(str::to_owned).collect();
            assert_eq!(names, ["builtin", "a"], "{fine}");
        }
        for (wrong, said) in [
            ("a: {type: trivy, path: /bin/trivy}", "needs `cache`"),
            ("a: {type: trivy, path: trivy, cache: /c}", "absolute path"),
            (
                "a: {type: trivy, path: /bin/trivy, cache: /c, url: 'http://x'}",
                "`url` is no key of the type trivy",
            ),
            ("a: {type: grype, path: /bin/grype, cache: /c, sha256: abc}", "64 lower-case"),
            ("a: {type: clair}", "needs `url`"),
            ("a: {type: clair, url: 'http://u:hunter2@x'}", "without credentials"),
            ("a: {type: harbor, url: 'file:///x'}", "http or https"),
            ("a: {type: harbor, url: 'http://x', timeout: 3h}", "two hours"),
            ("builtin: {type: harbor, url: 'http://x'}", "not `builtin`"),
            ("'a b': {type: harbor, url: 'http://x'}", "a name is letters"),
            ("a: {type: snyk}", "snyk"),
            (
                "a: {type: harbor, url: 'http://x', authorization: 'Bearer hunter2'}",
                "a secret does not stand here",
            ),
        ] {
            let failure = scanners(wrong).unwrap_err();
            let told = format!("{failure:?}");
            assert!(failure.code == "config-invalid" && told.contains(said), "{wrong}: {told}");
            assert!(!told.contains("hunter2"), "{told}");
        }
    }
}
