//! Sets in a place that many machines reach: who loaded one offers it, the others fetch what they lack, by its hash.

use std::{
    io::Write as _,
    path::{Path, PathBuf},
    sync::Arc,
};

use async_trait::async_trait;
use jiff::Timestamp;
use patchline_registry::Digest;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use tokio::sync::Mutex;

use super::{
    folder::{self, Pointer},
    set::MAGIC,
    update::SourceStatus,
};
use crate::{BoxError, Error, Result};

/// Bytes of one part: a row that every database takes.
const PART: usize = 1 << 20;
/// Parts of one set, at most: a gigabyte.
const PARTS: u32 = 1 << 10;
/// From 2 on the sets are not compressed JSON: who reads only those says so and leaves them.
const FORMAT: u32 = 2;

/// Where sets are kept in parts; `store` implements it. A revision is `sha256:…` of the parts in order.
#[async_trait]
pub trait Shelf: Send + Sync {
    /// What [`Shelf::publish`] was last told; none: nothing is on the shelf.
    async fn current(&self) -> Result<Option<String>, BoxError>;
    /// One part, from 0; none: the revision has no such part, or is not here.
    async fn part(&self, revision: &str, part: u32) -> Result<Option<Vec<u8>>, BoxError>;
    /// Keeps a part; one that is there is left alone.
    async fn put_part(&self, revision: &str, part: u32, body: &[u8]) -> Result<(), BoxError>;
    /// Says what holds from now on, and lets go of every revision that is not in `keep`.
    async fn publish(&self, current: &str, keep: &[String]) -> Result<(), BoxError>;
}

/// What lies on the shelf.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Offer {
    format: u32,
    revision: String,
    /// Earlier ones that are still there, newest first.
    earlier: Vec<String>,
    sources: Vec<SourceStatus>,
}

impl Offer {
    async fn read(shelf: &dyn Shelf) -> Result<Option<Self>> {
        let Some(text) = shelf.current().await.map_err(Error::Shelf)? else { return Ok(None) };
        let unreadable = |reason| Error::Advisories { origin: "the database".to_owned(), reason };
        let offer: Self = serde_json::from_str(&text).map_err(|e| unreadable(e.to_string()))?;
        if !(1..=FORMAT).contains(&offer.format) {
            return Err(unreadable(format!("its format {} is not 1 to {FORMAT}", offer.format)));
        }
        Ok(Some(offer))
    }
}

/// The advisories of one process: its folder, and the shelf that it shares with others.
#[derive(Clone)]
pub struct Advisories {
    folder: PathBuf,
    shelf: Option<Arc<dyn Shelf>>,
    /// One at a time moves sets between the two.
    moving: Arc<Mutex<()>>,
}

impl Advisories {
    /// A folder that nobody else has a part in.
    pub fn alone(folder: PathBuf) -> Self {
        Self { folder, shelf: None, moving: Arc::default() }
    }
    /// A folder that is kept up with a shelf.
    pub fn shared(folder: PathBuf, shelf: Arc<dyn Shelf>) -> Self {
        Self { shelf: Some(shelf), ..Self::alone(folder) }
    }
    /// The folder of sets.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Puts the folder's set on the shelf, unless what lies there was loaded later. True: something was put there.
    ///
    /// # Errors
    /// A folder or a shelf that cannot be read or written.
    pub async fn offer(&self) -> Result<bool> {
        let Some(shelf) = &self.shelf else { return Ok(false) };
        let _moving = self.moving.lock().await;
        let Some(own) = Pointer::read(&self.folder)? else { return Ok(false) };
        let theirs = Offer::read(shelf.as_ref()).await?;
        if theirs.as_ref().is_some_and(|t| loaded(&t.sources) >= loaded(&own.sources)) {
            return Ok(false);
        }
        if theirs.as_ref().is_none_or(|t| t.revision != own.revision) {
            let (folder, revision) = (self.folder.clone(), own.revision.clone());
            let packed = work(move || folder::verified(&folder, &revision)).await?;
            if packed.len() > PART * PARTS as usize {
                return Err(Error::Limit {
                    what: "a set of advisories",
                    limit: (PART as u64) * u64::from(PARTS),
                });
            }
            for (part, body) in (0_u32..).zip(packed.chunks(PART)) {
                shelf.put_part(&own.revision, part, body).await.map_err(Error::Shelf)?;
            }
        }
        let mut earlier: Vec<String> =
            theirs.into_iter().flat_map(|t| std::iter::once(t.revision).chain(t.earlier)).collect();
        earlier.retain(|r| *r != own.revision);
        earlier.truncate(folder::KEPT - 1);
        let offer = Offer { format: FORMAT, revision: own.revision, earlier, sources: own.sources };
        let keep: Vec<String> = std::iter::once(&offer.revision).chain(&offer.earlier).cloned().collect();
        let text = serde_json::to_string(&offer).expect("strings and numbers alone");
        shelf.publish(&text, &keep).await.map_err(Error::Shelf)?;
        Ok(true)
    }

