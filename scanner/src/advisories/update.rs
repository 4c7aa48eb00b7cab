//! Loading sources into the advisory folder: each in place of what was loaded of it before, the others as they were.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    path::{Path, PathBuf},
};

use serde::{Deserialize, Serialize};
use url::Url;

pub use super::feeds::Feed;
use super::{
    Advisory,
    bucket::{Bucket, Fetched, Outcome},
    feeds::{self, Heard},
    folder::{self, Pointer, Seen},
    http::{self, Answer},
    reconcile::reconcile,
    records, set,
    threat::{Threat, Threats},
};
use crate::{Error, Result};

/// Where advisories come from.
#[derive(Debug, Clone)]
pub enum Origin {
    /// A folder in the OSV bucket's layout (`<Ecosystem>/all.zip`, or `<Ecosystem>/*.json`), or one `all.zip`.
    Folder(PathBuf),
    /// The base address of the bucket's layout: `<base>/<Ecosystem>/all.zip`.
    Bucket {
        /// The base address.
        base: Url,
        /// Which ecosystems (`Debian`); none: all that the bucket's `ecosystems.txt` names and that can be matched.
        ecosystems: Vec<String>,
    },
    /// A source besides OSV.
    Feed(Feed, Place),
}

/// Where a feed is.
#[derive(Debug, Clone)]
pub enum Place {
    /// A file; for Alpine's secdb also a folder of them.
    Path(PathBuf),
    /// A file's address.
    Url(Url),
}

/// One line of `advisories status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceStatus {
    /// `osv/Debian`, `kev`
    pub source: String,
    /// Records, or rated vulnerabilities.
    pub advisories: usize,
    /// Newest `modified` among them, or the day of the feed, RFC 3339; none: it says none.
    pub newest: Option<String>,
    /// When they were loaded or last found unchanged, RFC 3339.
    pub loaded: String,
    /// Why the last attempt failed; what is there is what was there before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed: Option<String>,
}

/// Loads and compiles; written aside and renamed; never leaves less than it found when something fails: a source that
/// fails stays as it was, and its [`SourceStatus::failed`] says why. Gives every source of the set that then holds.
/// `now`: RFC 3339.
///
/// # Errors
/// Nothing of the origin can be read, or the folder cannot be written.
pub async fn update(folder: &Path, origin: &Origin, now: &str) -> Result<Vec<SourceStatus>> {
    let folder = folder::prepare(folder)?;
    let mut news = match origin {
        Origin::Folder(path) => {
            let path = path.clone();
            blocking(move || {
                let read = records::folder(&path)?.into_iter();
                Ok(News::of(
                    read.map(|(name, loaded)| (name, loaded.map(|l| (Outcome::Whole(l), BTreeMap::new())))),
                ))
            })
            .await?
        }
        Origin::Bucket { base, ecosystems } => {
            let before = whole(&folder).await?;
            let bucket = Bucket::new(base, &folder, before.as_ref(), now)?;
            News::of(bucket.fetch(ecosystems).await?.into_iter())
        }
        Origin::Feed(feed, Place::Path(path)) => {
            let (feed, path) = (*feed, path.clone());
            blocking(move || Ok(News::heard(feeds::read(feed, &path)?))).await?
        }
        Origin::Feed(feed, Place::Url(url)) => fetch(&folder, *feed, url, now).await?,
    };
    if news.changed.is_empty() && news.unchanged.is_empty() && !news.failed.is_empty() {
        return Err(news.failed.swap_remove(0).1);
    }
    let now = now.to_owned();
    blocking(move || merge(&folder, news, &now)).await
}

/// What the folder holds.
///
/// # Errors
/// A pointer that cannot be read.
pub fn status(folder: &Path) -> Result<Vec<SourceStatus>> {
    Ok(Pointer::read(folder)?.map(|p| p.sources).unwrap_or_default())
}

/// What an origin gave, by source.
#[derive(Default)]
struct News {
    changed: Vec<(String, Change)>,
    unchanged: Vec<String>,
    failed: Vec<(String, Error)>,
    seen: BTreeMap<String, Seen>,
}

enum Change {
    Records(Outcome),
    Feed(Heard),
}

impl News {
    fn of(fetched: impl Iterator<Item = Fetched>) -> Self {
        let mut news = Self::default();
        for (name, fetched) in fetched {
            match fetched {
                Ok((outcome, seen)) => {
                    news.seen.extend(seen);
                    match outcome {
                        Outcome::Unchanged => news.unchanged.push(name),
                        outcome => news.changed.push((name, Change::Records(outcome))),
                    }
                }
                Err(error) => {
                    tracing::warn!(source = name, %error, "a source of advisories stays as it was");
                    news.failed.push((name, error));
                }
            }
        }
        news
    }

