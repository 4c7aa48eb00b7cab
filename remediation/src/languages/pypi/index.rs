//! An index's page of one project in JSON (PyPA, "Simple repository API"), and its wheels by their SHA-256.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::Value;
use url::Url;

use super::version::normal;
use crate::{
    Error, Result,
    apt::fetch::join,
    languages::{
        Languages,
        fetch::{Promise, named_by},
        limits,
    },
};

const FORM: &str = "application/vnd.pypi.simple.v1+json";

#[derive(Debug, Deserialize)]
struct Page {
    files: Vec<File>,
}

#[derive(Debug, Deserialize)]
struct File {
    filename: String,
    url: String,
    #[serde(default)]
    hashes: BTreeMap<String, String>,
    #[serde(default)]
    yanked: Value,
}

/// One wheel of a project.
#[derive(Debug, Clone)]
pub(super) struct Wheel {
    pub(super) version: String,
    /// `py3-none-any`, each by itself.
    pub(super) tags: BTreeSet<String>,
    pub(super) sha256: Vec<u8>,
    pub(super) yanked: bool,
    /// Where it is fetched.
    address: Url,
}

/// All wheels of a project that have a SHA-256; none: the index has no such project.
pub(super) async fn fetch(languages: &Languages, index: &Url, name: &str) -> Result<Option<Vec<Wheel>>> {
    let mut page = join(index, &normal(name))?;
    // Its address ends with a slash: what redirects there would cost a request.
    page.set_path(&format!("{}/", page.path()));
    let Some(bytes) = languages.document(&page, name, Some(FORM), None).await? else { return Ok(None) };
    let malformed = |reason: String| Error::Malformed { file: name.to_owned(), reason };
    let read: Page = serde_json::from_slice(&bytes)
        .map_err(|error| malformed(format!("its page is not the JSON of PEP 691: {error}")))?;
    if read.files.len() > limits::VERSIONS {
        return Err(malformed(format!("it has more than {} files", limits::VERSIONS)));
    }
    Ok(Some(read.files.iter().filter_map(|file| wheel(index, &page, name, file)).collect()))
}

/// `name-version(-build)?-python-abi-platform.whl` (PyPA, "Binary distribution format").
fn wheel(index: &Url, page: &Url, name: &str, file: &File) -> Option<Wheel> {
    let parts: Vec<&str> = file.filename.strip_suffix(".whl")?.split('-').collect();
    let (version, tags) = match parts.as_slice() {
        [of, version, tags @ ..] if tags.len() == 3 && normal(of) == normal(name) => (version, tags),
        [of, version, _, tags @ ..] if tags.len() == 3 && normal(of) == normal(name) => (version, tags),
        _ => return None,
    };
    let mut all = BTreeSet::new();
    for python in tags[0].split('.') {
        for abi in tags[1].split('.') {
            all.extend(tags[2].split('.').map(|platform| format!("{python}-{abi}-{platform}")));
        }
    }
    let sha256 = file.hashes.get("sha256").filter(|hash| crate::apt::release::is_sha256(hash))?;
    let sha256 = hex::decode(sha256).ok()?;
    let mut address = named_by(index, page.join(&file.url).ok()?)?;
    address.set_fragment(None);
    Some(Wheel {
        version: (*version).to_owned(),
        tags: all,
        sha256,
        yanked: !matches!(file.yanked, Value::Null | Value::Bool(false)),
        address,
    })
}

/// A wheel's bytes, as the index promises them.
pub(super) async fn bytes(languages: &Languages, name: &str, wheel: &Wheel) -> Result<Vec<u8>> {
    languages.archive(&wheel.address, name, None, &Promise::Sha256(wheel.sha256.clone())).await
}
