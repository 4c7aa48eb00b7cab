//! A claimed step on its way to a worker.

use std::{
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use serde_json::Value;

use super::{
    command::{Command, Writer},
    held::{Reason, StopSign},
    shared::Shared,
};
use crate::{
    Context, Event, EventKind, RunId, Step, StepStatus, Subject,
    core::recovery::Lease,
    step::{Effects, News},
    trace::SpanContext,
};

/// A line of a step's log, at most.
const NOTE_LIMIT: usize = 4096;

/// What a claim knows, inside the transaction.
pub(super) struct Claim {
    pub(super) lease: Lease,
    /// Of a run that nobody waits for.
    pub(super) bulk: bool,
    /// Before it was asked for.
    pub(super) granted: Instant,
    pub(super) kind: Arc<dyn Step>,
    pub(super) timeout: Duration,
    pub(super) step: String,
    pub(super) chain: String,
    pub(super) plan_hash: String,
    pub(super) attempt: u32,
    pub(super) resets: u32,
    pub(super) with: Value,
    pub(super) names: Value,
    pub(super) subject: Subject,
    pub(super) round: u32,
    pub(super) span: SpanContext,
    pub(super) steps: Vec<(String, String, StepStatus)>,
}

/// What a worker gets.
pub(super) struct Job {
    pub(super) lease: Lease,
    pub(super) kind: Arc<dyn Step>,
    pub(super) timeout: Duration,
    pub(super) context: Option<Context>,
    pub(super) stop: StopSign,
    /// Taken by whoever answers for it.
    pub(super) guard: Option<Guard>,
}

impl std::fmt::Debug for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Job").field("lease", &self.lease).finish_non_exhaustive()
    }
}

impl Job {
    pub(super) fn new(claim: Claim, stop: StopSign, shared: &Arc<Shared>) -> Self {
        let run = claim.lease.run.clone();
        let news = LiveNews {
            run: run.clone(),
            step: claim.step.clone(),
            writer: shared.writer.clone(),
            shared: Arc::downgrade(shared),
        };
        let context = Context {
            idempotency_key: match claim.resets {
                0 => format!("{run}/{}", claim.step),
                resets => format!("{run}/{}/{}", claim.step, resets + 1),
            },
            effects: Effects { log: shared.store.clone(), run: run.clone(), step: claim.step.clone() },
            run,
            step: claim.step,
            chain: claim.chain,
            plan_hash: claim.plan_hash,
            attempt: claim.attempt,
            with: claim.with,
            subject: claim.subject,
            names: claim.names,
            round: claim.round,
            span: claim.span,
            steps: claim.steps,
            cancelled: stop.token.clone(),
            news: Arc::new(news),
        };
        let guard =
            Guard { lease: Some(claim.lease.clone()), stop: stop.clone(), writer: shared.writer.clone() };
        Self {
            lease: claim.lease,
            kind: claim.kind,
            timeout: claim.timeout,
            context: Some(context),
            stop,
            guard: Some(guard),
        }
    }
}

impl Job {
    /// What every line of the log says that is written while the step runs. At the level of errors, so that a filter
    /// that lets nothing but errors through lets them have it too.
    pub(super) fn span(&self) -> tracing::Span {
        let Some(context) = &self.context else { return tracing::Span::none() };
        tracing::error_span!(
            "step",
            run.id = %context.run,
            chain = context.chain,
            step.name = context.step,
            step.attempt = context.attempt,
            trace_id = %context.span.trace,
        )
    }
}

/// Gives the lease back when a job is dropped before anyone answered for it:
/// a worker that panics drops what it had taken.
pub(super) struct Guard {
    lease: Option<Lease>,
    stop: StopSign,
    writer: Writer,
}

impl Guard {
    /// It was answered for.
    pub(super) fn disarm(&mut self) {
        self.lease = None;
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if let Some(lease) = self.lease.take() {
            let counts = self.stop.reason() != Some(Reason::Stopping);
            self.writer.tell(Command::Return { lease, counts });
        }
    }
}

struct LiveNews {
    run: RunId,
    step: String,
    writer: Writer,
    shared: Weak<Shared>,
}

#[async_trait]
impl News for LiveNews {
    fn progress(&self, phase: &str, done: u64, total: u64) {
        let Some(shared) = self.shared.upgrade() else { return };
        let kind = EventKind::Progress { step: self.step.clone(), phase: phase.to_owned(), done, total };
        // Nobody may be listening: it is live news only.
        drop(shared.events.send(Event { seq: 0, run: self.run.clone(), at: shared.now(), kind }));
    }

    async fn note(&self, mut text: String) {
        if text.len() > NOTE_LIMIT {
            let mut end = NOTE_LIMIT - 3;
            while !text.is_char_boundary(end) {
                end -= 1;
            }
            text.truncate(end);
            text.push('…');
        }
        let (run, step) = (self.run.clone(), self.step.clone());
        if let Err(error) = self.writer.ask(|reply| Command::Note { run, step, text, reply }).await {
            tracing::warn!(run.id = %self.run, step.name = %self.step, %error, "a note was lost");
        }
    }
}
