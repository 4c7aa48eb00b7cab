//! Starting runs inside a batch: dedupe, concurrency slots, children.

use std::{collections::VecDeque, sync::Arc};

use patchline_chains::{Plan, WhenBusy};
use serde_json::Value;

use super::batch::{Batch, Loaded};
use crate::{
    Error, EventKind, Parent, Result, RunId, RunResult, Subject, Submission, Submitted, Trigger, TriggerKind,
    core::{self, Phase, RunState},
    store::RunRecord,
};

/// A submission whose every part that can be wrong has been looked at.
pub(super) struct Checked {
    plan: Arc<Plan>,
    hash: String,
    submission: Submission,
}

impl Batch<'_> {
    /// Looks at what may be wrong, before anything is written.
    pub(super) fn check(&self, mut submission: Submission) -> Result<Checked> {
        let plan = submission.plan.take().ok_or_else(|| Error::NoSuchPlan("(none given)".into()))?;
        if let Some(step) = plan.steps.iter().find(|s| !self.shared.kinds.contains_key(s.uses.as_str())) {
            return Err(Error::NoSuchKind(step.uses.clone()));
        }
        if let Value::Object(given) = &submission.params {
            plan.start_params(given)?;
        }
        // The id is not known yet, and a key of concurrency cannot depend on it.
        slot(&plan, &RunId(String::new()), &submission)?;
        Ok(Checked { hash: plan.hash(), plan, submission })
    }

    /// Starts one, or finds the one that is there.
    pub(super) async fn submit(&mut self, checked: Checked) -> Result<Submitted> {
        let Checked { plan, hash, submission } = checked;
        let trigger = submission.trigger.clone();
        if let Some(event) = &trigger.event_id
            && let Some(run) = self.tx.delivery(&trigger.source, event, &plan.chain).await?
        {
            return Ok(Submitted { run, new: false });
        }
        let submitted = match self.present(&plan, &submission).await? {
            Some(run) => Submitted { run, new: false },
            None => self.start(plan.clone(), hash, submission).await?,
        };
        if let Some(event) = &trigger.event_id {
            self.tx.put_delivery(&trigger.source, event, &plan.chain, &submitted.run, self.now).await?;
        }
        Ok(submitted)
    }

    /// The run that this submission would only repeat.
    async fn present(&mut self, plan: &Plan, submission: &Submission) -> Result<Option<RunId>> {
        let identity = &submission.subject.identity;
        self.flush().await?;
        if let Some(parent) = &submission.parent {
            let cascade = self.load(&parent.run).await?.record.cascade.clone();
            return self.tx.run_in_cascade(&plan.chain, identity, &cascade).await;
        }
        let push = submission.trigger.kind == TriggerKind::Push;
        let runs = self.tx.runs_over(&plan.chain, identity).await?;
        Ok(runs.into_iter().find_map(|(run, result)| match result {
            // Under way: whoever asks again means this one.
            None => Some(run),
            // A push of what has been decided decides nothing new; what was
            // not decided is tried again, and a person may always ask again.
            Some(RunResult::Failed | RunResult::Cancelled) => None,
            Some(_) => push.then_some(run),
        }))
    }

    async fn start(&mut self, plan: Arc<Plan>, hash: String, submission: Submission) -> Result<Submitted> {
        let id = self.ids.next(self.now);
        let slot = slot(&plan, &id, &submission)?;
        let mut room = true;
        let mut displaced = Vec::new();
        if let (Some(slot), Some(rule)) = (&slot, &plan.concurrency) {
            let holders = self.tx.slot(slot).await?;
            room = (holders.len() as u64) < u64::from(rule.limit.max(1));
            match rule.when_busy {
                WhenBusy::Queue => {}
                WhenBusy::Reject if !room => {
                    if let Some((run, _)) = holders.into_iter().next_back() {
                        return Ok(Submitted { run, new: false });
                    }
                }
                WhenBusy::Supersede if !room => displaced = holders.into_iter().map(|(run, _)| run).collect(),
                WhenBusy::Reject | WhenBusy::Supersede => {}
            }
        }
        self.insert(id.clone(), plan, hash, submission, slot).await?;
        if room {
            self.apply(&id, core::Event::Started { at: self.now }).await?;
        }
        for run in displaced {
            match self.apply(&run, core::Event::Cancel { at: self.now }).await {
                Err(Error::Illegal { .. }) => {}
                other => other?,
            }
        }
        Ok(Submitted { run: id, new: true })
    }

    /// A child run, pinned to its parent's plan; if it is there and has ended, how.
    pub(super) async fn start_child(
        &mut self,
        parent: &RunId,
        step: usize,
        child: &RunId,
        subject: Subject,
        todo: &mut VecDeque<(RunId, core::Event)>,
    ) -> Result<Option<RunResult>> {
        match self.load(child).await {
            Ok(loaded) => return Ok(loaded.state.result()),
            Err(Error::NoSuchRun(_)) => {}
            Err(error) => return Err(error),
        }
        let loaded = self.load(parent).await?;
        // What started the whole cascade is a child's source: steps judge by it.
        let above = &loaded.record.submission.trigger;
        let source = match above.kind {
            TriggerKind::Child => above.source.clone(),
            kind => serde_json::to_value(kind)
                .ok()
                .and_then(|k| k.as_str().map(str::to_owned))
                .unwrap_or_default(),
        };
        let submission = Submission {
            plan: None,
            subject,
            trigger: Trigger { kind: TriggerKind::Child, source, event_id: None },
            params: loaded.record.submission.params.clone(),
            parent: Some(Parent { run: parent.clone(), step: loaded.plan.steps[step].name.clone() }),
        };
        let (plan, hash) = (loaded.plan.clone(), loaded.record.plan_hash.clone());
        self.insert(child.clone(), plan, hash, submission, None).await?;
        todo.push_back((child.clone(), core::Event::Started { at: self.now }));
        Ok(None)
    }

    /// The id of a step's child, new or there already; none: it would wait for itself.
    pub(super) async fn child_id(&mut self, parent: &RunId, subject: &Subject) -> Result<Option<RunId>> {
        self.flush().await?;
        let record = &self.load(parent).await?.record;
        let (chain, cascade) = (record.chain.clone(), record.cascade.clone());
        let Some(found) = self.tx.run_in_cascade(&chain, &subject.identity, &cascade).await? else {
            return Ok(Some(self.ids.next(self.now)));
        };
        let mut at = Some(parent.clone());
        while let Some(run) = at {
            if run == found {
                return Ok(None);
            }
            at = self.load(&run).await?.record.submission.parent.as_ref().map(|p| p.run.clone());
        }
        Ok(Some(found))
    }

    async fn insert(
        &mut self,
        id: RunId,
        plan: Arc<Plan>,
        hash: String,
        submission: Submission,
        slot: Option<String>,
    ) -> Result<()> {
        let (cascade, round, priority) = match &submission.parent {
            Some(parent) => {
                let parent = &self.load(&parent.run).await?.record;
                (parent.cascade.clone(), parent.round.saturating_add(1), parent.priority)
            }
            None => (id.clone(), 1, priority(submission.trigger.kind)),
        };
        let facts = core::Facts::new(&plan, &id, round, &submission, self.shared.url(&id).as_deref());
        let state = RunState::new(&plan, Arc::new(facts));
        let record = RunRecord {
            id: id.clone(),
            chain: plan.chain.clone(),
            plan_hash: hash.clone(),
            submission,
            cascade,
            round,
            slot,
            priority,
            phase: Phase::Queued,
            status: state.status(),
            steps: state.steps.clone(),
            last_seq: 0,
            created_at: self.now,
            finished_at: None,
        };
        self.tx.put_plan(&hash, &plan, self.now).await?;
        self.tx.insert_run(&record).await?;
        let plan = self.shared.plans.put(&hash, plan);
        self.runs.insert(id.clone(), Loaded { record, plan, state });
        self.record(&id, EventKind::RunCreated).await
    }

    /// Starts whoever waits for a slot, as far as there is room.
    pub(super) async fn release_slot(
        &mut self,
        slot: &str,
        todo: &mut VecDeque<(RunId, core::Event)>,
    ) -> Result<()> {
        self.flush().await?;
        let holders = self.tx.slot(slot).await?;
        let (queued, busy): (Vec<_>, Vec<_>) = holders.into_iter().partition(|(_, queued)| *queued);
        for (busy, (run, _)) in (busy.len() as u64..).zip(queued) {
            let limit = self.load(&run).await?.plan.concurrency.as_ref().map_or(1, |c| c.limit.max(1));
            if busy >= u64::from(limit) {
                break;
            }
            todo.push_back((run, core::Event::Started { at: self.now }));
        }
        Ok(())
    }
}

/// Bulk work waits behind pushes, pushes behind people.
fn priority(kind: TriggerKind) -> u8 {
    match kind {
        TriggerKind::Manual => 0,
        TriggerKind::Push | TriggerKind::Child => 1,
        TriggerKind::Schedule | TriggerKind::Advisories => 2,
    }
}

/// The concurrency slot, by chain: two chains over one image do not wait for each other.
fn slot(plan: &Plan, id: &RunId, submission: &Submission) -> Result<Option<String>> {
    let Some(rule) = plan.concurrency.as_ref().filter(|_| submission.parent.is_none()) else {
        return Ok(None);
    };
    let names = Value::Object(core::Facts::new(plan, id, 1, submission, None).names);
    let key = patchline_chains::expr::render(&Value::String(rule.key.clone()), &names)
        .map_err(|source| Error::Key { chain: plan.chain.clone(), source })?;
    Ok(Some(format!("{} {}", plan.chain, key.as_str().unwrap_or_default())))
}
