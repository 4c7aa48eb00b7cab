//! Spans for OpenTelemetry: sent by OTLP over HTTP with the feature `otel`; without it, whoever asks for them is told.

use std::sync::Arc;

use patchline_engine::trace::Observer;

use crate::failure::Result;

#[cfg(feature = "otel")]
#[path = "otel.rs"]
mod otel;

/// Where spans go, as OpenTelemetry's specification names the variables ("OTLP Exporter Configuration").
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];

/// The exporter of this process, if one is asked for.
#[derive(Clone, Default)]
pub(crate) struct Spans {
    #[cfg(feature = "otel")]
    exporter: Option<Arc<otel::Exporter>>,
}

impl Spans {
    /// As the environment says. Nothing is sent where no endpoint is named.
    pub(crate) fn start() -> Result<Self> {
        let wanted = |name: &&str| std::env::var(name).is_ok_and(|value| !value.trim().is_empty());
        let Some(name) = ENDPOINTS.iter().find(|name| wanted(name)) else { return Ok(Self::default()) };
        if disabled() {
            return Ok(Self::default());
        }
        Self::asked_for(name)
    }

    #[cfg(feature = "otel")]
    fn asked_for(_: &str) -> Result<Self> {
        Ok(Self { exporter: Some(Arc::new(otel::Exporter::start()?)) })
    }

    #[cfg(not(feature = "otel"))]
    fn asked_for(name: &str) -> Result<Self> {
        tracing::warn!(
            "{name} is set, but this build has no OpenTelemetry: no span is sent (build it with `--features otel`)"
        );
        Ok(Self::default())
    }

    /// For the engine.
    pub(crate) fn observer(&self) -> Option<Arc<dyn Observer>> {
        #[cfg(feature = "otel")]
        return self.exporter.clone().map(|exporter| exporter as Arc<dyn Observer>);
        #[cfg(not(feature = "otel"))]
        None
    }

    /// Sends what waits, for a few seconds at most.
    pub(crate) async fn stop(&self) {
        #[cfg(feature = "otel")]
        if let Some(exporter) = self.exporter.clone() {
            // It waits for its thread, which waits for the collector.
            let stopped = tokio::task::spawn_blocking(move || exporter.stop()).await;
            drop(stopped);
        }
    }
}

/// OpenTelemetry, "General SDK Configuration".
fn disabled() -> bool {
    std::env::var("OTEL_SDK_DISABLED").is_ok_and(|value| value.trim().eq_ignore_ascii_case("true"))
}