    fn heard(heard: BTreeMap<String, Heard>) -> Self {
        let changed = heard.into_iter().map(|(name, heard)| (name, Change::Feed(heard))).collect();
        Self { changed, ..Self::default() }
    }
}

/// The pointer, where what it points at is whole: only then is it asked whether something changed since.
async fn whole(folder: &Path) -> Result<Option<Pointer>> {
    let folder = folder.to_owned();
    blocking(move || {
        let pointer = Pointer::read(&folder).unwrap_or_default().filter(Pointer::is_current);
        Ok(pointer.filter(|p| folder::verified(&folder, &p.revision).is_ok()))
    })
    .await
}

async fn fetch(folder: &Path, feed: Feed, url: &Url, now: &str) -> Result<News> {
    let before = whole(folder).await?;
    let key = http::key(url);
    let seen = before.as_ref().and_then(|p| p.seen.get(&key));
    let client = http::client(url)?;
    match http::get(&client, url, seen.map(|s| s.etag.as_str())).await? {
        Answer::Unchanged => {
            let unchanged = seen.map(|s| s.source.clone()).into_iter().collect();
            Ok(News { unchanged, ..News::default() })
        }
        Answer::Absent => Err(http::absent(url)),
        Answer::Fresh(response, etag) => {
            let file = http::save(response, url, folder).await?;
            let read =
                blocking(move || feeds::read(feed, file.path())).await.map_err(|error| match error {
                    // Not the name that the download has for a moment.
                    Error::Advisories { reason, .. } => http::remote(url, reason),
                    other => other,
                })?;
            let seen = read
                .keys()
                .next()
                .zip(etag)
                .map(|(source, etag)| (key, Seen { source: source.clone(), etag, at: now.to_owned() }));
            Ok(News { seen: seen.into_iter().collect(), ..News::heard(read) })
        }
    }
}

/// Puts the news in place of what was there, and publishes. One at a time.
fn merge(folder: &Path, news: News, now: &str) -> Result<Vec<SourceStatus>> {
    let _lock = folder::lock(folder)?;
    // A pointer or a set that cannot be read must not stand in the way of a new one.
    let lost = |error: Error| tracing::warn!(%error, "what was loaded before is lost");
    let before = Pointer::read(folder).map_err(lost).unwrap_or_default();
    if news.changed.is_empty() {
        let Some(mut pointer) = before else {
            return Err(folder::unreadable(
                folder,
                "what was loaded before is gone: load it again".to_owned(),
            ));
        };
        pointer.sources = statuses(pointer.sources, &news, now);
        pointer.seen.extend(news.seen);
        folder::touch(folder, &pointer)?;
        return Ok(pointer.sources);
    }
    let all = |p: &Pointer| {
        let set = folder::read_whole(folder, &p.revision)?;
        let rotten = |rot: set::Rot| folder::unreadable(folder, rot.to_string());
        Ok((set.all().map_err(rotten)?, set.threats().map_err(rotten)?))
    };
    let (mut known, mut sources) = (Known::default(), Vec::new());
    if let Some(Ok((advisories, threats))) = before.as_ref().map(|p| all(p).map_err(lost)) {
        known = Known { advisories, threats };
        sources = before.as_ref().map(|p| p.sources.clone()).unwrap_or_default();
    }
    let mut seen = before.as_ref().map(|p| p.seen.clone()).unwrap_or_default();
    let mut sources = statuses(sources, &news, now);
    let whole = |change: &Change| !matches!(change, Change::Records(Outcome::Changes { .. }));
    let anew: BTreeSet<&String> =
        news.changed.iter().filter(|(_, c)| whole(c)).map(|(name, _)| name).collect();
    seen.retain(|_, s| !anew.contains(&s.source));
    seen.extend(news.seen);
    for (name, change) in news.changed {
        let newest = known.take(&name, change);
        let status = sources.iter_mut().find(|s| s.source == name);
        if let Some(status) = status {
            let newer =
                newest.filter(|n| status.newest.as_ref().is_none_or(|old| n.1 || records::later(&n.0, old)));
            status.newest = newer.map(|n| n.0).or(status.newest.take());
        }
    }
    let covered = reconcile(&mut known.advisories);
    let counts = known.counts();
    for status in &mut sources {
        status.advisories = counts.get(status.source.as_str()).copied().unwrap_or_default();
    }
    let image = set::write(known.advisories, &known.threats, &covered);
    folder::publish(folder, &image, before, sources.clone(), seen)?;
    Ok(sources)
}

