//! Pure transitions: `transition(plan, state, event) -> Result<(state, effects)>`. No clock, no I/O, no randomness.

pub mod backoff;
mod control;
pub mod event;
pub mod names;
pub mod recovery;
mod result;
pub mod state;
mod steps;
mod transition;

#[cfg(test)]
mod approvals;
#[cfg(test)]
mod going_on;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod simulated;

pub use event::{Effect, Ended, Event, Failure};
pub use names::Facts;
pub use state::{Phase, RunState, StepRun, StepState};
pub use steps::Steps;
pub use transition::transition;

/// Leases that a step may lose without progress; the next loss makes it `poison`.
pub const LOST_LEASES: u32 = 5;
/// A step's output, as JSON, at most.
pub const OUTPUT_LIMIT: usize = 64 * 1024;
/// Messages that one step may write.
pub const MESSAGES_LIMIT: usize = 64;
