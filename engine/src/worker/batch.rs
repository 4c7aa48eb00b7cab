//! One transaction of the writer: runs read once, moved on by pure transitions, written back together.

use std::{
    collections::{BTreeSet, HashMap, HashSet, VecDeque},
    sync::Arc,
    time::Instant,
};

use jiff::Timestamp;
use patchline_chains::Plan;

use super::{
    cache::Cache,
    ids::Ids,
    job::Claim,
    outbox::Parcel,
    seen::{Moved, Seen},
    shared::Shared,
    steady::instant,
};
use crate::{
    Error, Event, EventKind, Result, RunId,
    core::{self, Effect, Phase, RunState, StepState, recovery::Lease},
    store::{Fetched, Lock, RunRecord, Transaction},
};

/// A run in the batch: as it was read, and as it is now.
pub(super) struct Loaded {
    pub(super) record: RunRecord,
    pub(super) plan: Arc<Plan>,
    pub(super) state: RunState,
    /// Not written so far.
    pub(super) new: bool,
    /// Something of it must be written that its steps and phase do not show.
    pub(super) touched: bool,
}

impl Loaded {
    pub(super) fn new(record: RunRecord, plan: Arc<Plan>, state: RunState) -> Self {
        Self { record, plan, state, new: true, touched: true }
    }
    /// Its time ends no more.
    pub(super) fn forget_deadline(&mut self) {
        self.touched |= self.record.deadline.take().is_some();
    }
    /// Not to be found by queries yet.
    pub(super) fn is_new(&self) -> bool {
        self.new
    }
}

/// What is done once the transaction is committed.
pub(super) struct After {
    /// When the transaction began.
    pub(super) began: Instant,
    pub(super) events: Vec<Event>,
    pub(super) stop: Vec<(RunId, usize)>,
    pub(super) released: Vec<Lease>,
    pub(super) renewed: Vec<Lease>,
    pub(super) claims: Vec<Claim>,
    pub(super) parcels: Vec<Parcel>,
    pub(super) plans: Vec<String>,
    /// For those who watch.
    pub(super) seen: Seen,
    /// Steps are ready that this process did not take.
    pub(super) left_ready: bool,
    /// Chains were paused or resumed.
    pub(super) pauses_changed: bool,
}

impl After {
    fn new(began: Instant) -> Self {
        Self {
            began,
            events: Vec::new(),
            stop: Vec::new(),
            released: Vec::new(),
            renewed: Vec::new(),
            claims: Vec::new(),
            parcels: Vec::new(),
            plans: Vec::new(),
            seen: Seen::default(),
            left_ready: false,
            pauses_changed: false,
        }
    }
}

/// An open transaction with what was read in it.
pub(super) struct Batch<'a> {
    pub(super) tx: Box<dyn Transaction>,
    pub(super) shared: &'a Arc<Shared>,
    pub(super) ids: &'a mut Ids,
    pub(super) cache: &'a mut Cache,
    pub(super) now: Timestamp,
    /// When it began, by the clock that never jumps: leases that it gives last from here.
    pub(super) began: Instant,
    pub(super) runs: HashMap<RunId, Loaded>,
    pub(super) after: After,
    /// Became ready in this batch: no query has to find them. By urgency, then age.
    pub(super) fresh: BTreeSet<(u8, RunId, usize)>,
    /// Limits that were found full.
    pub(super) full: HashSet<String>,
    /// The first that it has made fall due at a time: a back-off, a deadline, a message.
    wakes: Option<Timestamp>,
    /// Messages are to go out now.
    pub(super) posted: bool,
    pub(super) history: Vec<Event>,
}

impl<'a> Batch<'a> {
    pub(super) async fn begin(
        shared: &'a Arc<Shared>,
        ids: &'a mut Ids,
        cache: &'a mut Cache,
    ) -> Result<Self> {
        let began = instant();
        let tx = shared.store.begin().await?;
        let now = tx.now().unwrap_or_else(|| shared.now());
        Ok(Self {
            tx,
            shared,
            ids,
            cache,
            now,
            began,
            runs: HashMap::new(),
            after: After::new(began),
            fresh: BTreeSet::new(),
            full: HashSet::new(),
            wakes: None,
            posted: false,
            history: Vec::new(),
        })
    }

    /// Locks runs and reads what is not known of them, all at once. Those that are not there are left out.
    pub(super) async fn fetch(&mut self, runs: impl IntoIterator<Item = RunId>) -> Result<()> {
        self.take(runs, Lock::Wait).await
    }

