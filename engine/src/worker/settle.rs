//! Running one step and settling it with the writer: the innermost services of the worker.

use std::{
    sync::Arc,
    task::{Context, Poll},
};

use apalis_core::{error::BoxDynError, task::Task};
use futures::future::BoxFuture;
use tower::{Layer, Service};
use tracing::Instrument as _;

use super::{
    command::Command,
    held::{Reason, StopSign},
    job::Job,
    shared::{GRACE, Shared},
};
use crate::{Error, ErrorClass, Outcome, StepError};

type Ran = Result<Outcome, StepError>;

/// Runs the step kind.
#[derive(Clone)]
pub(super) struct RunStep;

impl Service<Task<Job>> for RunStep {
    type Response = Ran;
    type Error = BoxDynError;
    type Future = BoxFuture<'static, Result<Ran, BoxDynError>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxDynError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, task: Task<Job>) -> Self::Future {
        let job = task.args;
        Box::pin(async move {
            let kind = job.kind.clone();
            Ok(kind.run(job.context()).await)
        })
    }
}

/// Bounds a step's time, turns every end into a command, and waits for its commit.
#[derive(Clone)]
pub(super) struct SettleLayer(pub(super) Arc<Shared>);

impl<S> Layer<S> for SettleLayer {
    type Service = Settle<S>;
    fn layer(&self, inner: S) -> Settle<S> {
        Settle { inner, shared: self.0.clone() }
    }
}

#[derive(Clone)]
pub(super) struct Settle<S> {
    inner: S,
    shared: Arc<Shared>,
}

impl<S> Service<Task<Job>> for Settle<S>
where
    S: Service<Task<Job>, Response = Ran, Error = BoxDynError>,
    S::Future: Send + 'static,
{
    type Response = ();
    type Error = BoxDynError;
    type Future = BoxFuture<'static, Result<(), BoxDynError>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), BoxDynError>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut task: Task<Job>) -> Self::Future {
        let (lease, stop, limit) = (task.args.lease.clone(), task.args.stop.clone(), task.args.timeout);
        let guard = task.args.guard.take();
        let span = task.args.span();
        let work = self.inner.call(task);
        let shared = self.shared.clone();
        let settled = async move {
            // The guard gives the lease back, if it is still ours.
            let guard = guard;
            if !shared.held.may_begin(&lease) {
                tracing::warn!("the step was claimed too long ago to begin; it will be run again");
                return Ok(());
            }
            let ended = tokio::select! {
                biased;
                ended = tokio::time::timeout(limit, work) => ended,
                () = told(&stop) => Ok(Ok(Err(stopped()))),
            };
            let result = match ended {
                Ok(Ok(result)) => result,
                Ok(Err(panic)) => Err(StepError {
                    class: ErrorClass::Permanent,
                    code: "step-panicked".into(),
                    message: shortened(format!("the step panicked: {panic}")),
                }),
                Err(_) => Err(StepError {
                    class: ErrorClass::Transient,
                    code: "step-timeout".into(),
                    message: format!("it took longer than {} s", limit.as_secs_f64()),
                }),
            };
            // Whoever failed because it had to stop has not failed: the lease goes back.
            if result.is_err() && matches!(stop.reason(), Some(Reason::Stopping | Reason::Lost)) {
                tracing::info!(reason = ?stop.reason(), "the step was stopped; it will be run again");
                return Ok(());
            }
            match &result {
                Err(error) => tracing::warn!(error.code = error.code, "the step failed: {error}"),
                Ok(Outcome::Denied { .. }) => tracing::info!("the step refuses"),
                Ok(_) => tracing::debug!("the step is done"),
            }
            let jitter = rand::random();
            let told = shared
                .writer
                .ask(|reply| Command::Complete { lease: lease.clone(), result, jitter, reply })
                .await;
            match told {
                // The writer is gone; the next process finds the lease.
                Err(Error::Stopping) => {}
                Err(error) => {
                    tracing::warn!(run.id = %lease.run, step.position = lease.step, %error, "a completion was discarded");
                }
                Ok(()) => {}
            }
            if let Some(mut guard) = guard {
                guard.disarm();
            }
            Ok(())
        };
        Box::pin(settled.instrument(span))
    }
}

/// Returns once the step was told to stop and has had its time to do so by itself.
async fn told(stop: &StopSign) {
    stop.token.cancelled().await;
    tokio::time::sleep(GRACE).await;
}

fn stopped() -> StepError {
    StepError {
        class: ErrorClass::Permanent,
        code: "step-stopped".into(),
        message: "it was told to stop".into(),
    }
}

fn shortened(mut text: String) -> String {
    if text.len() > 1024 {
        let mut end = 1024;
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
    }
    text
}
