//! The public bucket's layout over HTTP: `ecosystems.txt`, and for each ecosystem `all.zip`, `modified_id.csv` (the
//! newest change first: time, comma, id) and `<id>.json`.
//!
//! An ecosystem whose archive was loaded within [`YOUNG`] is brought up to date by its changes alone, as long as
//! they are few; every other one by its archive. Nothing is asked for that did not change.

use std::{collections::BTreeMap, path::Path, time::Duration};

use futures::{StreamExt as _, TryStreamExt as _};
use jiff::Timestamp;
use reqwest::Client;
use url::Url;

use super::{
    folder::{Pointer, Seen},
    http::{self, Answer},
    limits, names,
    records::{self, Collector, Loaded},
    update::{SourceStatus, blocking},
};
use crate::{Error, Result, version::Order};

/// Requests at one time.
const AT_ONCE: usize = 8;
/// Archives at one time.
const ARCHIVES_AT_ONCE: usize = 2;
/// How long changes are added to an archive before it is loaded whole again: what was deleted then goes too.
const YOUNG: Duration = Duration::from_secs(7 * 24 * 3600);

/// What became of one ecosystem.
pub(super) enum Outcome {
    /// What is loaded is what is there.
    Unchanged,
    /// In place of all that was there.
    Whole(Loaded),
    /// In place of what was there under the same ids; `gone` is there no more.
    Changes { loaded: Loaded, gone: Vec<String> },
}

/// The bucket, as one update sees it.
pub(super) struct Bucket<'a> {
    base: &'a Url,
    client: Client,
    /// For downloads.
    folder: &'a Path,
    /// What is loaded, if it is whole.
    before: Option<&'a Pointer>,
    now: &'a str,
}

/// One ecosystem's source, what became of it, and what its addresses said of themselves.
pub(super) type Fetched = (String, Result<(Outcome, BTreeMap<String, Seen>)>);

impl<'a> Bucket<'a> {
    pub(super) fn new(
        base: &'a Url,
        folder: &'a Path,
        before: Option<&'a Pointer>,
        now: &'a str,
    ) -> Result<Self> {
        Ok(Self { base, client: http::client(base)?, folder, before, now })
    }

    /// The named ecosystems, else every one that the bucket names and that can be matched. One that fails fails alone.
    pub(super) async fn fetch(&self, wanted: &[String]) -> Result<Vec<Fetched>> {
        let ecosystems = if wanted.is_empty() { self.ecosystems().await? } else { wanted.to_vec() };
        let one = |ecosystem: String| async move {
            let fetched = Box::pin(self.ecosystem(&ecosystem)).await;
            (records::source(&ecosystem), fetched)
        };
        let mut fetched: Vec<Fetched> =
            futures::stream::iter(ecosystems).map(one).buffer_unordered(ARCHIVES_AT_ONCE).collect().await;
        fetched.sort_by(|a, b| a.0.cmp(&b.0));
        Ok(fetched)
    }

    async fn ecosystems(&self) -> Result<Vec<String>> {
        let url = http::below(self.base, &["ecosystems.txt"])?;
        let Answer::Fresh(response, _) = http::get(&self.client, &url, None).await? else {
            return Err(http::remote(&url, "it has no ecosystems.txt: name the ecosystems".to_owned()));
        };
        let body = http::body(response, &url, limits::advisories().ecosystem_list, |_| false).await?;
        let mut found: Vec<String> = String::from_utf8_lossy(&body)
            .lines()
            .map(|line| names::base(line.trim()).to_owned())
            .filter(|name| Order::of_ecosystem(name).is_some())
            .collect();
        found.sort();
        found.dedup();
        if found.is_empty() || found.len() > limits::advisories().ecosystems {
            let reason = format!("its ecosystems.txt names {} ecosystems that we match", found.len());
            return Err(http::remote(&url, reason));
        }
        Ok(found)
    }

    async fn ecosystem(&self, ecosystem: &str) -> Result<(Outcome, BTreeMap<String, Seen>)> {
        if Order::of_ecosystem(ecosystem).is_none() {
            return Err(http::remote(self.base, format!("`{ecosystem}` is no ecosystem that we match")));
        }
        let name = records::source(ecosystem);
        let source = self.before.and_then(|p| p.sources.iter().find(|s| s.source == name));
        let archive = http::below(self.base, &[ecosystem, "all.zip"])?;
        if let Some(since) = source.and_then(|s| self.since(s, &archive)) {
            match self.changes(ecosystem, &since).await {
                Ok(Some(changes)) => return Ok(changes),
                Ok(None) => {}
                Err(error) => {
                    tracing::info!(ecosystem, %error, "the list of changes is of no use: the archive is read")
                }
            }
        }
        let etag = source.and(self.seen(&archive)).map(|seen| seen.etag.as_str());
        match http::get(&self.client, &archive, etag).await? {
            Answer::Unchanged => {
                Ok((Outcome::Unchanged, self.noted(&name, &archive, etag.map(str::to_owned))))
            }
            Answer::Absent => Err(http::absent(&archive)),
            Answer::Fresh(response, etag) => {
                let file = http::save(response, &archive, self.folder).await?;
                let ecosystem = ecosystem.to_owned();
                let loaded = blocking(move || records::export(&ecosystem, file.path())).await?;
                let loaded = loaded.ok_or_else(|| http::absent(&archive))?;
                Ok((Outcome::Whole(loaded), self.noted(&name, &archive, etag)))
            }
        }
    }

