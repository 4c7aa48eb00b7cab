//! What the engine asks of a database. `store` implements it; one suite runs over every backend.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use patchline_chains::Plan;

use crate::{
    Delivery, DeliveryState, Event, Message, Result, RunFilter, RunId, RunResult, RunStatus, RunView,
    StepView, Submission,
    core::{Facts, Phase, RunState, StepRun, StepState, recovery::Lease},
};

/// The persistence of runs: consistent reads, and transactions that the writer alone opens.
#[async_trait]
pub trait Store: crate::step::EffectLog + Send + Sync + 'static {
    /// Opens a transaction that may write. Nothing of it stands before [`Transaction::commit`];
    /// dropping it undoes it.
    async fn begin(&self) -> Result<Box<dyn Transaction>>;
    /// One run with its steps.
    async fn run(&self, run: &RunId) -> Result<Option<RunRecord>>;
    /// Runs, newest first, without steps.
    async fn runs(&self, filter: &RunFilter) -> Result<Vec<RunRecord>>;
    /// History after `seq`, oldest first.
    async fn events(&self, run: &RunId, after: u64) -> Result<Vec<Event>>;
    /// A plan by its hash.
    async fn plan(&self, hash: &str) -> Result<Option<Plan>>;
    /// What the run's steps sent.
    async fn deliveries(&self, run: &RunId) -> Result<Vec<Delivery>>;
    /// Messages that were given up, the last first, at most 1,000: those before (time of the last change, id).
    async fn dead_letters(&self, limit: u32, before: Option<(Timestamp, &str)>) -> Result<Vec<DeadLetter>>;
}

/// One transaction: a batch of the writer's commands.
#[async_trait]
pub trait Transaction: Send {
    /// Locks a run and reads it, with its steps.
    async fn run(&mut self, run: &RunId) -> Result<Option<RunRecord>>;
    /// A plan by its hash.
    async fn plan(&mut self, hash: &str) -> Result<Option<Plan>>;
    /// Keeps a plan; twice is harmless.
    async fn put_plan(&mut self, hash: &str, plan: &Plan, at: Timestamp) -> Result<()>;
    /// A new run, its steps with it.
    async fn insert_run(&mut self, record: &RunRecord) -> Result<()>;
    /// The run's own row: phase, last sequence number, end.
    async fn save_run(&mut self, record: &RunRecord) -> Result<()>;
    /// One step, if it still has the status and fence of `before`; else false, and nothing is written.
    async fn save_step(
        &mut self,
        run: &RunId,
        step: usize,
        before: &StepRun,
        after: &StepRun,
    ) -> Result<bool>;
    /// Adds to the history.
    async fn append(&mut self, events: &[Event]) -> Result<()>;

    /// The run that a delivery started.
    async fn delivery(&mut self, source: &str, event_id: &str, chain: &str) -> Result<Option<RunId>>;
    /// Remembers a delivery.
    async fn put_delivery(
        &mut self,
        source: &str,
        event_id: &str,
        chain: &str,
        run: &RunId,
        at: Timestamp,
    ) -> Result<()>;
    /// Runs of a chain over a subject, newest first, at most 16, and how they ended.
    async fn runs_over(&mut self, chain: &str, identity: &str) -> Result<Vec<(RunId, Option<RunResult>)>>;
    /// The one run of a chain over a subject within a cascade.
    async fn run_in_cascade(&mut self, chain: &str, identity: &str, cascade: &RunId)
    -> Result<Option<RunId>>;
    /// Who holds (false) or waits for (true) a concurrency slot, oldest first.
    async fn slot(&mut self, slot: &str) -> Result<Vec<(RunId, bool)>>;

    /// Steps that may be claimed: a person's run before a push before a schedule, then oldest first.
    async fn ready(&mut self, limit: usize) -> Result<Vec<(RunId, usize)>>;
    /// Leases, back-offs and times to decide that are over.
    async fn due(&mut self, now: Timestamp, limit: usize) -> Result<Vec<Due>>;
    /// When the next lease, back-off or message falls due after `now`.
    async fn next_due(&mut self, now: Timestamp) -> Result<Option<Timestamp>>;
    /// All leases.
    async fn leases(&mut self) -> Result<Vec<Lease>>;
    /// Prolongs a lease; false: its fence no longer holds.
    async fn renew(&mut self, lease: &Lease) -> Result<bool>;

