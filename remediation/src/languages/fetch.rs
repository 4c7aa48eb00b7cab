//! Documents and archives of registries, each within its bounds, and an archive only as it was promised.

use std::{fs::File, io::Write as _, path::Path};

use sha1::Sha1;
use sha2::{Digest as _, Sha256, Sha512};
use url::Url;

use super::{Languages, limits};
use crate::{
    Error, Result, cache,
    tree::{contents::bounded, image_blocking as blocking},
};

/// The hash of an archive, as its registry says it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Promise {
    Sha512(Vec<u8>),
    Sha256(Vec<u8>),
    Sha1(Vec<u8>),
}

impl Promise {
    /// Its name, for people.
    pub(super) fn algorithm(&self) -> &'static str {
        match self {
            Self::Sha512(_) => "SHA-512",
            Self::Sha256(_) => "SHA-256",
            Self::Sha1(_) => "SHA-1",
        }
    }
    /// Its name in the cache.
    fn file(&self) -> String {
        match self {
            Self::Sha512(hash) => format!("sha512-{}", hex::encode(hash)),
            Self::Sha256(hash) => format!("sha256-{}", hex::encode(hash)),
            Self::Sha1(hash) => format!("sha1-{}", hex::encode(hash)),
        }
    }
    fn holds(&self, bytes: &[u8]) -> bool {
        match self {
            Self::Sha512(hash) => Sha512::digest(bytes).as_slice() == hash,
            Self::Sha256(hash) => Sha256::digest(bytes).as_slice() == hash,
            Self::Sha1(hash) => Sha1::digest(bytes).as_slice() == hash,
        }
    }
}

/// Every hash of a file that a promise may be about: whoever asks for the promise later needs not hold the file.
pub(super) struct Hashed([Promise; 3]);

impl Hashed {
    pub(super) fn of(bytes: &[u8]) -> Self {
        let sha512 = Promise::Sha512(Sha512::digest(bytes).to_vec());
        let sha256 = Promise::Sha256(Sha256::digest(bytes).to_vec());
        Self([sha512, sha256, Promise::Sha1(Sha1::digest(bytes).to_vec())])
    }
    /// Whether the file is what was promised.
    pub(super) fn are(&self, promise: &Promise) -> bool {
        self.0.contains(promise)
    }
}

impl Languages {
    /// What a registry says of a package; none: it has none of that name.
    pub(super) async fn document(
        &self,
        address: &Url,
        name: &str,
        form: Option<&'static str>,
        token: Option<&str>,
    ) -> Result<Option<Vec<u8>>> {
        match self.fetcher.address_for(address, name, form, token, limits::DOCUMENT).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(Error::Status { status: 404, .. }) => Ok(None),
            Err(other) => Err(other),
        }
    }

    /// An archive, as it was promised: from the cache where that has it, and into the cache where there is one.
    pub(super) async fn archive(
        &self,
        address: &Url,
        name: &str,
        token: Option<&str>,
        promise: &Promise,
    ) -> Result<Vec<u8>> {
        let place = self.cache.as_ref().map(|folder| folder.join("packages").join(promise.file()));
        if let Some(place) = &place {
            let (place, promise) = (place.clone(), promise.clone());
            if let Some(bytes) = blocking(move || Ok(kept(&place, &promise))).await? {
                return Ok(bytes);
            }
        }
        let bytes = self.fetcher.address_for(address, name, None, token, limits::ARCHIVE).await?;
        if !promise.holds(&bytes) {
            let reason = format!("its {} is another", promise.algorithm());
            return Err(Error::Unverified { file: name.to_owned(), reason });
        }
        let Some(place) = place else { return Ok(bytes) };
        blocking(move || keep(&place, &bytes).map(|()| bytes)).await
    }
}

/// A file of the cache that is still what was promised; one that is not is removed.
fn kept(place: &Path, promise: &Promise) -> Option<Vec<u8>> {
    let mut file = File::open(place).ok()?;
    let read = bounded(&mut file, limits::ARCHIVE).ok().flatten().filter(|bytes| promise.holds(bytes));
    match &read {
        Some(_) => cache::used(&file),
        None => drop(std::fs::remove_file(place)),
    }
    read
}

/// Puts a verified file into the cache, whole or not at all.
fn keep(place: &Path, bytes: &[u8]) -> Result<()> {
    let failed = |source| Error::Io { operation: format!("write {} to the cache", place.display()), source };
    let folder = place.parent().unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder).map_err(failed)?;
    let mut aside = tempfile::NamedTempFile::new_in(folder).map_err(failed)?;
    aside.write_all(bytes).map_err(failed)?;
    aside.persist(place).map_err(|error| failed(error.error))?;
    Ok(())
}

/// An address that a registry names: whoever needs a password for its documents needs it for what lies beside them, and
/// nobody else is told of it. None: it is none of the web.
pub(super) fn named_by(registry: &Url, mut address: Url) -> Option<Url> {
    if !matches!(address.scheme(), "http" | "https") {
        return None;
    }
    if address.origin() == registry.origin() {
        address.set_username(registry.username()).ok()?;
        address.set_password(registry.password()).ok()?;
    }
    Some(address)
}
