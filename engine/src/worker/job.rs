//! A claimed step on its way to a worker.

use std::{
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use patchline_chains::{Plan, PlanStep};
use serde_json::Value;

use super::{
    command::{Command, Writer},
    held::{Reason, StopSign},
    shared::Shared,
};
use crate::{
    Context, Event, EventKind, RunId, Step, Store,
    core::{RunState, StepRun, recovery::Lease},
    step::{Effects, Names, News},
    trace::{SpanContext, TraceId},
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
    /// Parameters, rendered.
    pub(super) with: Value,
    pub(super) plan: Arc<Plan>,
    pub(super) plan_hash: String,
    /// The run as it was claimed.
    pub(super) state: RunState,
    pub(super) names: Names,
    pub(super) cascade: RunId,
    pub(super) round: u32,
}

impl Claim {
    fn planned(&self) -> &PlanStep {
        &self.plan.steps[self.lease.step]
    }
    fn now(&self) -> &StepRun {
        &self.state.steps[self.lease.step]
    }
}

/// What a worker gets.
pub(super) struct Job {
    pub(super) lease: Lease,
    pub(super) kind: Arc<dyn Step>,
    pub(super) timeout: Duration,
    pub(super) stop: StopSign,
    claim: Claim,
    news: Arc<dyn News>,
    log: Arc<dyn Store>,
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
        let news = LiveNews {
            run: claim.lease.run.clone(),
            step: claim.planned().name.clone(),
            writer: shared.writer.clone(),
            shared: Arc::downgrade(shared),
        };
        let guard =
            Guard { lease: Some(claim.lease.clone()), stop: stop.clone(), writer: shared.writer.clone() };
        Self {
            lease: claim.lease.clone(),
            kind: claim.kind.clone(),
            timeout: claim.planned().timeout,
            stop,
            claim,
            news: Arc::new(news),
            log: shared.store.clone(),
            guard: Some(guard),
        }
    }

    /// What the step is handed: put together by the worker, since the writer has other things to do.
    pub(super) fn context(self) -> Context {
        let Self { claim, stop, news, log, .. } = self;
        let (planned, now) = (claim.planned(), claim.now());
        let run = claim.lease.run.clone();
        let all = claim.plan.steps.iter().zip(claim.state.steps.iter());
        Context {
            idempotency_key: match now.resets {
                0 => format!("{run}/{}", planned.name),
                resets => format!("{run}/{}/{}", planned.name, resets + 1),
            },
            effects: Effects { log, run: run.clone(), step: planned.name.clone() },
            span: SpanContext::of_step(&claim.cascade, &run, &planned.name, claim.lease.fence),
            step: planned.name.clone(),
            chain: claim.plan.chain.clone(),
            attempt: now.attempt,
            steps: all.map(|(p, s)| (p.name.clone(), p.uses.clone(), s.state.status())).collect(),
            subject: claim.state.facts.subject(),
            run,
            plan_hash: claim.plan_hash,
            with: claim.with,
            names: claim.names,
            round: claim.round,
            cancelled: stop.token.clone(),
            news,
        }
    }

    /// What every line of the log says that is written while the step runs. At the level of errors, so that a filter
    /// that lets nothing but errors through lets them have it too.
    pub(super) fn span(&self) -> tracing::Span {
        tracing::error_span!(
            "step",
            run.id = %self.lease.run,
            chain = self.claim.plan.chain,
            step.name = self.claim.planned().name,
            step.attempt = self.claim.now().attempt,
            trace_id = %TraceId::of(&self.claim.cascade),
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
            let counts = !matches!(self.stop.reason(), Some(Reason::Stopping | Reason::Late));
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
