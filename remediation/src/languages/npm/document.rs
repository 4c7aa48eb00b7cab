//! What npm's registry says of a package, and its tarballs by their hashes (npm registry API, "Package metadata").

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::Value;
use sha1::Sha1;
use sha2::{Digest as _, Sha512};
use url::Url;

use crate::{
    Error, Result,
    apt::fetch::join,
    languages::{Languages, limits},
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
    let bytes = match languages.fetcher.address(&address, name, Some(FORM), limits::DOCUMENT).await {
        Ok(bytes) => bytes,
        Err(Error::Status { status: 404, .. }) => return Ok(None),
        Err(other) => return Err(other),
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
    let promised = release.integrity().and_then(|text| STANDARD.decode(text.strip_prefix("sha512-")?).ok());
    if promised.is_none() && (strong || release.dist.shasum.is_none()) {
        return Err(unverified("the registry has no SHA-512 of it"));
    }
    let address = place(registry, &release.dist.tarball)
        .ok_or_else(|| unverified("the registry names no address of it"))?;
    let bytes = languages.fetcher.address(&address, name, None, limits::ARCHIVE).await?;
    let good = match (&promised, &release.dist.shasum) {
        (Some(promised), _) => Sha512::digest(&bytes).as_slice() == promised.as_slice(),
        (None, Some(shasum)) => hex::encode(Sha1::digest(&bytes)) == shasum.to_ascii_lowercase(),
        (None, None) => false,
    };
    if !good {
        return Err(unverified(if promised.is_some() {
            "its SHA-512 is another"
        } else {
            "its SHA-1 is another"
        }));
    }
    Ok(bytes)
}

/// Where a tarball is fetched: as the document says; but a mirror copies documents as they are, and what these call by npm's
/// own path on another host lies on the mirror under that path.
fn place(registry: &Url, tarball: &str) -> Option<Url> {
    let mut url = Url::parse(tarball).ok().filter(|url| matches!(url.scheme(), "http" | "https"))?;
    if url.origin() != registry.origin() && url.path().contains(FILES) {
        let path = format!("{}{}", registry.path().trim_end_matches('/'), url.path());
        url = registry.clone();
        url.set_path(&path);
    } else if url.origin() == registry.origin() {
        // Whoever needs a password for the document needs it for the tarball, and nobody else is told of it.
        url.set_username(registry.username()).ok()?;
        url.set_password(registry.password()).ok()?;
    }
    Some(url)
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
