//! The engine itself: the writer task, the apalis runtime over our backend, the outbox, recovery.

use std::{sync::Arc, time::Duration};

use tokio::sync::broadcast;

use crate::{
    Clock, Deliver, Event, Result, RunFilter, RunId, RunView, Step, Store, Submission, Submitted,
};

/// How to run.
#[derive(Clone)]
pub struct EngineOptions {
    /// Steps at once in this process.
    pub concurrency: usize,
    /// This process owns the data lock: every lease in the store is dead.
    pub owns_data: bool,
    /// How long an orderly stop waits for running steps.
    pub drain: Duration,
    /// Base of addresses of pages, for `run.url`.
    pub public_url: Option<String>,
}

/// The engine's handle; cheap to clone.
#[derive(Clone)]
pub struct Engine {}

impl Engine {
    /// Recovers what a crash left, then starts writer, workers and outbox.
    pub async fn start(
        _store: Arc<dyn Store>,
        _steps: Vec<Arc<dyn Step>>,
        _deliver: Arc<dyn Deliver>,
        _clock: Arc<dyn Clock>,
        _options: EngineOptions,
    ) -> Result<Self> {
        todo!()
    }
    /// Starts runs, all in one transaction. A delivery (source, event id) that was seen before
    /// starts nothing; a run that is there by (chain, subject, cascade) is given back.
    pub async fn submit(&self, _submissions: Vec<Submission>) -> Result<Vec<Submitted>> {
        todo!()
    }
    /// Whether (kind, target) is one of our own effects.
    pub async fn is_own_effect(&self, _kind: &str, _target: &str) -> Result<bool> {
        todo!()
    }
    /// Stops a run: what is ready is cancelled, what runs is told.
    pub async fn cancel(&self, _run: &RunId) -> Result<()> {
        todo!()
    }
    /// One run, whole.
    pub async fn run(&self, _run: &RunId) -> Result<RunView> {
        todo!()
    }
    /// Runs, newest first, without steps.
    pub async fn runs(&self, _filter: &RunFilter) -> Result<Vec<RunView>> {
        todo!()
    }
    /// The pinned plan of a run.
    pub async fn plan(&self, _hash: &str) -> Result<Arc<patchline_chains::Plan>> {
        todo!()
    }
    /// A run's history after `seq`.
    pub async fn events(&self, _run: &RunId, _after: u64) -> Result<Vec<Event>> {
        todo!()
    }
    /// Everything that happens from now on; a receiver that lags reads `events`.
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        todo!()
    }
    /// Waits until the run has finished.
    pub async fn finished(&self, _run: &RunId) -> Result<RunView> {
        todo!()
    }
    /// Takes no new step, waits for the running ones up to `drain`, gives leases back.
    pub async fn stop(&self) -> Result<()> {
        todo!()
    }
}
