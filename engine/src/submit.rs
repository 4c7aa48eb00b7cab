//! Starting runs: what over which subject, because of what.

use std::sync::Arc;

use patchline_chains::Plan;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::RunId;

/// What a run is about; opaque to the engine, already resolved.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Subject {
    /// `registry/repository:tag@digest`: equal subjects are the same work.
    pub identity: String,
    /// The `image` of templates and expressions: `{registry, repository, tag, digest, reference, origin: {tag, digest}}`.
    pub context: Value,
}

/// What started a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TriggerKind {
    /// A registry's event.
    Push,
    /// A person or the API.
    Manual,
    /// A schedule.
    Schedule,
    /// New advisories.
    Advisories,
    /// A step of another run.
    Child,
}

/// What started a run, and which delivery of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trigger {
    /// What.
    pub kind: TriggerKind,
    /// `embedded`, `distribution`, `cli`…: with `event_id` a delivery counts once. Of a child: the kind of
    /// trigger that started its cascade.
    pub source: String,
    /// The source's own id.
    pub event_id: Option<String>,
}

/// Who waits for a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Parent {
    /// The run.
    pub run: RunId,
    /// Its step.
    pub step: String,
}

/// One run to start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Submission {
    /// The pinned chain version. Kept apart from the run, by its hash.
    #[serde(skip)]
    pub plan: Option<Arc<Plan>>,
    /// What it is about.
    pub subject: Subject,
    /// What started it.
    pub trigger: Trigger,
    /// Values over the plan's defaults.
    pub params: Value,
    /// None for a cascade's first run.
    pub parent: Option<Parent>,
}

/// What became of a submission.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Submitted {
    /// The run, new or the one that was there already.
    pub run: RunId,
    /// Whether it was started by this submission.
    pub new: bool,
}
