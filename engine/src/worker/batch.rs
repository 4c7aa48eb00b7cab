//! One transaction of the writer: runs read once, moved on by pure transitions, written back together.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use jiff::Timestamp;
use patchline_chains::Plan;

use super::{ids::Ids, job::Claim, outbox::Parcel, shared::Shared};
use crate::{
    Error, Event, EventKind, Result, RunId,
    core::{self, Effect, RunState, recovery::Lease},
    store::{RunRecord, Transaction},
};

/// A run in the batch: as it was read, and as it is now.
pub(super) struct Loaded {
    pub(super) record: RunRecord,
    pub(super) plan: Arc<Plan>,
    pub(super) state: RunState,
}

/// What is done once the transaction is committed.
#[derive(Default)]
pub(super) struct After {
    pub(super) events: Vec<Event>,
    pub(super) stop: Vec<(RunId, usize)>,
    pub(super) released: Vec<Lease>,
    pub(super) renewed: Vec<Lease>,
    pub(super) claims: Vec<Claim>,
    pub(super) parcels: Vec<Parcel>,
}

/// An open transaction with what was read in it.
pub(super) struct Batch<'a> {
    pub(super) tx: Box<dyn Transaction>,
    pub(super) shared: &'a Arc<Shared>,
    pub(super) ids: &'a mut Ids,
    pub(super) now: Timestamp,
    pub(super) runs: HashMap<RunId, Loaded>,
    pub(super) after: After,
    history: Vec<Event>,
}

impl<'a> Batch<'a> {
    pub(super) async fn begin(shared: &'a Arc<Shared>, ids: &'a mut Ids) -> Result<Self> {
        let tx = shared.store.begin().await?;
        let now = shared.now();
        Ok(Self { tx, shared, ids, now, runs: HashMap::new(), after: After::default(), history: Vec::new() })
    }

    /// A run, read once.
    pub(super) async fn load(&mut self, run: &RunId) -> Result<&mut Loaded> {
        if !self.runs.contains_key(run) {
            let record = self.tx.run(run).await?.ok_or_else(|| Error::NoSuchRun(run.0.clone()))?;
            let plan = self.plan(&record.plan_hash).await?;
            let state = record.state(&plan, self.shared.url(run).as_deref());
            self.runs.insert(run.clone(), Loaded { record, plan, state });
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
        loaded.state = state;
        for effect in effects {
            self.effect(run, effect, todo).await?;
        }
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
                self.tx.enqueue(run, &name, &messages, at).await?;
            }
            // A run that has started, or goes on, has its time from now.
            Effect::Started => {}
            Effect::Reopened => {
                self.load(run).await?.record.finished_at = None;
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

    /// A line of history.
    pub(super) async fn record(&mut self, run: &RunId, kind: EventKind) -> Result<()> {
        let at = self.now;
        let loaded = self.load(run).await?;
        loaded.record.last_seq += 1;
        let event = Event { seq: loaded.record.last_seq, run: run.clone(), at, kind };
        self.history.push(event);
        Ok(())
    }

    /// Writes what has changed so far, so that queries see it.
    pub(super) async fn flush(&mut self) -> Result<()> {
        for (id, loaded) in &mut self.runs {
            for (i, (before, after)) in loaded.record.steps.iter_mut().zip(&loaded.state.steps).enumerate() {
                if before != after {
                    if !self.tx.save_step(id, i, before, after).await? {
                        return Err(Error::Conflict(format!("step {i} of run {id}")));
                    }
                    *before = after.clone();
                }
            }
            let status = loaded.state.status();
            let seq = self.history.iter().any(|e| e.run == *id);
            if seq || loaded.record.phase != loaded.state.phase || loaded.record.status != status {
                loaded.record.phase = loaded.state.phase;
                loaded.record.status = status;
                self.tx.save_run(&loaded.record).await?;
            }
        }
        if !self.history.is_empty() {
            self.tx.append(&self.history).await?;
            self.after.events.append(&mut self.history);
        }
        Ok(())
    }

    /// Writes the rest and makes all of it durable.
    pub(super) async fn commit(mut self) -> Result<After> {
        self.flush().await?;
        self.tx.commit().await?;
        Ok(self.after)
    }
}