/// The lines as they stand after this attempt, in the order of their names.
fn statuses(before: Vec<SourceStatus>, news: &News, now: &str) -> Vec<SourceStatus> {
    let mut lines: BTreeMap<String, SourceStatus> =
        before.into_iter().map(|s| (s.source.clone(), s)).collect();
    for name in news.changed.iter().map(|(name, _)| name).chain(&news.unchanged) {
        let line = lines.entry(name.clone()).or_insert_with(|| SourceStatus {
            source: name.clone(),
            advisories: 0,
            newest: None,
            loaded: String::new(),
            failed: None,
        });
        now.clone_into(&mut line.loaded);
        line.failed = None;
    }
    for (name, error) in &news.failed {
        if let Some(line) = lines.get_mut(name) {
            line.failed = Some(error.to_string());
        }
    }
    lines.into_values().collect()
}

/// All that is known, while it is put together.
#[derive(Default)]
struct Known {
    advisories: Vec<Advisory>,
    threats: Threats,
}

impl Known {
    /// Takes a source's news in; gives their newest time, and whether it stands in place of the one before.
    fn take(&mut self, name: &str, change: Change) -> Option<(String, bool)> {
        match change {
            Change::Records(Outcome::Unchanged) => None,
            Change::Records(Outcome::Whole(loaded)) => {
                let unreadable: HashSet<String> = loaded.unreadable.into_iter().collect();
                self.advisories.retain(|a| *a.source != *name || unreadable.contains(&a.record.id));
                self.advisories.extend(loaded.advisories);
                loaded.newest.map(|n| (n, true))
            }
            Change::Records(Outcome::Changes { loaded, gone }) => {
                let replaced: HashSet<String> = loaded.ids.into_iter().chain(gone).collect();
                self.advisories.retain(|a| *a.source != *name || !replaced.contains(&a.record.id));
                self.advisories.extend(loaded.advisories);
                loaded.newest.map(|n| (n, false))
            }
            Change::Feed(heard) => {
                self.advisories.retain(|a| *a.source != *name);
                self.advisories.extend(heard.advisories);
                if let Some(feed) = Feed::named(name) {
                    rate(&mut self.threats, feed, heard.threats);
                }
                heard.newest.map(|n| (n, true))
            }
        }
    }

    /// Records, or rated vulnerabilities, by source.
    fn counts(&self) -> HashMap<String, usize> {
        let mut ids: HashMap<&str, BTreeSet<&str>> = HashMap::new();
        for a in &self.advisories {
            ids.entry(&a.source).or_default().insert(&a.record.id);
        }
        let mut counts: HashMap<String, usize> =
            ids.into_iter().map(|(source, ids)| (source.to_owned(), ids.len())).collect();
        let mut rated = |feed: Feed, of: fn(&Threat) -> bool| {
            counts.insert(feed.name().to_owned(), self.threats.values().filter(|t| of(t)).count());
        };
        rated(Feed::Kev, |t| t.known_exploited);
        rated(Feed::Epss, |t| t.epss.is_some());
        rated(Feed::Severities, |t| t.severity.is_some());
        counts
    }
}

/// What one feed says in place of what it said before; what others say stays.
fn rate(threats: &mut Threats, feed: Feed, said: Threats) {
    let put = |threat: &mut Threat, said: Threat| match feed {
        Feed::Kev => threat.known_exploited = said.known_exploited,
        Feed::Epss => threat.epss = said.epss,
        Feed::Severities => threat.severity = said.severity,
        Feed::DebianTracker | Feed::AlpineSecdb => {}
    };
    for threat in threats.values_mut() {
        put(threat, Threat::default());
    }
    for (cve, said) in said {
        put(threats.entry(cve).or_default(), said);
    }
    threats.retain(|_, threat| !threat.is_empty());
}

/// Megabytes are read and compiled: not on a thread that serves others.
pub(super) async fn blocking<T: Send + 'static>(
    what: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(what).await.map_err(|e| Error::Io {
        operation: "compile advisories".to_owned(),
        source: std::io::Error::other(e),
    })?
}

#[cfg(test)]
#[path = "update_tests.rs"]
mod tests;