    /// As [`Batch::fetch`], and gives back those that are not there or that another process works on right now.
    pub(super) async fn try_fetch(&mut self, runs: Vec<RunId>) -> Result<HashSet<RunId>> {
        self.take(runs.iter().cloned(), Lock::Skip).await?;
        Ok(runs.into_iter().filter(|run| !self.runs.contains_key(run)).collect())
    }

    /// As [`Batch::fetch`], where this transaction has locked them already.
    pub(super) async fn read(&mut self, runs: impl IntoIterator<Item = RunId>) -> Result<()> {
        self.take(runs, Lock::Held).await
    }

    async fn take(&mut self, runs: impl IntoIterator<Item = RunId>, lock: Lock) -> Result<()> {
        let wanted: BTreeSet<RunId> = runs.into_iter().filter(|run| !self.runs.contains_key(run)).collect();
        if wanted.is_empty() {
            return Ok(());
        }
        let wanted: Vec<_> = wanted
            .into_iter()
            .map(|run| {
                let version = self.cache.version(&run);
                (run, version)
            })
            .collect();
        for fetched in self.tx.runs(&wanted, lock).await? {
            match fetched {
                Fetched::Same(run) => {
                    if let Some(loaded) = self.cache.take(&run) {
                        self.runs.insert(run, loaded);
                    }
                }
                Fetched::Read(record) => {
                    let plan = self.plan(&record.plan_hash).await?;
                    let state = record.state(&plan, self.shared.url(&record.id).as_deref());
                    let id = record.id.clone();
                    let record = RunRecord { steps: state.steps.clone(), ..*record };
                    let loaded = Loaded { record, plan, state, new: false, touched: false };
                    self.runs.insert(id, loaded);
                }
            }
        }
        Ok(())
    }

    /// A run, locked and read once.
    pub(super) async fn load(&mut self, run: &RunId) -> Result<&mut Loaded> {
        if !self.runs.contains_key(run) {
            self.fetch([run.clone()]).await?;
        }
        self.runs.get_mut(run).ok_or_else(|| Error::NoSuchRun(run.0.clone()))
    }

    async fn plan(&mut self, hash: &str) -> Result<Arc<Plan>> {
        if let Some(plan) = self.shared.plans.get(hash) {
            return Ok(plan);
        }
        let plan = self.tx.plan(hash).await?.ok_or_else(|| Error::NoSuchPlan(hash.to_owned()))?;
        Ok(self.shared.plans.put(hash, Arc::new(plan)))
    }

    /// Moves a run on, and then all that follows in other runs. An event that
    /// is illegal is an error and changes nothing; what follows from a legal
    /// one may come late, and is then left out.
    pub(super) async fn apply(&mut self, run: &RunId, event: core::Event) -> Result<()> {
        let mut todo = VecDeque::new();
        self.step(run, event, &mut todo).await?;
        while let Some((run, event)) = todo.pop_front() {
            match self.step(&run, event, &mut todo).await {
                Err(Error::Illegal { event, state }) => {
                    tracing::debug!(run.id = %run, event, state, "left out: it came too late");
                }
                other => other?,
            }
        }
        Ok(())
    }

    async fn step(
        &mut self,
        run: &RunId,
        event: core::Event,
        todo: &mut VecDeque<(RunId, core::Event)>,
    ) -> Result<()> {
        let loaded = self.load(run).await?;
        let (state, effects) = core::transition(&loaded.plan, loaded.state.clone(), event)?;
        let before = std::mem::replace(&mut loaded.state, state);
        self.look(run, &before, &effects).await?;
        for effect in effects {
            self.effect(run, effect, todo).await?;
        }
        Ok(())
    }

    /// Gathers what there is to tell of a transition.
    async fn look(&mut self, run: &RunId, before: &RunState, effects: &[Effect]) -> Result<()> {
        let spans = self.shared.observer.is_some();
        let ended = effects.iter().find_map(|effect| match effect {
            Effect::TellParent { parent, .. } => Some(parent),
            _ => None,
        });
        // The parent hears of it next, so it is read in any case.
        let parent = match ended.filter(|_| spans) {
            Some(parent) => {
                let loaded = self.load(&parent.run).await?;
                super::seen::waiting_span(&loaded.record, &loaded.plan, &loaded.state, parent, run)
            }
            None => None,
        };
        let Some(Loaded { record, plan, state: after, .. }) = self.runs.get(run) else { return Ok(()) };
        let moved = Moved { record, plan, before, after, effects, parent, at: self.now };
        self.after.seen.look(&moved, &self.shared.kinds, spans);
        Ok(())
    }

