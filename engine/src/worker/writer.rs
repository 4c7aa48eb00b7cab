//! The writer: the one task that changes runs. It drains its channel into one transaction at a time.

use std::{sync::Arc, time::Duration};

use tokio::sync::mpsc;

use super::{
    batch::{After, Batch},
    command::{Command, Verdict},
    held::Reason,
    ids::Ids,
    job::Job,
    shared::{PARCELS, Shared, TICK},
};
use crate::{
    Error, Result,
    core::recovery::{self, Action},
};

/// Commands in one transaction, at most.
const GROUP: usize = 256;
/// Things that fall due in one transaction, at most.
const DUE: usize = 256;

/// The writer's own state.
pub(super) struct WriterTask {
    pub(super) shared: Arc<Shared>,
    pub(super) commands: mpsc::UnboundedReceiver<Command>,
    pub(super) ids: Ids,
    claiming: bool,
    /// Messages that this process has on their way.
    parcels: usize,
}

impl WriterTask {
    pub(super) fn new(shared: Arc<Shared>, commands: mpsc::UnboundedReceiver<Command>) -> Self {
        Self { shared, commands, ids: Ids::default(), claiming: true, parcels: 0 }
    }

    /// What a crash left is put in order, before anything else is done.
    pub(super) async fn recover(&mut self, owns_data: bool) -> Result<()> {
        let mut batch = Batch::begin(&self.shared, &mut self.ids).await?;
        for action in recovery::plan(batch.tx.leases().await?, batch.now, owns_data) {
            match action {
                Action::Reclaim { lease, counts } => batch.lose(lease, counts).await?,
                Action::Leave { lease } => {
                    tracing::debug!(run.id = %lease.run, step.position = lease.step, "its lease still runs");
                }
            }
        }
        if owns_data {
            batch.tx.release_messages().await?;
        }
        let after = batch.commit().await?;
        self.publish(after);
        Ok(())
    }

    /// Works until told to close, or until nobody can ask any more.
    pub(super) async fn run(mut self) {
        let mut pause = Duration::ZERO;
        let mut waiting: Vec<Command> = Vec::new();
        loop {
            tokio::select! {
                biased;
                first = self.commands.recv() => match first {
                    Some(command) => waiting.push(command),
                    None => return,
                },
                () = tokio::time::sleep(pause) => {}
            }
            while waiting.len() < GROUP
                && let Ok(command) = self.commands.try_recv()
            {
                waiting.push(command);
            }
            let closing = waiting.iter().any(|c| matches!(c, Command::Close { .. }));
            if waiting.iter().any(|c| matches!(c, Command::StopClaiming { .. } | Command::Close { .. })) {
                self.claiming = false;
            }
            match self.transact(&waiting).await {
                Ok((after, verdicts, next)) => {
                    let delivered = waiting.iter().filter(|c| matches!(c, Command::Delivered { .. })).count();
                    self.parcels = self.parcels.saturating_sub(delivered);
                    self.publish(after);
                    for (command, verdict) in waiting.drain(..).zip(verdicts) {
                        command.answer(verdict);
                    }
                    pause = next;
                }
                Err(error) => {
                    let source = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::error!(%error, source, "a transaction failed");
                    // What was done in the world is kept, and written again; whoever else asked is told.
                    let (stand, rest): (Vec<_>, Vec<_>) = waiting.drain(..).partition(Command::must_stand);
                    for command in rest {
                        command.answer(Verdict::Refused(again(&error)));
                    }
                    waiting = stand;
                    pause = TICK;
                    // Commands that come meanwhile must not make it spin.
                    tokio::time::sleep(TICK / 4).await;
                }
            }
            if closing {
                self.commands.close();
                for command in waiting {
                    command.answer(Verdict::Refused(Error::Stopping));
                }
                return;
            }
        }
    }

    /// One transaction: the commands, what has fallen due, and new claims.
    async fn transact(&mut self, commands: &[Command]) -> Result<(After, Vec<Verdict>, Duration)> {
        let delivered = commands.iter().filter(|c| matches!(c, Command::Delivered { .. })).count();
        let mut batch = Batch::begin(&self.shared, &mut self.ids).await?;
        let mut verdicts = Vec::with_capacity(commands.len());
        for command in commands {
            verdicts.push(match batch.obey(command).await {
                Ok(verdict) => verdict,
                Err(error @ (Error::Store { .. } | Error::Conflict(_))) => return Err(error),
                Err(error) => Verdict::Refused(error),
            });
        }
        batch.due(DUE).await?;
        let mut full = false;
        if self.claiming {
            let held = self.shared.held.len().saturating_sub(batch.after.released.len());
            let free = self.shared.concurrency.saturating_sub(held);
            batch.claim(free).await?;
            batch.flush().await?;
            let free = PARCELS.saturating_sub(self.parcels.saturating_sub(delivered));
            batch.take_messages(free).await?;
            full = batch.after.parcels.len() == free;
        }
        let now = batch.now;
        let next = batch.tx.next_due(now).await?;
        let after = batch.commit().await?;
        let pause = match next {
            _ if full => TICK,
            Some(next) => Duration::try_from(next.duration_since(now)).unwrap_or(Duration::ZERO).min(TICK),
            None => TICK,
        };
        Ok((after, verdicts, pause))
    }

    /// Tells the world what is durable now.
    fn publish(&mut self, after: After) {
        let shared = &self.shared;
        for event in after.events {
            // Nobody may be listening: the history is in the store.
            drop(shared.events.send(event));
        }
        for lease in &after.released {
            shared.held.remove(lease);
        }
        for lease in &after.renewed {
            shared.held.prolong(lease);
        }
        for (run, step) in &after.stop {
            shared.held.stop(run, *step, Reason::Cancelled);
        }
        for claim in after.claims {
            let lease = claim.lease.clone();
            let stop = shared.held.add(lease.clone());
            let id = format!("{}/{}#{}", lease.run, claim.step, lease.fence);
            shared.jobs.push(id, Job::new(claim, stop, shared));
        }
        self.parcels += after.parcels.len();
        for parcel in after.parcels {
            shared.parcels.push(parcel.task_id(), parcel);
        }
    }
}

/// The same error for another one who asked.
fn again(error: &Error) -> Error {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    match error {
        Error::Conflict(what) => Error::Conflict(what.clone()),
        Error::Store { operation, .. } => Error::Store { operation, source: text.into() },
        _ => Error::Store { operation: "writing a transaction", source: text.into() },
    }
}
