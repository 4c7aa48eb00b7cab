//! The engine's transaction, READ COMMITTED: whatever it decides by is locked first and read after.

use std::time::Duration;

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
use sqlx::PgConnection;

use super::{
    Postgres, claims, deliveries, effects, events, is_gone,
    leases::{self, Looks},
    names, outbox, pauses, permits, plans,
    pool::{Lent, bounded},
    runs, steps,
};
use crate::{
    Error,
    error::{self, engine},
};

/// Dropped, its connection is closed, and the server undoes it.
pub(super) struct Tx {
    db: Lent,
    now: Option<Timestamp>,
    looks: Looks,
    patience: Duration,
    /// A statement failed: the server would answer `COMMIT` by undoing everything, and would not call it an error.
    spoilt: bool,
}

impl Tx {
    pub(super) async fn begin(store: &Postgres) -> error::Result<Self> {
        let pool = &store.writers;
        let mut db = pool.lend().await?;
        let mut begun = pool.bounded(begin(&mut db)).await;
        if db.used && is_gone(&begun) {
            drop(db);
            db = pool.anew().await?;
            begun = pool.bounded(begin(&mut db)).await;
        }
        let now = Some(begun?).filter(|_| store.server_clock);
        Ok(Self { db, now, looks: store.looks.clone(), patience: pool.patience(), spoilt: false })
    }

    fn said<T>(&mut self, operation: &'static str, result: error::Result<T>) -> Result<T> {
        self.spoilt |= result.is_err();
        result.map_err(engine(operation))
    }

