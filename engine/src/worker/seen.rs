//! What a transaction did, for those who watch: gathered in it, told after its commit.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use metrics::{counter, histogram};
use patchline_chains::{Plan, PlanStep};

use crate::{
    Event, EventKind, Parent, Result, RunId, RunResult, Step, StepStatus,
    core::{Effect, RunState, StepRun, StepState},
    metrics::{
        DELIVERIES, LEASE_EXPIRIES, RETRIES, RUNS, STEP_DURATION, TRANSACTION_COMMANDS, TRANSACTION_DURATION,
        TRANSACTION_FAILURES,
    },
    store::RunRecord,
    trace::{Observer, Part, Span, SpanContext, SpanId, TraceId},
};

/// What there is to tell.
#[derive(Default)]
pub(super) struct Seen {
    attempts: Vec<Attempt>,
    runs: Vec<EndedRun>,
    spans: Vec<Span>,
}

struct EndedRun {
    run: RunId,
    chain: String,
    trace: TraceId,
    result: &'static str,
}

struct Attempt {
    kind: &'static str,
    outcome: &'static str,
    seconds: f64,
    /// The class of the failure, when it is made again.
    retried: Option<&'static str>,
    /// It ended because its lease did.
    lost: bool,
}

/// A run before and after one transition.
pub(super) struct Moved<'a> {
    pub(super) record: &'a RunRecord,
    pub(super) plan: &'a Plan,
    pub(super) before: &'a RunState,
    pub(super) after: &'a RunState,
    pub(super) effects: &'a [Effect],
    /// The span of the parent's step that waits for the run.
    pub(super) parent: Option<SpanId>,
    pub(super) at: Timestamp,
}

impl Seen {
    /// Looks at what a transition changed. `spans`: whether anybody wants them.
    pub(super) fn look(
        &mut self,
        moved: &Moved<'_>,
        kinds: &BTreeMap<&'static str, Arc<dyn Step>>,
        spans: bool,
    ) {
        for effect in moved.effects {
            match effect {
                Effect::Changed { step } => self.step(moved, *step, kinds, spans),
                Effect::Finished { result } => {
                    self.runs.push(EndedRun {
                        run: moved.record.id.clone(),
                        chain: moved.record.chain.clone(),
                        trace: TraceId::of(&moved.record.cascade),
                        result: result_word(*result),
                    });
                    if spans {
                        self.spans.push(run_span(moved, *result));
                    }
                }
                _ => {}
            }
        }
    }

    fn step(
        &mut self,
        moved: &Moved<'_>,
        step: usize,
        kinds: &BTreeMap<&'static str, Arc<dyn Step>>,
        spans: bool,
    ) {
        let (Some(before), Some(after)) = (moved.before.steps.get(step), moved.after.steps.get(step)) else {
            return;
        };
        let Some(planned) = moved.plan.steps.get(step) else { return };
        let leased = matches!(before.state, StepState::Leased { .. });
        let waited = matches!(before.state, StepState::Child { .. } | StepState::Approval { .. });
        if !(leased || waited) || matches!(after.state, StepState::Leased { .. }) {
            return;
        }
        let lost = leased && after.lost > before.lost;
        let outcome = outcome(after, lost);
        let start = claimed_at(before).unwrap_or(moved.at);
        if leased {
            let kind = kinds.get_key_value(planned.uses.as_str()).map_or("other", |(kind, _)| *kind);
            let retried = (outcome == "retried").then(|| retry_class(after));
            let seconds = moved.at.duration_since(start).max(SignedDuration::ZERO).as_secs_f64();
            self.attempts.push(Attempt { kind, outcome, seconds, retried, lost });
        }
        // A step that begins to wait has not ended.
        if spans && outcome != "waiting" {
            self.spans.push(Span {
                context: SpanContext::of_step(
                    &moved.record.cascade,
                    &moved.record.id,
                    &planned.name,
                    before.fence,
                ),
                parent: Some(SpanId::of_run(&moved.record.id)),
                run: moved.record.id.clone(),
                chain: moved.record.chain.clone(),
                subject: moved.record.submission.subject.identity.clone(),
                start,
                end: moved.at,
                outcome,
                problem: after
                    .problem
                    .clone()
                    .filter(|_| matches!(outcome, "failed" | "retried" | "unknown")),
                part: Part::Step {
                    name: planned.name.clone(),
                    kind: planned.uses.clone(),
                    attempt: before.attempt,
                },
            });
        }
    }

