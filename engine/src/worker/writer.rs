//! The writer: the one task that changes runs. It drains its channel into one transaction at a time.

use std::{
    collections::HashSet,
    sync::Arc,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use tokio::sync::mpsc;

use super::{
    batch::{After, Batch},
    cache::Cache,
    command::{Command, Verdict},
    held::Reason,
    ids::Ids,
    job::Job,
    shared::{PARCELS, Shared, TICK},
    steady::instant,
};
use crate::{
    Error, Result, RunId,
    core::{
        self, StepState,
        recovery::{self, Action},
    },
    store::Hint,
};

/// Commands in one transaction, at most.
const GROUP: usize = 256;
/// Steps that end at once are waited for no longer than this, when at least so many were begun together.
const LINGER: Duration = Duration::from_millis(2);
const CROWD: usize = 8;
/// A command whose run another process has is tried again no later.
const LATER: Duration = Duration::from_millis(5);
/// Things that fall due in one transaction, at most.
const DUE: usize = 256;
/// Transactions that stood in another's way are tried so often again, before whoever asked is told.
const AGAIN: u32 = 12;
/// Steps that wait for room are looked at so often, beside what the ends of steps tell.
const SWEEP: Duration = Duration::from_secs(5);
/// No back-off lasts longer: what is due later was written by a clock that was ahead.
const LONGEST_BACKOFF: jiff::SignedDuration = jiff::SignedDuration::from_hours(2);

/// The writer's own state.
pub(super) struct WriterTask {
    pub(super) shared: Arc<Shared>,
    pub(super) commands: mpsc::UnboundedReceiver<Command>,
    pub(super) ids: Ids,
    cache: Cache,
    claiming: bool,
    /// Steps that the last transaction has begun.
    begun: usize,
    /// Messages that this process has on their way.
    parcels: usize,
    /// Runs that another process had when commands came for them.
    stuck: HashSet<RunId>,
    /// Due messages were left, since all senders had one.
    letters: bool,
    swept: Instant,
    /// When it last looked for what is due.
    looked: Instant,
    /// When something may fall due that the store knows of.
    due: Timestamp,
}

impl WriterTask {
    pub(super) fn new(shared: Arc<Shared>, commands: mpsc::UnboundedReceiver<Command>) -> Self {
        Self {
            shared,
            commands,
            ids: Ids::default(),
            cache: Cache::default(),
            claiming: true,
            begun: 0,
            parcels: 0,
            stuck: HashSet::new(),
            letters: true,
            swept: instant(),
            looked: instant(),
            due: Timestamp::MIN,
        }
    }

    /// What a crash left is put in order, before anything else is done.
    pub(super) async fn recover(&mut self, owns_data: bool) -> Result<()> {
        self.shared.pauses.set(self.shared.store.pauses().await?);
        let mut batch = Batch::begin(&self.shared, &mut self.ids, &mut self.cache).await?;
        let actions = recovery::plan(batch.tx.leases().await?, batch.now, owns_data);
        // Runs that others work on are left alone, and not locked.
        batch
            .fetch(actions.iter().filter_map(|action| match action {
                Action::Reclaim { lease, .. } => Some(lease.run.clone()),
                Action::Leave { .. } => None,
            }))
            .await?;
        for action in actions {
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
        if batch.tx.now().is_none() {
            realign(&mut batch).await?;
        }
        let after = batch.commit().await?;
        self.publish(after);
        Ok(())
    }

    /// Works until told to close, or until nobody can ask any more.
    pub(super) async fn run(mut self) {
        let mut pause = Duration::ZERO;
        let mut again = 0;
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
            self.linger(&mut waiting).await;
            let closing = waiting.iter().any(|c| matches!(c, Command::Close { .. }));
            if waiting.iter().any(|c| matches!(c, Command::StopClaiming { .. } | Command::Close { .. })) {
                self.claiming = false;
            }
            let began = instant();
            let transacted = self.transact(&waiting).await;
            super::seen::transaction(waiting.len(), began.elapsed(), &transacted);
            match transacted {
                Ok((after, verdicts, next)) => {
                    let delivered = waiting.iter().filter(|c| matches!(c, Command::Delivered { .. })).count();
                    self.parcels = self.parcels.saturating_sub(delivered);
                    self.publish(after);
                    let mut later = Vec::new();
                    for (command, verdict) in waiting.drain(..).zip(verdicts) {
                        match verdict {
                            Verdict::Later => later.push(command),
                            verdict => command.answer(verdict),
                        }
                    }
                    pause = if later.is_empty() { next } else { next.min(LATER) };
                    waiting = later;
                }
                // Nothing of it stands, and nobody did anything wrong.
                Err(error @ (Error::Busy { .. } | Error::Conflict(_))) if again < AGAIN => {
                    again += 1;
                    tracing::debug!(%error, again, "a transaction is tried again");
                    self.forget();
                    tokio::time::sleep(Duration::from_millis(u64::from(rand::random_range(1..=4 * again))))
                        .await;
                    pause = Duration::ZERO;
                    continue;
                }
                Err(error) => {
                    let source = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::error!(%error, source, "a transaction failed");
                    self.forget();
                    // What was done in the world is kept, and written again; whoever else asked is told.
                    let (stand, rest): (Vec<_>, Vec<_>) = waiting.drain(..).partition(Command::must_stand);
                    for command in rest {
                        command.answer(Verdict::Refused(same(&error)));
                    }
                    waiting = stand;
                    pause = TICK;
                    // Commands that come meanwhile must not make it spin.
                    tokio::time::sleep(TICK / 4).await;
                }
            }
            again = 0;
            if closing {
                self.commands.close();
                for command in waiting {
                    command.answer(Verdict::Refused(Error::Stopping));
                }
                return;
            }
        }
    }

    /// Many steps were just begun: those that end at once are waited for, so that one transaction takes them all.
    async fn linger(&mut self, waiting: &mut Vec<Command>) {
        let begun = std::mem::take(&mut self.begun).min(GROUP);
        if begun < CROWD || waiting.is_empty() {
            return;
        }
        let end = tokio::time::Instant::now() + LINGER;
        while waiting.len() < begun
            && let Ok(Some(command)) = tokio::time::timeout_at(end, self.commands.recv()).await
        {
            waiting.push(command);
        }
    }

    /// What was known of the store may not stand: a transaction failed.
    fn forget(&mut self) {
        self.cache.clear();
        self.due = Timestamp::MIN;
        self.letters = true;
        // What was waited for goes last in the next try.
        self.stuck.clear();
    }

    /// One transaction: the commands, what has fallen due, and new claims.
    async fn transact(&mut self, commands: &[Command]) -> Result<(After, Vec<Verdict>, Duration)> {
        let delivered = commands.iter().filter(|c| matches!(c, Command::Delivered { .. })).count();
        let mut batch = Batch::begin(&self.shared, &mut self.ids, &mut self.cache).await?;
        // What another process has locked keeps the rest of the batch from nothing; it is waited for the second time.
        // First, while nothing is locked here that somebody could wait for.
        let closing = commands.iter().any(|c| matches!(c, Command::Close { .. }));
        let wanted = commands.iter().filter_map(Command::run).cloned();
        let (first, rest): (Vec<_>, Vec<_>) = wanted.partition(|run| closing || self.stuck.contains(run));
        batch.fetch(first.iter().cloned()).await?;
        let first: HashSet<RunId> = first.into_iter().collect();
        let stuck = batch.try_fetch(rest.into_iter().filter(|run| !first.contains(run)).collect()).await?;
        let mut verdicts = Vec::with_capacity(commands.len());
        for command in commands {
            if command.run().is_some_and(|run| stuck.contains(run)) {
                verdicts.push(Verdict::Later);
                continue;
            }
            verdicts.push(match batch.obey(command).await {
                Ok(verdict) => verdict,
                Err(error @ (Error::Store { .. } | Error::Busy { .. } | Error::Conflict(_))) => {
                    return Err(error);
                }
                Err(error) => Verdict::Refused(error),
            });
        }
        // Whoever makes something fall due remembers when: nobody need look before, but for what others have written.
        let look = batch.now >= self.due || self.looked.elapsed() >= TICK;
        let mut more = look && batch.due(DUE).await? == DUE;
        let sweep = self.swept.elapsed() >= SWEEP;
        let mut full = self.letters;
        if self.claiming {
            if sweep {
                batch.sweep().await?;
            }
            batch.claim().await?;
            more |= !batch.full.is_empty() && batch.has_room();
            if look || batch.posted || (self.letters && delivered > 0) {
                let free = PARCELS.saturating_sub(self.parcels.saturating_sub(delivered));
                batch.take_messages(free).await?;
                full = batch.after.parcels.len() == free;
            }
        }
        batch.flush().await?;
        let (now, began) = (batch.now, batch.began);
        let known = match look {
            true => batch.tx.next_due(now).await?.unwrap_or(Timestamp::MAX),
            false => self.due,
        };
        let due = batch.wakes().map_or(known, |at| at.min(known));
        let after = batch.commit().await?;
        (self.due, self.letters, self.stuck) = (due, full, stuck);
        if look {
            self.looked = began;
        }
        if after.pauses_changed {
            // Before anybody hears of it, and before the next claim.
            match self.shared.store.pauses().await {
                Ok(pauses) => self.shared.pauses.set(pauses),
                Err(error) => tracing::warn!(%error, "the paused chains could not be read"),
            }
        }
        if sweep {
            self.swept = instant();
        }
        if more {
            self.due = Timestamp::MIN;
        }
        let pause = Duration::try_from(self.due.duration_since(now)).unwrap_or(Duration::ZERO).min(TICK);
        Ok((after, verdicts, pause))
    }

    /// Tells the world what is durable now.
    fn publish(&mut self, after: After) {
        let shared = &self.shared;
        after.seen.tell(&after.events, shared.observer.as_ref());
        shared.plans.stand(after.plans);
        if shared.has_others {
            if after.left_ready {
                shared.hints.send(Hint::Ready);
            }
            let mut runs: Vec<RunId> = after.events.iter().map(|event| event.run.clone()).collect();
            runs.dedup();
            if !runs.is_empty() {
                shared.hints.send(Hint::Changed(runs));
            }
            if !after.stop.is_empty() {
                shared.hints.send(Hint::Stop);
            }
        }
        for event in after.events {
            // Nobody may be listening: the history is in the store.
            drop(shared.events.send(event));
        }
        for lease in &after.released {
            shared.held.remove(lease);
        }
        for lease in &after.renewed {
            // Asked for no earlier than the transaction began.
            shared.held.prolong(lease, after.began);
        }
        for (run, step) in &after.stop {
            shared.held.stop(run, *step, Reason::Cancelled);
        }
        self.begun = after.claims.len();
        for claim in after.claims {
            let lease = claim.lease.clone();
            let stop = shared.held.add(lease.clone(), claim.bulk, claim.granted);
            let id = format!("{}/{}#{}", lease.run, lease.step, lease.fence);
            shared.jobs.push(id, Job::new(claim, stop, shared));
        }
        self.parcels += after.parcels.len();
        for parcel in after.parcels {
            shared.parcels.push(parcel.task_id(), parcel);
        }
    }
}

/// A clock that was ahead when a back-off was written must not make anybody wait for it.
async fn realign(batch: &mut Batch<'_>) -> Result<()> {
    let far = batch.now + LONGEST_BACKOFF;
    for due in batch.tx.due(jiff::Timestamp::MAX, usize::MAX >> 1).await? {
        let crate::store::Due::Waiting { run, step } = due else { continue };
        let loaded = batch.load(&run).await?;
        if let Some(StepState::Backoff { at }) = loaded.state.steps.get(step).map(|s| &s.state)
            && *at > far
        {
            let at = *at;
            batch.apply(&run, core::Event::BackoffDue { step, at }).await?;
        }
    }
    Ok(())
}

/// The same error for another one who asked.
fn same(error: &Error) -> Error {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    match error {
        Error::Conflict(what) => Error::Conflict(what.clone()),
        Error::Busy { operation, .. } => Error::Busy { operation, source: text.into() },
        Error::Store { operation, .. } => Error::Store { operation, source: text.into() },
        _ => Error::Store { operation: "writing a transaction", source: text.into() },
    }
}
