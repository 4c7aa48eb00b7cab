//! What a step kind implements, and what it is handed.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use async_trait::async_trait;
use patchline_chains::{Plan, expr};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::{
    Message, RunId, Subject,
    core::{RunState, names::names},
    trace::SpanContext,
};

/// One step kind. It has one side effect and may run twice with the same idempotency key.
#[async_trait]
pub trait Step: Send + Sync {
    /// `scan`
    fn kind(&self) -> &'static str;
    /// Runs once. Dropped or cancelled at any await.
    async fn run(&self, context: Context) -> Result<Outcome, StepError>;
}

/// How a step ended, or that it waits.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Well.
    Succeeded {
        /// At most 64 KiB of JSON: ids, counts, a summary.
        output: Value,
        /// Messages for the outbox, written in the same transaction.
        messages: Vec<Message>,
        /// Whether this undoes the denials before it (a fix): the run becomes `remediated`.
        mends: bool,
    },
    /// A gate refused.
    Denied {
        /// As above.
        output: Value,
        /// As above.
        messages: Vec<Message>,
    },
    /// Starts a child run over another subject in the same transaction and waits for it, durably:
    /// passed or remediated → succeeded, denied → denied, else failed.
    Child {
        /// What the child is about.
        subject: Subject,
        /// This step's output; `child: {run, result}` is added when the child has ended.
        output: Value,
        /// Whether a good end undoes the denials before it.
        mends: bool,
    },
    /// Waits for a person, durably: approved → succeeded; rejected, or nobody in time → denied.
    Approval {
        /// How long from now.
        expires: Duration,
        /// This step's output; `{approved, by?, reason, at}` is added with the decision.
        output: Value,
    },
}

impl Outcome {
    /// A plain success.
    pub fn succeeded(output: Value) -> Self {
        Self::Succeeded { output, messages: Vec::new(), mends: false }
    }
    /// A plain denial.
    pub fn denied(output: Value) -> Self {
        Self::Denied { output, messages: Vec::new() }
    }
}

/// What the engine does about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorClass {
    /// Network, 5xx: jittered exponential back-off.
    Transient,
    /// 429: not before.
    Throttled(Option<Duration>),
    /// Credentials: no retry.
    Auth,
    /// No retry.
    Permanent,
}

/// A step's failure, for people, without any secret.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{message}")]
pub struct StepError {
    /// What to do about it.
    pub class: ErrorClass,
    /// Stable, kebab-case.
    pub code: String,
    /// The whole chain of causes.
    pub message: String,
}

impl StepError {
    /// From any error: its `Display` and that of all its sources.
    pub fn new(
        class: ErrorClass,
        code: impl Into<String>,
        error: &(dyn std::error::Error + 'static),
    ) -> Self {
        let mut message = error.to_string();
        let mut source = error.source();
        while let Some(cause) = source {
            message.push_str(": ");
            message.push_str(&cause.to_string());
            source = cause.source();
        }
        Self { class, code: code.into(), message }
    }
    /// With a message of one's own.
    pub fn permanent(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self { class: ErrorClass::Permanent, code: code.into(), message: message.into() }
    }
}

/// What a step is handed.
#[derive(Clone)]
pub struct Context {
    /// The run.
    pub run: RunId,
    /// The step's key in the plan.
    pub step: String,
    /// The chain's name.
    pub chain: String,
    /// Of the plan.
    pub plan_hash: String,
    /// From 1.
    pub attempt: u32,
    /// The same on every attempt, also after a crash: `run/step`, and from the second time that a person wants the
    /// step's work done anew `run/step/2`.
    pub idempotency_key: String,
    /// Parameters, rendered.
    pub with: Value,
    /// What the run is about (`subject.context` is the image).
    pub subject: Subject,
    /// `{image, run, params, trigger, steps}` as `when` sees it; `run` is `{id, round, trigger, url?}`.
    pub names: Names,
    /// 1 for the first run of a cascade.
    pub round: u32,
    /// The span of this claim: calls to others carry it as `traceparent`.
    pub span: SpanContext,
    /// Steps of this run so far: (name, kind, status), plan order.
    pub steps: Vec<(String, String, crate::StepStatus)>,
    /// Fires when the run is cancelled, the lease is lost, or the process stops.
    pub cancelled: CancellationToken,
    /// Intents and what became of them.
    pub effects: Effects,
    /// Live news for people.
    pub news: Arc<dyn News>,
}

impl Context {
    /// What this piece of work is called within its run: `notify`, `notify/2`… See [`Context::idempotency_key`].
    pub fn work(&self) -> &str {
        let work = self.idempotency_key.strip_prefix(self.run.0.as_str()).and_then(|k| k.strip_prefix('/'));
        work.unwrap_or(&self.step)
    }
}

/// `{image, run, params, trigger, steps}`: a JSON object that is put together when it is first looked at, since most
/// steps never do.
#[derive(Clone, Default)]
pub struct Names {
    of: Option<(Arc<Plan>, RunState)>,
    made: OnceLock<Value>,
}

impl Names {
    pub(crate) fn new(plan: Arc<Plan>, state: RunState) -> Self {
        Self { of: Some((plan, state)), made: OnceLock::new() }
    }