    /// Tells it: it stands now.
    pub(super) fn tell(self, events: &[Event], observer: Option<&Arc<dyn Observer>>) {
        for attempt in self.attempts {
            histogram!(STEP_DURATION, "kind" => attempt.kind, "outcome" => attempt.outcome)
                .record(attempt.seconds);
            if let Some(class) = attempt.retried {
                counter!(RETRIES, "kind" => attempt.kind, "class" => class).increment(1);
            }
            if attempt.lost {
                counter!(LEASE_EXPIRIES, "kind" => attempt.kind).increment(1);
            }
        }
        for EndedRun { run, chain, trace, result } in self.runs {
            counter!(RUNS, "result" => result).increment(1);
            tracing::info!(run.id = %run, chain, trace_id = %trace, result, "the run ended");
        }
        for event in events {
            if let EventKind::DeliveryChanged { state, .. } = &event.kind {
                let outcome = match state {
                    crate::DeliveryState::Delivered => "delivered",
                    crate::DeliveryState::Pending { .. } => "retried",
                    crate::DeliveryState::Failed { .. } => "failed",
                };
                counter!(DELIVERIES, "outcome" => outcome).increment(1);
            }
        }
        if let Some(observer) = observer {
            self.spans.into_iter().for_each(|span| observer.ended(span));
        }
    }
}

fn run_span(moved: &Moved<'_>, result: RunResult) -> Span {
    let record = moved.record;
    Span {
        context: SpanContext { trace: TraceId::of(&record.cascade), span: SpanId::of_run(&record.id) },
        parent: moved.parent,
        run: record.id.clone(),
        chain: record.chain.clone(),
        subject: record.submission.subject.identity.clone(),
        start: record.created_at,
        end: moved.at,
        outcome: result_word(result),
        problem: None,
        part: Part::Run { trigger: record.submission.trigger.kind, round: record.round },
    }
}

/// When the attempt that runs, or that waits, was claimed.
pub(super) fn claimed_at(step: &StepRun) -> Option<Timestamp> {
    step.claimed_at.or(step.started_at)
}

fn outcome(after: &StepRun, lost: bool) -> &'static str {
    match after.state.status() {
        StepStatus::Succeeded => "succeeded",
        StepStatus::Denied => "denied",
        StepStatus::Failed => "failed",
        StepStatus::Skipped => "skipped",
        StepStatus::Cancelled => "cancelled",
        StepStatus::Unknown => "unknown",
        StepStatus::Waiting if matches!(after.state, StepState::Backoff { .. }) => "retried",
        StepStatus::Waiting => "waiting",
        StepStatus::Blocked | StepStatus::Ready | StepStatus::Leased if lost => "lost",
        // Given back undone, by a process that stops.
        StepStatus::Blocked | StepStatus::Ready | StepStatus::Leased => "returned",
    }
}

fn retry_class(after: &StepRun) -> &'static str {
    match after.problem.as_ref().map(|p| p.class.as_str()) {
        Some("throttled") => "throttled",
        Some("transient") => "transient",
        _ => "other",
    }
}

fn result_word(result: RunResult) -> &'static str {
    match result {
        RunResult::Passed => "passed",
        RunResult::Remediated => "remediated",
        RunResult::Denied => "denied",
        RunResult::Failed => "failed",
        RunResult::Cancelled => "cancelled",
    }
}

/// The span of the parent's step that waits for a child.
pub(super) fn waiting_span(
    record: &RunRecord,
    plan: &Plan,
    state: &RunState,
    parent: &Parent,
    child: &RunId,
) -> Option<SpanId> {
    let mut steps = plan.steps.iter().zip(state.steps.iter());
    let waits = |(planned, step): &(&PlanStep, &StepRun)| {
        planned.name == parent.step && step.child.as_ref() == Some(child)
    };
    let (planned, step) = steps.find(waits)?;
    Some(SpanId::of_step(&record.id, &planned.name, step.fence))
}

/// One transaction of the writer.
pub(super) fn transaction<T>(commands: usize, took: Duration, result: &Result<T>) {
    match result {
        Ok(_) => {
            histogram!(TRANSACTION_DURATION).record(took.as_secs_f64());
            histogram!(TRANSACTION_COMMANDS).record(f64::from(u32::try_from(commands).unwrap_or(u32::MAX)));
        }
        Err(_) => counter!(TRANSACTION_FAILURES).increment(1),
    }
}
