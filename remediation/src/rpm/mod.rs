//! Verified rpm repositories: signed `repomd.xml` → `primary.xml` → package, each by its digest.

mod caps;
mod cpio;
mod database;
mod files;
mod headers;
mod info;
mod keys;
pub(crate) mod limits;
mod package;
mod primary;
mod relations;
mod repomd;
mod scripts;
mod sources;
mod updates;
pub(crate) mod xml;

use std::{collections::BTreeSet, path::PathBuf, sync::Arc};

use futures::{StreamExt, TryStreamExt, stream};
use url::Url;

use crate::{
    Error, Result,
    apt::{blocking, cache, fetch::Fetcher},
    clock,
    deb::archive::{Bounded, decoder},
    fix::Progress,
};
pub use database::{Database, Installed};
pub(crate) use database::{FULL, Place, SHORT};
pub use files::File;
pub use headers::Held;
pub use info::Info;
pub use keys::Keys;
pub use package::{Package, Part};
pub use primary::{Entry, Index};
pub(crate) use relations::compare;
pub use relations::{Evr, Relation};
use repomd::Data;
pub use scripts::{Script, Scripts};
pub use sources::{Mirror, Mirrors, Of, Source, Sources, Variables};
pub use updates::{Update, Updates};

/// How to reach and trust repositories.
#[derive(Debug, Clone, Default)]
pub struct RpmConfig {
    /// Mirrors. Without one no repository is asked.
    pub mirrors: Mirrors,
    /// Folder for verified metadata and packages, each by its SHA-256.
    pub cache: PathBuf,
    /// OpenPGP key files or folders of them; empty: the host's.
    pub keys: Vec<PathBuf>,
}

/// The rpm client; cheap to clone.
#[derive(Clone)]
pub struct Rpm {
    config: Arc<RpmConfig>,
    fetcher: Arc<Fetcher>,
}

/// One repository of an image that was read.
#[derive(Debug, Clone)]
pub struct Repository {
    /// For people.
    pub name: String,
    /// SHA-256 of its `repomd.xml`.
    pub hash: String,
    /// What it has of the names that were asked for.
    pub index: Arc<Index>,
    /// Which update mends what, where it says so.
    pub updates: Arc<Updates>,
    place: Url,
}

/// All repositories of an image.
#[derive(Debug, Clone)]
pub struct Repositories {
    /// In their order.
    pub all: Vec<Repository>,
    /// What was not asked, with the reason.
    pub unused: Vec<String>,
    /// Keys that counted.
    pub keys: Arc<Keys>,
}

impl Repositories {
    /// (name, SHA-256 of its `repomd.xml`) for the plan.
    pub fn named(&self) -> Vec<(String, String)> {
        self.all.iter().map(|one| (one.name.clone(), one.hash.clone())).collect()
    }
    /// Every version of a package.
    pub fn candidates(&self, name: &str) -> impl Iterator<Item = &Arc<Entry>> {
        self.all.iter().flat_map(move |one| one.index.candidates(name))
    }
    /// The name of the repository that an entry lies in.
    pub fn called(&self, entry: &Entry) -> String {
        self.all.get(entry.repository).map(|one| one.name.clone()).unwrap_or_default()
    }
    /// Exactly this package, if a repository still has it.
    pub fn exactly(&self, installed: &Installed) -> Option<&Arc<Entry>> {
        self.candidates(&installed.name).find(|entry| {
            entry.architecture == installed.architecture && entry.evr.compare(&installed.evr).is_eq()
        })
    }
    /// The update that brought a version of a package.
    pub fn update(&self, entry: &Entry) -> Option<&Update> {
        self.all.iter().find_map(|one| one.updates.of(&entry.name, &entry.evr))
    }
}

impl Rpm {
    /// No request is made.
    pub fn new(config: RpmConfig) -> Result<Self> {
        let fetcher = Arc::new(Fetcher::through(config.mirrors.proxy.clone()));
        Ok(Self { config: Arc::new(config), fetcher })
    }

    /// How it was made.
    pub fn config(&self) -> &RpmConfig {
        &self.config
    }

    /// Fetches and verifies what the image's repositories say of packages with these names.
    ///
    /// # Errors
    /// No key or no mirror is configured; a repository cannot be fetched, verified or read.
    pub async fn repositories(
        &self,
        system: &str,
        texts: &[String],
        variables: &Variables,
        names: BTreeSet<String>,
    ) -> Result<Repositories> {
        let sources = self.config.mirrors.sources(texts.iter().map(String::as_str), variables);
        if sources.usable.is_empty() {
            return Err(Error::NoRpmMirror { system: system.to_owned() });
        }
        let configured = self.config.keys.clone();
        let keys = blocking("the keys", move || match configured.is_empty() {
            false => Keys::load(&configured),
            true => Ok(Keys::of_host()),
        })
        .await?;
        if keys.is_empty() {
            return Err(Error::NoRpmKey);
        }
        let (keys, names) = (Arc::new(keys), Arc::new(names));
        let one = |(number, source): (usize, Source)| {
            let (keys, names, architecture) = (keys.clone(), names.clone(), variables.architecture.clone());
            async move { self.repository(source, keys, names, architecture, number).await }
        };
        // Gathered first: a stream of borrowing closures would not be `Send`.
        let reads: Vec<_> = sources.usable.into_iter().enumerate().map(one).collect();
        let all = stream::iter(reads).buffered(4).try_collect().await?;
        Ok(Repositories { all, unused: sources.unused, keys })
    }

