//! From a verified release to the texts of its `Packages` indexes.

use std::{fs::File, io::BufReader, io::Read, path::Path};

use futures::{StreamExt, TryStreamExt, stream};
use url::Url;

use super::{
    cache,
    fetch::Fetcher,
    release::{Promise, Release},
};
use crate::{
    Error, Result,
    deb::archive::{Bounded, decoder},
};

/// Of one index: Debian's main has some 50 MB unpacked.
const MAX_INDEX: u64 = 1 << 30;
const MAX_PACKED: u64 = 256 << 20;
/// Indexes that are fetched and unpacked at once.
const TOGETHER: usize = 4;

/// Where indexes come from, and where they are kept.
#[derive(Clone, Copy)]
pub(super) struct Origin<'a> {
    pub(super) fetcher: &'a Fetcher,
    /// Of the archive.
    pub(super) base: &'a Url,
    /// The cache.
    pub(super) folder: &'a Path,
    /// For people.
    pub(super) suite: &'a str,
    /// Where the release lies beneath the base: `dists/bookworm`; empty: at the base itself.
    pub(super) under: &'a str,
    pub(super) architecture: &'a str,
    pub(super) release: &'a Release,
}

impl Origin<'_> {
    /// The text of each component's index, in their order. The first must be there; of the others, those that the release
    /// lists, and then what cannot be had is an error: a package that is not seen would be taken for one that is not mended.
    pub(super) async fn packages(self, components: &[&str]) -> Result<Vec<String>> {
        let mut wanted = components.iter().copied();
        let first = wanted.next();
        let listed = wanted.filter(|component| self.release.lists(component));
        let architecture = self.architecture;
        let plain = |component: &str| format!("{component}/binary-{architecture}/Packages");
        self.indexes(first.into_iter().chain(listed).map(plain).collect()).await
    }

    /// The texts of these indexes, by their names before they were packed, in their order.
    pub(super) async fn indexes(self, plain: Vec<String>) -> Result<Vec<String>> {
        let all: Vec<_> = plain.into_iter().map(|plain| packages(self, plain)).collect();
        stream::iter(all).buffered(TOGETHER).try_collect().await
    }

    /// Whether the release promises an index of this name, in any packing.
    pub(super) fn has(self, plain: &str) -> bool {
        promised(self.release, plain).is_some()
    }
}

/// Which packing of an index is read, as the release writes its name, and what it promises of it.
fn promised<'r>(release: &'r Release, plain: &str) -> Option<(&'static str, String, &'r Promise)> {
    [".xz", ".zst", ".gz", ""].into_iter().find_map(|suffix| {
        let name = format!("{plain}{suffix}");
        // A repository of one folder may write where it starts from.
        let promise = release.files.get(&name).or_else(|| release.files.get(&format!("./{name}")))?;
        Some((suffix, name, promise))
    })
}

/// One index's text, fetched by hash where the archive offers that.
async fn packages(origin: Origin<'_>, plain: String) -> Result<String> {
    let Origin { fetcher, base, folder, suite, under, release, .. } = origin;
    let (suffix, name, promise) = promised(release, &plain).ok_or_else(|| Error::Malformed {
        file: format!("InRelease of {suite}"),
        reason: format!("it has no {plain}"),
    })?;
    if promise.size > MAX_PACKED {
        return Err(Error::Unverified {
            file: plain,
            reason: "it is larger than an index may be".to_owned(),
        });
    }
    let path = cache::place(folder, "indices", promise)?;
    if !cache::holds(&path, promise).await {
        let name = if under.is_empty() { name } else { format!("{under}/{name}") };
        fetch(fetcher, base, &name, release.by_hash, promise, &path).await?;
    }
    let file = format!("{plain} of {suite}");
    let failed = move |reason: String| Error::Malformed { file: file.clone(), reason };
    let lost = failed.clone();
    tokio::task::spawn_blocking(move || {
        let raw = BufReader::with_capacity(128 << 10, File::open(&path).map_err(|e| failed(e.to_string()))?);
        let inner = decoder(suffix, raw).map_err(|e| failed(e.to_string()))?;
        let mut bytes = Vec::new();
        Bounded { inner, left: MAX_INDEX }.read_to_end(&mut bytes).map_err(|e| failed(e.to_string()))?;
        String::from_utf8(bytes).map_err(|_| failed("it is not UTF-8".to_owned()))
    })
    .await
    .unwrap_or_else(|_| Err(lost("reading it was interrupted".to_owned())))
}

async fn fetch(
    fetcher: &Fetcher,
    base: &Url,
    name: &str,
    by_hash: bool,
    promise: &Promise,
    target: &Path,
) -> Result<()> {
    if by_hash {
        let folder = name.rsplit_once('/').map_or(String::new(), |(folder, _)| format!("{folder}/"));
        let hashed = format!("{folder}by-hash/SHA256/{}", promise.sha256);
        match fetcher.file(base, &hashed, promise, target).await {
            // A partial mirror may lack the hashed names though the release offers them.
            Err(Error::Status { status: 404, .. }) => {}
            done => return done,
        }
    }
    fetcher.file(base, name, promise, target).await
}
