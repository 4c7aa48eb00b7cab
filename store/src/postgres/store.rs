//! The engine's reads, and the opening of its transactions.

use async_trait::async_trait;
use jiff::Timestamp;
use patchline_chains::Plan;
use patchline_engine::{
    Delivery, Event, Pause, Result, RunFilter, RunId, Store,
    store::{Backlog, DeadLetter, Hint, RunRecord, Transaction},
};

use super::{Postgres, backlog, events, once, outbox, pauses, plans, runs, transaction::Tx};
use crate::error::{self, engine};

impl Postgres {
    async fn read_run(&self, run: &RunId) -> error::Result<Option<RunRecord>> {
        once!(self, |db| runs::get(db, run))
    }
    async fn read_runs(&self, filter: &RunFilter) -> error::Result<Vec<RunRecord>> {
        once!(self, |db| runs::list(db, filter))
    }
    async fn read_events(&self, run: &RunId, after: u64) -> error::Result<Vec<Event>> {
        once!(self, |db| events::after(db, run, after))
    }
    async fn read_plan(&self, hash: &str) -> error::Result<Option<Plan>> {
        once!(self, |db| plans::get(db, hash))
    }
    async fn read_deliveries(&self, run: &RunId) -> error::Result<Vec<Delivery>> {
        once!(self, |db| outbox::of_run(db, run))
    }
    async fn read_dead(
        &self,
        limit: u32,
        before: Option<(Timestamp, &str)>,
    ) -> error::Result<Vec<DeadLetter>> {
        once!(self, |db| outbox::dead(db, limit, before))
    }
    async fn read_backlog(&self) -> error::Result<Backlog> {
        once!(self, |db| backlog::read(db))
    }
    async fn read_pauses(&self) -> error::Result<Vec<Pause>> {
        once!(self, |db| pauses::all(db))
    }
}

#[async_trait]
impl Store for Postgres {
    async fn begin(&self) -> Result<Box<dyn Transaction>> {
        Ok(Box::new(Tx::begin(self).await.map_err(engine("opening a transaction"))?))
    }
    async fn run(&self, run: &RunId) -> Result<Option<RunRecord>> {
        self.read_run(run).await.map_err(engine("reading a run"))
    }
    async fn runs(&self, filter: &RunFilter) -> Result<Vec<RunRecord>> {
        self.read_runs(filter).await.map_err(engine("listing runs"))
    }
    async fn events(&self, run: &RunId, after: u64) -> Result<Vec<Event>> {
        self.read_events(run, after).await.map_err(engine("reading the history of a run"))
    }
    async fn plan(&self, hash: &str) -> Result<Option<Plan>> {
        self.read_plan(hash).await.map_err(engine("reading a plan"))
    }
    async fn deliveries(&self, run: &RunId) -> Result<Vec<Delivery>> {
        self.read_deliveries(run).await.map_err(engine("reading the messages of a run"))
    }
    async fn dead_letters(&self, limit: u32, before: Option<(Timestamp, &str)>) -> Result<Vec<DeadLetter>> {
        self.read_dead(limit, before).await.map_err(engine("listing messages that were given up"))
    }
    async fn backlog(&self) -> Result<Backlog> {
        self.read_backlog().await.map_err(engine("counting what waits"))
    }
    async fn pauses(&self) -> Result<Vec<Pause>> {
        self.read_pauses().await.map_err(engine("reading the paused chains"))
    }
    async fn hint(&self, hint: &Hint) -> Result<()> {
        self.hints.send(hint);
        Ok(())
    }
    async fn hints(&self) -> Result<Option<tokio::sync::mpsc::Receiver<Hint>>> {
        Ok(Some(self.hints.listen()))
    }
}
