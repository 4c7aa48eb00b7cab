//! Runs that were changed lately, so that a batch need not read them again.

use std::collections::HashMap;

use super::batch::Loaded;
use crate::{RunId, core::Phase};

/// More would help nobody: a process works on as many runs at once as it has workers.
const MOST: usize = 4096;

/// Runs as they stood after the last transaction; the store says whether they still do.
#[derive(Default)]
pub(super) struct Cache(HashMap<RunId, Loaded>);

impl Cache {
    pub(super) fn take(&mut self, run: &RunId) -> Option<Loaded> {
        self.0.remove(run)
    }
    pub(super) fn version(&self, run: &RunId) -> Option<u64> {
        self.0.get(run).map(|loaded| loaded.record.version)
    }
    /// Nothing of it can be relied on: the transaction that held the rest was not committed.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
    /// Keeps what is still under way.
    pub(super) fn keep(&mut self, runs: HashMap<RunId, Loaded>) {
        if self.0.len() + runs.len() > MOST {
            self.0.clear();
        }
        let live = runs.into_iter().filter(|(_, l)| !matches!(l.state.phase, Phase::Finished { .. }));
        self.0.extend(live.take(MOST));
    }
}
