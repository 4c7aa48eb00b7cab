//! Verified apk repositories: signed index → control member, or the values of apk 3's format → data, each by its digest.

mod adb;
mod database;
mod index;
mod keys;
pub(crate) mod limits;
mod members;
mod naming;
mod package;
mod relations;
mod scripts;
mod sources;

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::{StreamExt, TryStreamExt, stream};
use tokio::time::Instant;
use url::Url;

use crate::{
    Error, Result,
    apt::{blocking, fetch::Fetcher},
    fix::Progress,
    mirrored::shown,
};
pub(crate) use database::glob;
pub use database::{Database, Folder, Installed, Protection, Shipped};
pub use index::{Index, IndexEntry};
pub use keys::Keys;
pub use package::{Checksum, Info, Listed, Package, SCRIPTS};
pub(crate) use relations::compare;
pub use relations::{Bound, Dependency};
pub use scripts::{NewScripts, Scripts};
pub use sources::{Layout, Mirror, Mirrors, Source, Sources};

/// Plan, build and proof of one fix see the same state; a server sees a new one soon enough.
const FRESH: Duration = Duration::from_secs(60);

/// How to reach and trust repositories.
#[derive(Debug, Clone, Default)]
pub struct ApkConfig {
    /// Mirrors. Without one no repository is asked.
    pub mirrors: Mirrors,
    /// Folder for verified packages, each by its control member's digest.
    pub cache: PathBuf,
    /// Key files or folders of them; empty: the host's, else those that the image's own packages brought.
    pub keys: Vec<PathBuf>,
}

type Slot = Arc<tokio::sync::Mutex<Option<(Instant, Arc<Index>)>>>;

/// The apk client; cheap to clone.
#[derive(Clone)]
pub struct Apk {
    config: Arc<ApkConfig>,
    fetcher: Arc<Fetcher>,
    indexes: Arc<Mutex<HashMap<(String, Keyring), Slot>>>,
}

/// Names of the keys that an index was read with: another set reads it anew.
type Keyring = Vec<u8>;

/// One repository of an image that was read.
#[derive(Debug, Clone)]
pub struct Repository {
    /// Where it stands in the image's own words.
    pub address: String,
    /// `@edge`.
    pub tag: Option<String>,
    /// What it has.
    pub index: Arc<Index>,
    place: Url,
    layout: Layout,
}

/// All repositories of an image.
#[derive(Debug, Clone)]
pub struct Repositories {
    /// In the image's order.
    pub all: Vec<Repository>,
    /// What was not asked, with the reason.
    pub unused: Vec<String>,
    /// Keys that counted.
    pub keys: Arc<Keys>,
    architecture: String,
}

impl Repositories {
    /// (address, SHA-256 of its index) for the plan.
    pub fn named(&self) -> Vec<(String, String)> {
        self.all.iter().map(|one| (one.address.clone(), one.index.hash.clone())).collect()
    }
    /// Every version of a package that may be taken: from repositories without a tag, or with this one.
    pub fn candidates(&self, name: &str, tag: Option<&str>) -> Vec<Arc<IndexEntry>> {
        self.all
            .iter()
            .filter(|one| one.tag.is_none() || one.tag.as_deref() == tag)
            .flat_map(|one| one.index.candidates(name).iter().cloned())
            .collect()
    }
    /// Whether a package of this name is anywhere.
    pub fn has(&self, name: &str) -> bool {
        self.all.iter().any(|one| !one.index.candidates(name).is_empty())
    }
}

impl Apk {
    /// No request is made.
    pub fn new(config: ApkConfig) -> Result<Self> {
        let fetcher = Arc::new(Fetcher::through(config.mirrors.proxy.clone()));
        Ok(Self { config: Arc::new(config), fetcher, indexes: Arc::default() })
    }

    /// How it was made.
    pub fn config(&self) -> &ApkConfig {
        &self.config
    }

    /// Keys that count for an image: those configured, else the host's, else the image's own.
    ///
    /// # Errors
    /// A configured key that cannot be read; no key at all.
    pub async fn keys(&self, of_image: Keys) -> Result<Keys> {
        let configured = self.config.keys.clone();
        let keys = blocking("the keys", move || match configured.is_empty() {
            false => Keys::load(&configured),
            true => Keys::of_host(),
        })
        .await?;
        match (keys.is_empty(), of_image.is_empty()) {
            (false, _) => Ok(keys),
            (true, false) => Ok(of_image),
            (true, true) => Err(Error::NoApkKey),
        }
    }

