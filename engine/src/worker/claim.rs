//! Claiming inside a batch: ready steps become leases, due messages become parcels.

use std::collections::HashMap;

use patchline_chains::expr;

use super::{
    batch::Batch,
    job::Claim,
    limited::pause_key,
    outbox::Parcel,
    shared::{LEASE, PARCELS},
    start::BULK,
};
use crate::{
    Error, ErrorClass, Limit, Result, RunId,
    core::{self, Failure, StepState, recovery::Lease},
    step::Names,
    store::{Due, Permit, Wanted},
};

/// Messages are held back from others for so long.
const PARCEL_LEASE: jiff::SignedDuration = jiff::SignedDuration::from_secs(90);
/// How often one batch looks for other steps, after those that it found ran into limits or could not be started.
const LOOKS: usize = 8;
/// Steps asked for at least, once limits were found full: most of what comes next may run into the same ones.
const LIMITED_LOOK: usize = 256;

impl Batch<'_> {
    /// Claims as many ready steps as there is room for. A step that
    /// cannot be started fails here, which may make others ready.
    pub(super) async fn claim(&mut self) -> Result<()> {
        let shared = self.shared;
        if shared.limited() {
            // What has ended in this batch has given its permits back, and let others in.
            self.flush().await?;
        }
        let held = shared.held.len().saturating_sub(self.after.released.len());
        let mut free = shared.concurrency.saturating_sub(held);
        // The last worker is kept from bulk work: whoever asks for something waits for no scan of a whole registry.
        let bulk = shared.concurrency.saturating_sub(usize::from(shared.concurrency > 1));
        let mut bulk_free = bulk.saturating_sub(shared.held.bulk(&self.after.released));
        for _ in 0..LOOKS {
            if free == 0 {
                break;
            }
            let places = self.places(free, bulk_free == 0).await?;
            let taken = self.claim_these(&places, free, &mut bulk_free).await?;
            // All that there was has been taken: nothing was parked, and no failed start has made others ready.
            if places.is_empty() || (taken == places.len() && taken < free) {
                return Ok(());
            }
            free -= taken;
        }
        self.after.left_ready |= free == 0 && !self.fresh.is_empty();
        Ok(())
    }

    /// Whether another step could be claimed.
    pub(super) fn has_room(&self) -> bool {
        let held = self.shared.held.len().saturating_sub(self.after.released.len());
        held + self.after.claims.len() < self.shared.concurrency
    }

    /// The most urgent steps that this process may take: those that the store knows, and those of this batch.
    async fn places(&mut self, free: usize, urgent: bool) -> Result<Vec<(u8, RunId, usize)>> {
        let limit = if self.full.is_empty() { free } else { free.max(LIMITED_LOOK) };
        let most = if urgent { BULK - 1 } else { u8::MAX };
        let wanted = Wanted { kinds: self.shared.wanted.as_deref(), priority: most, limit };
        let found = self.tx.claimable(&wanted).await?;
        self.read(found.iter().map(|(run, _)| run.clone())).await?;
        let mut places: Vec<(u8, RunId, usize)> = Vec::with_capacity(found.len() + self.fresh.len());
        for (run, step) in found {
            // This batch may have moved it on, or another process before its run was locked.
            if let Some(loaded) = self.runs.get(&run)
                && is_ready(&loaded.state, step)
            {
                places.push((loaded.record.priority, run, step));
            }
        }
        for (priority, run, step) in &self.fresh {
            let kind = self.runs.get(run).map(|l| l.plan.steps[*step].uses.as_str());
            if *priority <= most && kind.is_some_and(|kind| self.shared.takes(kind)) {
                places.push((*priority, run.clone(), *step));
            } else {
                self.after.left_ready = true;
            }
        }
        places.sort_unstable();
        places.dedup();
        Ok(places)
    }

    async fn claim_these(
        &mut self,
        places: &[(u8, RunId, usize)],
        free: usize,
        bulk_free: &mut usize,
    ) -> Result<usize> {
        let limits: Vec<Vec<Limit>> = places.iter().map(|(_, run, step)| self.limits(run, *step)).collect();
        let mut room = self.space(&limits).await?;
        let mut taken = 0;
        let mut parked: HashMap<String, Vec<(RunId, usize)>> = HashMap::new();
        let mut permits = Vec::new();
        for ((priority, run, step), limits) in places.iter().zip(limits) {
            let bulk = *priority >= BULK;
            let full = limits.iter().find(|l| room.get(&l.key).is_none_or(|room| *room == 0));
            if let Some(limit) = full {
                parked.entry(limit.key.clone()).or_default().push((run.clone(), *step));
            } else if taken < free && !(bulk && *bulk_free == 0) && self.claim_one(run, *step).await? {
                taken += 1;
                *bulk_free -= usize::from(bulk);
                for limit in limits {
                    room.entry(limit.key.clone()).and_modify(|room| *room -= 1);
                    permits.push(Permit { key: limit.key, run: run.clone(), step: *step });
                }
            }
        }
        if !permits.is_empty() {
            // A permit names its run, which may be of this batch.
            self.flush().await?;
            self.tx.take_permits(&permits).await?;
        }
        if !parked.is_empty() {
            // Only what stands there as ready can be parked.
            self.flush().await?;
            for (key, steps) in parked {
                for (run, step) in &steps {
                    if let Some(loaded) = self.runs.get(run) {
                        self.fresh.remove(&(loaded.record.priority, run.clone(), *step));
                    }
                }
                self.tx.park(&steps, &key).await?;
                self.full.insert(key);
            }
        }
        Ok(taken)
    }

    /// The limits that a step falls under; a paused chain is one of nothing.
    fn limits(&self, run: &RunId, step: usize) -> Vec<Limit> {
        let Some(loaded) = self.runs.get(run) else { return Vec::new() };
        let record = &loaded.record;
        let kind = &loaded.plan.steps[step].uses;
        let mut limits = self.shared.limits.of(&record.chain, &record.submission.subject, kind);
        if self.shared.pauses.is_paused(&record.chain) {
            limits.insert(0, Limit { key: pause_key(&record.chain), most: 0 });
        }
        limits
    }

    /// How much room the limits have.
    async fn space(&mut self, limits: &[Vec<Limit>]) -> Result<HashMap<String, usize>> {
        let most: HashMap<&String, usize> =
            limits.iter().flatten().map(|limit| (&limit.key, limit.most)).collect();
        let mut keys: Vec<String> =
            most.iter().filter(|(_, most)| **most > 0).map(|(k, _)| (*k).clone()).collect();
        if keys.is_empty() {
            return Ok(HashMap::new());
        }
        keys.sort_unstable();
        let counts = self.tx.count_permits(&keys).await?;
        Ok(keys
            .into_iter()
            .zip(counts)
            .map(|(key, count)| {
                let room = most.get(&key).copied().unwrap_or(0).saturating_sub(count);
                (key, room)
            })
            .collect())
    }

    async fn claim_one(&mut self, run: &RunId, step: usize) -> Result<bool> {
        let at = self.now;
        let until = at + LEASE;
        match self.apply(run, core::Event::Claimed { step, until, at }).await {
            // Its run was paused, stopped or moved on by what came before in this batch.
            Err(Error::Illegal { .. }) => return Ok(false),
            other => other?,
        }
        let shared = self.shared.clone();
        let began = self.began;
        let loaded = self.load(run).await?;
        let planned = &loaded.plan.steps[step];
        let fence = loaded.state.steps[step].fence;
        let names = Names::new(loaded.plan.clone(), loaded.state.clone());
        let unfit = |code: &str, message: String| Failure {
            class: ErrorClass::Permanent,
            code: code.into(),
            message,
        };
        // What has no template needs no names, and to put them together is work.
        let with = match expr::has_template(&planned.with) {
            true => expr::render(&planned.with, &names),
            false => Ok(planned.with.clone()),
        };
        let fit = match (shared.kinds.get(planned.uses.as_str()), with) {
            (None, _) => {
                Err(unfit("step-kind-unknown", format!("this process has no step kind `{}`", planned.uses)))
            }
            (_, Err(error)) => Err(unfit("template-failed", error.to_string())),
            (Some(kind), Ok(with)) => Ok((kind.clone(), with)),
        };
        let (kind, with) = match fit {
            Ok(fit) => fit,
            Err(failure) => {
                let open = self.is_open(run, step).await?;
                let event = core::Event::Failed { step, fence, failure, jitter: 0.0, open, at };
                self.apply(run, event).await?;
                return Ok(false);
            }
        };
        let claim = Claim {
            lease: Lease { run: run.clone(), step, fence, until },
            bulk: loaded.record.priority >= BULK,
            granted: began,
            kind,
            with,
            plan: loaded.plan.clone(),
            plan_hash: loaded.record.plan_hash.clone(),
            state: loaded.state.clone(),
            names,
            cascade: loaded.record.cascade.clone(),
            round: loaded.record.round,
        };
        self.after.claims.push(claim);
        Ok(true)
    }

    /// Moves on what has fallen due.
    pub(super) async fn due(&mut self, limit: usize) -> Result<usize> {
        let at = self.now;
        let due = self.tx.due(at, limit).await?;
        if due.is_empty() {
            return Ok(0);
        }
        let found = due.len();
        self.fetch(due.iter().map(|due| match due {
            Due::Lease(lease) => lease.run.clone(),
            Due::Waiting { run, .. } | Due::Deadline(run) => run.clone(),
        }))
        .await?;
        let mut ours = Vec::new();
        for due in due {
            match due {
                // A clock that jumped, or a store that was away: this process knows better.
                Due::Lease(lease) if self.shared.held.is_alive(&lease) => {
                    ours.push(Lease { until: at + LEASE, ..lease });
                }
                Due::Lease(lease) => self.lose(lease, true).await?,
                Due::Waiting { run, step } => self.waited(&run, step).await?,
                Due::Deadline(run) => self.time_out(&run).await?,
            }
        }
        if !ours.is_empty() {
            let renewed = self.tx.renew(&ours).await?;
            self.after.renewed.extend(renewed.into_iter().map(|(lease, _)| lease));
        }
        Ok(found)
    }

    async fn waited(&mut self, run: &RunId, step: usize) -> Result<()> {
        let at = self.now;
        let state = self.runs.get(run).and_then(|l| l.state.steps.get(step)).map(|s| &s.state);
        let event = match state {
            Some(StepState::Approval { .. }) => core::Event::Expired { step, at },
            _ => core::Event::BackoffDue { step, at },
        };
        self.late(run, event).await
    }

    /// Applies what another process may have done before the run was locked.
    async fn late(&mut self, run: &RunId, event: core::Event) -> Result<()> {
        match self.apply(run, event).await {
            Err(Error::Illegal { event, state }) => {
                tracing::debug!(run.id = %run, event, state, "it was done already");
                Ok(())
            }
            other => other,
        }
    }

    /// A lease is gone.
    pub(super) async fn lose(&mut self, lease: Lease, counts: bool) -> Result<()> {
        let run = lease.run.clone();
        let held = matches!(
            self.load(&run).await?.state.steps.get(lease.step).map(|s| &s.state),
            Some(StepState::Leased { fence, .. }) if *fence == lease.fence
        );
        if held {
            tracing::warn!(run.id = %lease.run, step.position = lease.step, counts, "a lease was lost");
        }
        let (step, fence, at) = (lease.step, lease.fence, self.now);
        self.after.released.push(lease);
        if !held {
            return Ok(());
        }
        let open = self.is_open(&run, step).await?;
        self.apply(&run, core::Event::LeaseLost { step, fence, counts, open, at }).await
    }

    /// Takes due messages for `free` senders.
    pub(super) async fn take_messages(&mut self, free: usize) -> Result<()> {
        if free == 0 {
            return Ok(());
        }
        let taken = self.tx.take_messages(self.now, self.now + PARCEL_LEASE, free.min(PARCELS)).await?;
        self.after.parcels.extend(taken.into_iter().map(Parcel::new));
        Ok(())
    }
}

fn is_ready(state: &core::RunState, step: usize) -> bool {
    matches!(state.steps.get(step).map(|s| &s.state), Some(StepState::Ready { .. }))
}
