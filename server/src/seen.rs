//! What the runs tell: listings with filters, and the images that they were about.

use std::collections::HashMap;

use patchline_engine::{Engine, RunFilter, RunId, RunResult, RunStatus, RunView};
use patchline_registry::Digest;
use serde::Serialize;
use serde_json::Value;

use crate::Result;

/// Read at once from the store.
const CHUNK: u32 = 200;
/// Runs looked at for one listing; a rarer match is on a later page.
const LONGEST_LOOK: usize = 4_000;

/// Which runs to list; everything given must hold.
#[derive(Debug, Clone, Default)]
pub(crate) struct RunQuery {
    pub(crate) chain: Option<String>,
    /// A part of `registry/repository:tag@digest`.
    pub(crate) subject: Option<String>,
    pub(crate) state: Option<StateFilter>,
    /// At most so many.
    pub(crate) limit: usize,
    /// Older than this run.
    pub(crate) before: Option<RunId>,
}

/// A run's status, or the result of a finished one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum StateFilter {
    /// Not finished.
    Active,
    Status(RunStatus),
    Result(RunResult),
}

impl StateFilter {
    /// `active`, a status, or a result; none where it is no such word.
    pub(crate) fn parse(word: &str) -> Option<Self> {
        if word == "active" {
            return Some(Self::Active);
        }
        let value = Value::String(word.to_owned());
        serde_json::from_value(value.clone())
            .map(Self::Status)
            .or_else(|_| serde_json::from_value(value).map(Self::Result))
            .ok()
    }
    pub(crate) fn holds(self, run: &RunView) -> bool {
        match self {
            Self::Active => run.status != RunStatus::Finished,
            Self::Status(status) => run.status == status,
            Self::Result(result) => run.result == Some(result),
        }
    }
}

/// Newest first, and where the next page begins, if there is one.
pub(crate) async fn runs(engine: &Engine, query: &RunQuery) -> Result<(Vec<RunView>, Option<RunId>)> {
    let mut found: Vec<RunView> = Vec::new();
    let mut before = query.before.clone();
    let mut looked = 0;
    loop {
        let filter = RunFilter {
            chain: query.chain.clone(),
            subject: query.subject.clone(),
            limit: CHUNK,
            before: before.clone(),
        };
        let chunk = engine.runs(&filter).await?;
        let last = chunk.len() < CHUNK as usize;
        looked += chunk.len();
        for run in chunk {
            let matches = query.state.is_none_or(|state| state.holds(&run));
            if matches && found.len() == query.limit {
                // One more than fits: there is a next page, after the last that does.
                return Ok((found.clone(), found.last().map(|run| run.id.clone())));
            }
            before = Some(run.id.clone());
            if matches {
                found.push(run);
            }
        }
        if last {
            return Ok((found, None));
        }
        if looked >= LONGEST_LOOK {
            return Ok((found, before));
        }
    }
}

/// The image that a run is about, as its subject says.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub(crate) struct ImageName {
    pub(crate) registry: String,
    pub(crate) repository: String,
    pub(crate) tag: Option<String>,
    pub(crate) digest: Option<Digest>,
    /// The unfixed ancestor; the image itself when it is none.
    pub(crate) origin: Option<Digest>,
}

impl ImageName {
    pub(crate) fn of(run: &RunView) -> Self {
        let context = &run.submission.subject.context;
        let text = |name: &str| context.get(name).and_then(Value::as_str).map(str::to_owned);
        Self {
            registry: text("registry").unwrap_or_default(),
            repository: text("repository").unwrap_or_else(|| run.submission.subject.identity.clone()),
            tag: text("tag"),
            digest: text("digest").and_then(|d| d.parse().ok()),
            origin: context.pointer("/origin/digest").and_then(Value::as_str).and_then(|d| d.parse().ok()),
        }
    }
    /// `shop/web:v1`.
    pub(crate) fn short(&self) -> String {
        match (&self.tag, &self.digest) {
            (Some(tag), _) => format!("{}:{tag}", self.repository),
            (None, Some(digest)) => format!("{}@{}", self.repository, digest.short()),
            (None, None) => self.repository.clone(),
        }
    }
    /// `main/shop/web:v1`, the digest where it has no tag: what a start takes.
    pub(crate) fn reference(&self) -> String {
        let Self { registry, repository, .. } = self;
        match (&self.tag, &self.digest) {
            (Some(tag), _) => format!("{registry}/{repository}:{tag}"),
            (None, Some(digest)) => format!("{registry}/{repository}@{digest}"),
            (None, None) => format!("{registry}/{repository}"),
        }
    }
    /// The same with its digest: this image, wherever the tag points.
    pub(crate) fn pinned(&self) -> String {
        match (&self.tag, &self.digest) {
            (Some(_), Some(digest)) => format!("{}@{digest}", self.reference()),
            _ => self.reference(),
        }
    }
    /// Whether it came out of another image by mending.
    pub(crate) fn is_fixed(&self) -> bool {
        self.origin.is_some() && self.origin != self.digest
    }
}

/// An image with what its newest run said.
#[derive(Debug, Clone)]
pub(crate) struct SeenImage {
    pub(crate) name: ImageName,
    pub(crate) newest: RunView,
    pub(crate) runs: usize,
}

/// Every image of the newest runs, the one with the newest run first.
pub(crate) async fn images(engine: &Engine, part: Option<&str>) -> Result<Vec<SeenImage>> {
    let query = RunQuery { subject: part.map(str::to_owned), limit: LONGEST_LOOK, ..RunQuery::default() };
    let (runs, _) = runs(engine, &query).await?;
    Ok(group(runs))
}

fn group(runs: Vec<RunView>) -> Vec<SeenImage> {
    let mut images: Vec<SeenImage> = Vec::new();
    let mut places: HashMap<String, usize> = HashMap::new();
    for run in runs {
        match places.get(&run.submission.subject.identity) {
            Some(&place) => images[place].runs += 1,
            None => {
                places.insert(run.submission.subject.identity.clone(), images.len());
                images.push(SeenImage { name: ImageName::of(&run), newest: run, runs: 1 });
            }
        }
    }
    images
}

/// The runs over one digest, newest first, under whatever name.
pub(crate) async fn runs_of(engine: &Engine, digest: &Digest) -> Result<Vec<RunView>> {
    let query = RunQuery { subject: Some(digest.to_string()), limit: 100, ..RunQuery::default() };
    Ok(runs(engine, &query).await?.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_are_words_of_the_api() {
        assert_eq!(StateFilter::parse("active"), Some(StateFilter::Active));
        assert_eq!(StateFilter::parse("waiting"), Some(StateFilter::Status(RunStatus::Waiting)));
        assert_eq!(StateFilter::parse("remediated"), Some(StateFilter::Result(RunResult::Remediated)));
        assert_eq!(StateFilter::parse("mended"), None);
    }
}
