//! What npm's registry says of a package, and its tarballs by their hashes (npm registry API, "Package metadata").

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::Value;
use url::Url;

use crate::{
    Error, Result,
    apt::fetch::join,
    languages::{
        Languages,
        fetch::{Promise, named_by},
        limits,
    },
};

/// The short form, which has everything that is read here; whoever does not know it sends the long one.
const FORM: &str = "application/vnd.npm.install-v1+json; q=1.0, application/json; q=0.8";
/// Between a package and its file, in the paths of npm's registries.
const FILES: &str = "/-/";

/// Everything that is read of a package's document.
#[derive(Debug, Deserialize)]
pub(super) struct Published {
    /// By version.
    #[serde(default)]
    pub(super) versions: BTreeMap<String, Release>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Release {
    #[serde(default)]
    deprecated: Value,
    dist: Dist,
}

#[derive(Debug, Deserialize)]
struct Dist {
    tarball: String,
    #[serde(default)]
    integrity: Option<String>,
    #[serde(default)]
    shasum: Option<String>,
}

impl Release {
    /// Its author asks not to take it.
    pub(super) fn is_deprecated(&self) -> bool {
        match &self.deprecated {
            Value::String(text) => !text.is_empty(),
            Value::Bool(is) => *is,
            _ => false,
        }
    }
    /// `sha512-…` as lock files have it; none: the registry promises none.
    pub(super) fn integrity(&self) -> Option<&str> {
        let mut all = self.dist.integrity.as_deref()?.split_whitespace();
        all.find(|one| one.starts_with("sha512-")).map(|one| one.split('?').next().unwrap_or(one))
    }
}

/// A package's document; none: the registry has none of that name.
pub(super) async fn fetch(languages: &Languages, registry: &Url, name: &str) -> Result<Option<Published>> {
    let address = join(registry, name)?;
    let token = languages.sources.npm_token(&address);
    let Some(bytes) = languages.document(&address, name, Some(FORM), token).await? else {
        return Ok(None);
    };
    let malformed = |reason: String| Error::Malformed { file: name.to_owned(), reason };
    let published: Published =
        serde_json::from_slice(&bytes).map_err(|error| malformed(error.to_string()))?;
    if published.versions.len() > limits::VERSIONS {
        return Err(malformed(format!("it has more than {} versions", limits::VERSIONS)));
    }
    Ok(Some(published))
}

/// The tarball of a release, as its registry promises it. `strong`: SHA-512 alone will do; a file that is only compared
/// with may have a SHA-1, as those of before 2017 have.
pub(super) async fn tarball(
    languages: &Languages,
    registry: &Url,
    name: &str,
    release: &Release,
    strong: bool,
) -> Result<Vec<u8>> {
    let unverified = |reason: &str| Error::Unverified { file: name.to_owned(), reason: reason.to_owned() };
    let sha512 = release.integrity().and_then(|text| STANDARD.decode(text.strip_prefix("sha512-")?).ok());
    let sha1 = release.dist.shasum.as_deref().filter(|_| !strong);
    let promise = match (sha512, sha1) {
        (Some(hash), _) => Promise::Sha512(hash),
        (None, Some(hash)) => Promise::Sha1(hex::decode(hash).unwrap_or_default()),
        (None, None) => return Err(unverified("the registry has no SHA-512 of it")),
    };
    let address = place(registry, &release.dist.tarball)
        .ok_or_else(|| unverified("the registry names no address of it"))?;
    languages.archive(&address, name, languages.sources.npm_token(&address), &promise).await
}

/// Where a tarball is fetched: as the document says; but a mirror copies documents as they are, and what these call by npm's
/// own path on another host lies on the mirror under that path.
fn place(registry: &Url, tarball: &str) -> Option<Url> {
    let url = Url::parse(tarball).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    if url.origin() != registry.origin() && url.path().contains(FILES) {
        let path = format!("{}{}", registry.path().trim_end_matches('/'), url.path());
        let mut mirrored = registry.clone();
        mirrored.set_path(&path);
        return Some(mirrored);
    }
    named_by(registry, url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mirror_serves_what_it_has_copied_and_others_see_no_password() {
        let at = |registry: &str, tarball: &str| {
            place(&Url::parse(registry).unwrap(), tarball).map(String::from).unwrap_or_default()
        };
        let public = "https://public.example/a/-/a-1.tgz";
        assert_eq!(at("https://public.example/", public), public);
        assert_eq!(at("http://me:pw@m.example/npm/", public), "http://me:pw@m.example/npm/a/-/a-1.tgz");
        assert_eq!(at("http://me:pw@m.example/", "http://m.example/a.tgz"), "http://me:pw@m.example/a.tgz");
        assert_eq!(at("http://me:pw@m.example/", "http://b.example/a.tgz"), "http://b.example/a.tgz");
        assert_eq!(at("http://m.example/", "file:///etc/passwd"), "");
    }
}
