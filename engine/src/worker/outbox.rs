//! Delivering messages: at least once, with the same id, on the schedule of Standard Webhooks.

use std::{sync::Arc, time::Duration};

use apalis_core::{error::BoxDynError, task::Task};
use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use tower::Service;

use super::{command::Command, shared::Shared};
use crate::{Deliver, DeliveryError, DeliveryState, Problem, store::Outgoing};

/// Pauses after the first, second … failed try.
const PAUSES: [u64; 9] = {
    const HOUR: u64 = 3600;
    [5, 300, 1800, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR]
};
/// One try, at most.
const LIMIT: Duration = Duration::from_secs(45);

/// A message that the writer has taken for this process.
#[derive(Debug)]
pub(super) struct Parcel(pub(super) Outgoing);

impl Parcel {
    pub(super) fn new(outgoing: Outgoing) -> Self {
        Self(outgoing)
    }
    /// Unique among tries.
    pub(super) fn task_id(&self) -> String {
        format!("{}#{}", self.0.message.id, self.0.attempts)
    }
}

/// What a try leads to: the new state, and when to try again.
pub(super) fn settled(
    attempts: u32,
    result: Result<(), DeliveryError>,
    jitter: f64,
    now: Timestamp,
) -> (DeliveryState, Option<Timestamp>) {
    let Err(error) = result else {
        return (DeliveryState::Delivered, None);
    };
    let class = if error.retry { "transient" } else { "permanent" };
    let problem = Problem { code: error.code, message: error.message, class: class.into() };
    let pause = PAUSES.get(attempts as usize).copied().filter(|_| error.retry);
    let Some(pause) = pause else {
        return (DeliveryState::Failed { problem }, None);
    };
    // A tenth more at most, so that no herd comes back together; never before what was asked for.
    let pause = Duration::from_secs(pause).mul_f64(1.0 + jitter.clamp(0.0, 1.0) / 10.0);
    let pause = error.after.map_or(pause, |after| after.min(Duration::from_secs(86_400)).max(pause));
    let due = now.saturating_add(SignedDuration::try_from(pause).unwrap_or(SignedDuration::from_hours(24)));
    (DeliveryState::Pending { attempts: attempts + 1, problem: Some(problem) }, Some(due.unwrap_or(now)))
}

/// Sends one parcel and tells the writer.
#[derive(Clone)]
pub(super) struct Sender {
    pub(super) shared: Arc<Shared>,
    pub(super) deliver: Arc<dyn Deliver>,
}

impl Service<Task<Parcel>> for Sender {
    type Response = ();
    type Error = BoxDynError;
    type Future = BoxFuture<'static, Result<(), BoxDynError>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), BoxDynError>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, task: Task<Parcel>) -> Self::Future {
        let (shared, deliver) = (self.shared.clone(), self.deliver.clone());
        Box::pin(async move {
            let Outgoing { message, run, attempts } = task.args.0;
            let to_send = message.clone();
            // In a task of its own, so that a panic inside is one failed try.
            let sending = tokio::spawn(async move { deliver.deliver(&to_send).await });
            let stop = sending.abort_handle();
            let failed = |code: &str, text: &str| {
                Err(DeliveryError { code: code.into(), message: text.into(), retry: true, after: None })
            };
            let result = match tokio::time::timeout(LIMIT, sending).await {
                Ok(Ok(result)) => result,
                Ok(Err(_)) => failed("delivery-panicked", "the channel's code panicked"),
                Err(_) => {
                    stop.abort();
                    failed("delivery-timeout", "the channel did not answer in time")
                }
            };
            let (id, channel, jitter) = (message.id, message.channel, rand::random());
            let told = shared
                .writer
                .ask(|reply| Command::Delivered { run, id, attempts, channel, result, jitter, reply })
                .await;
            // Not told: it is sent again once the hold on it is over.
            told.map_err(Into::into)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(retry: bool, after: Option<Duration>) -> Result<(), DeliveryError> {
        Err(DeliveryError { code: "x".into(), message: "y".into(), retry, after })
    }

    #[test]
    fn follows_the_schedule_and_gives_up_after_it() {
        let now = Timestamp::UNIX_EPOCH;
        let due = |attempts| settled(attempts, error(true, None), 0.0, now).1.map(|t| t.as_second());
        assert_eq!(due(0), Some(5));
        assert_eq!(due(1), Some(300));
        assert_eq!(due(8), Some(86_400));
        assert_eq!(due(9), None);
        assert!(matches!(settled(9, error(true, None), 0.0, now).0, DeliveryState::Failed { .. }));
    }

    #[test]
    fn waits_as_long_as_it_was_asked_to_and_never_repeats_a_refusal() {
        let now = Timestamp::UNIX_EPOCH;
        let (state, due) = settled(0, error(true, Some(Duration::from_secs(600))), 1.0, now);
        assert_eq!(due.map(|t| t.as_second()), Some(600));
        assert!(matches!(state, DeliveryState::Pending { attempts: 1, problem: Some(_) }));
        assert!(matches!(settled(0, error(false, None), 0.5, now), (DeliveryState::Failed { .. }, None)));
        assert_eq!(settled(3, Ok(()), 0.5, now), (DeliveryState::Delivered, None));
    }
}
