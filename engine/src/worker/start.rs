//! Starting runs inside a batch: dedupe, concurrency slots, children.

use std::{
    collections::{HashMap, VecDeque},
    sync::Arc,
};

use patchline_chains::{Plan, WhenBusy};
use serde_json::Value;

use super::batch::{Batch, Loaded, is_over};
use crate::{
    Error, EventKind, Parent, Result, RunId, RunResult, Subject, Submission, Submitted, Trigger, TriggerKind,
    core::{self, Phase, RunState},
    store::{RunRecord, Seen},
};

/// A submission whose every part that can be wrong has been looked at.
struct Checked {
    plan: Arc<Plan>,
    hash: String,
    submission: Submission,
    slot: Option<String>,
}

/// A run, and how it ended.
type Known = (RunId, Option<RunResult>);

impl Checked {
    /// The delivery that it is, as its chain sees it.
    fn seen(&self) -> Option<Seen> {
        let Trigger { source, event_id, .. } = &self.submission.trigger;
        let (source, chain) = (source.clone(), self.plan.chain.clone());
        event_id.clone().map(|event_id| Seen { source, event_id, chain })
    }
    /// What there is one run of at a time; a child is one within its cascade.
    fn name(&self) -> Option<(String, String)> {
        let own = self.submission.parent.is_none();
        own.then(|| (self.plan.chain.clone(), self.submission.subject.identity.clone()))
    }
}

