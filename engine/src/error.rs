//! What can go wrong in the engine itself (a step's own failure is a [`crate::StepError`]).

/// Shorthand.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Every variant has a stable code, see [`Error::code`].
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The store failed: the disk is full, the database is locked or gone.
    #[error("the run store failed while {operation}")]
    Store {
        /// `completing a step`
        operation: &'static str,
        /// What the store said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The store could not do it just now: two transactions stood in each other's way, or waited too long. Once more.
    #[error("the run store is busy while {operation}")]
    Busy {
        /// `completing a step`
        operation: &'static str,
        /// What the store said.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The store has not answered so far. What was asked for may still be done.
    #[error("the run store has not answered within {seconds} s; what was asked for may still be done")]
    Silent {
        /// How long it had.
        seconds: u64,
    },
    /// No such run.
    #[error("there is no run {0}")]
    NoSuchRun(String),
    /// A plan uses a step kind that this process does not have.
    #[error("there is no step kind `{0}`")]
    NoSuchKind(String),
    /// An event that cannot happen in this state.
    #[error("{event} is not possible while {state}")]
    Illegal {
        /// What came.
        event: &'static str,
        /// Where the run or step stands.
        state: String,
    },
    /// No such step in this run.
    #[error("the run has no step `{0}`")]
    NoSuchStep(String),
    /// A second decision.
    #[error("step `{step}` is decided: {earlier}")]
    AlreadyDecided {
        /// Its name.
        step: String,
        /// What was said.
        earlier: String,
    },
    /// A decision about a step that waits for none.
    #[error("step `{step}` does not wait for a decision")]
    NothingToDecide {
        /// Its name.
        step: String,
    },
    /// A chain that is to go on, and was not paused.
    #[error("the chain {0} is not paused")]
    NotPaused(String),
    /// A retry of a step that has not ended badly.
    #[error("step `{step}` is {status}: only one that failed, is unknown or was cancelled is tried again")]
    NothingToRetry {
        /// Its name.
        step: String,
        /// Where it stands.
        status: crate::StepStatus,
    },
    /// A re-run of a step that has not ended.
    #[error("step `{step}` is {status}: it has not ended yet")]
    StepNotEnded {
        /// Its name.
        step: String,
        /// Where it stands.
        status: crate::StepStatus,
    },
    /// A step is to be set back while one after it is under way.
    #[error("step `{busy}` comes after `{step}` and is under way")]
    DescendantsBusy {
        /// The step that was asked for.
        step: String,
        /// One that runs or waits.
        busy: String,
    },
    /// A step is to be set back in a run that is being stopped.
    #[error("the run is being stopped")]
    Cancelling,
    /// A person's word on an effect that is not in doubt.
    #[error("step `{step}` has no effect that is in doubt")]
    NothingToResolve {
        /// Its name.
        step: String,
    },
    /// No such message in the outbox.
    #[error("there is no message {0}")]
    NoSuchMessage(String),
    /// Only what was given up is sent again by hand.
    #[error("message {0} was not given up")]
    MessageNotFailed(String),
    /// A row is not as it was read: another process owns it now.
    #[error("{0} was changed by another process")]
    Conflict(String),
    /// A submission that names no plan, or a run whose plan is gone.
    #[error("there is no plan {0}")]
    NoSuchPlan(String),
    /// A parameter that the chain does not take so.
    #[error("the run cannot be started with these parameters")]
    Params(#[from] patchline_chains::plan::params::Error),
    /// A concurrency key that cannot be rendered.
    #[error("the concurrency key of chain {chain} cannot be rendered")]
    Key {
        /// The chain.
        chain: String,
        /// Why.
        #[source]
        source: patchline_chains::expr::Error,
    },
    /// The worker runtime could not be started.
    #[error("the workers cannot be started")]
    Runtime(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The engine is shutting down.
    #[error("the engine is stopping")]
    Stopping,
}

impl Error {
    /// The stable, kebab-case code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Store { .. } => "store-failed",
            Self::Busy { .. } => "store-busy",
            Self::Silent { .. } => "store-silent",
            Self::NoSuchRun(_) => "run-not-found",
            Self::NoSuchKind(_) => "step-kind-unknown",
            Self::Illegal { .. } => "illegal-transition",
            Self::NoSuchStep(_) => "step-not-found",
            Self::AlreadyDecided { .. } => "already-decided",
            Self::NothingToDecide { .. } => "nothing-to-decide",
            Self::NotPaused(_) => "chain-not-paused",
            Self::NothingToRetry { .. } => "nothing-to-retry",
            Self::StepNotEnded { .. } => "step-not-ended",
            Self::DescendantsBusy { .. } => "descendants-busy",
            Self::Cancelling => "run-cancelling",
            Self::NothingToResolve { .. } => "nothing-to-resolve",
            Self::NoSuchMessage(_) => "message-not-found",
            Self::MessageNotFailed(_) => "message-not-failed",
            Self::Conflict(_) => "store-conflict",
            Self::NoSuchPlan(_) => "plan-not-found",
            Self::Params(error) => error.code(),
            Self::Key { .. } => "concurrency-key-failed",
            Self::Runtime(_) => "workers-failed",
            Self::Stopping => "engine-stopping",
        }
    }
}
