//! What people do to runs, inside a batch: stopping, going on with what has ended, sending messages again.

use super::{batch::Batch, command::GoOn, start::slot_name};
use crate::{
    DeliveryState, Error, EventKind, Result, RunId,
    core::{self, Phase, StepState},
};

/// Characters of a name in the history, at most.
const NAME: usize = 200;
/// Characters of a reason in the history, at most.
const REASON: usize = 2000;

impl Batch<'_> {
    /// Stops a run. One that has ended, or is being stopped, is what was wanted.
    pub(super) async fn cancel(&mut self, run: &RunId, by: &str, reason: &str) -> Result<()> {
        if matches!(self.load(run).await?.state.phase, Phase::Cancelling | Phase::Finished { .. }) {
            return Ok(());
        }
        self.note(run, "", said("cancelled", by, reason)).await?;
        self.apply(run, core::Event::Cancel { at: self.now }).await
    }

    /// A newer run takes its place.
    pub(super) async fn supersede(&mut self, run: &RunId, by: &RunId) -> Result<()> {
        if matches!(self.load(run).await?.state.phase, Phase::Cancelling | Phase::Finished { .. }) {
            return Ok(());
        }
        self.note(run, "", format!("superseded by run {by}")).await?;
        self.apply(run, core::Event::Cancel { at: self.now }).await
    }

    /// A run's time is over.
    pub(super) async fn time_out(&mut self, run: &RunId) -> Result<()> {
        let event = core::Event::TimedOut { at: self.now };
        match self.allowed(run, &event).await {
            // It has ended, or is being stopped.
            Err(Error::Illegal { .. }) => {
                self.load(run).await?.forget_deadline();
                return Ok(());
            }
            other => other?,
        }
        let limit = self.load(run).await?.plan.timeout.unwrap_or_default();
        let text = format!("run-timeout: it took longer than {} s, and is stopped", limit.as_secs_f64());
        self.note(run, "", text).await?;
        self.load(run).await?.forget_deadline();
        self.apply(run, event).await
    }

    /// Goes on with a step that has ended.
    pub(super) async fn go_on(
        &mut self,
        run: &RunId,
        name: &str,
        how: GoOn,
        by: &str,
        reason: &str,
    ) -> Result<()> {
        let (at, room) = (self.now, self.room(run).await?);
        let (by, reason) = (cut(by, NAME), cut(reason, REASON));
        let step = self.position(run, name).await?;
        let (word, event) = {
            let (by, reason) = (by.clone(), reason.clone());
            match how {
                GoOn::Retry => ("tried again", core::Event::Retry { step, by, reason, room, at }),
                GoOn::Rerun => ("done once more", core::Event::Rerun { step, by, reason, room, at }),
                GoOn::Resolve { made } => (
                    if made { "resolved as made" } else { "resolved as not made" },
                    core::Event::Resolved { step, made, by, reason, room, at },
                ),
            }
        };
        self.allowed(run, &event).await?;
        // First the reason, then what follows from it.
        self.note(run, name, said(word, &by, &reason)).await?;
        if let GoOn::Resolve { made } = how {
            self.tx.settle_intents(run, name, made).await?;
        }
        self.apply(run, event).await
    }

    /// Sends a message again that was given up.
    pub(super) async fn resend(&mut self, id: &str, by: &str) -> Result<()> {
        let shown = || cut(id, NAME);
        let resent = self.tx.resend_message(id, self.now).await?;
        let resent = resent.ok_or_else(|| Error::NoSuchMessage(shown()))?;
        if !resent.again {
            return Err(Error::MessageNotFailed(shown()));
        }
        self.posted = true;
        let (run, channel) = (resent.run, resent.channel);
        self.note(&run, &resent.step, said(&format!("message to {channel} sent again"), by, "")).await?;
        let state = DeliveryState::Pending { attempts: 0, problem: None };
        self.record(&run, EventKind::DeliveryChanged { id: id.to_owned(), channel, state }).await
    }

    /// Whether a step's end would leave in doubt what it has done. Asked only where the answer counts: it is a query.
    pub(super) async fn is_open(&mut self, run: &RunId, step: usize) -> Result<bool> {
        let loaded = self.load(run).await?;
        let now = &loaded.state.steps[step];
        if !matches!(now.state, StepState::Leased { .. }) {
            return Ok(false);
        }
        let name = loaded.plan.steps[step].name.clone();
        self.tx.has_open_intents(run, &name).await
    }

    /// A step's position.
    pub(super) async fn position(&mut self, run: &RunId, name: &str) -> Result<usize> {
        let found = self.load(run).await?.plan.steps.iter().position(|s| s.name == name);
        found.ok_or_else(|| Error::NoSuchStep(cut(name, NAME)))
    }

    /// Whether the run may take its concurrency slot, if it has to take it again.
    async fn room(&mut self, run: &RunId) -> Result<bool> {
        let loaded = self.load(run).await?;
        let (Some(slot), Phase::Finished { .. }) = (loaded.record.slot.clone(), loaded.state.phase) else {
            return Ok(true);
        };
        let limit = loaded.plan.concurrency.as_ref().map_or(1, |c| c.limit.max(1));
        self.flush().await?;
        self.tx.lock_names(&[slot_name(&slot)]).await?;
        let busy = self.tx.slot(&slot, 0).await?.iter().filter(|(_, queued)| !queued).count();
        Ok((busy as u64) < u64::from(limit))
    }

    /// An event that is refused must leave no line of history.
    async fn allowed(&mut self, run: &RunId, event: &core::Event) -> Result<()> {
        let loaded = self.load(run).await?;
        core::transition(&loaded.plan, loaded.state.clone(), event.clone()).map(drop)
    }

    async fn note(&mut self, run: &RunId, step: &str, text: String) -> Result<()> {
        self.record(run, EventKind::Note { step: step.to_owned(), text }).await
    }
}

/// `cancelled by ana: it hangs`
fn said(word: &str, by: &str, reason: &str) -> String {
    let (by, reason) = (cut(by, NAME), cut(reason, REASON));
    if reason.is_empty() { format!("{word} by {by}") } else { format!("{word} by {by}: {reason}") }
}

fn cut(text: &str, most: usize) -> String {
    text.trim().chars().take(most).collect()
}