    /// Brings the shelf's newest set into the folder, where the folder's own was not loaded later. True: it is new here.
    ///
    /// # Errors
    /// A shelf or a folder that cannot be read or written, parts that are not what the revision promises.
    pub async fn fetch_newest(&self) -> Result<bool> {
        let Some(shelf) = &self.shelf else { return Ok(false) };
        let _moving = self.moving.lock().await;
        let Some(theirs) = Offer::read(shelf.as_ref()).await? else { return Ok(false) };
        let own = Pointer::read(&self.folder).unwrap_or_else(|error| {
            tracing::warn!(%error, "the pointer to the current advisories is replaced");
            None
        });
        if own.as_ref().is_some_and(|own| loaded(&own.sources) >= loaded(&theirs.sources)) {
            return Ok(false);
        }
        self.bring(shelf.as_ref(), &theirs.revision).await?;
        let (folder, Offer { revision, sources, .. }) = (self.folder.clone(), theirs);
        work(move || folder::point(&folder, &revision, sources)).await?;
        Ok(true)
    }

    /// Brings one revision into the folder, if the shelf has it and the folder does not. What is nowhere stays so.
    ///
    /// # Errors
    /// As [`Advisories::fetch_newest`].
    pub async fn fetch(&self, revision: &str) -> Result<()> {
        let Some(shelf) = &self.shelf else { return Ok(()) };
        let _moving = self.moving.lock().await;
        if !folder::has(&self.folder, revision) {
            self.bring(shelf.as_ref(), revision).await?;
        }
        Ok(())
    }

    /// Part by part into a file aside, which gets its name once its content has the revision's hash.
    async fn bring(&self, shelf: &dyn Shelf, revision: &str) -> Result<()> {
        let expected: Digest = revision
            .parse()
            .map_err(|_| folder::unreadable(&self.folder, format!("`{revision}` is no revision of a set")))?;
        let (known, whole) = (self.folder.clone(), revision.to_owned());
        if work(move || Ok(folder::verified(&known, &whole).is_ok())).await? {
            return Ok(());
        }
        folder::prepare(&self.folder)?;
        let mut path = self.folder.join(folder::file_name(revision));
        let mut aside =
            tempfile::NamedTempFile::new_in(&self.folder).map_err(|e| folder::io_error("write", &path, e))?;
        let mut hash = Sha256::new();
        for part in 0.. {
            let Some(body) = shelf.part(revision, part).await.map_err(Error::Shelf)? else {
                if part == 0 {
                    return Ok(());
                }
                break;
            };
            if part >= PARTS {
                return Err(Error::Limit { what: "parts of a set of advisories", limit: PARTS.into() });
            }
            if part == 0 && !body.starts_with(&MAGIC) {
                path = self.folder.join(folder::old_file_name(revision));
            }
            hash.update(&body);
            aside.write_all(&body).map_err(|e| folder::io_error("write", &path, e))?;
        }
        let actual = Digest::from_sha256(&hash.finalize());
        if actual != expected {
            return Err(folder::unreadable(&path, format!("what the database holds of it has {actual}")));
        }
        aside.as_file().sync_all().map_err(|e| folder::io_error("flush", &path, e))?;
        aside.persist(&path).map_err(|e| folder::io_error("write", &path, e.error))?;
        Ok(())
    }
}

impl std::fmt::Debug for Advisories {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Advisories").field("folder", &self.folder).finish_non_exhaustive()
    }
}

/// The moment of the youngest source; what says none was loaded before all that do.
fn loaded(sources: &[SourceStatus]) -> Timestamp {
    sources.iter().filter_map(|s| s.loaded.parse().ok()).max().unwrap_or(Timestamp::MIN)
}

/// Megabytes are read and hashed: not on a thread that serves others.
async fn work<T: Send + 'static>(what: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(what).await.map_err(|e| Error::Io {
        operation: "move advisories".to_owned(),
        source: std::io::Error::other(e),
    })?
}

#[cfg(test)]
#[path = "shelf_tests.rs"]
mod tests;