    /// Fetches and verifies the indexes of an image's repositories. What has no mirror is named in `unused`.
    ///
    /// # Errors
    /// No repository has a mirror; one that has cannot be fetched, verified or read.
    pub async fn repositories(
        &self,
        system: &str,
        sources: &Sources,
        architecture: &str,
        keys: Keys,
    ) -> Result<Repositories> {
        if !index::is_word(architecture) {
            let file = architecture.chars().take(80).collect();
            return Err(Error::Malformed { file, reason: "it is no architecture of apk".to_owned() });
        }
        let keys = Arc::new(keys);
        let mut unused = sources.unused.clone();
        let mut places: Vec<(&Source, Url)> = Vec::new();
        for source in &sources.usable {
            match self.config.mirrors.place(&source.address) {
                Some(place) => places.push((source, place)),
                None => unused.push(format!("no mirror of {} is configured", shown(&source.address))),
            }
        }
        if places.is_empty() {
            return Err(Error::NoApkMirror { system: system.to_owned() });
        }
        let one = |(number, (source, place)): (usize, (&Source, Url))| {
            let (source, keys) = (source.clone(), keys.clone());
            async move {
                let path = source.layout.index(architecture);
                let index = self.index(&place, &path, &keys, number).await?;
                let Source { tag, address, layout } = source;
                Ok::<_, Error>(Repository { address: shown(&address), tag, index, place, layout })
            }
        };
        // Gathered first: a stream of borrowing closures would not be `Send`.
        let reads: Vec<_> = places.into_iter().enumerate().map(one).collect();
        let all = stream::iter(reads).buffered(4).try_collect().await?;
        Ok(Repositories { all, unused, keys, architecture: architecture.to_owned() })
    }

    async fn index(&self, place: &Url, path: &str, keys: &Arc<Keys>, number: usize) -> Result<Arc<Index>> {
        let slot = {
            let mut indexes = self.indexes.lock().unwrap_or_else(PoisonError::into_inner);
            indexes.entry((format!("{place} {path} {number}"), keys.names())).or_default().clone()
        };
        let mut slot = slot.lock().await;
        if let Some((read, known)) = &*slot
            && read.elapsed() < FRESH
        {
            return Ok(known.clone());
        }
        let bytes = self.fetcher.bytes(place, path, limits::INDEX_PACKED).await?;
        let name = named(place, path);
        let keys = keys.clone();
        let index =
            blocking("an index", move || Index::read(&name, &bytes, &keys, number).map(Arc::new)).await?;
        *slot = Some((Instant::now(), index.clone()));
        Ok(index)
    }

    /// Downloads and verifies packages, several at once, in the same order; tells progress as phase `download` in bytes.
    pub async fn download(
        &self,
        repositories: &Repositories,
        entries: &[Arc<IndexEntry>],
        progress: &Progress,
    ) -> Result<Vec<Package>> {
        let total: u64 = entries.iter().map(|entry| entry.size).sum();
        let done = std::sync::atomic::AtomicU64::new(0);
        progress("download", 0, total);
        let one = |entry: Arc<IndexEntry>| {
            let done = &done;
            async move {
                let package = self.package(repositories, &entry).await?;
                let so_far = done.fetch_add(entry.size, std::sync::atomic::Ordering::Relaxed) + entry.size;
                progress("download", so_far, total);
                Ok(package)
            }
        };
        stream::iter(entries.to_vec()).map(one).buffered(6).try_collect().await
    }

    async fn package(&self, repositories: &Repositories, entry: &Arc<IndexEntry>) -> Result<Package> {
        let unverified =
            |reason: &str| Error::Unverified { file: entry.file_name(), reason: reason.to_owned() };
        if entry.size > limits::PACKAGE {
            return Err(unverified("it is larger than a package may be"));
        }
        let folder = self.config.cache.join("packages");
        std::fs::create_dir_all(&folder).map_err(|source| Error::Io {
            operation: format!("make the cache folder {}", folder.display()),
            source,
        })?;
        let target = folder.join(format!("{}.apk", entry.checksum.hexadecimal()));
        let keys = repositories.keys.clone();
        let (known, promised) = (target.clone(), entry.clone());
        let cached = blocking("a package", move || match known.is_file() {
            // What has changed in the cache is fetched again.
            true => {
                let package = Package::open(&known, &promised, &keys).ok();
                if let (Some(_), Ok(file)) = (&package, std::fs::File::open(&known)) {
                    crate::cache::used(&file);
                }
                Ok(package)
            }
            false => Ok(None),
        })
        .await?;
        if let Some(package) = cached {
            return Ok(package);
        }
        let Some(repository) = repositories.all.get(entry.repository) else {
            return Err(unverified("its repository is none of the image's"));
        };
        let path = repository
            .layout
            .package(repository.index.naming.as_deref(), &repositories.architecture, entry)
            .ok_or_else(|| unverified("its repository names its packages in a way that is not known"))?;
        let aside = self.fetcher.aside(&repository.place, &path, entry.size, &folder).await?;
        let (keys, promised) = (repositories.keys.clone(), entry.clone());
        blocking("a package", move || {
            let mut package = Package::open(aside.path(), &promised, &keys)?;
            let operation = format!("write {} to the cache", promised.file_name());
            aside.persist(&target).map_err(|e| Error::Io { operation, source: e.error })?;
            package.path = target;
            Ok(package)
        })
        .await
    }
}

/// The last two folders of a repository and the file in it: `v3.20/main/x86_64/APKINDEX.tar.gz`.
fn named(place: &Url, path: &str) -> String {
    let folders: Vec<&str> = place.path().split('/').filter(|part| !part.is_empty()).collect();
    let last = folders.len().saturating_sub(2);
    let mut parts = folders[last..].to_vec();
    parts.push(path);
    parts.join("/")
}
