//! Where a run and its steps stand: enums that carry their data, as they are persisted.

use std::{collections::HashSet, sync::Arc};

use jiff::Timestamp;
use patchline_chains::{Plan, PlanStep};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Facts, Steps};
use crate::{Decision, Problem, RunId, RunResult, RunStatus, StepStatus};

/// Where one step stands, or how it ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "lowercase")]
pub enum StepState {
    /// So many needs are not terminal yet.
    Blocked {
        /// How many. Not kept, since it follows from where the others stand: [`RunState::resume`].
        #[serde(skip_serializing, default)]
        pending: usize,
    },
    /// May be claimed.
    Ready {
        /// Since.
        at: Timestamp,
    },
    /// A worker has it.
    Leased {
        /// Who completes it must name this.
        fence: u64,
        /// The lease's end.
        until: Timestamp,
    },
    /// Failed, and will be tried again.
    Backoff {
        /// When.
        at: Timestamp,
    },
    /// Waits for a child run.
    Child {
        /// Which.
        run: RunId,
        /// The step's output so far.
        output: Value,
        /// Whether a good end undoes denials.
        mends: bool,
    },
    /// Waits for a person.
    Approval {
        /// Nobody has decided by then: it is refused.
        until: Timestamp,
        /// The step's output so far.
        output: Value,
    },
    /// Ended well.
    Succeeded {
        /// Output.
        output: Value,
        /// Whether it undoes denials.
        mends: bool,
    },
    /// A gate refused.
    Denied {
        /// Output.
        output: Value,
    },
    /// Ended badly.
    Failed {
        /// Why.
        problem: Problem,
        /// Output of a step whose child failed, else an empty object.
        output: Value,
    },
    /// Ended badly, and nobody knows whether what it intended was done. A person can say.
    Unknown {
        /// What is known of why.
        problem: Problem,
        /// Output.
        output: Value,
    },
    /// Not to be run.
    Skipped,
    /// Stopped.
    Cancelled,
}

impl StepState {
    /// As it is shown.
    pub fn status(&self) -> StepStatus {
        match self {
            Self::Blocked { .. } => StepStatus::Blocked,
            Self::Ready { .. } => StepStatus::Ready,
            Self::Leased { .. } => StepStatus::Leased,
            Self::Backoff { .. } | Self::Child { .. } | Self::Approval { .. } => StepStatus::Waiting,
            Self::Succeeded { .. } => StepStatus::Succeeded,
            Self::Denied { .. } => StepStatus::Denied,
            Self::Failed { .. } => StepStatus::Failed,
            Self::Unknown { .. } => StepStatus::Unknown,
            Self::Skipped => StepStatus::Skipped,
            Self::Cancelled => StepStatus::Cancelled,
        }
    }
    /// Whether nothing more will happen to it.
    pub fn is_terminal(&self) -> bool {
        self.status().is_terminal()
    }
    /// Its output; an empty object when it has none.
    pub fn output(&self) -> Value {
        match self {
            Self::Child { output, .. }
            | Self::Approval { output, .. }
            | Self::Succeeded { output, .. }
            | Self::Denied { output }
            | Self::Failed { output, .. }
            | Self::Unknown { output, .. } => output.clone(),
            _ => Value::Object(serde_json::Map::new()),
        }
    }
}

/// One step of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StepRun {
    /// Where it stands.
    pub state: StepState,
    /// The attempt that runs or ran last, from 1; 0: never tried.
    pub attempt: u32,
    /// Attempts that failed.
    pub failures: u32,
    /// Leases lost since the last attempt that ended by itself.
    pub lost: u32,
    /// The last fence given out. It ascends for ever, whatever is set back.
    pub fence: u64,
    /// First claim.
    pub started_at: Option<Timestamp>,
    /// Last claim, where it is not the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed_at: Option<Timestamp>,
    /// When it became terminal.
    pub finished_at: Option<Timestamp>,
    /// Of the last failed attempt.
    pub problem: Option<Problem>,
    /// The run it waits, or waited, for.
    pub child: Option<RunId>,
    /// What became of an approval.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<Decision>,
    /// How often its work was begun anew after it had ended: each time is a piece of work with a key of its own.
    #[serde(default, skip_serializing_if = "is_first")]
    pub resets: u32,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde hands a reference")]
fn is_first(resets: &u32) -> bool {
    *resets == 0
}

impl StepRun {
    /// Whether `after` is kept as this is: what a blocked step waits for is not.
    pub(crate) fn is_kept_as(&self, after: &Self) -> bool {
        let blocked = |step: &Self| matches!(step.state, StepState::Blocked { .. });
        blocked(self) && blocked(after) && Self { state: after.state.clone(), ..self.clone() } == *after
    }
    pub(super) fn new(state: StepState) -> Self {
        Self {
            state,
            attempt: 0,
            failures: 0,
            lost: 0,
            fence: 0,
            started_at: None,
            claimed_at: None,
            finished_at: None,
            problem: None,
            child: None,
            decision: None,
            resets: 0,
        }
    }
}

/// Where the run as a whole stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "lowercase")]
pub enum Phase {
    /// Behind its concurrency key.
    Queued,
    /// Under way.
    Active,
    /// Told to stop; waits for what still runs.
    Cancelling,
    /// Ended.
    Finished {
        /// How.
        result: RunResult,
    },
}

/// One run.
#[derive(Debug, Clone, PartialEq)]
pub struct RunState {
    /// What never changes in it.
    pub facts: Arc<Facts>,
    /// As a whole.
    pub phase: Phase,
    /// In the plan's order.
    pub steps: Steps,
}

impl RunState {
    /// A queued run of `plan`, all of its steps blocked.
    pub fn new(plan: &Plan, facts: Arc<Facts>) -> Self {
        let steps =
            plan.steps.iter().map(|s| StepRun::new(StepState::Blocked { pending: s.needs.len() })).collect();
        Self { facts, phase: Phase::Queued, steps }
    }
    /// A run as it was kept: how many needs a blocked step waits for is counted anew.
    pub fn resume(plan: &Plan, facts: Arc<Facts>, phase: Phase, mut steps: Steps) -> Self {
        let all = plan.steps.iter().map(|planned| planned.name.as_str()).zip(steps.iter());
        let open: HashSet<&str> =
            all.filter(|(_, step)| !step.state.is_terminal()).map(|(name, _)| name).collect();
        let blocked = |(i, planned): (usize, &PlanStep)| {
            let waits = matches!(steps.get(i)?.state, StepState::Blocked { .. });
            waits.then(|| (i, planned.needs.iter().filter(|need| open.contains(need.as_str())).count()))
        };
        let counted: Vec<_> = plan.steps.iter().enumerate().filter_map(blocked).collect();
        for (i, pending) in counted {
            steps[i].state = StepState::Blocked { pending };
        }
        Self { facts, phase, steps }
    }
    /// As it is shown.
    pub fn status(&self) -> RunStatus {
        match self.phase {
            Phase::Queued => RunStatus::Queued,
            Phase::Finished { .. } => RunStatus::Finished,
            Phase::Active | Phase::Cancelling => {
                let busy =
                    |s: &StepRun| matches!(s.state, StepState::Ready { .. } | StepState::Leased { .. });
                if self.steps.iter().any(busy) { RunStatus::Running } else { RunStatus::Waiting }
            }
        }
    }
    /// How it ended.
    pub fn result(&self) -> Option<RunResult> {
        match self.phase {
            Phase::Finished { result } => Some(result),
            _ => None,
        }
    }
}
