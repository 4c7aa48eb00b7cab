//! `/healthz`: whether this process can do its work, which needs a store that answers and takes writes.

use axum::{Json, Router, extract::State, response::IntoResponse, routing::get};
use patchline_engine::RunFilter;
use serde_json::json;

use crate::{App, Result};

/// `/healthz` alone: asked by probes that name the host as they like.
pub(crate) fn router() -> Router<App> {
    Router::new().route("/healthz", get(healthz))
}

async fn healthz(State(app): State<App>) -> Result<impl IntoResponse> {
    app.engine.runs(&RunFilter { limit: 1, ..RunFilter::default() }).await?;
    app.health.writable().await?;
    Ok(Json(json!({"status": "ok", "version": env!("CARGO_PKG_VERSION")})))
}