    async fn effect(
        &mut self,
        run: &RunId,
        effect: Effect,
        todo: &mut VecDeque<(RunId, core::Event)>,
    ) -> Result<()> {
        let at = self.now;
        match effect {
            Effect::Changed { step } => {
                let loaded = self.load(run).await?;
                let now = &loaded.state.steps[step];
                let kind = EventKind::StepChanged {
                    step: loaded.plan.steps[step].name.clone(),
                    status: now.state.status(),
                    attempt: now.attempt,
                    problem: now
                        .problem
                        .clone()
                        .filter(|_| !matches!(now.state, core::StepState::Succeeded { .. })),
                };
                let place = (loaded.record.priority, run.clone(), step);
                let due = match now.state {
                    StepState::Backoff { at } | StepState::Approval { until: at, .. } => Some(at),
                    _ => None,
                };
                if matches!(now.state, StepState::Ready { .. }) {
                    self.fresh.insert(place);
                } else {
                    self.fresh.remove(&place);
                }
                self.wake(due);
                self.record(run, kind).await?;
            }
            Effect::Stop { step } => self.after.stop.push((run.clone(), step)),
            Effect::StartChild { step, child, subject } => {
                if let Some(result) = self.start_child(run, step, &child, subject, todo).await? {
                    todo.push_back((run.clone(), core::Event::ChildFinished { step, child, result, at }));
                }
            }
            Effect::CancelChild { child } => todo.push_back((child, core::Event::Cancel { at })),
            Effect::Enqueue { step, messages } => {
                let name = self.load(run).await?.plan.steps[step].name.clone();
                // A message names its run, so a run of this batch must stand before it.
                self.flush().await?;
                self.tx.enqueue(run, &name, &messages, at).await?;
                self.posted = true;
            }
            // A run that has started, or goes on, has its time from now.
            Effect::Started => {
                let loaded = self.load(run).await?;
                let limit = loaded.plan.timeout.and_then(|limit| jiff::SignedDuration::try_from(limit).ok());
                let deadline = limit.and_then(|limit| at.checked_add(limit).ok());
                loaded.record.deadline = deadline;
                self.wake(deadline);
            }
            Effect::Reopened => {
                let loaded = self.load(run).await?;
                loaded.record.finished_at = None;
                loaded.record.deadline = None;
                self.record(run, EventKind::RunReopened).await?;
            }
            Effect::Finished { result } => {
                let loaded = self.load(run).await?;
                loaded.record.finished_at = Some(at);
                let slot = loaded.record.slot.clone();
                self.record(run, EventKind::RunFinished { result }).await?;
                if let Some(slot) = slot {
                    self.release_slot(&slot, todo).await?;
                }
            }
            Effect::TellParent { parent, result } => {
                // Steps with an equal product share a child: each of them waits for it.
                let loaded = self.load(&parent.run).await?;
                for (step, now) in loaded.state.steps.iter().enumerate() {
                    if matches!(&now.state, core::StepState::Child { run: child, .. } if child == run) {
                        let event = core::Event::ChildFinished { step, child: run.clone(), result, at };
                        todo.push_back((parent.run.clone(), event));
                    }
                }
            }
        }
        Ok(())
    }

    /// The writer looks for what is due no later than this.
    pub(super) fn wake(&mut self, at: Option<Timestamp>) {
        self.wakes = [self.wakes, at].into_iter().flatten().min();
    }

    /// See [`Batch::wake`].
    pub(super) fn wakes(&self) -> Option<Timestamp> {
        self.wakes
    }

    /// A line of history.
    pub(super) async fn record(&mut self, run: &RunId, kind: EventKind) -> Result<()> {
        let at = self.now;
        let loaded = self.load(run).await?;
        loaded.record.last_seq += 1;
        loaded.touched = true;
        let event = Event { seq: loaded.record.last_seq, run: run.clone(), at, kind };
        self.history.push(event);
        Ok(())
    }
}

/// Steps that are let in again at once when a limit has room.
pub(super) const UNPARKED: usize = 1000;

/// Whether the run takes no more part in anything.
pub(super) fn is_over(state: &RunState) -> bool {
    matches!(state.phase, Phase::Finished { .. })
}
