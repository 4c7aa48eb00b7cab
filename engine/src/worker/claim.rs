//! Claiming inside a batch: ready steps become leases, due messages become parcels.

use patchline_chains::expr;

use super::{
    batch::Batch,
    job::Claim,
    outbox::Parcel,
    shared::{LEASE, PARCELS},
};
use crate::{
    ErrorClass, Result, RunId,
    core::{self, Failure, StepState, recovery::Lease},
};

/// Messages are held back from others for so long.
const PARCEL_LEASE: jiff::SignedDuration = jiff::SignedDuration::from_secs(90);

impl Batch<'_> {
    /// Claims as many ready steps as `free` workers can take. A step that
    /// cannot be started fails here, which may make others ready.
    pub(super) async fn claim(&mut self, mut free: usize) -> Result<()> {
        while free > 0 {
            self.flush().await?;
            let ready = self.tx.ready(free).await?;
            if ready.is_empty() {
                return Ok(());
            }
            for (run, step) in ready {
                free -= usize::from(self.claim_one(&run, step).await?);
            }
        }
        Ok(())
    }

    async fn claim_one(&mut self, run: &RunId, step: usize) -> Result<bool> {
        let at = self.now;
        let until = at + LEASE;
        self.apply(run, core::Event::Claimed { step, until, at }).await?;
        let kinds = self.shared.kinds.clone();
        let loaded = self.load(run).await?;
        let planned = &loaded.plan.steps[step];
        let fence = loaded.state.steps[step].fence;
        let names = core::names::names(&loaded.plan, &loaded.state);
        let unfit = |code: &str, message: String| Failure {
            class: ErrorClass::Permanent,
            code: code.into(),
            message,
        };
        let fit = match (kinds.get(planned.uses.as_str()), expr::render(&planned.with, &names)) {
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
        let all = loaded.plan.steps.iter().zip(&loaded.state.steps);
        let claim = Claim {
            lease: Lease { run: run.clone(), step, fence, until },
            kind,
            timeout: planned.timeout,
            step: planned.name.clone(),
            chain: loaded.plan.chain.clone(),
            plan_hash: loaded.record.plan_hash.clone(),
            attempt: loaded.state.steps[step].attempt,
            resets: loaded.state.steps[step].resets,
            with,
            names,
            subject: loaded.record.submission.subject.clone(),
            round: loaded.record.round,
            steps: all.map(|(p, s)| (p.name.clone(), p.uses.clone(), s.state.status())).collect(),
        };
        self.after.claims.push(claim);
        Ok(true)
    }

    /// Moves on what has fallen due.
    pub(super) async fn due(&mut self, limit: usize) -> Result<()> {
        self.flush().await?;
        let at = self.now;
        for due in self.tx.due(at, limit).await? {
            match due {
                crate::store::Due::Lease(lease) => self.lose(lease, true).await?,
                crate::store::Due::Waiting { run, step } => {
                    let state = self.load(&run).await?.state.steps.get(step).map(|s| &s.state);
                    let event = match state {
                        Some(StepState::Approval { .. }) => core::Event::Expired { step, at },
                        _ => core::Event::BackoffDue { step, at },
                    };
                    self.apply(&run, event).await?;
                }
            }
        }
        Ok(())
    }

    /// A lease is gone.
    pub(super) async fn lose(&mut self, lease: Lease, counts: bool) -> Result<()> {
        tracing::warn!(run.id = %lease.run, step.position = lease.step, counts, "a lease was lost");
        let run = lease.run.clone();
        let held = matches!(
            self.load(&run).await?.state.steps.get(lease.step).map(|s| &s.state),
            Some(StepState::Leased { fence, .. }) if *fence == lease.fence
        );
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
