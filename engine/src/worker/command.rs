//! What the writer is asked to do; every change of a run goes through it.

use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use crate::{
    DeliveryError, Error, Outcome, Result, RunId, StepError, Submission, Submitted, core::recovery::Lease,
};

/// Nobody likes to wait longer for an answer.
const SOON: Duration = Duration::from_secs(8);

type Reply<T> = oneshot::Sender<Result<T>>;

/// One request to the writer.
pub(super) enum Command {
    /// Starts runs, all or none.
    Submit { submissions: Vec<Submission>, reply: Reply<Vec<Submitted>> },
    /// Stops a run.
    Cancel { run: RunId, by: String, reason: String, reply: Reply<()> },
    /// A person goes on with a step that has ended.
    GoOn { run: RunId, step: String, how: GoOn, by: String, reason: String, reply: Reply<()> },
    /// A message that was given up is sent again.
    Resend { id: String, by: String, reply: Reply<()> },
    /// A person decides about a step.
    Decide { run: RunId, step: String, approved: bool, by: String, reason: String, reply: Reply<()> },
    /// A step's work is over.
    Complete { lease: Lease, result: Result<Outcome, StepError>, jitter: f64, reply: Reply<()> },
    /// A lease is given back undone.
    Return { lease: Lease, counts: bool },
    /// Leases are prolonged; gives back those that still hold, and whether their run is to stop.
    Renew { leases: Vec<Lease>, reply: Reply<Vec<(Lease, bool)>> },
    /// A line of a step's log.
    Note { run: RunId, step: String, text: String, reply: Reply<()> },
    /// Nothing of a chain is claimed any more.
    Pause { chain: String, by: String, reason: String, reply: Reply<()> },
    /// A chain goes on.
    Resume { chain: String, reply: Reply<()> },
    /// Another process has left something to claim.
    Look,
    /// A message was sent, or not.
    Delivered {
        run: RunId,
        id: String,
        attempts: u32,
        channel: String,
        result: Result<(), DeliveryError>,
        jitter: f64,
        reply: Reply<()>,
    },
    /// Claims nothing any more.
    StopClaiming { reply: Reply<()> },
    /// Ends.
    Close { reply: Reply<()> },
}

/// How a person goes on with a step that has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GoOn {
    /// The same piece of work again.
    Retry,
    /// A new piece of work.
    Rerun,
    /// What was in doubt was made, or not.
    Resolve { made: bool },
}

/// What became of a command.
pub(super) enum Verdict {
    /// It stands.
    Done,
    /// The runs of a submission.
    Submitted(Vec<Submitted>),
    /// The leases that were prolonged.
    Renewed(Vec<(Lease, bool)>),
    /// Another process has its run: it is for the next transaction.
    Later,
    /// It cannot be; the rest of the transaction stands.
    Refused(Error),
}

impl Command {
    /// Answers whoever asked. They may be gone: then nobody needs the answer.
    pub(super) fn answer(self, verdict: Verdict) {
        match (self, verdict) {
            (Self::Submit { reply, .. }, Verdict::Submitted(runs)) => drop(reply.send(Ok(runs))),
            (Self::Submit { reply, .. }, Verdict::Refused(error)) => drop(reply.send(Err(error))),
            (Self::Renew { reply, .. }, Verdict::Renewed(leases)) => drop(reply.send(Ok(leases))),
            (Self::Renew { reply, .. }, Verdict::Refused(error)) => drop(reply.send(Err(error))),
            (
                Self::Cancel { reply, .. }
                | Self::GoOn { reply, .. }
                | Self::Resend { reply, .. }
                | Self::Decide { reply, .. }
                | Self::Complete { reply, .. }
                | Self::Note { reply, .. }
                | Self::Pause { reply, .. }
                | Self::Resume { reply, .. }
                | Self::Delivered { reply, .. }
                | Self::StopClaiming { reply }
                | Self::Close { reply },
                verdict,
            ) => drop(reply.send(match verdict {
                Verdict::Refused(error) => Err(error),
                _ => Ok(()),
            })),
            _ => {}
        }
    }
    /// The run that it is about: all of a group are read at once.
    pub(super) fn run(&self) -> Option<&RunId> {
        match self {
            Self::Cancel { run, .. }
            | Self::Decide { run, .. }
            | Self::Note { run, .. }
            | Self::Delivered { run, .. } => Some(run),
            Self::Complete { lease, .. } | Self::Return { lease, .. } => Some(&lease.run),
            _ => None,
        }
    }
    /// Whether it must not be lost when the store fails: what was done in the world cannot be asked for again.
    pub(super) fn must_stand(&self) -> bool {
        matches!(self, Self::Complete { .. } | Self::Return { .. } | Self::Delivered { .. })
    }
}

/// How others reach the writer; cheap to clone. Unbounded, because nearly
/// everyone waits for the answer before asking again.
#[derive(Clone)]
pub(super) struct Writer(pub(super) mpsc::UnboundedSender<Command>);

impl Writer {
    /// Asks, and waits until the transaction with it is committed.
    pub(super) async fn ask<T>(&self, make: impl FnOnce(Reply<T>) -> Command) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        self.0.send(make(reply)).map_err(|_| Error::Stopping)?;
        answer.await.map_err(|_| Error::Stopping)?
    }
    /// Asks for somebody who wants to know soon. What was asked for may still be done after the answer.
    pub(super) async fn ask_soon<T>(&self, make: impl FnOnce(Reply<T>) -> Command) -> Result<T> {
        let answer = tokio::time::timeout(SOON, self.ask(make)).await;
        answer.unwrap_or(Err(Error::Silent { seconds: SOON.as_secs() }))
    }
    /// Asks without waiting.
    pub(super) fn tell(&self, command: Command) {
        // A writer that is gone has given every lease back, or its process is dying.
        drop(self.0.send(command));
    }
}