    async fn repository(
        &self,
        source: Source,
        keys: Arc<Keys>,
        names: Arc<BTreeSet<String>>,
        architecture: String,
        number: usize,
    ) -> Result<Repository> {
        let place = source.place;
        let repomd = self.fetcher.bytes(&place, "repodata/repomd.xml", limits::REPOMD).await?;
        let untrusted = |reason: String| Error::Untrusted { suite: source.name.clone(), reason };
        let signature = match self.fetcher.bytes(&place, "repodata/repomd.xml.asc", limits::SIGNATURE).await {
            Err(Error::Status { status: 404, .. }) => {
                return Err(untrusted("its repomd.xml is not signed: it has no repomd.xml.asc".to_owned()));
            }
            signature => signature?,
        };
        let name = source.name.clone();
        let (hash, data) = blocking("repomd.xml", move || {
            keys.verify(&signature, &repomd, clock::now())
                .map_err(|reason| Error::Untrusted { suite: name.clone(), reason })?;
            let hash = patchline_registry::Digest::of(&repomd).hex().to_owned();
            Ok((hash, repomd::parse(&format!("repomd.xml of {name}"), &repomd)?))
        })
        .await?;
        let primary = data.get("primary").ok_or_else(|| Error::Malformed {
            file: format!("repomd.xml of {}", source.name),
            reason: "it names no primary.xml".to_owned(),
        })?;
        let path = self.metadata(&place, primary, limits::PRIMARY_PACKED).await?;
        let described = primary.clone();
        let index = blocking("primary.xml", move || {
            let plain = opened(&described, &path, limits::PRIMARY)?;
            Index::read(&described.path, plain, &names, &architecture, number).map(Arc::new)
        })
        .await?;
        let updates = match data.get("updateinfo") {
            None => Arc::default(),
            Some(described) => {
                let path = self.metadata(&place, described, limits::UPDATES_PACKED).await?;
                let described = described.clone();
                blocking("updateinfo.xml", move || {
                    let plain = opened(&described, &path, limits::UPDATES)?;
                    Updates::read(&described.path, plain).map(Arc::new)
                })
                .await?
            }
        };
        Ok(Repository { name: source.name, hash, index, updates, place })
    }

    /// A verified file of metadata, from the cache or the mirror.
    async fn metadata(&self, place: &Url, data: &Data, most: u64) -> Result<PathBuf> {
        if data.promise.size > most {
            let reason = "it is larger than it may be".to_owned();
            return Err(Error::Unverified { file: data.path.clone(), reason });
        }
        let path = cache::place(&self.config.cache, "metadata", &data.promise)?;
        if !cache::holds(&path, &data.promise).await {
            self.fetcher.file(place, &data.path, &data.promise, &path).await?;
        }
        Ok(path)
    }

    /// Downloads and verifies packages, several at once, in the same order; tells progress as phase `download` in bytes.
    pub async fn download(
        &self,
        repositories: &Repositories,
        entries: &[Arc<Entry>],
        progress: &Progress,
    ) -> Result<Vec<Package>> {
        let total: u64 = entries.iter().map(|entry| entry.size()).sum();
        let done = std::sync::atomic::AtomicU64::new(0);
        progress("download", 0, total);
        let one = |entry: Arc<Entry>| {
            let done = &done;
            async move {
                let package = self.package(repositories, &entry).await?;
                let so_far =
                    done.fetch_add(entry.size(), std::sync::atomic::Ordering::Relaxed) + entry.size();
                progress("download", so_far, total);
                Ok(package)
            }
        };
        stream::iter(entries.to_vec()).map(one).buffered(6).try_collect().await
    }

    async fn package(&self, repositories: &Repositories, entry: &Arc<Entry>) -> Result<Package> {
        let unverified = |reason: &str| Error::Unverified {
            file: entry.file_name().to_owned(),
            reason: reason.to_owned(),
        };
        if entry.size() > limits::PACKAGE {
            return Err(unverified("it is larger than a package may be"));
        }
        let Some(repository) = repositories.all.get(entry.repository) else {
            return Err(unverified("its repository is none of the image's"));
        };
        let path = cache::place(&self.config.cache, "packages", &entry.promise)?;
        if !cache::holds(&path, &entry.promise).await {
            self.fetcher.file(&repository.place, &entry.location, &entry.promise, &path).await?;
        }
        let (keys, promised) = (repositories.keys.clone(), entry.clone());
        blocking("a package", move || Package::open(&path, &promised, &keys, clock::now())).await
    }
}

/// Unpacked, and no more of it than may be.
fn opened(data: &Data, path: &std::path::Path, most: u64) -> Result<impl std::io::Read> {
    let failed = |source| Error::Io { operation: format!("read {}", path.display()), source };
    let file = std::io::BufReader::with_capacity(128 << 10, std::fs::File::open(path).map_err(failed)?);
    let malformed = |e: std::io::Error| Error::Malformed { file: data.path.clone(), reason: e.to_string() };
    let inner = decoder(data.suffix()?, file).map_err(malformed)?;
    Ok(Bounded { inner, left: data.open.map_or(most, |open| open.min(most)) })
}
