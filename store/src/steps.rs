//! Rows of steps, alike in every database: the state as JSON, and the columns that claims, leases and back-offs are
//! found by.

use patchline_engine::core::{StepRun, StepState};

use crate::{
    column::{millis, of_json, timestamp},
    error::Result,
};

pub(crate) const TABLE: &str = "steps";

/// Since when it may be claimed, or when its wait is over, in Unix milliseconds.
pub(crate) fn ready_at(step: &StepRun) -> Option<i64> {
    match &step.state {
        StepState::Ready { at } | StepState::Backoff { at } => Some(millis(*at)),
        StepState::Approval { until, .. } => Some(millis(*until)),
        _ => None,
    }
}

/// When its lease ends, in Unix milliseconds.
pub(crate) fn lease_until(step: &StepRun) -> Option<i64> {
    match &step.state {
        StepState::Leased { until, .. } => Some(millis(*until)),
        _ => None,
    }
}

/// A step from its row.
pub(crate) fn read(body: &str, lease_until: Option<i64>) -> Result<StepRun> {
    let mut step: StepRun = of_json(TABLE, body)?;
    // A renewal writes the column alone.
    if let (StepState::Leased { until, .. }, Some(ms)) = (&mut step.state, lease_until) {
        *until = timestamp(TABLE, ms)?;
    }
    Ok(step)
}
