//! The engine's reads, and the opening of its transactions.

use async_trait::async_trait;
use jiff::Timestamp;
use patchline_chains::Plan;
use patchline_engine::{
    Delivery, Event, Pause, Result, RunFilter, RunId, Store,
    store::{Backlog, DeadLetter, Hint, RunRecord, Transaction},
};

use super::{Sqlite, backlog, events, outbox, pauses, plans, runs, steps, transaction::Tx};
use crate::error::{self, engine};

impl Sqlite {
    /// A read that sees one state of the database.
    async fn reading(&self) -> error::Result<sqlx::Transaction<'static, sqlx::Sqlite>> {
        Ok(self.readers.begin().await?)
    }
    async fn read_run(&self, run: &RunId) -> error::Result<Option<RunRecord>> {
        let mut tx = self.reading().await?;
        let Some(mut record) = runs::get(&mut tx, run).await? else { return Ok(None) };
        record.steps = steps::of_runs(&mut tx, &[run]).await?.remove(&run.0).unwrap_or_default();
        Ok(Some(record))
    }
}

#[async_trait]
impl Store for Sqlite {
    async fn begin(&self) -> Result<Box<dyn Transaction>> {
        Ok(Box::new(Tx::begin(&self.writer).await.map_err(engine("opening a transaction"))?))
    }
    async fn run(&self, run: &RunId) -> Result<Option<RunRecord>> {
        self.read_run(run).await.map_err(engine("reading a run"))
    }
    async fn runs(&self, filter: &RunFilter) -> Result<Vec<RunRecord>> {
        let read = async { runs::list(&mut *self.readers.acquire().await?, filter).await };
        read.await.map_err(engine("listing runs"))
    }
    async fn events(&self, run: &RunId, after: u64) -> Result<Vec<Event>> {
        let read = async { events::after(&mut *self.readers.acquire().await?, run, after).await };
        read.await.map_err(engine("reading the history of a run"))
    }
    async fn plan(&self, hash: &str) -> Result<Option<Plan>> {
        let read = async { plans::get(&mut *self.readers.acquire().await?, hash).await };
        read.await.map_err(engine("reading a plan"))
    }
    async fn backlog(&self) -> Result<Backlog> {
        let read = async { backlog::read(&mut *self.readers.acquire().await?).await };
        read.await.map_err(engine("counting what waits"))
    }
    async fn pauses(&self) -> Result<Vec<Pause>> {
        let read = async { pauses::all(&mut *self.readers.acquire().await?).await };
        read.await.map_err(engine("reading the paused chains"))
    }
    async fn hint(&self, _: &Hint) -> Result<()> {
        Ok(())
    }
    async fn hints(&self) -> Result<Option<tokio::sync::mpsc::Receiver<Hint>>> {
        // The data folder has one owner.
        Ok(None)
    }
    async fn deliveries(&self, run: &RunId) -> Result<Vec<Delivery>> {
        let read = async { outbox::of_run(&mut *self.readers.acquire().await?, run).await };
        read.await.map_err(engine("reading the messages of a run"))
    }
    async fn dead_letters(&self, limit: u32, before: Option<(Timestamp, &str)>) -> Result<Vec<DeadLetter>> {
        let read = async { outbox::dead(&mut *self.readers.acquire().await?, limit, before).await };
        read.await.map_err(engine("reading messages that were given up"))
    }
}
