//! The engine's transaction: `BEGIN IMMEDIATE` on the one writing connection.

use std::collections::{HashMap, HashSet};

use async_trait::async_trait;
use jiff::Timestamp;
use patchline_chains::Plan;
use patchline_engine::{
    DeliveryState, Event, Message, Pause, Result, RunId, RunResult,
    core::recovery::Lease,
    store::{
        Due, Fetched, Lock, NewRun, Outgoing, Permit, Resent, RunRecord, Seen, StepChange, Transaction,
        Wanted,
    },
};
use sqlx::{Sqlite, SqlitePool};

use super::{deliveries, effects, events, outbox, pauses, permits, plans, runs, steps};
use crate::error::{self, engine};

pub(super) struct Tx(sqlx::Transaction<'static, Sqlite>);

/// `SQLITE_READONLY` and what extends it: the lowest byte tells.
fn is_read_only(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    code.and_then(|code| code.parse::<u32>().ok()).is_some_and(|code| code & 0xff == 8)
}

impl Tx {
    pub(super) async fn begin(writer: &SqlitePool) -> error::Result<Self> {
        // Immediate: what is read inside cannot change before it is written.
        match writer.begin_with("BEGIN IMMEDIATE").await {
            Ok(tx) => Ok(Self(tx)),
            Err(error) => {
                if is_read_only(&error) {
                    // A file that could not be written when it was opened stays read-only for its connection, also
                    // when it can be written again: the next transaction opens it anew.
                    writer.acquire().await?.close().await?;
                }
                Err(error.into())
            }
        }
    }
    async fn read_runs(&mut self, wanted: &[(RunId, Option<u64>)]) -> error::Result<Vec<Fetched>> {
        let known: HashMap<&RunId, u64> =
            wanted.iter().filter_map(|(run, version)| Some((run, (*version)?))).collect();
        let mut same = HashSet::new();
        if !known.is_empty() {
            let versions = runs::versions(&mut self.0, &known.keys().copied().collect::<Vec<_>>()).await?;
            let stands = |(run, version): &(RunId, u64)| known.get(run) == Some(version);
            same = versions.into_iter().filter(stands).map(|(run, _)| run).collect();
        }
        let unknown: Vec<&RunId> =
            wanted.iter().map(|(run, _)| run).filter(|run| !same.contains(*run)).collect();
        let mut fetched = Vec::with_capacity(wanted.len());
        if !unknown.is_empty() {
            let mut all = steps::of_runs(&mut self.0, &unknown).await?;
            for mut record in runs::get_all(&mut self.0, &unknown).await? {
                record.steps = all.remove(&record.id.0).unwrap_or_default();
                fetched.push(Fetched::Read(Box::new(record)));
            }
        }
        fetched.extend(same.into_iter().map(Fetched::Same));
        Ok(fetched)
    }
    async fn write_runs(&mut self, new: &[NewRun<'_>]) -> error::Result<()> {
        for hash in plans::missing(&mut self.0, new).await? {
            // Whoever keeps house has forgotten a plan that no run had; its first run brings it along.
            if let Some(NewRun { record, plan }) = new.iter().find(|new| new.record.plan_hash == hash) {
                plans::put(&mut self.0, &hash, plan, record.created_at).await?;
            }
        }
        runs::insert(&mut self.0, new).await?;
        steps::insert(&mut self.0, new).await
    }
}

#[async_trait]
impl Transaction for Tx {
    fn now(&self) -> Option<Timestamp> {
        None
    }
    async fn runs(&mut self, wanted: &[(RunId, Option<u64>)], _: Lock) -> Result<Vec<Fetched>> {
        // There is one writer: nothing is locked.
        self.read_runs(wanted).await.map_err(engine("reading runs"))
    }
    async fn plan(&mut self, hash: &str) -> Result<Option<Plan>> {
        plans::get(&mut self.0, hash).await.map_err(engine("reading a plan"))
    }
    async fn put_plan(&mut self, hash: &str, plan: &Plan, at: Timestamp) -> Result<()> {
        plans::put(&mut self.0, hash, plan, at).await.map_err(engine("keeping a plan"))
    }
    async fn insert_runs(&mut self, runs: &[NewRun<'_>]) -> Result<()> {
        self.write_runs(runs).await.map_err(engine("starting runs"))
    }
    async fn save_runs(&mut self, records: &[&RunRecord]) -> Result<()> {
        runs::save(&mut self.0, records).await.map_err(engine("moving runs on"))
    }
    async fn save_steps(&mut self, changes: &[StepChange<'_>]) -> Result<bool> {
        steps::save(&mut self.0, changes).await.map_err(engine("moving steps on"))
    }
    async fn append(&mut self, events: &[Event]) -> Result<()> {
        events::append(&mut self.0, events).await.map_err(engine("writing history"))
    }

    async fn lock_names(&mut self, _: &[String]) -> Result<()> {
        // There is one writer.
        Ok(())
    }
    async fn deliveries(&mut self, seen: &[Seen]) -> Result<Vec<Option<RunId>>> {
        deliveries::get(&mut self.0, seen).await.map_err(engine("looking for deliveries"))
    }
    async fn put_deliveries(&mut self, seen: &[(Seen, RunId)], at: Timestamp) -> Result<()> {
        deliveries::put(&mut self.0, seen, at).await.map_err(engine("remembering deliveries"))
    }
    async fn runs_over(
        &mut self,
        wanted: &[(String, String)],
    ) -> Result<Vec<Vec<(RunId, Option<RunResult>)>>> {
        runs::over(&mut self.0, wanted).await.map_err(engine("looking for runs"))
    }
    async fn run_in_cascade(
        &mut self,
        chain: &str,
        identity: &str,
        cascade: &RunId,
    ) -> Result<Option<RunId>> {
        runs::in_cascade(&mut self.0, chain, identity, cascade).await.map_err(engine("looking for a run"))
    }
    async fn slot(&mut self, slot: &str, limit: usize) -> Result<Vec<(RunId, bool)>> {
        runs::in_slot(&mut self.0, slot, limit).await.map_err(engine("looking at a concurrency slot"))
    }

    async fn claimable(&mut self, wanted: &Wanted<'_>) -> Result<Vec<(RunId, usize)>> {
        steps::claimable(&mut self.0, wanted).await.map_err(engine("looking for ready steps"))
    }
    async fn park(&mut self, steps: &[(RunId, usize)], key: &str) -> Result<()> {
        permits::park(&mut self.0, steps, key).await.map_err(engine("parking steps"))
    }
    async fn unpark(&mut self, key: &str, limit: usize) -> Result<usize> {
        permits::unpark(&mut self.0, key, limit).await.map_err(engine("letting steps in again"))
    }
    async fn count_permits(&mut self, keys: &[String]) -> Result<Vec<usize>> {
        permits::count(&mut self.0, keys).await.map_err(engine("counting permits"))
    }
    async fn take_permits(&mut self, taken: &[Permit]) -> Result<()> {
        permits::take(&mut self.0, taken).await.map_err(engine("taking permits"))
    }
    async fn release_permits(&mut self, steps: &[(RunId, usize)]) -> Result<Vec<String>> {
        permits::release(&mut self.0, steps).await.map_err(engine("releasing permits"))
    }
    async fn parked(&mut self) -> Result<Vec<String>> {
        permits::parked(&mut self.0).await.map_err(engine("looking for parked steps"))
    }
    async fn pause(&mut self, pause: &Pause) -> Result<()> {
        pauses::put(&mut self.0, pause).await.map_err(engine("pausing a chain"))
    }
    async fn resume(&mut self, chain: &str) -> Result<bool> {
        pauses::remove(&mut self.0, chain).await.map_err(engine("letting a chain go on"))
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
    async fn renew(&mut self, leases: &[Lease]) -> Result<Vec<(Lease, bool)>> {
        steps::renew(&mut self.0, leases).await.map_err(engine("renewing leases"))
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
