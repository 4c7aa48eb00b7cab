//! The engine itself: the writer task, the apalis runtime over our backend, the outbox, recovery.

mod batch;
mod cache;
mod claim;
mod command;
mod control;
mod feed;
mod gauges;
mod held;
mod hints;
mod ids;
mod job;
mod limited;
mod obey;
mod outbox;
mod renew;
mod runtime;
mod schedules;
mod seen;
mod settle;
mod shared;
mod start;
mod steady;
mod write;
mod writer;

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use jiff::Timestamp;
use tokio::sync::{broadcast, mpsc};

use self::{
    command::{Command, GoOn, Writer},
    feed::Feed,
    gauges::Gauges,
    held::{Held, Reason},
    hints::Hints,
    limited::Pauses,
    runtime::Runtime,
    schedules::Schedules,
    shared::{GRACE, Plans, Shared},
    steady::Steady,
    writer::WriterTask,
};
use crate::{
    Clock, Deliver, Error, Event, EventKind, Limits, Pause, Result, RunFilter, RunId, RunStatus, RunView,
    Step, Store, Submission, Submitted, step::Intent, store::DeadLetter, trace::Observer,
};

pub use self::schedules::ScheduleOptions;

/// How to run.
#[derive(Clone)]
pub struct EngineOptions {
    /// Steps at once in this process; 0: it claims none.
    pub concurrency: usize,
    /// Step kinds that it claims; none: all that it has.
    pub kinds: Option<Vec<String>>,
    /// How many steps may run at once under a name, over all processes; none: as many as there are workers.
    pub limits: Option<Arc<dyn Limits>>,
    /// This process owns the data lock: every lease in the store is dead.
    pub owns_data: bool,
    /// How long an orderly stop waits for running steps.
    pub drain: Duration,
    /// Base of addresses of pages, for `run.url`.
    pub public_url: Option<String>,
    /// Is told of spans.
    pub observer: Option<Arc<dyn Observer>>,
}

impl Default for EngineOptions {
    /// Four steps at once, of all kinds; no limits; a guest over the store.
    fn default() -> Self {
        Self {
            concurrency: 4,
            kinds: None,
            limits: None,
            owns_data: false,
            drain: Duration::from_secs(20),
            public_url: None,
            observer: None,
        }
    }
}

/// The engine's handle; cheap to clone.
#[derive(Clone)]
pub struct Engine {
    shared: Arc<Shared>,
    runtime: Arc<Runtime>,
    schedules: Arc<OnceLock<Schedules>>,
    gauges: Arc<Gauges>,
    drain: Duration,
}

impl Engine {
    /// Recovers what a crash left, then starts writer, workers and outbox.
    pub async fn start(
        store: Arc<dyn Store>,
        steps: Vec<Arc<dyn Step>>,
        deliver: Arc<dyn Deliver>,
        clock: Arc<dyn Clock>,
        options: EngineOptions,
    ) -> Result<Self> {
        let (sender, commands) = mpsc::unbounded_channel();
        let others = store.hints().await?;
        let has_limits = options.limits.is_some();
        let shared = Arc::new(Shared {
            clock: Steady::new(clock),
            kinds: steps.into_iter().map(|s| (s.kind(), s)).collect(),
            wanted: options.kinds,
            limits: options.limits.unwrap_or_else(|| Arc::new(crate::Unlimited)),
            has_limits,
            pauses: Pauses::default(),
            has_others: others.is_some(),
            hints: Hints::over(store.clone()),
            store,
            concurrency: options.concurrency,
            public_url: options.public_url,
            observer: options.observer,
            events: broadcast::channel(4096).0,
            held: Held::default(),
            jobs: Feed::new(),
            parcels: Feed::new(),
            writer: Writer(sender),
            plans: Plans::default(),
        });
        crate::metrics::begin(shared.kinds.keys());
        let mut writer = WriterTask::new(shared.clone(), commands);
        writer.recover(options.owns_data).await?;
        let runtime = Arc::new(Runtime::start(&shared, &deliver));
        tokio::spawn(writer.run());
        tokio::spawn(renew::run(shared.clone()));
        if let Some(hints) = others {
            tokio::spawn(hints::follow(shared.clone(), hints));
            tokio::spawn(hints::watch_pauses(shared.clone()));
        }
        Ok(Self { shared, runtime, gauges: Arc::default(), schedules: Arc::default(), drain: options.drain })
    }

