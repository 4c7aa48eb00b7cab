//! `GET /metrics`: Prometheus' text format, for `serve` and for workers.

use std::{net::SocketAddr, time::Duration};

use axum::{Router, http::header, routing::get};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use patchline_engine::{
    Engine,
    metrics::{ALL, Kind},
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::failure::{Failure, Result, io};

/// Prometheus, "Text-based format", version 0.0.4.
const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Samples of histograms are put into their buckets at least so often, scraped or not.
const UPKEEP: Duration = Duration::from_secs(5);

/// The process's recorder.
#[derive(Clone)]
pub(crate) struct Metrics(PrometheusHandle);

impl Metrics {
    /// Installs the recorder, once in a process, before the engine starts.
    pub(crate) fn install() -> Result<Self> {
        let failed = |error: &dyn std::fmt::Display| {
            Failure::says("metrics-failed", format!("metrics cannot be recorded: {error}"))
        };
        let mut builder = PrometheusBuilder::new();
        for metric in ALL {
            if let Kind::Histogram(bounds) = metric.kind {
                let matcher = Matcher::Full(metric.name.to_owned());
                builder = builder.set_buckets_for_metric(matcher, bounds).map_err(|e| failed(&e))?;
            }
        }
        let handle = builder.install_recorder().map_err(|e| failed(&e))?;
        patchline_engine::metrics::describe();
        metrics::describe_gauge!(BUILD, "1, with the version of this process");
        metrics::gauge!(BUILD, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
        Ok(Self(handle))
    }

    /// Keeps the recorder small until told to stop. Unscraped samples would pile up otherwise.
    pub(crate) async fn upkeep(self, stop: CancellationToken) {
        let mut tick = tokio::time::interval(UPKEEP);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        while stop.run_until_cancelled(tick.tick()).await.is_some() {
            self.0.run_upkeep();
        }
    }

    /// `/metrics`, answered for this machine alone: another site's page does not read it.
    pub(crate) fn router(&self, engine: Engine) -> Router {
        let metrics = self.clone();
        let scrape = move || {
            let (metrics, engine) = (metrics.clone(), engine.clone());
            async move {
                engine.measure().await;
                (
                    [(header::CONTENT_TYPE, CONTENT_TYPE), (header::CACHE_CONTROL, "no-store")],
                    metrics.0.render(),
                )
            }
        };
        patchline_server::guard_local(Router::new().route("/metrics", get(scrape)), None)
    }
}

/// A listener for `/metrics` alone: on loopback, like every other.
pub(super) async fn bind(address: SocketAddr) -> Result<TcpListener> {
    if !address.ip().is_loopback() {
        return Err(Failure::usage("not-loopback", format!("{address} is reachable from other machines"))
            .hint("metrics are served on loopback only: 127.0.0.1 or [::1]"));
    }
    TcpListener::bind(address).await.map_err(io(format!("listen on {address}")))
}

/// What runs here.
const BUILD: &str = "patchline_build_info";
