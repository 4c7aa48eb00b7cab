//! Rows in step with the chains, and firings of what is due.

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use patchline_chains::Plan;

use super::Context;
use crate::{
    Problem, Result,
    schedule::{Calendar, Cause, Firing, FiringState, Scheduled, due},
    worker::shared::TICK,
};

/// A hold on a firing lasts so long, and is prolonged well before.
pub(super) const HOLD: jiff::SignedDuration = jiff::SignedDuration::from_secs(60);
/// Rows are looked at again, in ticks: a clock that was wrong may have moved them on too far.
const LOOK_AGAIN: u32 = 600;
/// The revision of the advisories is asked for, in ticks.
const ASK: u32 = 5;

/// The loop behind [`super::Schedules`].
pub(super) struct Timer {
    context: Arc<Context>,
    ticks: u32,
    /// The revision whose firings stand in the store.
    revision: Option<String>,
}

impl Timer {
    pub(super) fn new(context: Arc<Context>) -> Self {
        Self { context, ticks: 0, revision: None }
    }

    /// Rows as the chains say: new ones, changed ones, and none whose chain is gone.
    pub(super) async fn begin(&mut self) -> Result<()> {
        let now = self.context.clock.now();
        let mut keep = Vec::new();
        for (hash, plan) in &self.context.plans {
            for (row, calendar) in rows(plan, hash) {
                keep.push((row.chain.clone(), row.cause));
                self.put(row, calendar.as_ref(), now, true).await?;
            }
        }
        let problem = Problem {
            code: "schedule-gone".into(),
            message: "the chain is gone, or starts by itself no more".into(),
            class: "permanent".into(),
        };
        let gone = self.context.log.keep(&keep, &problem, now).await?;
        if gone > 0 {
            tracing::info!(schedules = gone, "schedules of chains that are gone were removed");
        }
        Ok(())
    }

