//! What the engine asks of a database. `store` implements it; one suite runs over every backend.

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use patchline_chains::Plan;

use crate::{
    Delivery, DeliveryState, Event, Message, Result, RunFilter, RunId, RunResult, RunStatus, RunView,
    StepView, Submission,
    core::{Facts, Phase, RunState, StepRun, StepState, Steps, recovery::Lease},
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
    /// What waits, for gauges: a few looks into indexes.
    async fn backlog(&self) -> Result<Backlog>;
    /// Chains that are paused, by name.
    async fn pauses(&self) -> Result<Vec<Pause>>;

    /// Tells other processes, soon and perhaps together with later hints. One that gets lost costs them their timer.
    async fn hint(&self, hint: &Hint) -> Result<()>;
    /// Hints of other processes, until the receiver is dropped; none: there are no others.
    async fn hints(&self) -> Result<Option<tokio::sync::mpsc::Receiver<Hint>>>;
    /// Messages that were given up, the last first, at most 1,000: those before (time of the last change, id).
    async fn dead_letters(&self, limit: u32, before: Option<(Timestamp, &str)>) -> Result<Vec<DeadLetter>>;
}

/// What waits in the store.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Backlog {
    /// When it was looked at, by the database's own time; none: by the process's clock.
    pub now: Option<Timestamp>,
    /// Ready steps that wait for no limit, by priority and kind.
    pub ready: Vec<ReadySteps>,
    /// How many steps wait for room under a limit, by priority.
    pub parked: Vec<(u8, u64)>,
    /// Messages that are neither delivered nor given up.
    pub pending: u64,
    /// When the first of them is to be tried.
    pub due: Option<Timestamp>,
    /// Messages that were given up.
    pub dead: u64,
}

/// Ready steps of one kind and priority.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadySteps {
    /// Step kind.
    pub kind: String,
    /// 0 a person's, 1 a push's, 2 bulk work.
    pub priority: u8,
    /// How many.
    pub steps: u64,
    /// Since when the oldest of them has been ready.
    pub oldest: Option<Timestamp>,
}

/// What becomes of runs that another transaction may have locked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lock {
    /// They are waited for.
    Wait,
    /// They are left out.
    Skip,
    /// None is: [`Transaction::claimable`] has locked them here.
    Held,
}

/// News of one process for the others.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hint {
    /// There is something to claim.
    Ready,
    /// Steps that are under way are to stop.
    Stop,
    /// These runs have new history; none named: too many to be named.
    Changed(Vec<RunId>),
}

/// A chain of which no step is claimed.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Pause {
    /// Its name.
    pub chain: String,
    /// Who, as they call themselves.
    pub by: String,
    /// Why.
    pub reason: String,
    /// Since.
    pub at: Timestamp,
}

/// One transaction: a batch of the writer's commands. The run's row is the unit of locking: whoever changes a run or
/// a step of it has it from [`Transaction::runs`] or [`Transaction::claimable`] of the same transaction.
#[async_trait]
pub trait Transaction: Send {
    /// The database's own time, which leases of many processes are told by; none: the process's clock is as good.
    fn now(&self) -> Option<Timestamp>;

