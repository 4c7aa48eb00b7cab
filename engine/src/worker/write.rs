//! What a batch has changed, on its way into the store.

use super::batch::{After, Batch, UNPARKED};
use crate::{
    Error, Result,
    core::{StepRun, StepState},
    store::{NewRun, StepChange},
};

impl Batch<'_> {
    /// Writes what has changed so far, so that queries see it.
    pub(super) async fn flush(&mut self) -> Result<()> {
        let mut released = Vec::new();
        let mut changes = Vec::new();
        for (run, loaded) in self.runs.iter().filter(|(_, loaded)| !loaded.new) {
            let changed = loaded.record.steps.changed(&loaded.state.steps);
            for (step, before, after) in changed.filter(|(_, before, after)| !before.is_kept_as(after)) {
                if ended_lease(before, after) {
                    released.push((run.clone(), step));
                }
                changes.push(StepChange { run, step, before, after });
            }
        }
        if !changes.is_empty() && !self.tx.save_steps(&changes).await? {
            return Err(Error::Conflict("a step".into()));
        }
        drop(changes);
        let (mut new, mut old) = (Vec::new(), Vec::new());
        for loaded in self.runs.values_mut() {
            let status = loaded.state.status();
            let stands = !loaded.touched
                && loaded.record.phase == loaded.state.phase
                && loaded.record.status == status
                && loaded.record.steps == loaded.state.steps;
            if stands {
                continue;
            }
            loaded.record.phase = loaded.state.phase;
            loaded.record.status = status;
            loaded.record.steps.clone_from(&loaded.state.steps);
            loaded.record.version += 1;
            loaded.touched = false;
            if std::mem::take(&mut loaded.new) { new.push(&*loaded) } else { old.push(&loaded.record) }
        }
        if !new.is_empty() {
            new.sort_unstable_by(|a, b| a.record.id.cmp(&b.record.id));
            for loaded in &new {
                let hash = &loaded.record.plan_hash;
                if !self.shared.plans.stands(hash) && !self.after.plans.contains(hash) {
                    self.tx.put_plan(hash, &loaded.plan, self.now).await?;
                    self.after.plans.push(hash.clone());
                }
            }
            let new: Vec<_> = new.iter().map(|l| NewRun { record: &l.record, plan: &l.plan }).collect();
            self.tx.insert_runs(&new).await?;
        }
        if !old.is_empty() {
            self.tx.save_runs(&old).await?;
        }
        if !released.is_empty() && self.shared.limited() {
            for key in self.tx.release_permits(&released).await? {
                self.tx.unpark(&key, released.len().min(UNPARKED)).await?;
            }
        }
        Ok(())
    }

    /// Writes the rest and makes all of it durable.
    pub(super) async fn commit(mut self) -> Result<After> {
        self.flush().await?;
        if !self.history.is_empty() {
            // Events of one run stand together, in the order in which they happened.
            self.history.sort_by(|a, b| (&a.run, a.seq).cmp(&(&b.run, b.seq)));
            self.tx.append(&self.history).await?;
            self.after.events.append(&mut self.history);
        }
        self.tx.commit().await?;
        self.cache.keep(self.runs);
        Ok(self.after)
    }
}

fn ended_lease(before: &StepRun, after: &StepRun) -> bool {
    let leased = |step: &StepRun| match step.state {
        StepState::Leased { fence, .. } => Some(fence),
        _ => None,
    };
    leased(before).is_some() && leased(before) != leased(after)
}
