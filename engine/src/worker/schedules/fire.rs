//! One firing, page by page: each page's runs are started, then its end is written down. A crash between the two makes
//! the page come again, and starts nothing twice: a delivery counts once.

use std::{sync::Arc, time::Duration};

use apalis_core::{error::BoxDynError, task::Task};
use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use patchline_chains::Plan;
use serde_json::{Map, Value};
use tower::Service;

use super::{Context, timer::HOLD};
use crate::{
    Error, Problem, Result, Subject, Submission, Submitted, Trigger,
    schedule::{Counts, FiringState, Held, LaunchError, Page, Progress},
    worker::command::Command,
};

/// Pauses after the first, second … failure in a row, in seconds; then it is given up.
const PAUSES: [i64; 6] = [5, 30, 120, 600, 1800, 3600];
/// A hold is prolonged so often.
const PROLONG: Duration = Duration::from_secs(20);
/// One page, at most.
const LIMIT: Duration = Duration::from_secs(15 * 60);
/// The longest problem that is kept.
const LONGEST: usize = 2_000;

/// Works on firings.
#[derive(Clone)]
pub(super) struct Fire(pub(super) Arc<Context>);

impl Service<Task<Held>> for Fire {
    type Response = ();
    type Error = BoxDynError;
    type Future = BoxFuture<'static, Result<(), BoxDynError>>;

    fn poll_ready(&mut self, _: &mut std::task::Context<'_>) -> std::task::Poll<Result<(), BoxDynError>> {
        std::task::Poll::Ready(Ok(()))
    }

    fn call(&mut self, task: Task<Held>) -> Self::Future {
        let context = self.0.clone();
        let room = Room(context.clone());
        let working = context.firing.clone();
        Box::pin(working.track_future(async move {
            let _room = room;
            let (chain, occasion) = (task.args.firing.chain.clone(), task.args.firing.occasion.clone());
            if let Err(error) = work(&context, task.args).await {
                let source = std::error::Error::source(&error).map(ToString::to_string);
                // It goes on once the hold on it is over.
                tracing::error!(chain, occasion, %error, source, "a firing was left off");
            }
            Ok(())
        }))
    }
}

/// A room of the worker, free again when dropped, whatever happened.
struct Room(Arc<Context>);

impl Drop for Room {
    fn drop(&mut self) {
        self.0.free.add_permits(1);
        self.0.wake.notify_one();
    }
}

/// Until it is done, given up, put off, or another's.
async fn work(context: &Arc<Context>, mut held: Held) -> Result<()> {
    loop {
        let Some(plan) = context.plan(&held.plan_hash).cloned() else { return Ok(()) };
        if context.stop.is_cancelled() {
            return give_back(context, &held).await;
        }
        let Some(page) = page(context, &plan, &held).await else { return Ok(()) };
        let now = context.clock.now();
        let progress = match page {
            Ok(Page { subjects, left_out, failed, next }) => {
                let mut counts = Counts { left_out, failed: failed.len() as u64, ..Counts::default() };
                let mut problem = failed.into_iter().next().map(|(what, why)| about(&what, why));
                match start(context, &plan, &held, subjects).await {
                    Ok(started) => {
                        counts = counts.plus(started.counts);
                        problem = problem.or(started.problem);
                    }
                    Err(Error::Stopping) => return give_back(context, &held).await,
                    Err(error) => return put_off(context, &held, of_engine(&error), true, now).await,
                }
                let last = next.is_none();
                // What had put it off is over.
                let earlier = held.firing.problem.clone().filter(|_| held.failures == 0);
                Progress {
                    state: if last { FiringState::Done } else { FiringState::Running },
                    cursor: next,
                    counts: held.firing.counts.plus(counts),
                    failures: 0,
                    later: None,
                    until: (!last).then(|| now + HOLD),
                    problem: earlier.or(problem),
                }
            }
            Err(LaunchError { code, message, retry }) => {
                let class = if retry { "transient" } else { "permanent" };
                return put_off(context, &held, Problem { code, message, class: class.into() }, retry, now)
                    .await;
            }
        };
        if !context.log.advance(&held, &progress, now).await? {
            return Ok(());
        }
        if progress.state != FiringState::Running {
            let Counts { started, present, left_out, failed } = progress.counts;
            let chain = &held.firing.chain;
            tracing::info!(chain, due = %held.firing.due, started, present, left_out, failed, "a firing is done");
            return Ok(());
        }
        (held.cursor, held.failures) = (progress.cursor, 0);
        (held.firing.counts, held.firing.problem) = (progress.counts, progress.problem);
    }
}

