//! A store that a process can no longer reach: what it has begun there goes on without it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use jiff::Timestamp;
use patchline_chains::Plan;
use patchline_engine::{
    Delivery, Error, Event, Pause, Result, RunFilter, RunId, Store,
    step::{EffectLog, Intent},
    store::{Backlog, DeadLetter, Hint, RunRecord, Transaction},
};

/// A store behind a wire that can be cut.
#[derive(Clone)]
pub(crate) struct Cut {
    pub(crate) store: Arc<dyn Store>,
    pub(crate) wire: Arc<AtomicBool>,
}

impl Cut {
    pub(crate) fn new(store: Arc<dyn Store>) -> Self {
        Self { store, wire: Arc::new(AtomicBool::new(false)) }
    }
    pub(crate) fn cut(&self) {
        self.wire.store(true, Ordering::SeqCst);
    }
    pub(crate) fn mend(&self) {
        self.wire.store(false, Ordering::SeqCst);
    }
    fn there(&self) -> Result<&dyn Store> {
        if self.wire.load(Ordering::SeqCst) {
            return Err(Error::Store { operation: "reaching it", source: "the wire is cut".into() });
        }
        Ok(&*self.store)
    }
}

#[async_trait]
impl EffectLog for Cut {
    async fn intend(&self, run: &RunId, step: &str, intent: &Intent) -> Result<()> {
        self.there()?.intend(run, step, intent).await
    }
    async fn done(&self, run: &RunId, step: &str, kind: &str, target: &str) -> Result<()> {
        self.there()?.done(run, step, kind, target).await
    }
    async fn withdraw(&self, run: &RunId, step: &str, kind: &str, target: &str) -> Result<()> {
        self.there()?.withdraw(run, step, kind, target).await
    }
    async fn of_step(&self, run: &RunId, step: &str) -> Result<Vec<Intent>> {
        self.there()?.of_step(run, step).await
    }
    async fn intended(&self, kind: &str, target: &str) -> Result<bool> {
        self.there()?.intended(kind, target).await
    }
    async fn of_target(&self, kind: &str, target: &str) -> Result<Vec<Intent>> {
        self.there()?.of_target(kind, target).await
    }
}

#[async_trait]
impl Store for Cut {
    async fn begin(&self) -> Result<Box<dyn Transaction>> {
        self.there()?.begin().await
    }
    async fn run(&self, run: &RunId) -> Result<Option<RunRecord>> {
        self.there()?.run(run).await
    }
    async fn runs(&self, filter: &RunFilter) -> Result<Vec<RunRecord>> {
        self.there()?.runs(filter).await
    }
    async fn events(&self, run: &RunId, after: u64) -> Result<Vec<Event>> {
        self.there()?.events(run, after).await
    }
    async fn plan(&self, hash: &str) -> Result<Option<Plan>> {
        self.there()?.plan(hash).await
    }
    async fn deliveries(&self, run: &RunId) -> Result<Vec<Delivery>> {
        self.there()?.deliveries(run).await
    }
    async fn dead_letters(&self, limit: u32, before: Option<(Timestamp, &str)>) -> Result<Vec<DeadLetter>> {
        self.there()?.dead_letters(limit, before).await
    }
    async fn backlog(&self) -> Result<Backlog> {
        self.there()?.backlog().await
    }
    async fn pauses(&self) -> Result<Vec<Pause>> {
        self.there()?.pauses().await
    }
    async fn hint(&self, hint: &Hint) -> Result<()> {
        self.there()?.hint(hint).await
    }
    async fn hints(&self) -> Result<Option<tokio::sync::mpsc::Receiver<Hint>>> {
        self.there()?.hints().await
    }
}
