//! Watching a process: logs on stderr, metrics for Prometheus, spans for OpenTelemetry.

pub(crate) mod logs;
mod metrics;
mod spans;

use std::{net::SocketAddr, sync::Arc};

use axum::Router;
use patchline_engine::{Engine, trace::Observer};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use self::{metrics::Metrics, spans::Spans};
use crate::failure::Result;

/// What a process that stays is watched by; the default watches nothing. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Watching {
    metrics: Option<Metrics>,
    spans: Spans,
}

impl Watching {
    /// Installs the recorder and starts the exporter that the environment asks for: once, before the engine starts.
    pub(crate) fn start() -> Result<Self> {
        Ok(Self { metrics: Some(Metrics::install()?), spans: Spans::start()? })
    }

    /// For the engine.
    pub(crate) fn observer(&self) -> Option<Arc<dyn Observer>> {
        self.spans.observer()
    }

    /// `/metrics`, to be merged with what a server answers, and what keeps it small as long as the process runs.
    pub(crate) fn router(&self, engine: &Engine, tasks: &TaskTracker, stop: &CancellationToken) -> Router {
        let Some(metrics) = &self.metrics else { return Router::new() };
        tasks.spawn(metrics.clone().upkeep(stop.clone()));
        metrics.router(engine.clone())
    }

    /// The same behind a listener of its own, for a process without another door. Port 0 takes a free one; gives back
    /// the address.
    pub(crate) async fn listen(
        &self,
        address: SocketAddr,
        engine: &Engine,
        tasks: &TaskTracker,
        stop: &CancellationToken,
    ) -> Result<SocketAddr> {
        let listener = metrics::bind(address).await?;
        let address = listener.local_addr().map_err(crate::failure::io("read the address of the metrics"))?;
        let served = axum::serve(listener, self.router(engine, tasks, stop));
        let served = served.with_graceful_shutdown(stop.clone().cancelled_owned());
        tasks.spawn(async move {
            if let Err(error) = served.await {
                tracing::error!(%error, "the metrics' listener ended");
            }
        });
        Ok(address)
    }

    /// Sends the last spans, for a few seconds at most: after the engine has stopped.
    pub(crate) async fn stop(&self) {
        self.spans.stop().await;
    }
}