    /// Messages for the outbox; an id that is there already is left alone.
    async fn enqueue(&mut self, run: &RunId, step: &str, messages: &[Message], at: Timestamp) -> Result<()>;
    /// Due messages, held back from others until `until`.
    async fn take_messages(
        &mut self,
        now: Timestamp,
        until: Timestamp,
        limit: usize,
    ) -> Result<Vec<Outgoing>>;
    /// What became of a message; `due`: when to try again.
    async fn settle_message(
        &mut self,
        id: &str,
        state: &DeliveryState,
        at: Timestamp,
        due: Option<Timestamp>,
    ) -> Result<()>;
    /// Messages that a dead process had taken may be taken again.
    async fn release_messages(&mut self) -> Result<()>;

    /// Lets a message that was given up be sent again, its attempts counted anew; none: no message has this id.
    async fn resend_message(&mut self, id: &str, at: Timestamp) -> Result<Option<Resent>>;

    /// Whether a step has intents that are neither known to be made nor withdrawn.
    async fn has_open_intents(&mut self, run: &RunId, step: &str) -> Result<bool>;
    /// What a person says of a step's open intents: they were made, or not.
    async fn settle_intents(&mut self, run: &RunId, step: &str, made: bool) -> Result<()>;

    /// Makes it durable.
    async fn commit(self: Box<Self>) -> Result<()>;
}

/// A run as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct RunRecord {
    /// Its id.
    pub id: RunId,
    /// The chain's name.
    pub chain: String,
    /// The pinned version.
    pub plan_hash: String,
    /// What it was started with; without the plan.
    pub submission: Submission,
    /// The first run of the cascade.
    pub cascade: RunId,
    /// From 1.
    pub round: u32,
    /// The concurrency slot that it takes; none: no rule, or its parent's.
    pub slot: Option<String>,
    /// 0 a person's, 1 a push's, 2 bulk work.
    pub priority: u8,
    /// As a whole.
    pub phase: Phase,
    /// Where it stands, as shown.
    pub status: RunStatus,
    /// In the plan's order; empty in lists.
    pub steps: Vec<StepRun>,
    /// Of the last event.
    pub last_seq: u64,
    /// When it was submitted.
    pub created_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

impl RunRecord {
    /// The state that transitions take.
    pub fn state(&self, plan: &Plan, url: Option<&str>) -> RunState {
        let facts = Facts::new(plan, &self.id, self.round, &self.submission, url);
        RunState { facts: Arc::new(facts), phase: self.phase, steps: self.steps.clone() }
    }
    /// How it ended.
    pub fn result(&self) -> Option<RunResult> {
        match self.phase {
            Phase::Finished { result } => Some(result),
            _ => None,
        }
    }
    /// As it is shown; `plan` names the steps, none leaves them out.
    pub fn view(self, plan: Option<&Plan>, deliveries: Vec<Delivery>) -> RunView {
        let result = self.result();
        let steps = plan.map_or(&[][..], |p| &p.steps).iter().zip(self.steps);
        let steps = steps
            .map(|(planned, step)| StepView {
                name: planned.name.clone(),
                uses: planned.uses.clone(),
                needs: planned.needs.clone(),
                status: step.state.status(),
                attempt: step.attempt,
                started_at: step.started_at,
                finished_at: step.finished_at,
                output: step.state.output(),
                problem: step.problem,
                child: step.child,
                decide_by: match &step.state {
                    StepState::Approval { until, .. } => Some(*until),
                    _ => None,
                },
                decision: step.decision,
            })
            .collect();
        RunView {
            id: self.id,
            chain: self.chain,
            plan_hash: self.plan_hash,
            submission: self.submission,
            status: self.status,
            result,
            round: self.round,
            cascade: self.cascade,
            created_at: self.created_at,
            finished_at: self.finished_at,
            steps,
            deliveries,
        }
    }
}

/// Something that is over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// A lease.
    Lease(Lease),
    /// A back-off, or the time to decide.
    Waiting {
        /// The run.
        run: RunId,
        /// Position in the plan.
        step: usize,
    },
}

/// A message on its way out.
#[derive(Debug, Clone, PartialEq)]
pub struct Outgoing {
    /// The message.
    pub message: Message,
    /// The run whose step wrote it.
    pub run: RunId,
    /// Tries so far.
    pub attempts: u32,
}

/// A message that was given up.
#[derive(Debug, Clone, PartialEq, serde::Serialize)]
pub struct DeadLetter {
    /// The run whose step wrote it.
    pub run: RunId,
    /// The message and why it was given up.
    #[serde(flatten)]
    pub delivery: Delivery,
    /// Tries so far.
    pub attempts: u32,
}

/// What became of a message that was to be sent again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resent {
    /// The run whose step wrote it.
    pub run: RunId,
    /// That step.
    pub step: String,
    /// The channel's name.
    pub channel: String,
    /// Whether it had been given up; if not, it is left alone.
    pub again: bool,
}
