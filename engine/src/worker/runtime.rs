//! The apalis side: two named workers over our feeds, watched by a monitor.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use apalis::layers::{WorkerBuilderExt, catch_panic::CatchPanicLayer};
use apalis_core::{
    monitor::{Monitor, context::MonitorContext},
    worker::{builder::WorkerBuilder, ext::parallelize::ParallelizeExt},
};
use futures::FutureExt;

use super::{
    outbox::Sender,
    settle::{RunStep, SettleLayer},
    shared::{PARCELS, Shared},
};
use crate::Deliver;

/// The running workers.
pub(super) struct Runtime {
    context: MonitorContext,
    stopping: Arc<AtomicBool>,
}

impl Runtime {
    /// Starts them; they end with [`Runtime::shutdown`].
    pub(super) fn start(shared: &Arc<Shared>, deliver: &Arc<dyn Deliver>) -> Self {
        let stopping = Arc::new(AtomicBool::new(false));
        let steps = shared.clone();
        let outbox = Sender { shared: shared.clone(), deliver: deliver.clone() };
        let restart = stopping.clone();
        // A worker that dies is made anew with a clone of the feed: what waits there is not lost, and
        // what it had taken is given back by the guards of its jobs.
        let monitor = Monitor::new()
            .register(move |_| {
                WorkerBuilder::new("steps")
                    .backend(steps.jobs.clone())
                    .parallelize(tokio::spawn)
                    .enable_tracing()
                    .concurrency(steps.concurrency.max(1))
                    .layer(SettleLayer(steps.clone()))
                    .layer(CatchPanicLayer::new())
                    .build(RunStep)
            })
            .register(move |_| {
                WorkerBuilder::new("outbox")
                    .backend(outbox.shared.parcels.clone())
                    .parallelize(tokio::spawn)
                    .enable_tracing()
                    .concurrency(PARCELS)
                    .catch_panic()
                    .build(outbox.clone())
            })
            .should_restart(move |_, error| {
                tracing::error!(%error, "a worker died");
                !restart.load(Ordering::SeqCst)
            });
        let context = monitor.context();
        tokio::spawn(
            async move {
                if let Err(error) = monitor.run().await {
                    tracing::error!(%error, "the workers ended");
                }
            }
            .boxed(),
        );
        Self { context, stopping }
    }

    /// Takes nothing more.
    pub(super) fn shutdown(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        if let Err(error) = self.context.shutdown() {
            tracing::warn!(%error, "the workers did not take the stop");
        }
    }
}
