//! The engine's transaction: `BEGIN IMMEDIATE` on the one writing connection.

use async_trait::async_trait;
use jiff::Timestamp;
use patchline_chains::Plan;
use patchline_engine::{
    DeliveryState, Event, Message, Result, RunId, RunResult,
    core::{StepRun, recovery::Lease},
    store::{Due, Outgoing, Resent, RunRecord, Transaction},
};
use sqlx::{Sqlite, SqlitePool};

use super::{deliveries, effects, events, outbox, plans, runs, steps};
use crate::error::{self, engine};

pub(super) struct Tx(sqlx::Transaction<'static, Sqlite>);

impl Tx {
    pub(super) async fn begin(writer: &SqlitePool) -> error::Result<Self> {
        // Immediate: what is read inside cannot change before it is written.
        Ok(Self(writer.begin_with("BEGIN IMMEDIATE").await?))
    }
    async fn read_run(&mut self, run: &RunId) -> error::Result<Option<RunRecord>> {
        let Some(mut record) = runs::get(&mut self.0, run).await? else { return Ok(None) };
        record.steps = steps::of_run(&mut self.0, run).await?;
        Ok(Some(record))
    }
    async fn write_run(&mut self, record: &RunRecord) -> error::Result<()> {
        runs::insert(&mut self.0, record).await?;
        for (position, step) in record.steps.iter().enumerate() {
            steps::insert(&mut self.0, &record.id, record.priority, position, step).await?;
        }
        Ok(())
    }
}

#[async_trait]
impl Transaction for Tx {
    async fn run(&mut self, run: &RunId) -> Result<Option<RunRecord>> {
        self.read_run(run).await.map_err(engine("reading a run"))
    }
    async fn plan(&mut self, hash: &str) -> Result<Option<Plan>> {
        plans::get(&mut self.0, hash).await.map_err(engine("reading a plan"))
    }
    async fn put_plan(&mut self, hash: &str, plan: &Plan, at: Timestamp) -> Result<()> {
        plans::put(&mut self.0, hash, plan, at).await.map_err(engine("keeping a plan"))
    }
    async fn insert_run(&mut self, record: &RunRecord) -> Result<()> {
        self.write_run(record).await.map_err(engine("starting a run"))
    }
    async fn save_run(&mut self, record: &RunRecord) -> Result<()> {
        runs::save(&mut self.0, record).await.map_err(engine("moving a run on"))
    }
    async fn save_step(
        &mut self,
        run: &RunId,
        step: usize,
        before: &StepRun,
        after: &StepRun,
    ) -> Result<bool> {
        steps::save(&mut self.0, run, step, before, after).await.map_err(engine("moving a step on"))
    }
    async fn append(&mut self, events: &[Event]) -> Result<()> {
        events::append(&mut self.0, events).await.map_err(engine("writing history"))
    }

    async fn delivery(&mut self, source: &str, event_id: &str, chain: &str) -> Result<Option<RunId>> {
        deliveries::get(&mut self.0, source, event_id, chain).await.map_err(engine("looking for a delivery"))
    }
    async fn put_delivery(
        &mut self,
        source: &str,
        event_id: &str,
        chain: &str,
        run: &RunId,
        at: Timestamp,
    ) -> Result<()> {
        let put = deliveries::put(&mut self.0, source, event_id, chain, run, at).await;
        put.map_err(engine("remembering a delivery"))
    }
    async fn runs_over(&mut self, chain: &str, identity: &str) -> Result<Vec<(RunId, Option<RunResult>)>> {
        runs::over(&mut self.0, chain, identity).await.map_err(engine("looking for runs"))
    }
    async fn run_in_cascade(
        &mut self,
        chain: &str,
        identity: &str,
        cascade: &RunId,
    ) -> Result<Option<RunId>> {
        runs::in_cascade(&mut self.0, chain, identity, cascade).await.map_err(engine("looking for a run"))
    }
    async fn slot(&mut self, slot: &str) -> Result<Vec<(RunId, bool)>> {
        runs::in_slot(&mut self.0, slot).await.map_err(engine("looking at a concurrency slot"))
    }

    async fn ready(&mut self, limit: usize) -> Result<Vec<(RunId, usize)>> {
        steps::ready(&mut self.0, limit).await.map_err(engine("looking for ready steps"))
    }
    async fn due(&mut self, now: Timestamp, limit: usize) -> Result<Vec<Due>> {
        steps::due(&mut self.0, now, limit).await.map_err(engine("looking for what is due"))
    }
    async fn next_due(&mut self, now: Timestamp) -> Result<Option<Timestamp>> {
        steps::next_due(&mut self.0, now).await.map_err(engine("looking for what will be due"))
    }
    async fn leases(&mut self) -> Result<Vec<Lease>> {
        steps::leases(&mut self.0).await.map_err(engine("reading leases"))
    }
    async fn renew(&mut self, lease: &Lease) -> Result<bool> {
        steps::renew(&mut self.0, lease).await.map_err(engine("renewing a lease"))
    }

    async fn enqueue(&mut self, run: &RunId, step: &str, messages: &[Message], at: Timestamp) -> Result<()> {
        outbox::enqueue(&mut self.0, run, step, messages, at).await.map_err(engine("writing messages"))
    }
    async fn take_messages(
        &mut self,
        now: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<Outgoing>> {
        outbox::take(&mut self.0, now, until, limit).await.map_err(engine("taking messages"))
    }
    async fn settle_message(
        &mut self,
        id: &str,
        state: &DeliveryState,
        at: Timestamp,
        due: Option<Timestamp>,
    ) -> Result<()> {
        outbox::settle(&mut self.0, id, state, at, due).await.map_err(engine("settling a message"))
    }
    async fn release_messages(&mut self) -> Result<()> {
        outbox::release(&mut self.0).await.map_err(engine("releasing messages"))
    }

    async fn resend_message(&mut self, id: &str, at: Timestamp) -> Result<Option<Resent>> {
        outbox::resend(&mut self.0, id, at).await.map_err(engine("sending a message again"))
    }

    async fn has_open_intents(&mut self, run: &RunId, step: &str) -> Result<bool> {
        effects::any_open(&mut self.0, run, step).await.map_err(engine("looking for open intents"))
    }
    async fn settle_intents(&mut self, run: &RunId, step: &str, made: bool) -> Result<()> {
        effects::settle(&mut self.0, run, step, made).await.map_err(engine("settling intents"))
    }

    async fn commit(self: Box<Self>) -> Result<()> {
        self.0.commit().await.map_err(error::Error::from).map_err(engine("committing a transaction"))
    }
}
