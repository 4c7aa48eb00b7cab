//! The JSON API, version 1.

mod events;
mod images;
mod runs;

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, State},
    response::IntoResponse,
    routing::{get, post},
};
use patchline_registry::Digest;
use serde_json::json;

use crate::{App, Error, Result};

/// A start is a few hundred bytes.
const LONGEST_BODY: usize = 64 << 10;

/// Everything under `/api/v1`.
pub(crate) fn router() -> Router<App> {
    Router::new()
        .route("/runs", get(runs::list).post(runs::start))
        .route("/runs/{id}", get(runs::show))
        .route("/runs/{id}/plan", get(runs::plan))
        .route("/runs/{id}/events", get(events::stream))
        .route("/runs/{id}/cancel", post(runs::cancel))
        .route("/runs/{id}/steps/{step}/decision", post(runs::decide))
        .route("/images", get(images::list))
        .route("/images/{digest}", get(images::show))
        .route("/images/{digest}/findings", get(images::findings))
        .route("/images/{digest}/fix", get(images::fix))
        .route("/chains", get(chains))
        .fallback(async |uri: axum::http::Uri| Error::NoSuchPage(uri.path().chars().take(200).collect()))
        .layer(DefaultBodyLimit::max(LONGEST_BODY))
}

/// The chains that can be started, with their scope and steps.
async fn chains(State(app): State<App>) -> Result<impl IntoResponse> {
    let chains: Vec<_> = app
        .chains
        .iter()
        .map(|plan| {
            json!({
                "chain": plan.chain,
                "description": plan.description,
                "plan_hash": plan.hash(),
                "scope": plan.scope,
                "on_push": plan.on_push,
                "params": plan.params,
                "steps": plan.steps.iter().map(|s| json!({"name": s.name, "uses": s.uses, "needs": s.needs})).collect::<Vec<_>>(),
            })
        })
        .collect();
    Ok(Json(json!({ "chains": chains })))
}

/// A digest of the address.
pub(crate) fn digest(text: &str) -> Result<Digest> {
    text.parse().map_err(|_| Error::InvalidDigest(text.chars().take(100).collect()))
}
