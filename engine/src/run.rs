//! Runs and their steps as they are shown: states that carry their data.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{Submission, outbox::Delivery};

/// A run's id: a ULID, so that ids sort by start.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RunId(pub String);

impl std::fmt::Display for RunId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

/// Where a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunStatus {
    /// Behind its concurrency key.
    Queued,
    /// Steps are ready or leased.
    Running,
    /// Only waiting steps are left.
    Waiting,
    /// Ended; it has a result.
    Finished,
}

/// How a run ended, lightest first: a run has the heaviest that its steps make.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RunResult {
    /// Nothing was refused.
    Passed,
    /// Refused, and an image fixed from it passed.
    Remediated,
    /// Refused by a gate.
    Denied,
    /// A step failed.
    Failed,
    /// Stopped by a person or superseded.
    Cancelled,
}

/// Where a step stands, or how it ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StepStatus {
    /// Needs are not all terminal.
    Blocked,
    /// May be claimed.
    Ready,
    /// A worker has it.
    Leased,
    /// For a child run, a person, or a back-off.
    Waiting,
    /// Ended well.
    Succeeded,
    /// A gate or a person refused.
    Denied,
    /// Ended badly.
    Failed,
    /// Its `when` said no.
    Skipped,
    /// Stopped.
    Cancelled,
    /// An effect whose result nobody knows.
    Unknown,
}

impl std::fmt::Display for StepStatus {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Blocked => "blocked",
            Self::Ready => "ready",
            Self::Leased => "leased",
            Self::Waiting => "waiting",
            Self::Succeeded => "succeeded",
            Self::Denied => "denied",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
            Self::Cancelled => "cancelled",
            Self::Unknown => "unknown",
        })
    }
}

impl StepStatus {
    /// Whether nothing more will happen to it.
    pub fn is_terminal(self) -> bool {
        !matches!(self, Self::Blocked | Self::Ready | Self::Leased | Self::Waiting)
    }
}

/// Why something failed, without any secret.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// Stable, kebab-case.
    pub code: String,
    /// For people; the whole chain of causes.
    pub message: String,
    /// `transient`, `throttled`, `auth`, `permanent`, `poison`.
    pub class: String,
}

/// What a person said of a step that waits for one, or that nobody did in time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decision {
    /// Whether it may go on.
    pub approved: bool,
    /// Who, as they call themselves; none: nobody decided in time.
    pub by: Option<String>,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

impl std::fmt::Display for Decision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.by {
            Some(by) if self.approved => write!(f, "approved by {by}: {}", self.reason),
            Some(by) => write!(f, "rejected by {by}: {}", self.reason),
            None => f.write_str(&self.reason),
        }
    }
}

/// A step as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepView {
    /// Key in the plan.
    pub name: String,
    /// Step kind.
    pub uses: String,
    /// Needs, by name.
    pub needs: Vec<String>,
    /// Where it stands.
    pub status: StepStatus,
    /// From 1; 0: never tried.
    pub attempt: u32,
    /// First claim.
    pub started_at: Option<Timestamp>,
    /// When it became terminal.
    pub finished_at: Option<Timestamp>,
    /// Ids and a summary; an empty object when it did not run.
    pub output: Value,
    /// Of a failed step, or of the last failed attempt.
    pub problem: Option<Problem>,
    /// The run it waits, or waited, for.
    pub child: Option<RunId>,
    /// Set while it waits for a person: until then.
    #[serde(default)]
    pub decide_by: Option<Timestamp>,
    /// What a person said.
    #[serde(default)]
    pub decision: Option<Decision>,
}

/// A run as it is shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunView {
    /// Its id.
    pub id: RunId,
    /// The chain's name.
    pub chain: String,
    /// The pinned version.
    pub plan_hash: String,
    /// What it was started with.
    pub submission: Submission,
    /// Where it stands.
    pub status: RunStatus,
    /// Set when finished.
    pub result: Option<RunResult>,
    /// 1 for a run that a push, person or schedule started; its children count on.
    pub round: u32,
    /// The first run of the cascade.
    pub cascade: RunId,
    /// When it was submitted.
    pub created_at: Timestamp,
    /// When it ended.
    pub finished_at: Option<Timestamp>,
    /// In the plan's order; empty in lists.
    pub steps: Vec<StepView>,
    /// Notifications that its steps wrote; empty in lists.
    pub deliveries: Vec<Delivery>,
}

/// What to list.
#[derive(Debug, Clone, Default)]
pub struct RunFilter {
    /// Of this chain.
    pub chain: Option<String>,
    /// Over this subject: `registry/repository:tag@digest`, or a part of it.
    pub subject: Option<String>,
    /// At most so many, newest first; 0: 100.
    pub limit: u32,
    /// Older than this id.
    pub before: Option<RunId>,
}

/// One line of a run's history; persisted, but for progress.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Event {
    /// Position in the run, from 1; 0 for progress, which is not kept.
    pub seq: u64,
    /// Of this run.
    pub run: RunId,
    /// When.
    pub at: Timestamp,
    /// What.
    pub kind: EventKind,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum EventKind {
    /// The run began.
    RunCreated,
    /// A step changed its status.
    StepChanged {
        /// Which.
        step: String,
        /// To what.
        status: StepStatus,
        /// Which attempt.
        attempt: u32,
        /// Why, when it failed.
        problem: Option<Problem>,
    },
    /// A line of a step's log, or what a person did and why.
    Note {
        /// Which; empty: the run as a whole.
        step: String,
        /// For people.
        text: String,
    },
    /// How far a step is; only live.
    Progress {
        /// Which.
        step: String,
        /// `download`
        phase: String,
        /// Units done.
        done: u64,
        /// Units in all; 0: not known.
        total: u64,
    },
    /// A notification was delivered, failed, or will be tried again.
    DeliveryChanged {
        /// The message's id.
        id: String,
        /// The channel's name.
        channel: String,
        /// Where it stands.
        state: crate::DeliveryState,
    },
    /// A run that had ended is open again: a person goes on with one of its steps.
    RunReopened,
    /// The run ended.
    RunFinished {
        /// How.
        result: RunResult,
    },
}
