//! Chains that start by themselves: rows are kept in step with the chains, what is due is fired, and a named worker
//! turns firings into runs.

mod fire;
mod timer;

use std::{sync::Arc, time::Duration};

use apalis::layers::WorkerBuilderExt;
use apalis_core::{
    monitor::Monitor,
    worker::{builder::WorkerBuilder, ext::parallelize::ParallelizeExt},
};
use futures::FutureExt;
use jiff::SignedDuration;
use patchline_chains::Plan;
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{fire::Fire, timer::Timer};
use super::{Engine, feed::Feed, shared::Shared};
use crate::{
    Clock, Result,
    schedule::{Firing, Held, Launch, ScheduleLog, ScheduleView, due, views},
};

/// Firings that are worked on at once.
const AT_ONCE: usize = 2;

/// How chains start by themselves in this process.
#[derive(Clone)]
pub struct ScheduleOptions {
    /// The chains that are loaded here; several processes over one store load the same.
    pub plans: Vec<Arc<Plan>>,
    /// What is due by it. Times of the day are those of clocks on the wall: unlike leases, they follow one that is set.
    pub clock: Arc<dyn Clock>,
    /// A firing that was missed is made up for, once, within this time; a week at most.
    pub catch_up: Duration,
    /// This process owns the data lock: nobody else works on firings.
    pub owns_data: bool,
}

impl ScheduleOptions {
    /// Of chains, by the machine's clock; what was missed within a day is made up for.
    pub fn new(plans: Vec<Arc<Plan>>) -> Self {
        Self {
            plans,
            clock: Arc::new(crate::clock::SystemClock),
            catch_up: due::CATCH_UP.unsigned_abs(),
            owns_data: false,
        }
    }
}

/// What the timer and the worker share.
struct Context {
    shared: Arc<Shared>,
    log: Arc<dyn ScheduleLog>,
    launch: Arc<dyn Launch>,
    clock: Arc<dyn Clock>,
    catch_up: SignedDuration,
    /// Each with its hash.
    plans: Vec<(String, Arc<Plan>)>,
    feed: Feed<Held>,
    /// Rooms of the worker that are free.
    free: tokio::sync::Semaphore,
    /// A room is free, or the timer has to look again.
    wake: tokio::sync::Notify,
    stop: CancellationToken,
    firing: TaskTracker,
}

impl Context {
    fn plan(&self, hash: &str) -> Option<&Arc<Plan>> {
        self.plans.iter().find(|(own, _)| own == hash).map(|(_, plan)| plan)
    }
    fn hashes(&self) -> Vec<String> {
        self.plans.iter().map(|(hash, _)| hash.clone()).collect()
    }
}

/// Running schedules.
pub(super) struct Schedules {
    context: Arc<Context>,
}

impl Schedules {
    /// Takes nothing new, and waits for the pages under way; the rest of a firing is done after the next start.
    pub(super) async fn stop(&self) {
        self.context.stop.cancel();
        self.context.firing.close();
        drop(tokio::time::timeout(Duration::from_secs(5), self.context.firing.wait()).await);
    }
}

impl Engine {
    /// Chains start by themselves from now on, until [`Engine::stop`]. Rows of chains that are not among
    /// `options.plans` are removed. Once an engine: a second call changes nothing.
    pub async fn start_schedules(
        &self,
        log: Arc<dyn ScheduleLog>,
        launch: Arc<dyn Launch>,
        options: ScheduleOptions,
    ) -> Result<()> {
        if self.schedules.get().is_some() {
            return Ok(());
        }
        if options.owns_data {
            log.release().await?;
        }
        let hash = |plan: Arc<Plan>| (self.shared.plans.hash(&plan), plan);
        let context = Arc::new(Context {
            shared: self.shared.clone(),
            log,
            launch,
            clock: options.clock,
            catch_up: SignedDuration::try_from(options.catch_up).unwrap_or(due::LONGEST_CATCH_UP),
            plans: options.plans.into_iter().map(hash).collect(),
            feed: Feed::new(),
            free: tokio::sync::Semaphore::new(AT_ONCE),
            wake: tokio::sync::Notify::new(),
            stop: CancellationToken::new(),
            firing: TaskTracker::new(),
        });
        let mut timer = Timer::new(context.clone());
        timer.begin().await?;
        if self.schedules.set(Schedules { context: context.clone() }).is_err() {
            return Ok(());
        }
        let own = context.clone();
        let monitor = Monitor::new().register(move |_| {
            WorkerBuilder::new("schedules")
                .backend(own.feed.clone())
                .parallelize(tokio::spawn)
                .enable_tracing()
                .concurrency(AT_ONCE)
                .catch_panic()
                .build(Fire(own.clone()))
        });
        let monitor = monitor.should_restart({
            let stop = context.stop.clone();
            move |_, error| {
                tracing::error!(%error, "the worker of schedules died");
                !stop.is_cancelled()
            }
        });
        let workers = monitor.context();
        tokio::spawn(
            async move {
                if let Err(error) = monitor.run().await {
                    tracing::error!(%error, "the worker of schedules ended");
                }
            }
            .boxed(),
        );
        tokio::spawn(async move {
            timer.run().await;
            // What it has taken is given back by time.
            if let Err(error) = workers.shutdown() {
                tracing::debug!(%error, "the worker of schedules did not take the stop");
            }
        });
        Ok(())
    }

    /// Chains that start by themselves, by name: when next, and how it went last. Empty before
    /// [`Engine::start_schedules`].
    pub async fn schedules(&self) -> Result<Vec<ScheduleView>> {
        match self.schedules.get() {
            Some(schedules) => views(&*schedules.context.log).await,
            None => Ok(Vec::new()),
        }
    }

    /// How a chain started by itself, newest first.
    pub async fn firings(&self, chain: &str, most: usize) -> Result<Vec<Firing>> {
        match self.schedules.get() {
            Some(schedules) => schedules.context.log.firings(chain, None, most).await,
            None => Ok(Vec::new()),
        }
    }
}
