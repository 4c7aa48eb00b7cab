//! Verified apt repositories: InRelease (or Release and its signature) → Packages → .deb, each by its hash.

pub(crate) mod cache;
mod changelogs;
mod distribution;
pub(crate) mod fetch;
mod home;
pub(crate) mod image;
mod index;
pub(crate) mod keyring;
mod listed;
mod own;
pub(crate) mod release;
mod signed;
mod sources;
mod suite;
mod uploads;
pub(crate) mod verify;

use std::{
    collections::HashMap,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use tokio::{
    runtime::Handle,
    task::{JoinError, JoinHandle},
    time::Instant,
};
use url::Url;

use crate::{Error, Proxy, Result, clock, deb::PackageRecord, fix::Progress, plan::eol};
pub use distribution::{Distribution, Place, Series};
use fetch::Fetcher;
pub use home::{Base, Home};
use release::{Promise, Release};
use signed::Signed;
pub use sources::{Archives, Mirror, Mirrors};
pub use suite::Suite;

const MAX_PACKAGE: u64 = 4 << 30;
/// Plan, build and proof of one fix see the same state; a server sees a new one soon enough.
const FRESH: Duration = Duration::from_secs(60);

/// How to reach and trust repositories.
#[derive(Debug, Clone)]
pub struct AptConfig {
    /// Mirrors.
    pub mirrors: Mirrors,
    /// Folder for verified indices and packages, each by its SHA-256.
    pub cache: PathBuf,
    /// Keyring files, believed for every distribution, and for the repositories that images name for themselves; empty: the
    /// host's under `/usr/share/keyrings`, each for its own distribution alone, and for an image's own repositories what that
    /// image names for them.
    pub keyrings: Vec<PathBuf>,
    /// Accept a suite whose `Valid-Until` has passed.
    pub allow_expired: bool,
}

/// What is known of a suite, and what somebody expected to be asked for.
#[derive(Default)]
struct Known {
    read: Option<(Instant, Arc<Suite>)>,
    coming: Option<JoinHandle<Result<Arc<Suite>>>>,
}

impl Known {
    fn fresh(&self) -> Option<&Arc<Suite>> {
        self.read.as_ref().filter(|(read, _)| read.elapsed() < FRESH).map(|(_, suite)| suite)
    }
}

type Slot = Arc<tokio::sync::Mutex<Known>>;

/// Which suite: whose, its name, and for which architecture.
type Which = (Distribution, String, String);

/// Who fetches of whom: what has no proxy of its own shares one pool.
#[derive(Clone)]
struct Fetchers {
    debian: Arc<Fetcher>,
    ubuntu: Arc<Fetcher>,
    others: Arc<Fetcher>,
}

impl Fetchers {
    fn of(mirrors: &Mirrors) -> Self {
        let shared = Arc::new(Fetcher::new());
        let through = |proxy: &Option<Proxy>| match proxy {
            Some(proxy) => Arc::new(Fetcher::through(Some(proxy.clone()))),
            None => shared.clone(),
        };
        Self {
            debian: through(&mirrors.debian.proxy),
            ubuntu: through(&mirrors.ubuntu.proxy),
            others: through(&mirrors.others_proxy),
        }
    }
    fn distribution(&self, distribution: Distribution) -> &Fetcher {
        match distribution {
            Distribution::Debian => &self.debian,
            Distribution::Ubuntu => &self.ubuntu,
        }
    }
}

/// The apt client; cheap to clone.
#[derive(Clone)]
pub struct Apt {
    config: Arc<AptConfig>,
    fetchers: Fetchers,
    suites: Arc<Mutex<HashMap<Which, Slot>>>,
    /// Bytes of indexes of one image's own repositories.
    most_held: usize,
}

impl Apt {
    /// No request is made.
    pub fn new(config: AptConfig) -> Result<Self> {
        let fetchers = Fetchers::of(&config.mirrors);
        Ok(Self { config: Arc::new(config), fetchers, suites: Arc::default(), most_held: own::MOST_HELD })
    }

    /// How it was made.
    pub fn config(&self) -> &AptConfig {
        &self.config
    }

    /// Fetches and verifies one suite (`bookworm`, `jammy-security`) for an architecture, by dpkg's name: of Debian the
    /// component main, of Ubuntu all that it lists. One that was read within the last minute is given again.
    pub async fn suite(
        &self,
        distribution: Distribution,
        suite: &str,
        architecture: &str,
    ) -> Result<Arc<Suite>> {
        let slot = self.slot(distribution, suite, architecture);
        let mut slot = slot.lock().await;
        if let Some(fresh) = slot.fresh() {
            return Ok(fresh.clone());
        }
        let read = match slot.coming.take() {
            Some(coming) => coming.await.map_err(|error| interrupted(suite, error))??,
            None => {
                let known = slot.read.as_ref().map(|(_, known)| known.clone());
                self.read(distribution, suite, architecture, known).await?
            }
        };
        slot.read = Some((Instant::now(), read.clone()));
        Ok(read)
    }

    /// Begins to read a suite that will likely be asked for, while there is still something else to wait for. Whoever
    /// asks gets what comes of it, an error too; nobody needs to ask. From any thread.
    pub(crate) fn expect(
        &self,
        runtime: &Handle,
        distribution: Distribution,
        suite: &str,
        architecture: &str,
    ) {
        let slot = self.slot(distribution, suite, architecture);
        // Taken: somebody asks for it already.
        let Ok(mut slot) = slot.try_lock() else { return };
        if slot.fresh().is_some() || slot.coming.is_some() {
            return;
        }
        let known = slot.read.as_ref().map(|(_, known)| known.clone());
        let (apt, suite, architecture) = (self.clone(), suite.to_owned(), architecture.to_owned());
        let read = async move { apt.read(distribution, &suite, &architecture, known).await };
        slot.coming = Some(runtime.spawn(read));
    }

    fn slot(&self, distribution: Distribution, suite: &str, architecture: &str) -> Slot {
        let mut suites = self.suites.lock().unwrap_or_else(PoisonError::into_inner);
        suites.entry((distribution, suite.to_owned(), architecture.to_owned())).or_default().clone()
    }

    async fn read(
        &self,
        distribution: Distribution,
        name: &str,
        architecture: &str,
        known: Option<Arc<Suite>>,
    ) -> Result<Arc<Suite>> {
        let word = |text: &str| {
            !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
        };
        if !word(name) || !word(architecture) || name.starts_with('.') {
            return Err(Error::Malformed {
                file: name.to_owned(),
                reason: "it is no suite's name".to_owned(),
            });
        }
        let place = Place::of(distribution, name, architecture);
        let now = clock::now();
        let (base, signed, archived) = self.in_release(name, place, now).await?;
        let keyrings = self.config.keyrings.clone();
        let (text, hash) = blocking(name, move || {
            let keyring = keyring::Keyring::of(&keyrings, distribution)?;
            Ok(signed.text(&keyring, now).map(|text| (text, signed.hash())))
        })
        .await?
        .map_err(|reason| Error::Untrusted { suite: name.to_owned(), reason })?;
        // What an archive holds has expired when its release ended.
        let release = Release::parse(distribution, name, &text, now, self.config.allow_expired || archived)?;
        if let Some(known) = known.filter(|known| known.release == hash) {
            return Ok(known);
        }
        let origin = index::Origin {
            fetcher: self.fetchers.distribution(distribution),
            base: &base,
            folder: &self.config.cache,
            suite: name,
            under: &format!("dists/{name}"),
            architecture,
            release: &release,
        };
        let texts = origin.packages(distribution.components()).await?;
        let (suite, date) = (name.to_owned(), release.date.to_string());
        blocking(name, move || Suite::new(&suite, &hash, &date, place, texts).map(Arc::new)).await
    }

    /// A suite's signed release, where it lies, and whether that is the archive of releases that have ended: it is asked only
    /// for one of those, and only where the mirror no longer has it.
    async fn in_release(&self, name: &str, place: Place, now: Timestamp) -> Result<(Url, Signed, bool)> {
        let folder = format!("dists/{name}");
        let mirrors = &self.config.mirrors;
        let fetcher = self.fetchers.distribution(place.distribution());
        let over = eol::is_over(place.distribution().id(), distribution::codename(name), now);
        let archive = mirrors.archived(place).filter(|_| over);
        let first = match mirrors.base(place) {
            Some(base) => Signed::fetch(fetcher, base, &folder, name).await.map(|signed| (base, signed)),
            None => Err(Error::NoMirror { suite: name.to_owned(), place }),
        };
        match (first, archive) {
            (Ok((base, signed)), _) => Ok((base.clone(), signed, false)),
            (Err(Error::Status { status: 404, .. } | Error::NoMirror { .. }), Some(archive)) => {
                let signed = Signed::fetch(fetcher, &archive, &folder, name).await?;
                Ok((archive, signed, true))
            }
            (Err(Error::Status { status: 404, .. }), None) if over => {
                Err(Error::ReleaseEnded { suite: name.to_owned(), distribution: place.distribution() })
            }
            (Err(other), _) => Err(other),
        }
    }

    /// Downloads and verifies packages, several at once; paths in the cache, in the same order.
    pub async fn download(&self, packages: &[Arc<PackageRecord>]) -> Result<Vec<PathBuf>> {
        let quiet: Progress = Arc::new(|_, _, _| {});
        self.download_with(packages, &quiet).await
    }

    /// The same, telling progress as phase `download` in bytes.
    pub async fn download_with(
        &self,
        packages: &[Arc<PackageRecord>],
        progress: &Progress,
    ) -> Result<Vec<PathBuf>> {
        let total: u64 = packages.iter().map(|package| package.size).sum();
        let done = std::sync::atomic::AtomicU64::new(0);
        progress("download", 0, total);
        let one = |package: Arc<PackageRecord>| {
            let done = &done;
            async move {
                let path = self.package(&package).await?;
                let so_far =
                    done.fetch_add(package.size, std::sync::atomic::Ordering::Relaxed) + package.size;
                progress("download", so_far, total);
                Ok(path)
            }
        };
        stream::iter(packages.to_vec()).map(one).buffered(12).try_collect().await
    }

    /// Where a downloaded package is kept as it unpacks.
    pub(crate) fn unpacked(&self, package: &PackageRecord) -> Result<PathBuf> {
        let promise = Promise { sha256: package.sha256.clone(), size: package.size };
        cache::place(&self.config.cache, "unpacked", &promise)
    }

    async fn package(&self, package: &PackageRecord) -> Result<PathBuf> {
        let unverified =
            |reason: &str| Error::Unverified { file: package.filename.clone(), reason: reason.to_owned() };
        if !release::is_sha256(&package.sha256) {
            return Err(unverified("the index has no SHA-256 of it"));
        }
        if package.size > MAX_PACKAGE {
            return Err(unverified("it is larger than a package may be"));
        }
        let promise = Promise { sha256: package.sha256.clone(), size: package.size };
        let path = cache::place(&self.config.cache, "packages", &promise)?;
        if !cache::holds(&path, &promise).await {
            let mirrors = &self.config.mirrors;
            let place = match &package.home {
                Some(Home::Archive(place)) => *place,
                Some(Home::Mirror(base)) => {
                    let name = package.filename.trim_start_matches("./");
                    self.fetchers.others.file(base.address(), name, &promise, &path).await?;
                    return Ok(path);
                }
                None => return Err(unverified("it stands in no index")),
            };
            let fetcher = self.fetchers.distribution(place.distribution());
            let nowhere = || Error::NoMirror { suite: package.name.clone(), place };
            let first = match mirrors.base(place) {
                Some(base) => fetcher.file(base, &package.filename, &promise, &path).await,
                None => Err(nowhere()),
            };
            match (first, mirrors.archived(place)) {
                // Its hash is promised: where it comes from does not matter.
                (Err(Error::Status { status: 404, .. } | Error::NoMirror { .. }), Some(archive)) => {
                    fetcher.file(&archive, &package.filename, &promise, &path).await?;
                }
                (first, _) => first?,
            }
        }
        Ok(path)
    }
}

/// Work that would hold up the runtime, off it. `what` names it should it be interrupted.
pub(crate) async fn blocking<T: Send + 'static>(
    what: &str,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => Err(interrupted(what, error)),
    }
}

fn interrupted(what: &str, error: JoinError) -> Error {
    let source = std::io::Error::other(error);
    Error::Io { operation: format!("work on {what} was interrupted"), source }
}

#[cfg(test)]
mod archive_tests;