    /// Until told to stop, or until there is no engine any more.
    pub(super) async fn run(mut self) {
        let mut pause = Duration::ZERO;
        let context = self.context.clone();
        loop {
            tokio::select! {
                () = context.stop.cancelled() => return,
                () = context.wake.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
            if context.shared.writer.0.is_closed() {
                context.stop.cancel();
                return;
            }
            pause = match self.tick().await {
                Ok(pause) => pause,
                Err(error) => {
                    let source = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::error!(%error, source, "schedules were not looked at; it is tried again");
                    TICK
                }
            };
        }
    }

    async fn tick(&mut self) -> Result<Duration> {
        let context = self.context.clone();
        let hashes = context.hashes();
        if self.ticks.is_multiple_of(ASK) {
            self.advisories().await?;
        }
        self.ticks = self.ticks.wrapping_add(1);
        if self.ticks.is_multiple_of(LOOK_AGAIN) {
            self.look_again().await?;
        }
        let now = context.clock.now();
        for row in context.log.due(now, &hashes).await? {
            self.fire(&row, now).await?;
        }
        self.take(&hashes).await?;
        let next = context.log.next_due(&hashes).await?;
        let wait = next.and_then(|next| Duration::try_from(next.duration_since(context.clock.now())).ok());
        Ok(wait.unwrap_or(TICK).min(TICK))
    }

    /// Fires a row that is due, if no other process was first.
    async fn fire(&self, row: &Scheduled, now: Timestamp) -> Result<()> {
        let Some(plan) = self.context.plan(&row.plan_hash) else { return Ok(()) };
        let own = rows(plan, &row.plan_hash).into_iter().find(|(own, _)| own.cause == row.cause);
        let (Some((_, Some(calendar))), Some(at)) = (own, row.next) else { return Ok(()) };
        let late = due::late(&calendar, at, now, self.context.catch_up);
        let mut firing = Firing::new(row, due::occasion(late.due), late.due, now);
        firing.skipped = late.skipped;
        if late.missed {
            firing.state = FiringState::Missed;
            firing.problem = Some(Problem {
                code: "schedule-missed".into(),
                message: "nobody was there when it was due, and it is too old to be made up for".into(),
                class: "permanent".into(),
            });
        }
        if self.context.log.fire(row, late.next, &firing).await? {
            tracing::info!(chain = row.chain, due = %late.due, skipped = late.skipped, missed = late.missed, "a schedule fires");
        }
        Ok(())
    }

    /// A firing for each chain that waits for advisories, once a revision.
    async fn advisories(&mut self) -> Result<()> {
        if self.context.plans.iter().all(|(_, plan)| plan.on_advisories.is_none()) {
            return Ok(());
        }
        let revision = match self.context.launch.revision().await {
            Ok(revision) => revision,
            Err(error) => {
                tracing::warn!(error.code = error.code, %error, "the advisories' revision cannot be read");
                return Ok(());
            }
        };
        let Some(revision) = revision.filter(|new| self.revision.as_ref() != Some(new)) else {
            return Ok(());
        };
        let now = self.context.clock.now();
        let hashes = self.context.hashes();
        for row in self.context.log.scheduled().await? {
            if row.cause == Cause::Advisories && hashes.contains(&row.plan_hash) {
                let firing = Firing::new(&row, revision.clone(), now, now);
                if self.context.log.fire(&row, None, &firing).await? {
                    tracing::info!(chain = row.chain, revision, "new advisories");
                }
            }
        }
        self.revision = Some(revision);
        Ok(())
    }

    /// Rows that a wrong clock has moved on too far, or that another process has removed.
    async fn look_again(&self) -> Result<()> {
        let now = self.context.clock.now();
        for (hash, plan) in &self.context.plans {
            for (row, calendar) in rows(plan, hash) {
                self.put(row, calendar.as_ref(), now, false).await?;
            }
        }
        Ok(())
    }

    /// `over`: also over the row of another version of the chain.
    async fn put(
        &self,
        mut row: Scheduled,
        calendar: Option<&Calendar>,
        now: Timestamp,
        over: bool,
    ) -> Result<()> {
        // Another process that starts right now may be first; then it is as that one says, or it is read again.
        for _ in 0..3 {
            let rows = self.context.log.scheduled().await?;
            let before = rows.into_iter().find(|b| (&b.chain, b.cause) == (&row.chain, row.cause));
            if before.as_ref().is_some_and(|before| !over && before.plan_hash != row.plan_hash) {
                return Ok(());
            }
            if let Some(calendar) = calendar {
                let computed = calendar.next(now);
                let fired = match computed {
                    Some(at) => self.context.log.fired(&row.chain, row.cause, &due::occasion(at)).await?,
                    None => false,
                };
                row.next = due::next(calendar, &row, before.as_ref(), now, |_| fired);
            }
            if before.as_ref() == Some(&row) || self.context.log.put(&row, before.as_ref()).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Firings for free rooms of the worker.
    async fn take(&self, hashes: &[String]) -> Result<()> {
        let context = &self.context;
        let free = context.free.available_permits();
        if free == 0 {
            return Ok(());
        }
        let now = context.clock.now();
        for held in context.log.take(now, now + HOLD, hashes, free).await? {
            // Given back by whoever works on it.
            if let Ok(room) = context.free.try_acquire() {
                room.forget();
            }
            let Firing { chain, cause, occasion, .. } = &held.firing;
            let id = format!("{}/{chain}/{occasion}#{}", cause.word(), held.fence);
            context.feed.push(id, held);
        }
        Ok(())
    }
}

/// The rows of a plan; none where it cannot be read, which is said.
fn rows(plan: &Plan, hash: &str) -> Vec<(Scheduled, Option<Calendar>)> {
    due::rows(plan, hash).unwrap_or_else(|error| {
        tracing::error!(error.code = error.code(), chain = plan.chain, %error, "the chain does not start by itself");
        Vec::new()
    })
}