/// A page, while the hold lasts; none: it is another's now.
async fn page(context: &Arc<Context>, plan: &Arc<Plan>, held: &Held) -> Option<Result<Page, LaunchError>> {
    let (launch, plan, firing) = (context.launch.clone(), plan.clone(), held.firing.clone());
    let cursor = held.cursor.clone();
    // In a task of its own, so that a panic inside is one failed try.
    let mut finding = tokio::spawn(async move { launch.page(&plan, &firing, cursor.as_deref()).await });
    let stop = finding.abort_handle();
    let limit = tokio::time::sleep(LIMIT);
    tokio::pin!(limit);
    let failed = |code: &str, message: &str| {
        Some(Err(LaunchError { code: code.into(), message: message.into(), retry: true }))
    };
    loop {
        tokio::select! {
            page = &mut finding => return match page {
                Ok(page) => Some(page),
                Err(_) => failed("schedule-panicked", "what looks for the images panicked"),
            },
            () = &mut limit => {
                stop.abort();
                return failed("schedule-timeout", "the images were not found in time");
            }
            () = context.stop.cancelled() => {
                stop.abort();
                // Whether it is given back is seen by whoever looks next.
                drop(give_back(context, held).await);
                return None;
            }
            () = tokio::time::sleep(PROLONG) => {
                match context.log.hold(held, context.clock.now() + HOLD).await {
                    Ok(true) => {}
                    Ok(false) => {
                        stop.abort();
                        return None;
                    }
                    Err(error) => tracing::warn!(%error, "a hold could not be prolonged; it is tried again"),
                }
            }
        }
    }
}

/// What became of a page's runs.
#[derive(Default)]
struct Started {
    counts: Counts,
    problem: Option<Problem>,
}

/// All in one transaction; where one of them cannot be, each on its own, so that it keeps no other from starting.
async fn start(context: &Context, plan: &Arc<Plan>, held: &Held, subjects: Vec<Subject>) -> Result<Started> {
    if subjects.is_empty() {
        return Ok(Started::default());
    }
    let submissions: Vec<Submission> = subjects.into_iter().map(|s| submission(plan, held, s)).collect();
    match submit(context, submissions.clone()).await {
        Ok(submitted) => return Ok(Started { counts: counted(&submitted), problem: None }),
        Err(error @ (Error::Store { .. } | Error::Conflict(_) | Error::Stopping)) => return Err(error),
        Err(error) => tracing::debug!(%error, "a page cannot be started at once"),
    }
    let mut started = Started::default();
    for one in submissions {
        let subject = one.subject.identity.clone();
        match submit(context, vec![one]).await {
            Ok(submitted) => started.counts = started.counts.plus(counted(&submitted)),
            Err(error @ (Error::Store { .. } | Error::Conflict(_) | Error::Stopping)) => return Err(error),
            Err(error) => {
                started.counts.failed += 1;
                started.problem.get_or_insert_with(|| about(&subject, of_engine(&error)));
            }
        }
    }
    Ok(started)
}

async fn submit(context: &Context, submissions: Vec<Submission>) -> Result<Vec<Submitted>> {
    context.shared.writer.ask(|reply| Command::Submit { submissions, reply }).await
}

/// The same firing over the same image is the same delivery, also after a crash.
fn submission(plan: &Arc<Plan>, held: &Held, subject: Subject) -> Submission {
    let cause = held.firing.cause;
    let trigger = Trigger {
        kind: cause.trigger(),
        source: cause.word().to_owned(),
        event_id: Some(format!("{} {}", held.firing.occasion, subject.identity)),
    };
    Submission { plan: Some(plan.clone()), subject, trigger, params: Value::Object(Map::new()), parent: None }
}

fn counted(submitted: &[Submitted]) -> Counts {
    let started = submitted.iter().filter(|s| s.new).count() as u64;
    Counts { started, present: submitted.len() as u64 - started, ..Counts::default() }
}

/// Later again, or given up.
async fn put_off(
    context: &Context,
    held: &Held,
    problem: Problem,
    retry: bool,
    now: Timestamp,
) -> Result<()> {
    let pause = PAUSES.get(held.failures as usize).filter(|_| retry);
    let (chain, occasion) = (&held.firing.chain, &held.firing.occasion);
    match pause {
        Some(seconds) => {
            tracing::warn!(
                chain,
                occasion,
                seconds,
                error.code = problem.code,
                "a firing is put off: {}",
                problem.message
            );
        }
        None => {
            tracing::error!(
                chain,
                occasion,
                error.code = problem.code,
                "a firing is given up: {}",
                problem.message
            );
        }
    }
    let progress = Progress {
        state: if pause.is_some() { FiringState::Running } else { FiringState::Failed },
        cursor: held.cursor.clone(),
        counts: held.firing.counts,
        failures: held.failures + 1,
        later: pause.map(|seconds| now + SignedDuration::from_secs(*seconds)),
        until: None,
        problem: Some(short(problem)),
    };
    context.log.advance(held, &progress, now).await.map(drop)
}

/// Goes on where it is, with whoever takes it next.
async fn give_back(context: &Context, held: &Held) -> Result<()> {
    let progress = Progress {
        state: FiringState::Running,
        cursor: held.cursor.clone(),
        counts: held.firing.counts,
        failures: held.failures,
        later: None,
        until: None,
        problem: held.firing.problem.clone(),
    };
    context.log.advance(held, &progress, context.clock.now()).await.map(drop)
}

fn about(what: &str, problem: Problem) -> Problem {
    short(Problem { message: format!("{what}: {}", problem.message), ..problem })
}

fn short(mut problem: Problem) -> Problem {
    if let Some((end, _)) = problem.message.char_indices().nth(LONGEST) {
        problem.message.truncate(end);
        problem.message.push('…');
    }
    problem
}

fn of_engine(error: &Error) -> Problem {
    let mut message = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        message = format!("{message}: {cause}");
        source = cause.source();
    }
    let passes = matches!(error, Error::Store { .. } | Error::Conflict(_));
    let class = if passes { "transient" } else { "permanent" };
    Problem { code: error.code().to_owned(), message, class: class.into() }
}