    /// Locks runs, in the order of their ids, and reads them with their steps. Missing ones are left out, and those
    /// that still have the version that the caller knows are only locked.
    async fn runs(&mut self, wanted: &[(RunId, Option<u64>)], lock: Lock) -> Result<Vec<Fetched>>;
    /// A plan by its hash.
    async fn plan(&mut self, hash: &str) -> Result<Option<Plan>>;
    /// Keeps a plan; twice is harmless.
    async fn put_plan(&mut self, hash: &str, plan: &Plan, at: Timestamp) -> Result<()>;
    /// New runs, their steps with them.
    async fn insert_runs(&mut self, runs: &[NewRun<'_>]) -> Result<()>;
    /// The runs' own rows: phase, version, last sequence number, end.
    async fn save_runs(&mut self, records: &[&RunRecord]) -> Result<()>;
    /// Steps, if all of them still have the status and fence of their `before`; else false, and the transaction is spoilt.
    async fn save_steps(&mut self, changes: &[StepChange<'_>]) -> Result<bool>;
    /// Adds to the history. Events of one run stand together and follow each other.
    async fn append(&mut self, events: &[Event]) -> Result<()>;

    /// Keeps other processes from starting or counting what stands under these names, until the end of the transaction.
    async fn lock_names(&mut self, names: &[String]) -> Result<()>;
    /// The runs that deliveries started, in the order of the question.
    async fn deliveries(&mut self, seen: &[Seen]) -> Result<Vec<Option<RunId>>>;
    /// Remembers deliveries.
    async fn put_deliveries(&mut self, seen: &[(Seen, RunId)], at: Timestamp) -> Result<()>;
    /// Runs of a chain over a subject, for each (chain, identity) in the order of the question: newest first, at most
    /// 16, and how they ended.
    async fn runs_over(
        &mut self,
        wanted: &[(String, String)],
    ) -> Result<Vec<Vec<(RunId, Option<RunResult>)>>>;
    /// The one run of a chain over a subject within a cascade.
    async fn run_in_cascade(&mut self, chain: &str, identity: &str, cascade: &RunId)
    -> Result<Option<RunId>>;
    /// Who holds (false) or waits for (true) a concurrency slot, oldest first; at most `limit` of those that wait.
    async fn slot(&mut self, slot: &str, limit: usize) -> Result<Vec<(RunId, bool)>>;

    /// Ready steps that may be claimed, the runs of them locked and none that another has locked: a person's run
    /// before a push before a schedule, then the oldest run first.
    async fn claimable(&mut self, wanted: &Wanted<'_>) -> Result<Vec<(RunId, usize)>>;
    /// Takes ready steps out of those that may be claimed, until the key has room.
    async fn park(&mut self, steps: &[(RunId, usize)], key: &str) -> Result<()>;
    /// Lets so many steps that were parked under the key be claimed again, the most urgent first; gives back how many.
    /// Their runs are not locked, and keep their versions.
    async fn unpark(&mut self, key: &str, limit: usize) -> Result<usize>;
    /// How many permits are taken under each key. Other processes wait for the end of this transaction before they
    /// count the same key.
    async fn count_permits(&mut self, keys: &[String]) -> Result<Vec<usize>>;
    /// Takes permits for claimed steps.
    async fn take_permits(&mut self, permits: &[Permit]) -> Result<()>;
    /// The permits of steps that are leased no more; gives back the keys that have room now.
    async fn release_permits(&mut self, steps: &[(RunId, usize)]) -> Result<Vec<String>>;
    /// Keys under which steps are parked, at most 1,000.
    async fn parked(&mut self) -> Result<Vec<String>>;
    /// Pauses a chain; one that is paused keeps its first reason.
    async fn pause(&mut self, pause: &Pause) -> Result<()>;
    /// Lets a chain go on; false: it was not paused.
    async fn resume(&mut self, chain: &str) -> Result<bool>;

    /// Leases, back-offs, times to decide and runs' deadlines that are over. Their runs are not locked yet.
    async fn due(&mut self, now: Timestamp, limit: usize) -> Result<Vec<Due>>;
    /// When the next lease, back-off or message falls due after `now`.
    async fn next_due(&mut self, now: Timestamp) -> Result<Option<Timestamp>>;
    /// All leases.
    async fn leases(&mut self) -> Result<Vec<Lease>>;
    /// Prolongs leases; gives back those whose fence still holds, and whether their run is to stop.
    async fn renew(&mut self, leases: &[Lease]) -> Result<Vec<(Lease, bool)>>;

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

/// One delivery of an event, as one chain sees it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Seen {
    /// `embedded`, `distribution`, `cli`…
    pub source: String,
    /// The source's own id.
    pub event_id: String,
    /// The chain's name.
    pub chain: String,
}

/// A run that was asked for.
#[derive(Debug, Clone, PartialEq)]
pub enum Fetched {
    /// Locked; it is as the caller knows it.
    Same(RunId),
    /// Locked and read.
    Read(Box<RunRecord>),
}

/// A run that is written for the first time.
#[derive(Debug, Clone, Copy)]
pub struct NewRun<'a> {
    /// With its steps.
    pub record: &'a RunRecord,
    /// Names the steps' kinds.
    pub plan: &'a Plan,
}

/// A step that moves on.
#[derive(Debug, Clone, Copy)]
pub struct StepChange<'a> {
    /// Its run.
    pub run: &'a RunId,
    /// Position in the plan.
    pub step: usize,
    /// As it was read.
    pub before: &'a StepRun,
    /// As it is now.
    pub after: &'a StepRun,
}

/// What a process would claim.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// Step kinds that it takes; none: all.
    pub kinds: Option<&'a [String]>,
    /// Only runs of at most this priority: 0 is the most urgent.
    pub priority: u8,
    /// At most so many.
    pub limit: usize,
}

/// A place under a limit; it stands and falls with the step's lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permit {
    /// The limit.
    pub key: String,
    /// The run.
    pub run: RunId,
    /// Position in the plan.
    pub step: usize,
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
    /// When it is stopped, if it has not ended by then.
    pub deadline: Option<Timestamp>,
    /// As a whole.
    pub phase: Phase,
    /// Where it stands, as shown.
    pub status: RunStatus,
    /// In the plan's order; empty in lists.
    pub steps: Steps,
    /// Of the last event.
    pub last_seq: u64,
    /// Ascends with every change of the run or of a step of it; renewals do not count.
    pub version: u64,
    /// When it was submitted.
    pub created_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
}

impl RunRecord {
    /// The state that transitions take.
    pub fn state(&self, plan: &Plan, url: Option<&str>) -> RunState {
        let facts = Facts::new(plan, &self.id, self.round, &self.submission, url);
        RunState::resume(plan, Arc::new(facts), self.phase, self.steps.clone())
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
        let steps = plan.map_or(&[][..], |p| &p.steps).iter().zip(self.steps.iter());
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
                problem: step.problem.clone(),
                child: step.child.clone(),
                decide_by: match &step.state {
                    StepState::Approval { until, .. } => Some(*until),
                    _ => None,
                },
                decision: step.decision.clone(),
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
    /// A run's time.
    Deadline(RunId),
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
