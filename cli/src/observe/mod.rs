//! Watching a process: logs on stderr, metrics for Prometheus, spans for OpenTelemetry.

pub(crate) mod logs;
pub(crate) mod metrics;
pub(crate) mod spans;