    /// Sets the gauges: what this process holds, and what waits in the store, read at most every five seconds.
    pub async fn measure(&self) {
        self.gauges.set(&self.shared).await;
    }

    /// Starts runs, all in one transaction. A delivery (source, event id) that was seen before
    /// starts nothing; a run that is there by (chain, subject, cascade) is given back.
    pub async fn submit(&self, submissions: Vec<Submission>) -> Result<Vec<Submitted>> {
        self.shared.writer.ask_soon(|reply| Command::Submit { submissions, reply }).await
    }

    /// Whether (kind, target) is one of our own effects.
    pub async fn is_own_effect(&self, kind: &str, target: &str) -> Result<bool> {
        self.shared.store.intended(kind, target).await
    }

    /// What runs intended of (kind, target).
    pub async fn effects_on(&self, kind: &str, target: &str) -> Result<Vec<Intent>> {
        self.shared.store.of_target(kind, target).await
    }

    /// Stops a run: what is ready is cancelled, what runs is told. One that has ended is left as it is. Who and why
    /// stand in the history, here and below.
    pub async fn cancel(&self, run: &RunId, by: &str, reason: &str) -> Result<()> {
        let (run, by, reason) = (run.clone(), by.to_owned(), reason.to_owned());
        self.shared.writer.ask_soon(|reply| Command::Cancel { run, by, reason, reply }).await
    }

    /// Tries a step again that failed, is unknown or was cancelled, as the same piece of work: what it intended is
    /// reconciled first. What comes after it is set back. A run that had ended is open again, behind its concurrency
    /// key. `nothing-to-retry`, `descendants-busy`, `run-cancelling`.
    pub async fn retry(&self, run: &RunId, step: &str, by: &str, reason: &str) -> Result<()> {
        self.go_on(run, step, GoOn::Retry, by, reason).await
    }

    /// Does a step that has ended once more, however it ended, as a new piece of work, and all that comes after it.
    /// Else as [`Engine::retry`]. `step-not-ended`, `descendants-busy`, `run-cancelling`.
    pub async fn rerun(&self, run: &RunId, step: &str, by: &str, reason: &str) -> Result<()> {
        self.go_on(run, step, GoOn::Rerun, by, reason).await
    }

    /// A person has looked whether an unknown step's effect was made: then it has succeeded, else it has failed, and
    /// what comes after it is decided anew. `nothing-to-resolve`, `descendants-busy`, `run-cancelling`.
    pub async fn resolve(&self, run: &RunId, step: &str, made: bool, by: &str, reason: &str) -> Result<()> {
        self.go_on(run, step, GoOn::Resolve { made }, by, reason).await
    }

    async fn go_on(&self, run: &RunId, step: &str, how: GoOn, by: &str, reason: &str) -> Result<()> {
        let (run, step, by, reason) = (run.clone(), step.to_owned(), by.to_owned(), reason.to_owned());
        self.shared.writer.ask_soon(|reply| Command::GoOn { run, step, how, by, reason, reply }).await
    }

    /// Messages that were given up, the last first; 0: 100, at most 1,000. The next page is what comes before
    /// (`delivery.at`, `delivery.message.id`) of the last one.
    pub async fn dead_letters(
        &self,
        limit: u32,
        before: Option<(Timestamp, &str)>,
    ) -> Result<Vec<DeadLetter>> {
        self.shared.store.dead_letters(limit, before).await
    }

    /// Sends a message again that was given up: the same id, attempts counted anew. `message-not-found`,
    /// `message-not-failed`.
    pub async fn resend(&self, message: &str, by: &str) -> Result<()> {
        let (id, by) = (message.to_owned(), by.to_owned());
        self.shared.writer.ask_soon(|reply| Command::Resend { id, by, reply }).await
    }

    /// What a person says of a step that waits for one. The first decision stands.
    pub async fn decide(
        &self,
        run: &RunId,
        step: &str,
        approved: bool,
        by: &str,
        reason: &str,
    ) -> Result<()> {
        let (run, step, by, reason) = (run.clone(), step.to_owned(), by.to_owned(), reason.to_owned());
        self.shared.writer.ask_soon(|reply| Command::Decide { run, step, approved, by, reason, reply }).await
    }

