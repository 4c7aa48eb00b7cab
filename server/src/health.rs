//! `/healthz`: whether this process can do its work, which needs a store that answers and takes writes.

use std::time::Duration;

use axum::{Json, Router, extract::State, response::IntoResponse, routing::get};
use patchline_engine::RunFilter;
use serde_json::json;

use crate::{App, Result};

/// An answer takes no longer.
const PATIENCE: Duration = Duration::from_secs(3);

/// `/healthz` alone: asked by probes that name the host as they like.
pub(crate) fn router() -> Router<App> {
    Router::new().route("/healthz", get(healthz))
}

async fn healthz(State(app): State<App>) -> Result<impl IntoResponse> {
    let looks = async {
        app.engine.runs(&RunFilter { limit: 1, ..RunFilter::default() }).await?;
        Ok::<(), crate::Error>(app.health.writable().await?)
    };
    // Whoever asks is a machine that will not wait long.
    let seconds = PATIENCE.as_secs();
    tokio::time::timeout(PATIENCE, looks)
        .await
        .unwrap_or(Err(patchline_engine::Error::Silent { seconds }.into()))?;
    Ok(Json(json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")})))
}