    /// The parameters of every step of a kind in the plan, also of one that comes later, each an object. What cannot be
    /// told yet, since its template names what is still to come, is left out.
    pub fn planned(&self, kind: &str) -> Vec<Value> {
        let steps = self.of.iter().flat_map(|(plan, _)| &plan.steps).filter(|step| step.uses == kind);
        let rendered = |step: &patchline_chains::PlanStep| {
            let given = step.with.as_object().into_iter().flatten();
            given.filter_map(|(name, value)| Some((name.clone(), expr::render(value, self).ok()?))).collect()
        };
        steps.map(|step| Value::Object(rendered(step))).collect()
    }
}

impl std::ops::Deref for Names {
    type Target = Value;
    fn deref(&self) -> &Value {
        let make = || self.of.as_ref().map(|(plan, state)| names(plan, state));
        self.made.get_or_init(|| make().unwrap_or_default())
    }
}

impl From<Value> for Names {
    fn from(value: Value) -> Self {
        Self { of: None, made: value.into() }
    }
}

/// Live news of a running step.
#[async_trait]
pub trait News: Send + Sync {
    /// How far it is; may be dropped.
    fn progress(&self, phase: &str, done: u64, total: u64);
    /// A line of its log, kept; at most 4 KiB.
    async fn note(&self, text: String);
}

/// The intents of one step: a change to the outside world is recorded before it is made.
#[derive(Clone)]
pub struct Effects {
    /// Where intents are kept.
    pub log: Arc<dyn EffectLog>,
    /// Of this run.
    pub run: RunId,
    /// Of this step.
    pub step: String,
}

impl Effects {
    /// What was intended has surely not been made: it was refused, or never sent. A step that fails with an intent
    /// that is neither withdrawn nor known to be made ends `unknown`.
    pub async fn withdraw(&self, kind: &str, target: &str) -> crate::Result<()> {
        self.log.withdraw(&self.run, &self.step, kind, target).await
    }
    /// Withdraws all that is not known to have been made.
    pub async fn withdraw_open(&self) -> crate::Result<()> {
        for intent in self.log.of_step(&self.run, &self.step).await?.iter().filter(|i| !i.done) {
            self.withdraw(&intent.kind, &intent.target).await?;
        }
        Ok(())
    }
}

/// One recorded intent.
#[derive(Debug, Clone, PartialEq)]
pub struct Intent {
    /// `push`, `delete`, `untag`, `copy`.
    pub kind: String,
    /// What it touches: `registry/repository:tag@digest`.
    pub target: String,
    /// What reconciling needs to know.
    pub detail: Value,
    /// Whether it is known to have been made.
    pub done: bool,
}

/// Persistence of intents; the store implements it.
#[async_trait]
pub trait EffectLog: Send + Sync {
    /// Records an intent durably; twice (same run, step, kind, target) is harmless.
    async fn intend(&self, run: &RunId, step: &str, intent: &Intent) -> crate::Result<()>;
    /// Marks it made.
    async fn done(&self, run: &RunId, step: &str, kind: &str, target: &str) -> crate::Result<()>;
    /// Marks it as not made, and not under way any more: the other side said no, or was never asked. One that is known
    /// to have been made stays so; one that is recorded again is open again.
    async fn withdraw(&self, run: &RunId, step: &str, kind: &str, target: &str) -> crate::Result<()>;
    /// All intents of a step, also of earlier attempts, without those that were withdrawn.
    async fn of_step(&self, run: &RunId, step: &str) -> crate::Result<Vec<Intent>>;
    /// Whether any run ever intended this (kind, target), withdrawn or not: events of our own pushes are dropped by it.
    async fn intended(&self, kind: &str, target: &str) -> crate::Result<bool>;
    /// What all runs intended of this (kind, target), at most 100: a copy's intents tell which chains it comes from.
    async fn of_target(&self, kind: &str, target: &str) -> crate::Result<Vec<Intent>>;
}