impl Batch<'_> {
    /// Starts all of a group, or finds those that are there. What can be wrong with any of them is looked at before
    /// anything is written.
    pub(super) async fn submit(&mut self, submissions: &[Submission]) -> Result<Vec<Submitted>> {
        let checked = submissions.iter().map(|s| self.check(s.clone())).collect::<Result<Vec<_>>>()?;
        self.lock(&checked).await?;
        let seen: Vec<Seen> = checked.iter().filter_map(Checked::seen).collect();
        let known = if seen.is_empty() { Vec::new() } else { self.tx.deliveries(&seen).await? };
        let mut delivered: HashMap<Seen, RunId> =
            seen.into_iter().zip(known).filter_map(|(seen, run)| Some((seen, run?))).collect();
        let wanted: Vec<(String, String)> = checked.iter().filter_map(Checked::name).collect();
        let known = if wanted.is_empty() { Vec::new() } else { self.tx.runs_over(&wanted).await? };
        let known: HashMap<_, Vec<Known>> = wanted.into_iter().zip(known).collect();

        let mut new = Vec::new();
        let mut submitted = Vec::with_capacity(checked.len());
        for one in checked {
            let seen = one.seen();
            let earlier = seen.as_ref().and_then(|seen| delivered.get(seen));
            if let Some(run) = earlier {
                submitted.push(Submitted { run: run.clone(), new: false });
                continue;
            }
            let over = one.name().and_then(|name| known.get(&name)).map_or(&[][..], Vec::as_slice);
            let done = match self.present(&one, over).await? {
                Some(run) => Submitted { run, new: false },
                None => self.start(one.plan, one.hash, one.submission).await?,
            };
            if let Some(seen) = seen {
                delivered.insert(seen.clone(), done.run.clone());
                new.push((seen, done.run.clone()));
            }
            submitted.push(done);
        }
        if !new.is_empty() {
            self.tx.put_deliveries(&new, self.now).await?;
        }
        Ok(submitted)
    }

    /// Looks at what may be wrong, before anything is written.
    fn check(&self, mut submission: Submission) -> Result<Checked> {
        let plan = submission.plan.take().ok_or_else(|| Error::NoSuchPlan("(none given)".into()))?;
        if let Some(step) = plan.steps.iter().find(|s| !self.shared.kinds.contains_key(s.uses.as_str())) {
            return Err(Error::NoSuchKind(step.uses.clone()));
        }
        if let Value::Object(given) = &submission.params {
            plan.start_params(given)?;
        }
        // The id is not known yet, and a key of concurrency cannot depend on it.
        let slot = slot(&plan, &RunId(String::new()), &submission)?;
        let hash = self.shared.plans.hash(&plan);
        Ok(Checked { hash, plan, submission, slot })
    }

    /// Two processes that hear of one push at the same moment start it once.
    async fn lock(&mut self, checked: &[Checked]) -> Result<()> {
        let mut names: Vec<String> = checked
            .iter()
            .flat_map(|one| {
                let slot = one.slot.as_ref().map(|slot| slot_name(slot));
                slot.into_iter().chain(one.name().map(|(chain, identity)| format!("over {chain} {identity}")))
            })
            .collect();
        names.sort_unstable();
        names.dedup();
        self.tx.lock_names(&names).await
    }

    /// The run that this submission would only repeat.
    async fn present(&mut self, one: &Checked, over: &[(RunId, Option<RunResult>)]) -> Result<Option<RunId>> {
        let (plan, submission) = (&one.plan, &one.submission);
        let identity = &submission.subject.identity;
        if let Some(parent) = &submission.parent {
            let cascade = self.load(&parent.run).await?.record.cascade.clone();
            return self.in_cascade(&plan.chain, identity, &cascade).await;
        }
        let push = submission.trigger.kind == TriggerKind::Push;
        let of_this_batch = self.runs.values().filter(|l| {
            l.is_new() && l.record.chain == plan.chain && l.record.submission.subject.identity == *identity
        });
        let mut runs: Vec<_> = of_this_batch.map(|l| (l.record.id.clone(), l.state.result())).collect();
        runs.sort_by(|a, b| b.0.cmp(&a.0));
        // A run that this batch has read may have ended in it.
        runs.extend(over.iter().map(|(run, result)| {
            (run.clone(), result.or_else(|| self.runs.get(run).and_then(|l| l.state.result())))
        }));
        Ok(runs.into_iter().find_map(|(run, result)| match result {
            // Under way: whoever asks again means this one.
            None => Some(run),
            // A push of what has been decided decides nothing new; what was
            // not decided is tried again, and a person may always ask again.
            Some(RunResult::Failed | RunResult::Cancelled) => None,
            Some(_) => push.then_some(run),
        }))
    }

    /// The one run of a chain over a subject within a cascade, of the store or of this batch.
    async fn in_cascade(&mut self, chain: &str, identity: &str, cascade: &RunId) -> Result<Option<RunId>> {
        let here = self.runs.values().map(|l| &l.record).find(|record| {
            record.chain == chain
                && record.cascade == *cascade
                && record.submission.subject.identity == identity
        });
        if let Some(record) = here {
            return Ok(Some(record.id.clone()));
        }
        self.tx.run_in_cascade(chain, identity, cascade).await
    }

    async fn start(&mut self, plan: Arc<Plan>, hash: String, submission: Submission) -> Result<Submitted> {
        let id = self.ids.next(self.now);
        let slot = slot(&plan, &id, &submission)?;
        let mut room = true;
        let mut displaced = Vec::new();
        if let (Some(slot), Some(rule)) = (&slot, &plan.concurrency) {
            self.flush().await?;
            let holders = self.tx.slot(slot, QUEUED_LOOK).await?;
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
            self.supersede(&run, &id).await?;
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
        let record = &self.load(parent).await?.record;
        let (chain, cascade) = (record.chain.clone(), record.cascade.clone());
        let Some(found) = self.in_cascade(&chain, &subject.identity, &cascade).await? else {
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
            deadline: None,
            phase: Phase::Queued,
            status: state.status(),
            steps: state.steps.clone(),
            last_seq: 0,
            version: 0,
            created_at: self.now,
            finished_at: None,
        };
        let plan = self.shared.plans.put(&hash, plan);
        self.runs.insert(id.clone(), Loaded::new(record, plan, state));
        self.record(&id, EventKind::RunCreated).await
    }

    /// Starts whoever waits for a slot, as far as there is room.
    pub(super) async fn release_slot(
        &mut self,
        slot: &str,
        todo: &mut VecDeque<(RunId, core::Event)>,
    ) -> Result<()> {
        self.flush().await?;
        self.tx.lock_names(&[slot_name(slot)]).await?;
        let holders = self.tx.slot(slot, QUEUED_LOOK).await?;
        let (queued, busy): (Vec<_>, Vec<_>) = holders.into_iter().partition(|(_, queued)| *queued);
        self.fetch(queued.iter().map(|(run, _)| run.clone())).await?;
        // What this batch will start or has ended is not as the store says.
        let starting = |run: &RunId| {
            todo.iter().any(|(other, event)| other == run && matches!(event, core::Event::Started { .. }))
        };
        let mut busy = busy.len() as u64 + queued.iter().filter(|(run, _)| starting(run)).count() as u64;
        let waiting: Vec<RunId> =
            queued.into_iter().map(|(run, _)| run).filter(|run| !starting(run)).collect();
        for run in waiting {
            let loaded = self.load(&run).await?;
            let limit = loaded.plan.concurrency.as_ref().map_or(1, |c| c.limit.max(1));
            if is_over(&loaded.state) || loaded.state.phase != Phase::Queued {
                continue;
            }
            if busy >= u64::from(limit) {
                break;
            }
            busy += 1;
            todo.push_back((run, core::Event::Started { at: self.now }));
        }
        Ok(())
    }
}

/// Runs that wait for a slot, looked at when it gets free: more than one may have room, and some may have gone.
const QUEUED_LOOK: usize = 64;

pub(super) fn slot_name(slot: &str) -> String {
    format!("slot {slot}")
}

/// The priority of bulk work.
pub(super) const BULK: u8 = 2;

/// Bulk work waits behind pushes, pushes behind people.
fn priority(kind: TriggerKind) -> u8 {
    match kind {
        TriggerKind::Manual => 0,
        TriggerKind::Push | TriggerKind::Child => 1,
        TriggerKind::Schedule | TriggerKind::Advisories => BULK,
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