    /// Since when changes are wanted; none: the archive is.
    fn since(&self, source: &SourceStatus, archive: &Url) -> Option<Timestamp> {
        let time = |text: &str| text.parse::<Timestamp>().ok();
        let now = time(self.now)?;
        let newest = source.newest.as_deref().and_then(time)?;
        let loaded = time(&self.seen(archive)?.at)?;
        let age = Duration::try_from(now.duration_since(loaded)).ok()?;
        // A record of the future would hide every change.
        (age <= YOUNG && newest <= now && source.failed.is_none()).then_some(newest)
    }

    /// None: there are too many.
    async fn changes(
        &self,
        ecosystem: &str,
        since: &Timestamp,
    ) -> Result<Option<(Outcome, BTreeMap<String, Seen>)>> {
        let name = records::source(ecosystem);
        let list = http::below(self.base, &[ecosystem, "modified_id.csv"])?;
        let etag = self.seen(&list).map(|seen| seen.etag.as_str());
        let (response, etag) = match http::get(&self.client, &list, etag).await? {
            Answer::Unchanged => {
                return Ok(Some((Outcome::Unchanged, self.noted(&name, &list, etag.map(str::to_owned)))));
            }
            Answer::Absent => return Err(http::absent(&list)),
            Answer::Fresh(response, etag) => (response, etag),
        };
        let enough = |body: &[u8]| {
            let whole = body.iter().rposition(|b| *b == b'\n').map_or(&[][..], |end| &body[..end]);
            let last = whole.rsplit(|b| *b == b'\n').next().and_then(|line| std::str::from_utf8(line).ok());
            last.and_then(|line| line.split_once(',')?.0.parse::<Timestamp>().ok())
                .is_some_and(|at| at < *since)
        };
        let body = http::body(response, &list, limits::advisories().change_list, enough).await?;
        let ids = changed(&body, since).map_err(|reason| http::remote(&list, reason))?;
        let Some(ids) = ids else { return Ok(None) };
        let fetched: Vec<(String, Option<Vec<u8>>)> = futures::stream::iter(ids)
            .map(|id| async move {
                let record = self.record(ecosystem, &id).await?;
                Ok::<_, Error>((id, record))
            })
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        let mut collector = Collector::new(Some(ecosystem));
        let mut gone = Vec::new();
        for (id, record) in fetched {
            match record {
                Some(json) => collector.add(&format!("{id}.json"), &json)?,
                None => gone.push(id),
            }
        }
        let loaded = collector.finish(list.host_str().unwrap_or("the bucket"))?;
        let loaded = loaded.into_values().next().unwrap_or_default();
        Ok(Some((Outcome::Changes { loaded, gone }, self.noted(&name, &list, etag))))
    }

    /// None: it is gone.
    async fn record(&self, ecosystem: &str, id: &str) -> Result<Option<Vec<u8>>> {
        let url = http::below(self.base, &[ecosystem, &format!("{id}.json")])?;
        match http::get(&self.client, &url, None).await? {
            Answer::Fresh(response, _) => {
                http::body(response, &url, limits::advisories().record as usize, |_| false).await.map(Some)
            }
            _ => Ok(None),
        }
    }

    fn seen(&self, url: &Url) -> Option<&'a Seen> {
        self.before.and_then(|p| p.seen.get(&http::key(url)))
    }

    fn noted(&self, source: &str, url: &Url, etag: Option<String>) -> BTreeMap<String, Seen> {
        let seen = |etag| Seen { source: source.to_owned(), etag, at: self.now.to_owned() };
        let seen = etag.map(|etag| (http::key(url), seen(etag)));
        seen.into_iter().collect()
    }
}

/// Ids that changed at or after a moment: several records bear the time of the newest. None: they are too many.
fn changed(list: &[u8], since: &Timestamp) -> std::result::Result<Option<Vec<String>>, String> {
    let mut ids = Vec::new();
    for (number, line) in (1..).zip(list.split(|b| *b == b'\n')) {
        let wrong = || format!("line {number} of its list of changes is no time and id");
        let line = std::str::from_utf8(line).map_err(|_| wrong())?.trim();
        if line.is_empty() {
            continue;
        }
        let Some((at, id)) = line.split_once(',') else {
            // The list was not read to its end.
            if number > 1 && !list.ends_with(b"\n") {
                break;
            }
            return Err(wrong());
        };
        let fits = |b: u8| b.is_ascii_alphanumeric() || b"-_.:".contains(&b);
        let good = !id.is_empty() && id.len() <= 256 && !id.starts_with('.') && id.bytes().all(fits);
        let at: Timestamp = at.parse().map_err(|_| wrong())?;
        if at < *since {
            break;
        }
        ids.push(if good { id.to_owned() } else { return Err(wrong()) });
        if ids.len() > limits::advisories().changes {
            return Ok(None);
        }
    }
    Ok(Some(ids))
}
