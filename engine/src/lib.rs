//! Durable execution of plans.

pub mod clock;
pub mod core;
mod error;
pub mod limits;
pub mod metrics;
pub mod outbox;
pub mod run;
pub mod schedule;
pub mod step;
pub mod store;
pub mod submit;
pub mod trace;
pub mod worker;

pub use clock::Clock;
pub use error::{Error, Result};
pub use limits::{Limit, Limits, Unlimited};
pub use outbox::{Deliver, Delivery, DeliveryError, DeliveryState, Message};
pub use run::{
    Decision, Event, EventKind, Problem, RunFilter, RunId, RunResult, RunStatus, RunView, StepStatus,
    StepView,
};
pub use step::{Context, ErrorClass, Outcome, Step, StepError};
pub use store::{Pause, Store};
pub use submit::{Parent, Subject, Submission, Submitted, Trigger, TriggerKind};
pub use worker::{Engine, EngineOptions, ScheduleOptions};
