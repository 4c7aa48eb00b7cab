//! What is asked of images that takes a while and changes nothing: how two differ, what a fix would do.

mod spot;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use patchline_remediation::{Choice, Denied, Draft, Selection, UpgradePolicy, diff::Changes};
use sha2::{Digest as _, Sha256};

use crate::{
    Error, Result,
    jobs::{Bounds, Jobs, Lost, State},
};

pub use spot::Spot;
pub(crate) use spot::locate;

/// Comparisons at a time; each keeps the list of files that differ.
const DIFFS: Bounds = Bounds { most: 16, at_once: 2, time: Duration::from_secs(600) };
/// Plans at a time: packages are fetched for each.
const PLANS: Bounds = Bounds { most: 64, at_once: 2, time: Duration::from_secs(900) };
/// Files that a comparison names.
pub(crate) const MOST_FILES: usize = 10_000;

/// Does the work, handed in by the cli's wiring.
#[async_trait]
pub trait Bench: Send + Sync {
    /// Compares two images by the advisories of now.
    async fn changes(&self, before: Spot, after: Spot) -> Result<Changes>;
    /// What a fix would do, by the advisories and the repositories of now.
    async fn draft(&self, ask: Ask) -> Result<Draft>;
}

/// A plan that is asked for.
#[derive(Clone)]
pub struct Ask {
    /// Of which image manifest.
    pub spot: Spot,
    /// Which findings.
    pub select: Selection,
    /// How far up.
    pub policy: UpgradePolicy,
    /// Who may lay the new files.
    pub executor: Choice,
    /// Packages that stay, besides the configured ones.
    pub denied: Vec<Denied>,
    /// Packages of languages, too.
    pub languages: bool,
}

/// An error that several may have asked for.
#[derive(Debug, Clone)]
pub(crate) struct Shared(Arc<Error>);

impl From<Lost> for Shared {
    fn from(lost: Lost) -> Self {
        Self(Arc::new(lost.into()))
    }
}

impl From<Shared> for Error {
    fn from(shared: Shared) -> Self {
        Self::Shared(shared.0)
    }
}

/// The work and what of it is under way; cheap to clone.
#[derive(Clone)]
pub struct Workbench {
    bench: Arc<dyn Bench>,
    diffs: Arc<Jobs<Arc<Changes>, Shared>>,
    plans: Arc<Jobs<Arc<Draft>, Shared>>,
}

impl Workbench {
    /// Nothing is under way.
    pub fn new(bench: Arc<dyn Bench>) -> Self {
        Self { bench, diffs: Arc::new(Jobs::new(DIFFS)), plans: Arc::new(Jobs::new(PLANS)) }
    }

    /// Compares two images, waiting at most so long; none: it is still under way, and asking again waits on. What was
    /// told is forgotten: later advisories may tell otherwise.
    pub(crate) async fn changes(
        &self,
        before: Spot,
        after: Spot,
        wait: Duration,
    ) -> Result<Option<Arc<Changes>>> {
        let id = name(&["diff", &before.repository.name(), before.manifest.as_str()])
            + &name(&[&after.repository.name(), after.manifest.as_str()]);
        if self.diffs.state(&id).is_none() {
            let bench = self.bench.clone();
            self.diffs.start(&id, async move {
                let mut changes = bench.changes(before, after).await.map_err(|e| Shared(Arc::new(e)))?;
                changes.image.files.truncate(MOST_FILES);
                changes.image.files.shrink_to_fit();
                Ok(Arc::new(changes))
            })?;
        }
        self.diffs.wait(&id, wait).await;
        match self.diffs.take(&id) {
            Some(State::Done(changes)) => Ok(Some(changes)),
            Some(State::Failed(error)) => Err(error.into()),
            // Taken by somebody who asked the same: asking again does it again.
            Some(State::Running) | None => Ok(None),
        }
    }

    /// Begins a plan and gives its id; equal questions are one piece of work.
    pub(crate) fn plan(&self, ask: Ask) -> Result<String> {
        let id = ask.name();
        let bench = self.bench.clone();
        let draft =
            async move { bench.draft(ask).await.map(Arc::new).map_err(|error| Shared(Arc::new(error))) };
        self.plans.start(&id, draft)?;
        Ok(id)
    }

    /// A plan that was begun here, waiting at most so long; none: it is still being made.
    ///
    /// # Errors
    /// [`Error::NoSuchPlan`]: nobody has asked for it, or it is forgotten; or what kept it from being made.
    pub(crate) async fn planned(&self, id: &str, wait: Duration) -> Result<Option<Arc<Draft>>> {
        self.plans.wait(id, wait).await;
        match self.plans.state(id) {
            Some(State::Done(draft)) => Ok(Some(draft)),
            Some(State::Running) => Ok(None),
            Some(State::Failed(error)) => Err(error.into()),
            None => Err(Error::NoSuchPlan(id.chars().take(100).collect())),
        }
    }
}

impl Ask {
    fn name(&self) -> String {
        let Self { spot, select, policy, executor, denied, languages } = self;
        name(&[
            &spot.repository.name(),
            spot.manifest.as_str(),
            spot.tag.as_deref().unwrap_or_default(),
            &format!("{select:?} {policy:?} {executor:?} {denied:?} {languages}"),
        ])
    }
    /// Everything that can be mended of one image.
    pub(crate) fn whole(spot: Spot, policy: UpgradePolicy) -> Self {
        let (select, executor) = (Selection::default(), Choice::Auto);
        Self { spot, select, policy, executor, denied: Vec::new(), languages: false }
    }
}

/// One name for equal words: 32 hexadecimal digits.
fn name(words: &[&str]) -> String {
    let mut hash = Sha256::new();
    for word in words {
        hash.update((word.len() as u64).to_be_bytes());
        hash.update(word.as_bytes());
    }
    hex::encode(&hash.finalize()[..16])
}

#[cfg(test)]
#[path = "bench_tests.rs"]
mod tests;