    /// From now on no step of the chain is claimed, by other processes within a second; what runs may end.
    pub async fn pause(&self, chain: &str, by: &str, reason: &str) -> Result<()> {
        let (chain, by, reason) = (chain.to_owned(), by.to_owned(), reason.to_owned());
        self.shared.writer.ask_soon(|reply| Command::Pause { chain, by, reason, reply }).await
    }

    /// A paused chain goes on.
    pub async fn resume(&self, chain: &str) -> Result<()> {
        self.shared.writer.ask_soon(|reply| Command::Resume { chain: chain.to_owned(), reply }).await
    }

    /// The chains that are paused, by name.
    pub async fn pauses(&self) -> Result<Vec<Pause>> {
        self.shared.store.pauses().await
    }

    /// One run, whole.
    pub async fn run(&self, run: &RunId) -> Result<RunView> {
        let record = self.shared.store.run(run).await?.ok_or_else(|| Error::NoSuchRun(run.0.clone()))?;
        let plan = self.plan(&record.plan_hash).await?;
        let deliveries = self.shared.store.deliveries(run).await?;
        Ok(record.view(Some(&plan), deliveries))
    }

    /// Runs, newest first, without steps.
    pub async fn runs(&self, filter: &RunFilter) -> Result<Vec<RunView>> {
        let records = self.shared.store.runs(filter).await?;
        Ok(records.into_iter().map(|r| r.view(None, Vec::new())).collect())
    }

    /// The pinned plan of a run.
    pub async fn plan(&self, hash: &str) -> Result<Arc<patchline_chains::Plan>> {
        if let Some(plan) = self.shared.plans.get(hash) {
            return Ok(plan);
        }
        let plan = self.shared.store.plan(hash).await?.ok_or_else(|| Error::NoSuchPlan(hash.to_owned()))?;
        Ok(self.shared.plans.put(hash, Arc::new(plan)))
    }

    /// A run's history after `seq`.
    pub async fn events(&self, run: &RunId, after: u64) -> Result<Vec<Event>> {
        self.shared.store.events(run, after).await
    }

    /// Everything that happens from now on; a receiver that lags reads `events`.
    pub fn subscribe(&self) -> broadcast::Receiver<Event> {
        self.shared.events.subscribe()
    }

    /// Waits until the run has finished.
    pub async fn finished(&self, run: &RunId) -> Result<RunView> {
        let mut events = self.subscribe();
        loop {
            let view = self.run(run).await?;
            if view.status == RunStatus::Finished {
                return Ok(view);
            }
            // Another process may end it: then no event comes here.
            let wait = async {
                loop {
                    match events.recv().await {
                        Ok(Event { run: of, kind: EventKind::RunFinished { .. }, .. }) if of == *run => {
                            return true;
                        }
                        Err(broadcast::error::RecvError::Closed) => return false,
                        Ok(_) => {}
                        Err(broadcast::error::RecvError::Lagged(_)) => return true,
                    }
                }
            };
            if tokio::time::timeout(Duration::from_secs(1), wait).await == Ok(false) {
                return Err(Error::Stopping);
            }
        }
    }

    /// Takes no new step, waits for the running ones up to `drain`, gives leases back: so many did not end in time.
    pub async fn stop(&self) -> Result<usize> {
        if let Some(schedules) = self.schedules.get() {
            schedules.stop().await;
        }
        let held = &self.shared.held;
        let mut late = 0;
        self.shared.writer.ask(|reply| Command::StopClaiming { reply }).await?;
        if tokio::time::timeout(self.drain, held.empty()).await.is_err() {
            late = held.len();
            held.stop_all(Reason::Stopping);
            self.shared.jobs.clear();
            // Those that do not listen are dropped after their grace, and give back their leases themselves.
            drop(tokio::time::timeout(GRACE + Duration::from_secs(1), held.empty()).await);
        }
        self.runtime.shutdown();
        for lease in held.all() {
            self.shared.writer.tell(Command::Return { lease, counts: false });
        }
        self.shared.writer.ask(|reply| Command::Close { reply }).await?;
        Ok(late)
    }
}