    async fn insert(&mut self, new: &[NewRun<'_>]) -> error::Result<()> {
        for hash in runs::insert(&mut self.db, new).await? {
            // Whoever keeps house has forgotten a plan that no run had; its first run brings it along.
            if let Some(NewRun { record, plan }) = new.iter().find(|new| new.record.plan_hash == hash) {
                plans::put(&mut self.db, &hash, plan, record.created_at).await?;
            }
        }
        Ok(())
    }
}

/// Opens a transaction and asks for the time, in one message.
async fn begin(db: &mut PgConnection) -> error::Result<Timestamp> {
    let query = sqlx::raw_sql(
        "BEGIN ISOLATION LEVEL READ COMMITTED;
         SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now",
    );
    let rows = query.fetch_all(db).await?;
    let row = rows.last().ok_or(sqlx::Error::RowNotFound)?;
    let microseconds: i64 = sqlx::Row::try_get(row, 0)?;
    Timestamp::from_microsecond(microseconds).map_err(|e| Error::row("clock_timestamp", e))
}

/// Waits for a statement as long as an answer may take.
macro_rules! said {
    ($tx:ident, $operation:literal, $statement:expr) => {{
        let result = bounded($tx.patience, $statement).await;
        $tx.said($operation, result)
    }};
}

#[async_trait]
impl Transaction for Tx {
    fn now(&self) -> Option<Timestamp> {
        self.now
    }
    async fn runs(&mut self, wanted: &[(RunId, Option<u64>)], lock: Lock) -> Result<Vec<Fetched>> {
        said!(self, "reading runs", runs::lock(&mut self.db, wanted, lock))
    }
    async fn plan(&mut self, hash: &str) -> Result<Option<Plan>> {
        said!(self, "reading a plan", plans::get(&mut self.db, hash))
    }
    async fn put_plan(&mut self, hash: &str, plan: &Plan, at: Timestamp) -> Result<()> {
        said!(self, "keeping a plan", plans::put(&mut self.db, hash, plan, at))
    }
    async fn insert_runs(&mut self, new: &[NewRun<'_>]) -> Result<()> {
        said!(self, "starting runs", self.insert(new))
    }
    async fn save_runs(&mut self, records: &[&RunRecord]) -> Result<()> {
        said!(self, "moving runs on", runs::save(&mut self.db, records))
    }
    async fn save_steps(&mut self, changes: &[StepChange<'_>]) -> Result<bool> {
        said!(self, "moving steps on", steps::save(&mut self.db, changes))
    }
    async fn append(&mut self, events: &[Event]) -> Result<()> {
        said!(self, "writing history", events::append(&mut self.db, events))
    }

    async fn lock_names(&mut self, names: &[String]) -> Result<()> {
        if names.is_empty() {
            return Ok(());
        }
        said!(self, "locking names", names::lock(&mut self.db, names))
    }
    async fn deliveries(&mut self, seen: &[Seen]) -> Result<Vec<Option<RunId>>> {
        said!(self, "looking for deliveries", deliveries::get(&mut self.db, seen))
    }
    async fn put_deliveries(&mut self, seen: &[(Seen, RunId)], at: Timestamp) -> Result<()> {
        said!(self, "remembering deliveries", deliveries::put(&mut self.db, seen, at))
    }
    async fn runs_over(
        &mut self,
        wanted: &[(String, String)],
    ) -> Result<Vec<Vec<(RunId, Option<RunResult>)>>> {
        said!(self, "looking for runs", runs::over(&mut self.db, wanted))
    }
    async fn run_in_cascade(
        &mut self,
        chain: &str,
        identity: &str,
        cascade: &RunId,
    ) -> Result<Option<RunId>> {
        said!(self, "looking for a run", runs::in_cascade(&mut self.db, chain, identity, cascade))
    }
    async fn slot(&mut self, slot: &str, limit: usize) -> Result<Vec<(RunId, bool)>> {
        said!(self, "looking at a concurrency slot", runs::in_slot(&mut self.db, slot, limit))
    }

    async fn claimable(&mut self, wanted: &Wanted<'_>) -> Result<Vec<(RunId, usize)>> {
        said!(self, "looking for ready steps", claims::claimable(&mut self.db, wanted))
    }
    async fn park(&mut self, steps: &[(RunId, usize)], key: &str) -> Result<()> {
        said!(self, "parking steps", permits::park(&mut self.db, steps, key))
    }
    async fn unpark(&mut self, key: &str, limit: usize) -> Result<usize> {
        said!(self, "letting steps in again", permits::unpark(&mut self.db, key, limit))
    }
    async fn count_permits(&mut self, keys: &[String]) -> Result<Vec<usize>> {
        said!(self, "counting permits", permits::count(&mut self.db, keys))
    }
    async fn take_permits(&mut self, taken: &[Permit]) -> Result<()> {
        said!(self, "taking permits", permits::take(&mut self.db, taken))
    }
    async fn release_permits(&mut self, steps: &[(RunId, usize)]) -> Result<Vec<String>> {
        said!(self, "releasing permits", permits::release(&mut self.db, steps))
    }
    async fn parked(&mut self) -> Result<Vec<String>> {
        said!(self, "looking for parked steps", permits::parked(&mut self.db))
    }
    async fn pause(&mut self, pause: &Pause) -> Result<()> {
        said!(self, "pausing a chain", pauses::put(&mut self.db, pause))
    }
    async fn resume(&mut self, chain: &str) -> Result<bool> {
        said!(self, "letting a chain go on", pauses::remove(&mut self.db, chain))
    }

    async fn due(&mut self, now: Timestamp, limit: usize) -> Result<Vec<Due>> {
        said!(self, "looking for what is due", claims::due(&mut self.db, &self.looks, now, limit))
    }
    async fn next_due(&mut self, now: Timestamp) -> Result<Option<Timestamp>> {
        said!(self, "looking for what will be due", claims::next_due(&mut self.db, now))
    }
    async fn leases(&mut self) -> Result<Vec<Lease>> {
        said!(self, "reading leases", leases::all(&mut self.db))
    }
    async fn renew(&mut self, leases: &[Lease]) -> Result<Vec<(Lease, bool)>> {
        said!(self, "renewing leases", leases::renew(&mut self.db, leases))
    }

    async fn enqueue(&mut self, run: &RunId, step: &str, messages: &[Message], at: Timestamp) -> Result<()> {
        said!(self, "writing messages", outbox::enqueue(&mut self.db, run, step, messages, at))
    }
    async fn take_messages(
        &mut self,
        now: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<Outgoing>> {
        said!(self, "taking messages", outbox::take(&mut self.db, now, until, limit))
    }
    async fn settle_message(
        &mut self,
        id: &str,
        state: &DeliveryState,
        at: Timestamp,
        due: Option<Timestamp>,
    ) -> Result<()> {
        said!(self, "settling a message", outbox::settle(&mut self.db, id, state, at, due))
    }
    async fn resend_message(&mut self, id: &str, at: Timestamp) -> Result<Option<Resent>> {
        said!(self, "sending a message again", outbox::resend(&mut self.db, id, at))
    }
    async fn has_open_intents(&mut self, run: &RunId, step: &str) -> Result<bool> {
        said!(self, "looking for intents", effects::any_open(&mut self.db, run, step))
    }
    async fn settle_intents(&mut self, run: &RunId, step: &str, made: bool) -> Result<()> {
        said!(self, "settling intents", effects::settle(&mut self.db, run, step, made))
    }
    async fn release_messages(&mut self) -> Result<()> {
        said!(self, "releasing messages", outbox::release(&mut self.db))
    }

    async fn commit(self: Box<Self>) -> Result<()> {
        let Self { mut db, patience, spoilt, .. } = *self;
        if spoilt {
            return Err(engine("committing a transaction")(Error::Spoilt));
        }
        let commit = async { Ok(sqlx::raw_sql("COMMIT").execute(&mut *db).await?) };
        bounded(patience, commit).await.map_err(engine("committing a transaction"))?;
        db.back();
        Ok(())
    }
}
