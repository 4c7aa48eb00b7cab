//! What may happen to a run, and what follows from it.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Decision, ErrorClass, Message, Parent, RunId, RunResult, Subject};

/// Something that happened. Times, jitter and new ids come in as values; steps are named by position in the plan.
/// A log of them, told again to a fresh run, leads to the same state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The run may begin: its concurrency key has room.
    Started {
        /// When.
        at: Timestamp,
    },
    /// A worker takes a ready step.
    Claimed {
        /// Which.
        step: usize,
        /// The lease's end.
        until: Timestamp,
        /// When.
        at: Timestamp,
    },
    /// The step ended, or waits for a child.
    Completed {
        /// Which.
        step: usize,
        /// As claimed.
        fence: u64,
        /// How.
        ended: Ended,
        /// When.
        at: Timestamp,
    },
    /// The attempt failed.
    Failed {
        /// Which.
        step: usize,
        /// As claimed.
        fence: u64,
        /// Why.
        failure: Failure,
        /// From 0 up to 1.
        jitter: f64,
        /// Whether the step has an intent that is neither known to be made nor withdrawn.
        open: bool,
        /// When.
        at: Timestamp,
    },
    /// The lease is gone: it ran out, its process died, or was given back.
    LeaseLost {
        /// Which.
        step: usize,
        /// As claimed.
        fence: u64,
        /// Not for an orderly stop, nor for a restart that owns the data.
        counts: bool,
        /// Whether the step has an intent that is neither known to be made nor withdrawn.
        open: bool,
        /// When.
        at: Timestamp,
    },
    /// A back-off is over.
    BackoffDue {
        /// Which.
        step: usize,
        /// When.
        at: Timestamp,
    },
    /// The child that a step waits for has ended.
    ChildFinished {
        /// Which step.
        step: usize,
        /// The child.
        child: RunId,
        /// How it ended.
        result: RunResult,
        /// When.
        at: Timestamp,
    },
    /// A person has decided.
    Decided {
        /// Which step.
        step: usize,
        /// What, who and when.
        decision: Decision,
    },
    /// The time to decide is over.
    Expired {
        /// Which step.
        step: usize,
        /// When.
        at: Timestamp,
    },
    /// Somebody wants it stopped.
    Cancel {
        /// When.
        at: Timestamp,
    },
    /// The run has taken longer than its chain allows.
    TimedOut {
        /// When.
        at: Timestamp,
    },
    /// A person wants a step that ended badly tried again, as the same piece of work.
    Retry {
        /// Which.
        step: usize,
        /// Who, as they call themselves.
        by: String,
        /// Why.
        reason: String,
        /// Whether the concurrency key has room; a run that is under way has its place.
        room: bool,
        /// When.
        at: Timestamp,
    },
    /// A person wants a step that has ended done once more, as a new piece of work.
    Rerun {
        /// Which.
        step: usize,
        /// Who, as they call themselves.
        by: String,
        /// Why.
        reason: String,
        /// As for a retry.
        room: bool,
        /// When.
        at: Timestamp,
    },
    /// A person has looked what became of an effect that nobody knew of.
    Resolved {
        /// Of which step.
        step: usize,
        /// Whether it was made.
        made: bool,
        /// Who, as they call themselves.
        by: String,
        /// Why.
        reason: String,
        /// As for a retry.
        room: bool,
        /// When.
        at: Timestamp,
    },
}

/// How a step's work ended: [`crate::Outcome`], with the child's id given.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ended", rename_all = "snake_case")]
pub enum Ended {
    /// Well.
    Succeeded {
        /// Its output.
        output: Value,
        /// For the outbox.
        messages: Vec<Message>,
        /// Whether it undoes denials.
        mends: bool,
    },
    /// A gate refused.
    Denied {
        /// Its output.
        output: Value,
        /// For the outbox.
        messages: Vec<Message>,
    },
    /// Waits for a child.
    Child {
        /// The id that the child has, or will have.
        run: RunId,
        /// What it is about.
        subject: Subject,
        /// The step's output.
        output: Value,
        /// Whether a good end undoes denials.
        mends: bool,
    },
    /// Waits for a person.
    Approval {
        /// Nobody has decided by then: it is refused.
        until: Timestamp,
        /// The step's output.
        output: Value,
    },
}

/// Why an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// What to do about it.
    pub class: ErrorClass,
    /// Stable, kebab-case.
    pub code: String,
    /// For people.
    pub message: String,
}

/// What must be written in the same transaction as the new state.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// A step has a new status: a line of history; a ready step wakes the workers.
    Changed {
        /// Which.
        step: usize,
    },
    /// A running step must be told to stop.
    Stop {
        /// Which.
        step: usize,
    },
    /// A child run is wanted.
    StartChild {
        /// By which step.
        step: usize,
        /// Its id.
        child: RunId,
        /// What it is about.
        subject: Subject,
    },
    /// A child run is no longer wanted.
    CancelChild {
        /// Which.
        child: RunId,
    },
    /// Messages for the outbox.
    Enqueue {
        /// By which step.
        step: usize,
        /// Unique by id.
        messages: Vec<Message>,
    },
    /// The run begins, or goes on after it had ended: its time counts from now.
    Started,
    /// A run that had ended is open again. [`Effect::Started`] follows when its concurrency key has room.
    Reopened,
    /// The run has ended.
    Finished {
        /// How.
        result: RunResult,
    },
    /// The parent's step must hear of it.
    TellParent {
        /// Who waits.
        parent: Parent,
        /// How this run ended.
        result: RunResult,
    },
}
