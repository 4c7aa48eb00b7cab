//! Each command, inside a batch.

use jiff::{SignedDuration, Timestamp};

use super::{
    batch::Batch,
    command::{Command, Verdict},
    outbox,
};
use crate::{
    Decision, DeliveryError, ErrorClass, EventKind, Outcome, Result, RunId, StepError,
    core::{self, Ended, Failure, StepState, recovery::Lease},
};

impl Batch<'_> {
    /// Does what is asked. An error of the store spoils the transaction; any other has changed nothing.
    pub(super) async fn obey(&mut self, command: &Command) -> Result<Verdict> {
        let at = self.now;
        match command {
            Command::Submit { submissions, .. } => {
                return Ok(Verdict::Submitted(self.submit(submissions).await?));
            }
            Command::Cancel { run, by, reason, .. } => self.cancel(run, by, reason).await?,
            Command::GoOn { run, step, how, by, reason, .. } => {
                self.go_on(run, step, *how, by, reason).await?;
            }
            Command::Resend { id, by, .. } => self.resend(id, by).await?,
            Command::Decide { run, step, approved, by, reason, .. } => {
                let (approved, by, reason) = (*approved, Some(by.clone()), reason.clone());
                self.decide(run, step, Decision { approved, by, reason, at }).await?;
            }
            Command::Complete { lease, result, jitter, .. } => {
                self.after.released.push(lease.clone());
                self.complete(lease, result, *jitter).await?;
            }
            Command::Return { lease, counts } => self.lose(lease.clone(), *counts).await?,
            Command::Renew { leases, .. } => {
                let until = at + super::shared::LEASE;
                let leases: Vec<Lease> = leases.iter().map(|l| Lease { until, ..l.clone() }).collect();
                let renewed = self.tx.renew(&leases).await?;
                self.after.renewed.extend(renewed.iter().map(|(lease, _)| lease.clone()));
                return Ok(Verdict::Renewed(renewed));
            }
            Command::Pause { chain, by, reason, .. } => {
                let (chain, by, reason) = (chain.clone(), by.clone(), reason.clone());
                self.tx.pause(&crate::Pause { chain, by, reason, at }).await?;
                self.after.pauses_changed = true;
            }
            Command::Resume { chain, .. } => {
                if !self.tx.resume(chain).await? {
                    return Err(crate::Error::NotPaused(chain.clone()));
                }
                self.tx.unpark(&super::limited::pause_key(chain), super::batch::UNPARKED).await?;
                self.after.pauses_changed = true;
            }
            Command::Look => {}
            Command::Note { run, step, text, .. } => {
                self.record(run, EventKind::Note { step: step.clone(), text: text.clone() }).await?;
            }
            Command::Delivered { run, id, attempts, channel, result, jitter, .. } => {
                let result = result.as_ref().copied().map_err(|e| DeliveryError {
                    code: e.code.clone(),
                    message: e.message.clone(),
                    retry: e.retry,
                    after: e.after,
                });
                let (state, due) = outbox::settled(*attempts, result, *jitter, at);
                self.tx.settle_message(id, &state, at, due).await?;
                self.wake(due);
                let kind = EventKind::DeliveryChanged { id: id.clone(), channel: channel.clone(), state };
                self.record(run, kind).await?;
            }
            Command::StopClaiming { .. } | Command::Close { .. } => {}
        }
        Ok(Verdict::Done)
    }

    /// A decision that comes after its time finds the step refused.
    async fn decide(&mut self, run: &RunId, name: &str, decision: Decision) -> Result<()> {
        let at = self.now;
        let step = self.position(run, name).await?;
        let loaded = self.load(run).await?;
        if matches!(loaded.state.steps[step].state, StepState::Approval { until, .. } if until <= at) {
            self.apply(run, core::Event::Expired { step, at }).await?;
        }
        let text = decision.to_string();
        self.apply(run, core::Event::Decided { step, decision }).await?;
        self.record(run, EventKind::Note { step: name.to_owned(), text }).await
    }

    /// The completion: fenced, with all that follows from it.
    async fn complete(
        &mut self,
        lease: &Lease,
        result: &Result<Outcome, StepError>,
        jitter: f64,
    ) -> Result<()> {
        let (run, step, fence, at) = (&lease.run, lease.step, lease.fence, self.now);
        let event = match self.ended(run, result).await? {
            Ok(ended) => core::Event::Completed { step, fence, ended, at },
            Err(failure) => {
                let open = self.is_open(run, step).await?;
                core::Event::Failed { step, fence, failure, jitter, open, at }
            }
        };
        self.apply(run, event).await
    }

    async fn ended(
        &mut self,
        run: &RunId,
        result: &Result<Outcome, StepError>,
    ) -> Result<Result<Ended, Failure>> {
        Ok(match result.clone() {
            Ok(Outcome::Succeeded { output, messages, mends }) => {
                Ok(Ended::Succeeded { output, messages, mends })
            }
            Ok(Outcome::Denied { output, messages }) => Ok(Ended::Denied { output, messages }),
            Ok(Outcome::Child { subject, output, mends }) => match self.child_id(run, &subject).await? {
                Some(run) => Ok(Ended::Child { run, subject, output, mends }),
                None => Err(Failure {
                    class: ErrorClass::Permanent,
                    code: "child-is-ancestor".into(),
                    message: format!(
                        "it would wait for its own run: {} is what the run is about",
                        subject.identity
                    ),
                }),
            },
            Ok(Outcome::Approval { expires, output }) => {
                let expires = SignedDuration::try_from(expires).unwrap_or(SignedDuration::MAX);
                // Beyond the calendar's end nobody waits.
                let until = self.now.checked_add(expires).unwrap_or(Timestamp::MAX);
                Ok(Ended::Approval { until, output })
            }
            Err(error) => Err(Failure { class: error.class, code: error.code, message: error.message }),
        })
    }
}
